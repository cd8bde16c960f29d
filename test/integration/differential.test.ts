/**
 * The same bundle under runfx, runc and crun: a program must find the same inside. Where the two differ from each other,
 * runfx is like one of them.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import process from "node:process"
import {
  ask,
  askFurther,
  type Bench,
  type Configuration,
  differences,
  type Facts,
  type Further,
  makeBench,
  onPurpose,
  reside,
  type Resident,
  runtimes,
  type Spec,
  type Unlike
} from "../support/differential.ts"

const missing = ["runc", "crun", "busybox"].find((name) => spawnSync(name, ["--help"]).error !== undefined) ??
  (fs.existsSync("/sys/fs/cgroup/memory") ? undefined : "a host with cgroup version 1")
if (missing !== undefined) process.stdout.write(`differential tests are skipped: no ${missing}\n`)

const with_ = (change: (spec: Spec) => void, more: Omit<Configuration, "change"> = {}): Configuration => ({
  change,
  ...more
})
const proc = (fields: Spec, more?: Omit<Configuration, "change">) =>
  with_((spec) => void Object.assign(spec["process"], fields), more)
const linux = (fields: Spec) => with_((spec) => void Object.assign(spec["linux"], fields))
const caps = (sets: Spec) => proc({ capabilities: sets })
const every = ["bounding", "effective", "permitted", "inheritable", "ambient"]
const same = (names: ReadonlyArray<string>, sets = every) => caps(Object.fromEntries(sets.map((set) => [set, names])))
const rlimit = (type: string, soft: number, hard: number) => proc({ rlimits: [{ type, soft, hard }] })
const without = (type: string) =>
  with_((spec) => {
    spec["linux"].namespaces = spec["linux"].namespaces.filter((one: Spec) => one["type"] !== type)
    if (type === "uts") delete spec["hostname"]
  })
const mount = (fields: Spec) => with_((spec) => void spec["mounts"].push(fields))
const seccomp = (names: ReadonlyArray<string>, action: string, more: Spec = {}) =>
  linux({ seccomp: { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names, action, ...more }] } })

const nodes = "(null|zero|full|random|urandom|tty)"
const inUserNamespace: ReadonlyArray<Unlike> = [
  {
    facts: new RegExp(`^(mount|dev) /dev/${nodes}:`),
    why: "nodes of its own, made from outside of the user namespace; the peers bind the host's"
  }
]

const codes: ReadonlyArray<Unlike> = [
  { facts: /^exit code:/, why: "127 and 126, as a shell has it and podman expects; the peers' run gives 1" }
]

const execCodes: ReadonlyArray<Unlike> = [
  { facts: /^exit code:/, why: "127, 126, or 1 for any other failure, as run gives it; the peers' exec gives 255" }
]
const groupOfUser: ReadonlyArray<Unlike> = [
  { facts: /^status Gid:/, why: "the user's own group in /etc/passwd, as docker has it; the peers' is always 0" }
]
const umaskOfContainer: ReadonlyArray<Unlike> = [
  { facts: /^status Umask:/, why: "the container's, which podman hands to exec as well; the peers' exec forgets it" }
]

const userNamespace = (spec: Spec): void => {
  spec["linux"].namespaces.push({ type: "user" })
  spec["linux"].uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }]
  spec["linux"].gidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }]
}

const configurations: Readonly<Record<string, Configuration>> = {
  "the base": with_(() => {}),
  "a user": proc({ user: { uid: 1000, gid: 1000 } }),
  "a user without a name": proc({ user: { uid: 4242, gid: 4243 } }),
  "additional groups": proc({ user: { uid: 1000, gid: 1000, additionalGids: [5, 27, 1000] } }),
  "root with groups": proc({ user: { uid: 0, gid: 0, additionalGids: [10, 20] } }),
  "a umask": proc({ user: { uid: 0, gid: 0, umask: 0o77 } }),
  "no capability": same([]),
  "all sets alike": same(["CAP_CHOWN", "CAP_KILL"]),
  "a user with ambient capabilities": proc({
    user: { uid: 1000, gid: 1000 },
    capabilities: Object.fromEntries(every.map((set) => [set, ["CAP_NET_BIND_SERVICE"]]))
  }),
  "a user without ambient capabilities": proc({
    user: { uid: 1000, gid: 1000 },
    capabilities: Object.fromEntries(every.slice(0, 4).map((set) => [set, ["CAP_KILL"]]))
  }),
  "bounding alone": same(["CAP_CHOWN", "CAP_SETUID"], ["bounding"]),
  "no inheritable": same(["CAP_CHOWN", "CAP_FOWNER", "CAP_SETGID"], ["bounding", "effective", "permitted"]),
  "permitted beyond effective": caps({
    bounding: ["CAP_CHOWN", "CAP_KILL"],
    permitted: ["CAP_CHOWN", "CAP_KILL"],
    effective: ["CAP_KILL"]
  }),
  "new privileges": proc({ noNewPrivileges: false }),
  "a user with new privileges": proc({ noNewPrivileges: false, user: { uid: 1000, gid: 1000 } }),
  "open files": rlimit("RLIMIT_NOFILE", 64, 128),
  "core files": rlimit("RLIMIT_CORE", 0, 0),
  "processes": rlimit("RLIMIT_NPROC", 100, 200),
  "stack": rlimit("RLIMIT_STACK", 1 << 20, 8 << 20),
  "locked memory": rlimit("RLIMIT_MEMLOCK", 65536, 65536),
  "file size": rlimit("RLIMIT_FSIZE", 1 << 20, 1 << 20),
  "processor time": rlimit("RLIMIT_CPU", 100, 200),
  "signals": rlimit("RLIMIT_SIGPENDING", 50, 60),
  "message queues": rlimit("RLIMIT_MSGQUEUE", 4096, 8192),
  "no limits given": proc({ rlimits: [] }),
  "the host's network": without("network"),
  "the host's processes": without("pid"),
  "the host's ipc": without("ipc"),
  "the host's names": without("uts"),
  "a network by path": with_((spec) => {
    spec["linux"].namespaces.find((one: Spec) => one["type"] === "network").path = "/proc/1/ns/net"
  }),
  "a cgroup namespace": with_((spec) => void spec["linux"].namespaces.push({ type: "cgroup" })),
  "a user namespace": with_(userNamespace, { unlike: inUserNamespace }),
  "a user namespace of two ranges": with_((spec) => {
    const mappings = [{ containerID: 0, hostID: 0, size: 1 }, { containerID: 1, hostID: 100001, size: 1000 }]
    spec["linux"].namespaces.push({ type: "user" })
    spec["linux"].uidMappings = mappings
    spec["linux"].gidMappings = mappings
  }, { unlike: inUserNamespace }),
  "a writable root": with_((spec) => void (spec["root"].readonly = false)),
  "slave propagation": linux({ rootfsPropagation: "slave" }),
  "private propagation": linux({ rootfsPropagation: "private" }),
  "a tmpfs": mount({ destination: "/data", type: "tmpfs", source: "tmpfs", options: ["nosuid", "nodev", "size=64k"] }),
  "a tmpfs with owner and mode": mount({
    destination: "/data",
    type: "tmpfs",
    source: "x",
    options: ["mode=1770", "uid=5", "gid=6"]
  }),
  "a bind": mount({ destination: "/data", type: "bind", source: "shared", options: ["bind"] }),
  "a bind that can't be written": mount({
    destination: "/data",
    type: "bind",
    source: "shared",
    options: ["rbind", "ro"]
  }),
  "a bind with flags": mount({
    destination: "/data",
    type: "bind",
    source: "shared",
    options: ["rbind", "nosuid", "nodev", "noexec"]
  }),
  "a bind to a link": mount({ destination: "/link", type: "bind", source: "shared", options: ["rbind"] }),
  "a file bound": with_((spec) => {
    spec["mounts"].push({ destination: "/etc/group", type: "bind", source: "/etc/hostname", options: ["bind", "ro"] })
  }),
  "masked paths": linux({ maskedPaths: ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware", "/none"] }),
  "read-only paths": linux({ readonlyPaths: ["/proc/sys", "/proc/sysrq-trigger", "/none"] }),
  "a device": linux({
    devices: [{ path: "/dev/fuse", type: "c", major: 10, minor: 229, fileMode: 0o620, uid: 1, gid: 2 }]
  }),
  "a fifo": linux({ devices: [{ path: "/dev/pipe", type: "p", fileMode: 0o644, uid: 0, gid: 0 }] }),
  "a sysctl of ipc": linux({ sysctl: { "kernel.shmmax": "65536" } }),
  "a sysctl of the network": linux({ sysctl: { "net.ipv4.ip_forward": "1" } }),
  "another host name": with_((spec) => void (spec["hostname"] = "other")),
  "a domain name": with_((spec) => void (spec["domainname"] = "example.org")),
  "a directory to start in": proc({ cwd: "/work" }),
  "a link to start in": proc({ cwd: "/link" }),
  "variables": proc({ env: ["PATH=/bin", "A=1", "EMPTY=", "WITH=a=b", "HOME=/home"] }),
  "no HOME": proc({ env: ["PATH=/bin"], user: { uid: 1000, gid: 1000 } }),
  "a variable twice": proc({ env: ["PATH=/bin", "A=1", "A=2"] }),
  "an oom score": proc({ oomScoreAdj: 500 }),
  "memory": linux({ resources: { memory: { limit: 64 << 20, reservation: 32 << 20 } } }),
  "a number of processes": linux({ resources: { pids: { limit: 100 } } }),
  "processor shares": linux({ resources: { cpu: { shares: 512, quota: 50_000, period: 100_000 } } }),
  "cpus": linux({ resources: { cpu: { cpus: "0" } } }),
  "a refused call": seccomp(["getcwd"], "SCMP_ACT_ERRNO"),
  "a call refused with its errno": seccomp(["mkdir", "mkdirat"], "SCMP_ACT_ERRNO", { errnoRet: 38 }),
  "a call refused by its argument": seccomp(["personality"], "SCMP_ACT_ERRNO", {
    args: [{ index: 0, value: 8, op: "SCMP_CMP_EQ" }]
  }),
  "an exit code": with_(() => {}, { end: "exit 3" }),
  "death by a signal": with_(() => {}, { end: "kill -9 $$" }),
  "a missing program": proc({ args: ["/bin/none"] }, { unlike: codes }),
  "a program that is not in PATH": proc({ args: ["none"] }, { unlike: codes }),
  "a text": proc({ args: ["/bin/text"] }, { unlike: codes }),
  "a directory as program": proc({ args: ["/etc"] }, { unlike: codes }),
  "a directory to start in that is a file": proc({ cwd: "/etc/passwd" }),
  "a mount from nowhere": mount({ destination: "/data", type: "bind", source: "/none", options: ["bind"] }),
  "a file system that nobody knows": mount({ destination: "/data", type: "nosuchfs", source: "x" })
}

const further = (options: ReadonlyArray<string>, more: Further = {}): Further => ({ options, ...more })
const byFile = (fields: Spec, more: Further = {}): Further => ({
  process: (process) => void Object.assign(process, fields),
  ...more
})

/** Containers, and what is executed in each. */
const residents: Readonly<
  Record<string, {
    readonly change: (spec: Spec) => void
    readonly unlike?: ReadonlyArray<Unlike>
    readonly programs: Readonly<Record<string, Further>>
  }>
> = {
  "the base": {
    change: () => {},
    programs: {
      "no option": further([]),
      "a user": further(["--user", "1000"], { unlike: groupOfUser }),
      "a user and a group": further(["--user", "4242:4243"]),
      "variables": further(["--env", "A=1", "--env", "PATH=/sbin:/bin", "--env", "EMPTY="]),
      "a directory to start in": further(["--cwd", "/work"]),
      "a link to start in": further(["--cwd", "/link"]),
      "a directory to start in that is not there": further(["--cwd", "/none"], { unlike: execCodes }),
      "a capability": further(["--cap", "CAP_CHOWN"]),
      "the container's process by file": byFile({}),
      "a user with groups by file": byFile({ user: { uid: 1000, gid: 1000, additionalGids: [5, 27] } }),
      "a umask by file": byFile({ user: { uid: 0, gid: 0, umask: 0o77 } }),
      "no capability by file": byFile({ capabilities: Object.fromEntries(every.map((set) => [set, []])) }),
      "a user with ambient capabilities by file": byFile({
        user: { uid: 1000, gid: 1000 },
        capabilities: Object.fromEntries(every.map((set) => [set, ["CAP_KILL"]]))
      }),
      "bounding alone by file": byFile({ capabilities: { bounding: ["CAP_CHOWN", "CAP_KILL"] } }),
      "new privileges by file": byFile({ noNewPrivileges: false }),
      "limits by file": byFile({
        rlimits: [
          { type: "RLIMIT_NOFILE", soft: 64, hard: 128 },
          { type: "RLIMIT_STACK", soft: 1 << 20, hard: 8 << 20 },
          { type: "RLIMIT_NPROC", soft: 100, hard: 200 }
        ]
      }),
      "no limits by file": byFile({ rlimits: [] }),
      "an oom score by file": byFile({ oomScoreAdj: 500 }, {
        unlike: [{ facts: /^oom:/, why: "what the file says; the peers give what the container has" }]
      }),
      "variables by file": byFile({ env: ["PATH=/bin", "A=1", "A=2"] }),
      "a directory by file": byFile({ cwd: "/work" }),
      "an exit code": further([], { end: "exit 3" }),
      "death by a signal": further([], { end: "kill -9 $$" }),
      "a missing program": further([], { args: ["/bin/none"], unlike: execCodes }),
      "a program that is not in PATH": further([], { args: ["none"], unlike: execCodes }),
      "a text": further([], { args: ["/bin/text"], unlike: execCodes }),
      "a directory as program": further([], { args: ["/etc"], unlike: execCodes })
    }
  },
  "a user namespace": {
    change: userNamespace,
    unlike: inUserNamespace,
    programs: {
      "no option": further([]),
      "a user": further(["--user", "1000:1000"]),
      "a user with groups by file": byFile({ user: { uid: 1, gid: 2, additionalGids: [5] } })
    }
  },
  "a filter, and new privileges": {
    change: (spec) => {
      spec["process"].noNewPrivileges = false
      spec["linux"].seccomp = {
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [{ names: ["uname"], action: "SCMP_ACT_ERRNO" }]
      }
    },
    programs: {
      "no option": further([]),
      "a user": further(["--user", "1000"], { unlike: groupOfUser }),
      "no new privileges by file": byFile({ noNewPrivileges: true })
    }
  },
  "the host's namespaces, a writable root, limits": {
    change: (spec) => {
      spec["root"].readonly = false
      spec["linux"].namespaces = [{ type: "mount" }, { type: "cgroup" }, { type: "network" }]
      delete spec["hostname"]
      spec["linux"].resources = { memory: { limit: 64 << 20 }, pids: { limit: 100 } }
    },
    programs: { "no option": further([]), "a user": further(["--user", "1000"], { unlike: groupOfUser }) }
  },
  "a user with ambient capabilities, a umask, an oom score, a directory": {
    change: (spec) => {
      Object.assign(spec["process"], {
        user: { uid: 1000, gid: 1000, umask: 0o27, additionalGids: [27] },
        capabilities: Object.fromEntries(every.map((set) => [set, ["CAP_KILL"]])),
        oomScoreAdj: 300,
        cwd: "/work",
        env: ["PATH=/bin", "OF=container"]
      })
    },
    unlike: umaskOfContainer,
    programs: {
      "no option": further([]),
      "another user": further(["--user", "1001:1001"]),
      "root": further(["--user", "0:0"])
    }
  }
}

describe.skipIf(missing !== undefined)("a program finds what it finds under runc or crun", () => {
  let bench: Bench
  let compared = 0
  beforeAll(() => {
    bench = makeBench()
  })
  afterAll(() => {
    bench?.remove()
    const count = Object.keys(configurations).length
    const programs = Object.values(residents).flatMap((one) => Object.keys(one.programs)).length
    process.stdout.write(
      `differential: ${count} configurations and ${programs} further programs, ${compared} facts compared with two runtimes\n`
    )
  })

  const compare = ([runfx, ...peers]: ReadonlyArray<Facts>, allowed: ReadonlyArray<Unlike>) => {
    const found = differences(runfx!, peers)
    const unlike = found.filter((line) => ![...onPurpose, ...allowed].some(({ facts }) => facts.test(line)))
    assert.deepStrictEqual(unlike, [])
    // an exception that is none any more has to go
    for (const { facts, why } of allowed) assert.isTrue(found.some((line) => facts.test(line)), why)
    compared += Object.keys(runfx!).length
    // a program that ran has told everything
    if (runfx!["exit code"] === "0") assert.isAbove(Object.keys(runfx!).length, 70)
  }

  for (const [name, configuration] of Object.entries(configurations)) {
    it(name, () => compare(runtimes.map((one) => ask(one, bench, configuration)), configuration.unlike ?? []))
  }

  for (const [name, { change, programs, unlike = [] }] of Object.entries(residents)) {
    describe(`executed in a container with ${name}`, () => {
      const running: Array<Resident> = []
      beforeAll(() => {
        for (const one of runtimes) running.push(reside(one, bench, change))
      })
      afterAll(() => {
        for (const one of running) one.remove()
      })

      for (const [name, program] of Object.entries(programs)) {
        it(
          name,
          () => compare(running.map((one) => askFurther(one, bench, program)), [...unlike, ...program.unlike ?? []])
        )
      }
    })
  }
})
