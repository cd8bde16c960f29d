/**
 * Take the container's id, and write down what belongs to it, so that any later command finds and can remove it.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { NamespaceType } from "../../config/Container.ts"
import * as Step from "../../engine/Step.ts"
import { sys } from "../../native/Kernel.ts"
import { identify, statCalls } from "../processes.ts"
import type { State } from "../state/State.ts"
import * as Store from "../state/Store.ts"
import { HostNetworks } from "./connectNetworks.ts"
import { ContainerCgroup } from "./createCgroup.ts"
import { EnteredProcess } from "./facts.ts"
import { Launch } from "./Launch.ts"

/** The container's directory is there, and its id is taken. */
export class StateDirectory extends Context.Service<StateDirectory, {
  readonly path: string
}>()("runfx/StateDirectory") {}

/** The container's state is on the disk. */
export class SavedState extends Context.Service<SavedState, State>()("runfx/SavedState") {}

/** Makes the state directory; on rollback it is removed. */
export const createState = Step.make("createState", {
  doc: "take the container's id: make its state directory",
  calls: [...Store.storeCalls],
  requires: [Launch],
  provides: StateDirectory,
  reversal: "compensated",
  advice: { EACCES: "the state directory is not the caller's: give another one with --root, or XDG_RUNTIME_DIR" },
  run: Effect.gen(function*() {
    const { id, stateRoot } = yield* Launch
    return { path: yield* Store.create(stateRoot, id) }
  })
})

const file: Readonly<Record<NamespaceType, string>> = {
  user: "user",
  mnt: "mnt",
  pid: "pid",
  net: "net",
  ipc: "ipc",
  uts: "uts",
  cgroup: "cgroup",
  time: "time"
}

/** Writes the state; its removal belongs to {@link createState}. */
export const saveState = Step.make("saveState", {
  doc: "write down what belongs to the container",
  calls: [...Store.storeCalls, ...statCalls, "getresuid"],
  requires: [Launch, StateDirectory, ContainerCgroup, HostNetworks, EnteredProcess],
  provides: SavedState,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { bundle, container, id, stateRoot } = yield* Launch
    const { manager } = yield* ContainerCgroup
    const { pid } = yield* EnteredProcess
    const init = yield* identify(pid)
    const state: State = {
      id,
      ...(init === undefined ? {} : { init }),
      ...(manager === undefined ? {} : { cgroup: manager }),
      namespacePaths: Object.fromEntries(
        container.namespaces.map(({ type }) => [type, `/proc/${pid}/ns/${file[type]}`])
      ),
      rootfs: container.rootfs,
      ...(bundle === "" ? {} : { bundle }),
      created: new Date(yield* Clock.currentTimeMillis).toISOString(),
      owner: (yield* sys.getresuid({})).effective,
      networks: yield* HostNetworks,
      container
    }
    yield* Store.save(stateRoot, state)
    return state
  })
})
