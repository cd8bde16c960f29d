/**
 * Five containers that together ask for everything, from the start to the removal: quick, and the same at every run. What
 * holds for them holds for random ones too (see the tests beside this file); these tell at once what broke.
 */
import { assert, describe, it, vi } from "@effect/vitest"
import * as Exit from "effect/Exit"
import { AT, MS, SIG, STATX } from "../../../src/native/constants.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import { afterFault, flows } from "../../support/flowFaults.ts"
import { stateRoot } from "../../support/flows/containers.ts"
import { undeclared, wrongCause } from "../../support/flows/failures.ts"
import { frozen, leftovers } from "../../support/flows/leftovers.ts"
import { wrongProgram } from "../../support/flows/programs.ts"
import { ask, perform, type Ran, verdict } from "../../support/flows/runs.ts"
import { calledBy, id, type Scene, sceneOf } from "../../support/flows/scenes.ts"
import { type Setting } from "../../support/flows/settings.ts"
import { withoutTraces } from "../../support/shortTraces.ts"

withoutTraces()
vi.setConfig({ testTimeout: 120_000 })

const root: Setting = {
  host: {
    cgroup: "v2",
    cgroupPath: "/",
    user: "root",
    missing: [],
    freezingReads: 0,
    nofile: [1024, 4096],
    shared: true,
    lastCapability: 40,
    children: false
  },
  userns: false,
  origins: { pid: "new", net: "new", ipc: "new", uts: "new" },
  cgroupNs: true,
  timeNs: false,
  cgroup: "limits",
  mounts: ["bind", "tmp", "shm"],
  devices: ["fuse", "fifo"],
  masked: ["/data", "/etc/passwd"],
  readonlyPaths: ["/etc", "/proc/sys"],
  readonlyRootfs: true,
  propagation: undefined,
  hostname: "web",
  domainname: "example",
  sysctl: ["net.ipv4.ip_forward", "kernel.shmmax"],
  network: "loopback",
  noNewKeyring: false,
  personality: false,
  process: {
    uid: 1000,
    gid: 1000,
    groups: [5, 20],
    named: false,
    capabilities: { bounding: [5, 10], permitted: [5, 10], effective: [5], inheritable: [10], ambient: [10] },
    noNewPrivileges: true,
    seccomp: true,
    rlimits: [["NOFILE", 64, 64], ["CORE", 0, 4096]],
    env: ["PATH=/bin"],
    cwd: "/tmp",
    umask: 0o27,
    terminal: false,
    oomScoreAdj: 100,
    nice: undefined,
    ioPriority: false,
    affinity: false,
    parentDeathSignal: SIG.KILL,
    preserved: 2
  }
}

const settings: Readonly<Record<string, Setting>> = {
  "of root": root,
  "of root on version 1, with a terminal and a cable": {
    ...root,
    host: { ...root.host, cgroup: "v1", freezingReads: 2, nofile: [4096, 4096] },
    network: "veth",
    propagation: MS.SLAVE | MS.REC,
    readonlyRootfs: false,
    process: {
      ...root.process,
      uid: 0,
      gid: 0,
      capabilities: { bounding: [0, 5, 40], permitted: [0, 5, 40], effective: [0, 40], inheritable: [], ambient: [] },
      noNewPrivileges: false,
      terminal: true,
      preserved: 0,
      parentDeathSignal: undefined
    }
  },
  "with a side-car": { ...root, userns: true, timeNs: true, readonlyPaths: ["/etc"], sysctl: [] },
  "without privileges": {
    ...root,
    host: { ...root.host, user: "nobody" },
    userns: true,
    cgroup: "none",
    cgroupNs: false,
    devices: [],
    noNewKeyring: true,
    process: { ...root.process, uid: 0, gid: 0, groups: [], oomScoreAdj: undefined }
  },
  "in namespaces of another": {
    ...root,
    origins: { pid: "joined", net: "joined", ipc: "joined", uts: "host" },
    hostname: undefined,
    domainname: undefined,
    sysctl: [],
    network: "none"
  }
}

const create = (scene: Scene) => perform(scene.state, Runtime.create(scene.options))

const started = (scene: Scene) => {
  const ran = create(scene)
  if (Exit.isFailure(ran.exit)) verdict(["it does not start"], ran)
  return calledBy(ran.model.state(), scene.caller)
}

const always = (ran: Ran<unknown, unknown>) => [...undeclared(ran.seen), ...frozen(ran.model.state())]

describe.each(Object.entries(settings))("a container %s", (_, setting) => {
  const scene = sceneOf(setting)

  it("gets exactly what its configuration says", () => {
    const ran = create(scene)
    if (Exit.isFailure(ran.exit)) verdict(["it does not start"], ran)
    verdict([...wrongProgram(scene, ran, scene.container.process), ...always(ran)], ran)
  })

  it("is killed and removed, and leaves nothing", () => {
    const before = started(scene)
    const killed = perform(before, Runtime.kill(id, SIG.KILL, { stateRoot }))
    verdict([...Exit.isFailure(killed.exit) ? ["it can't be killed"] : [], ...always(killed)], killed)
    const removed = perform(calledBy(killed.model.state(), scene.caller), Runtime.remove(id, { stateRoot }))
    const { descriptors } = scene.state.processes.get(scene.caller)!
    const after = removed.model.state()
    const caller = { ...after.processes.get(scene.caller)!, descriptors }
    verdict([
      ...Exit.isFailure(removed.exit) ? ["it can't be removed"] : [],
      ...leftovers(
        scene.state,
        { ...after, processes: new Map(after.processes).set(scene.caller, caller) },
        scene.caller
      ),
      ...always(removed)
    ], removed)
  })

  it("leaves nothing if its program can't be executed", () => {
    const fails = (call: string) =>
      perform(scene.state, Runtime.create(scene.options), {
        rule: ({ call: { _tag } }) => _tag === call ? "EACCES" : undefined
      })
    for (const call of ["execveat", "statx", "setresuid", "prctl", "setsid"]) {
      const ran = fails(call)
      if (Exit.isSuccess(ran.exit)) continue
      verdict([
        ...wrongCause(ran.exit.cause, ran.seen),
        ...leftovers(scene.state, ran.model.state(), scene.caller),
        ...always(ran)
      ], ran)
    }
  })
})

describe("the init of a container", () => {
  it("is reaped after it failed as another user, whom a caller without CAP_KILL may not signal", () => {
    const none = { bounding: [], permitted: [], effective: [], inheritable: [], ambient: [] }
    const scene = sceneOf({
      ...root,
      host: { ...root.host, missing: [5] },
      process: { ...root.process, capabilities: none }
    })
    const ran = perform(scene.state, Runtime.create(scene.options), {
      rule: ({ call }) => call._tag === "getcwd" ? "EIO" : undefined
    })
    assert.isTrue(Exit.isFailure(ran.exit))
    verdict([...leftovers(scene.state, ran.model.state(), scene.caller), ...always(ran)], ran)
  })

  const position = (ran: Ran<unknown, unknown>, step: string, call?: string) =>
    ran.seen.findIndex((seen) => seen.step === step && (call === undefined || seen.call._tag === call))

  it("can't be traced before it joins a namespace, and looks for its parent after the death signal is set", () => {
    const ran = create(sceneOf(settings["in namespaces of another"]!))
    const dumpable = position(ran, "protectProcess", "prctl")
    assert.isAtLeast(dumpable, 0)
    assert.isBelow(dumpable, position(ran, "joinNamespaces", "setns"))
    const restored = ran.seen.findLastIndex(({ step }) => step === "restoreParentDeathSignal")
    assert.isAtLeast(restored, 0)
    assert.isBelow(restored, position(ran, "verifyParent", "getppid"))
  })

  it("is on record before its program runs", () => {
    const ran = create(sceneOf(root))
    assert.isBelow(
      ran.seen.findLastIndex(({ step }) => step === "saveState"),
      ran.seen.findLastIndex(({ call: { _tag } }) => _tag === "execveat" || _tag === "execve")
    )
    assert.isAtLeast(position(ran, "saveState"), 0)
  })

  it("sets limits on its cgroup before anything is in it, and that of its CPU time when it is set up", () => {
    const ran = create(sceneOf(root))
    assert.isAtLeast(position(ran, "limitCgroup", "write"), 0)
    assert.isBelow(position(ran, "limitCgroup", "write"), position(ran, "joinCgroup", "write"))
    const cpu = position(ran, "limitCpuTime", "write")
    assert.isAbove(cpu, ran.seen.findLastIndex(({ step }) => step === "maskPaths"))
    assert.isBelow(cpu, position(ran, "reportReady", "sendmsg"))
  })

  it("does not hand on a descriptor of the runtime that is not close-on-exec", () => {
    const scene = sceneOf(root)
    const caller = scene.state.processes.get(scene.caller)!
    const stray = { ...caller, descriptors: new Map(caller.descriptors).set(9, caller.descriptors.get(0)!) }
    const state = { ...scene.state, processes: new Map(scene.state.processes).set(scene.caller, stray) }
    const ran = perform(state, Runtime.create(scene.options))
    verdict(wrongProgram(scene, ran, scene.container.process), ran)
  })

  it("writes parameters through the /proc that there is, before parts of it are read-only", () => {
    const scene = sceneOf(root)
    const ran = perform(scene.state, Runtime.create(scene.options), {
      rule: ({ call: { _tag }, step }) =>
        step === "writeSysctl" && (_tag === "fsopen" || _tag === "open_tree") ? "EPERM" : undefined
    })
    if (Exit.isFailure(ran.exit)) verdict(["it does not start"], ran)
    assert.isAtLeast(ran.failed.length, 2)
  })

  it.each(["maskPaths", "readonlyPaths"])(
    "does not start with a path that %s did not find, and that is there",
    (step) => {
      const scene = sceneOf(root)
      const flow = flows.create(scene)!
      const ran = perform(flow.state, flow.act, {
        rule: (seen) => seen.step === step && seen.call._tag === "openat2" ? "ENOENT" : undefined
      })
      assert.isTrue(Exit.isFailure(ran.exit))
      assert.isTrue(ran.failed.length > 0)
      verdict(afterFault(scene, flow, ran, "ENOENT"), ran)
    }
  )

  it("has the container's cgroup as the root of its cgroup namespace", () => {
    const ran = create(sceneOf(root))
    const program = ran.model.executed().at(-1)!.process
    const namespace = ran.model.state().namespaces.get(program.ns.cgroup)
    assert.deepStrictEqual(namespace?.type === "cgroup" && [...namespace.roots], [...program.cgroups])
  })

  it("keeps what is mounted below a path that becomes read-only", () => {
    const scene = sceneOf({ ...root, mounts: ["bindReadonly"], masked: [], readonlyPaths: ["/etc"] })
    const ran = create(scene)
    if (Exit.isFailure(ran.exit)) verdict(["it does not start"], ran)
    const hosts = ask(ran.model.state(), ran.model.executed().at(-1)!.pid, {
      _tag: "statx",
      dirfd: AT.FDCWD,
      path: "/etc/hosts",
      flags: 0,
      mask: STATX.BASIC_STATS
    })
    assert.isTrue(typeof hosts !== "string" && hosts.mountRoot)
  })
})
