/** Hosts that are ready to start a container. */
import * as Effect from "effect/Effect"
import { type Container } from "../../../src/config/Container.ts"
import { AT, CLONE, O } from "../../../src/native/constants.ts"
import { Fork } from "../../../src/native/Fork.ts"
import { sys } from "../../../src/native/Kernel.ts"
import type { RunOptions } from "../../../src/runtime/Runtime.ts"
import { ModelKernel, type State } from "../../../src/testing/Testing.ts"
import { containerOf, hostOf, stateRoot } from "./containers.ts"
import { programs } from "./runs.ts"
import { type ProcessSetting, type Setting } from "./settings.ts"

/** A host that is ready to start a container. */
export interface Scene {
  readonly setting: Setting
  readonly state: State.State
  /** The process that will call. */
  readonly caller: number
  /** The process beside it whose namespaces are joined; 0 for none. */
  readonly neighbour: number
  readonly container: Container
  readonly options: RunOptions
  /** What is random about a second program, where one is executed. */
  readonly exec?: ProcessSetting
}

/** The id of every container here. */
export const id = "web"

/** The same machine, with a process as the first one that a model made of it will let call. */
export const calledBy = (state: State.State, pid: number): State.State => {
  const processes = new Map(state.processes)
  const process = processes.get(pid)!
  processes.delete(pid)
  return { ...state, processes: processes.set(pid, process) }
}

const neighbourFlags = CLONE.NEWPID | CLONE.NEWNET | CLONE.NEWIPC | CLONE.NEWUTS

/** Sets a scene: the descriptors that are to be preserved, a process to join, one more child of the caller. */
export const sceneOf = (setting: Setting): Scene => {
  const options = hostOf(setting)
  const isRoot = setting.host.user === "root"
  const { bounding: _, capabilities: __, ...whole } = options
  const model = ModelKernel.make(whole, { programs })
  const program = sys.execve({ path: "/bin/neighbour", argv: ["neighbour"], envp: [] })
  const started = Effect.runSync(Effect.provide(
    Effect.gen(function*() {
      const fork = yield* Fork
      for (let fd = 0; fd < setting.process.preserved; fd++) {
        yield* sys.openat({ dirfd: AT.FDCWD, path: "/etc/passwd", flags: O.RDONLY, mode: 0 })
      }
      const neighbour = isRoot ? yield* fork.spawn(neighbourFlags, program) : 0
      if (setting.host.children) yield* fork.spawn(0, program)
      yield* sys.nanosleep({ nanoseconds: 1n })
      return neighbour
    }),
    model.layer
  ))
  const caller = model.pid
  const held = options.capabilities
  if (held !== undefined) {
    model.set((state) => {
      const self = state.processes.get(caller)!
      const creds = { ...self.creds, effective: held, permitted: held, bounding: held }
      return { ...state, processes: new Map(state.processes).set(caller, { ...self, creds }) }
    })
  }
  const container = containerOf(setting, started)
  return {
    setting,
    state: calledBy(model.state(), caller),
    caller,
    neighbour: started,
    container,
    options: { id, container, stateRoot, preservedFds: setting.process.preserved }
  }
}
