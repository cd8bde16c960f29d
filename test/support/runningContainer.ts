/** One container that runs with two programs, on the model: the caller's, in the caller's pid namespace. */
import * as Exit from "effect/Exit"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { processOf, stateRoot } from "./flows/containers.ts"
import { perform, verdict } from "./flows/runs.ts"
import { calledBy, id, sceneOf } from "./flows/scenes.ts"
import { type Setting } from "./flows/settings.ts"

/** A container in the caller's pid namespace, where only the cgroup tells who belongs to it. */
export const setting = (cgroup: "v1" | "v2"): Setting => ({
  host: {
    cgroup,
    cgroupPath: "/",
    user: "root",
    missing: [],
    freezingReads: 2,
    nofile: [1024, 4096],
    shared: false,
    lastCapability: 40,
    children: false
  },
  userns: false,
  origins: { pid: "host", net: "new", ipc: "new", uts: "new" },
  cgroupNs: false,
  timeNs: false,
  cgroup: "plain",
  mounts: [],
  devices: [],
  masked: [],
  readonlyPaths: [],
  readonlyRootfs: false,
  propagation: undefined,
  hostname: undefined,
  domainname: undefined,
  sysctl: [],
  network: "none",
  noNewKeyring: true,
  personality: false,
  process: {
    uid: 0,
    gid: 0,
    groups: [],
    named: false,
    capabilities: { bounding: [], permitted: [], effective: [], inheritable: [], ambient: [] },
    noNewPrivileges: false,
    seccomp: false,
    rlimits: [],
    env: [],
    cwd: "/",
    umask: undefined,
    terminal: false,
    oomScoreAdj: undefined,
    nice: undefined,
    ioPriority: false,
    affinity: false,
    parentDeathSignal: undefined,
    preserved: 0
  }
})

/** A container with its first program and one more. */
export const running = (cgroup: "v1" | "v2") => {
  const scene = sceneOf(setting(cgroup))
  const created = perform(scene.state, Runtime.create(scene.options))
  if (Exit.isFailure(created.exit)) verdict(["it does not start"], created)
  const process = processOf(scene.setting, scene.setting.process, "tool")
  const second = perform(calledBy(created.model.state(), scene.caller), Runtime.start({ id, stateRoot, process }))
  if (Exit.isFailure(second.exit)) return verdict(["no second program starts"], second) as never
  const tool = second.exit.value.pid
  return { caller: scene.caller, state: calledBy(second.model.state(), scene.caller), tool }
}
