/** Control groups of version 2: everywhere what has no controllers, with those where the machine has them there. */
import { existsSync, readFileSync } from "node:fs"
import { CLONE, O, SIG, W } from "../../src/native/constants.ts"
import { markOf } from "../support/mark.ts"
import { type Line, type Scenario } from "../support/parity.ts"
import {
  become,
  chmod,
  chown,
  fork,
  gate,
  join,
  kill,
  line,
  lookAt,
  mkdir,
  open,
  openGate,
  pass,
  readFile,
  rmdir,
  see,
  start,
  stat,
  waitFor,
  write
} from "../support/vocabulary.ts"

const nobody = 54321
const root = existsSync("/sys/fs/cgroup/cgroup.controllers") ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified"
const base = `${root}/${markOf("runfx-parity-")}`

/** Runs lines with groups of their own, parents first, and removes those. */
const within = (below: ReadonlyArray<string>, lines: Scenario): Scenario => [
  mkdir(base),
  ...below.map((path) => mkdir(`${base}${path}`)),
  ...lines,
  ...below.toReversed().map((path) => rmdir(`${base}${path}`)),
  rmdir(base)
]

const set = (file: string, ...texts: ReadonlyArray<string>): Scenario =>
  texts.flatMap((text) => write(`${base}${file}`, text))
const get = (...files: ReadonlyArray<string>): Scenario => files.flatMap((file) => readFile(`${base}${file}`))
/** Tries values for a file, and reads it after each. */
const values = (file: string, ...texts: ReadonlyArray<string>): Scenario =>
  texts.flatMap((text) => [...set(file, text), ...get(file)])
const events = (below = ""): Scenario => lookAt(`${base}${below}/cgroup.events`, /^(populated|frozen)/)
const whereIs = (pid: string): Scenario => lookAt(`/proc/${pid}/cgroup`, /^0:/)

/** Puts a child into a group; how many digits its number has differs. */
const put = (file: string, child: string): Scenario => [
  open(`${base}${file}`, O.WRONLY, "file"),
  line("write", { fd: "$file", data: `$${child}\n` }),
  line("close", { fd: "$file" })
]
const sleeper = (child: string, lines: Scenario = []): Scenario => [
  gate("asleep"),
  gate("ready"),
  start(child, 0, [...lines, openGate("ready"), pass("asleep")]),
  pass("ready")
]
const end = (child: string): Scenario => [kill(`$${child}`, SIG.KILL), waitFor(`$${child}`)]
const moment: Line = line("nanosleep", { nanoseconds: 50_000_000n })

const core: Readonly<Record<string, Scenario>> = {
  "a new group": within([], [
    ...get("/cgroup.procs", "/cgroup.threads", "/cgroup.type", "/cgroup.freeze", "/cgroup.subtree_control"),
    ...get("/cgroup.max.depth", "/cgroup.max.descendants"),
    ...events(),
    stat(base, ["mode", "uid", "gid"]),
    stat(`${base}/cgroup.procs`, ["mode", "uid", "gid"]),
    stat(`${base}/cgroup.controllers`, "mode"),
    stat(`${base}/cgroup.kill`, "mode")
  ]),
  "the root has no type, no freezer, no kill": [
    open(`${root}/cgroup.type`, O.RDONLY),
    open(`${root}/cgroup.freeze`, O.RDONLY),
    open(`${root}/cgroup.kill`, O.WRONLY),
    open(`${root}/cgroup.events`, O.RDONLY),
    open(`${root}/pids.max`, O.RDONLY),
    rmdir(root)
  ],
  "a group with groups stays": within(["/a"], [rmdir(base)]),
  "a group with processes stays": within([], [
    ...sleeper("child"),
    ...put("/cgroup.procs", "child"),
    rmdir(base),
    ...events(),
    ...whereIs("$child"),
    ...end("child")
  ]),
  "what cgroup.procs takes": within([], set("/cgroup.procs", "", "x", "-1", "1 2", "99999999", "4294967296", "\n")),
  "a dead process joins nothing, without an error": within([], [
    start("child", 0, []),
    join("child"),
    waitFor("$child", W.EXITED | W.NOWAIT),
    ...put("/cgroup.procs", "child"),
    ...get("/cgroup.procs"),
    waitFor("$child")
  ]),
  "read-only and write-only files": within([], [
    ...set("/cgroup.events", "x"),
    ...set("/cgroup.controllers", "x"),
    ...get("/cgroup.kill")
  ]),
  "populated is told upwards": within(["/a", "/a/b"], [
    ...sleeper("child"),
    ...put("/a/b/cgroup.procs", "child"),
    ...events(),
    ...events("/a/b"),
    ...get("/a/cgroup.procs"),
    ...end("child")
  ]),
  "depth is limited": within(["/a"], [
    ...set("/cgroup.max.depth", "1"),
    mkdir(`${base}/a/b`),
    mkdir(`${base}/c`),
    rmdir(`${base}/c`),
    ...set("/cgroup.max.depth", "0"),
    mkdir(`${base}/c`)
  ]),
  "descendants are limited": within(["/a", "/a/b"], [
    ...set("/cgroup.max.descendants", "2"),
    mkdir(`${base}/c`),
    mkdir(`${base}/a/c`),
    ...set("/cgroup.max.descendants", "3"),
    mkdir(`${base}/a/c`),
    rmdir(`${base}/a/c`)
  ]),
  "what limits of the tree take": within([], [
    ...values("/cgroup.max.depth", "0", "5", "max", "-1", "x", "", " 3 ", "99999999999"),
    ...values("/cgroup.max.descendants", "max", "0")
  ])
}

const freezing: Readonly<Record<string, Scenario>> = {
  "what cgroup.freeze takes": within([], values("/cgroup.freeze", "1", "2", "-1", "x", "1\n", " 0 ", "")),
  "an empty group is frozen at once": within(["/a"], [
    ...set("/cgroup.freeze", "1"),
    ...events(),
    ...events("/a"),
    ...get("/a/cgroup.freeze"),
    mkdir(`${base}/a/b`),
    ...events("/a/b"),
    rmdir(`${base}/a/b`),
    ...set("/cgroup.freeze", "0"),
    ...events("/a")
  ]),
  "a frozen process can be killed": within([], [
    ...sleeper("child"),
    ...put("/cgroup.procs", "child"),
    ...set("/cgroup.freeze", "1"),
    moment,
    ...events(),
    kill("$child", SIG.KILL),
    waitFor("$child"),
    moment
  ]),
  "other signals wait for the thaw": within([], [
    ...sleeper("child"),
    ...put("/cgroup.procs", "child"),
    ...set("/cgroup.freeze", "1"),
    moment,
    kill("$child", SIG.TERM),
    moment,
    waitFor("$child", W.EXITED | W.NOHANG),
    ...set("/cgroup.freeze", "0"),
    waitFor("$child")
  ]),
  "a process that leaves a frozen group goes on": within([], [
    gate("hold"),
    start("child", 0, [pass("hold"), line("getcwd", {}, see)]),
    ...put("/cgroup.procs", "child"),
    ...set("/cgroup.freeze", "1"),
    openGate("hold"),
    moment,
    waitFor("$child", W.EXITED | W.NOHANG),
    open(`${root}/cgroup.procs`, O.WRONLY, "file"),
    line("write", { fd: "$file", data: "$child\n" }),
    line("close", { fd: "$file" }),
    join("child"),
    waitFor("$child")
  ]),
  "a group stays frozen by the one above": within(["/a"], [
    gate("hold"),
    start("child", 0, [pass("hold"), line("getcwd", {}, see)]),
    ...put("/a/cgroup.procs", "child"),
    ...set("/cgroup.freeze", "1"),
    openGate("hold"),
    moment,
    ...set("/a/cgroup.freeze", "0"),
    moment,
    ...events("/a"),
    waitFor("$child", W.EXITED | W.NOHANG),
    ...set("/cgroup.freeze", "0"),
    join("child"),
    waitFor("$child")
  ])
}

const killing: Readonly<Record<string, Scenario>> = {
  "what cgroup.kill takes": within([], set("/cgroup.kill", "0", "2", "-1", "x", "", "1")),
  "cgroup.kill kills all in the group and below": within(["/a"], [
    ...sleeper("first"),
    ...sleeper("second"),
    ...sleeper("other"),
    ...put("/cgroup.procs", "first"),
    ...put("/a/cgroup.procs", "second"),
    ...set("/cgroup.kill", "1"),
    waitFor("$first"),
    waitFor("$second"),
    waitFor("$other", W.EXITED | W.NOHANG),
    ...end("other")
  ]),
  "cgroup.kill kills frozen processes": within([], [
    ...sleeper("child"),
    ...put("/cgroup.procs", "child"),
    ...set("/cgroup.freeze", "1"),
    moment,
    ...set("/cgroup.kill", "1"),
    waitFor("$child"),
    moment
  ]),
  "a process may kill its own group": within([], [
    fork(0, [...set("/cgroup.procs", "0"), ...set("/cgroup.kill", "1"), line("getcwd", {}, see)])
  ])
}

const types = (...below: ReadonlyArray<string>): Scenario => get(...below.map((path) => `${path}/cgroup.type`))

const threads: Readonly<Record<string, Scenario>> = {
  "a threaded group makes its parent a threaded domain, and its sibling invalid": within(["/a", "/b", "/b/c"], [
    ...set("/a/cgroup.type", "threaded"),
    ...types("", "/a", "/b", "/b/c"),
    ...set("/a/cgroup.type", "threaded", "domain", "x", ""),
    ...set("/b/c/cgroup.type", "threaded"),
    ...set("/b/cgroup.type", "threaded"),
    ...types("/b", "/b/c")
  ]),
  "processes go to a threaded domain, and as threads below": within(["/a", "/b"], [
    ...set("/a/cgroup.type", "threaded"),
    ...sleeper("child"),
    ...put("/b/cgroup.procs", "child"),
    ...put("/a/cgroup.threads", "child"),
    ...put("/cgroup.procs", "child"),
    ...put("/a/cgroup.threads", "child"),
    ...get("/a/cgroup.procs"),
    ...end("child")
  ]),
  "a group with processes does not become threaded": within(["/a", "/a/b"], [
    ...sleeper("child"),
    ...put("/a/b/cgroup.procs", "child"),
    ...set("/a/cgroup.type", "threaded"),
    ...set("/a/b/cgroup.type", "threaded"),
    ...end("child")
  ]),
  "a sibling with processes forbids it too": within(["/a", "/b"], [
    ...sleeper("child"),
    ...put("/a/cgroup.procs", "child"),
    ...set("/b/cgroup.type", "threaded"),
    ...end("child"),
    ...set("/b/cgroup.type", "threaded")
  ]),
  "threaded groups are not killed": within(["/a"], [
    ...set("/a/cgroup.type", "threaded"),
    ...set("/a/cgroup.kill", "1"),
    ...set("/cgroup.kill", "1")
  ]),
  "threads stay in their domain": within(["/a"], [
    ...sleeper("child"),
    ...put("/cgroup.threads", "child"),
    ...put("/cgroup.procs", "child"),
    ...put("/a/cgroup.threads", "child"),
    ...end("child")
  ])
}

const delegation: Readonly<Record<string, Scenario>> = {
  "somebody without rights makes and moves nothing": within([], [
    fork(0, [
      ...become(nobody),
      mkdir(`${base}/a`),
      open(`${base}/cgroup.procs`, O.WRONLY),
      open(`${base}/cgroup.procs`, O.RDONLY),
      open(`${base}/cgroup.kill`, O.WRONLY),
      rmdir(base)
    ])
  ]),
  "into a delegated group only with rights on the common ancestor": within([], [
    chown(base, nobody, nobody),
    chown(`${base}/cgroup.procs`, nobody, nobody),
    fork(0, [...become(nobody), ...set("/cgroup.procs", "0")])
  ]),
  "within a delegated group": within([], [
    chown(base, nobody, nobody),
    chown(`${base}/cgroup.procs`, nobody, nobody),
    fork(0, [
      ...set("/cgroup.procs", "0"),
      ...become(nobody),
      mkdir(`${base}/a`),
      stat(`${base}/a/cgroup.procs`, ["uid", "gid", "mode"]),
      ...set("/a/cgroup.procs", "0"),
      ...whereIs("self"),
      ...set("/cgroup.procs", "0"),
      ...write(`${root}/cgroup.procs`, "0"),
      open(`${base}/cgroup.freeze`, O.WRONLY),
      ...set("/a/cgroup.freeze", "0")
    ]),
    rmdir(`${base}/a`)
  ]),
  "between two delegated groups": within(["/a", "/b"], [
    chown(`${base}/a/cgroup.procs`, nobody, nobody),
    chown(`${base}/b/cgroup.procs`, nobody, nobody),
    fork(0, [
      ...set("/a/cgroup.procs", "0"),
      ...become(nobody),
      ...set("/b/cgroup.procs", "0"),
      ...whereIs("self")
    ]),
    chmod(`${base}/cgroup.procs`, 0o666),
    fork(0, [
      ...set("/a/cgroup.procs", "0"),
      ...become(nobody),
      ...set("/b/cgroup.procs", "0"),
      ...whereIs("self")
    ])
  ]),
  "who opened the file counts, not who writes": within([], [
    open(`${base}/cgroup.procs`, O.WRONLY, "procs"),
    fork(0, [...become(nobody), line("write", { fd: "$procs", data: "0\n" }, see), ...whereIs("self")]),
    line("close", { fd: "$procs" })
  ]),
  "others' processes are moved with rights on the groups alone": within(["/a", "/b"], [
    ...["", "/a", "/b"].map((below) => chown(`${base}${below}/cgroup.procs`, nobody, nobody)),
    ...sleeper("child"),
    ...put("/a/cgroup.procs", "child"),
    fork(0, [...become(nobody), ...put("/b/cgroup.procs", "child")]),
    ...whereIs("$child"),
    ...end("child")
  ])
}

const namespaces: Readonly<Record<string, Scenario>> = {
  "a cgroup namespace makes a process's group its root": within(["/a", "/a/b"], [
    fork(0, [
      ...set("/a/cgroup.procs", "0"),
      line("unshare", { flags: CLONE.NEWCGROUP }),
      ...whereIs("self"),
      ...set("/a/b/cgroup.procs", "0"),
      ...whereIs("self"),
      ...set("/cgroup.procs", "0"),
      ...whereIs("self"),
      ...write(`${root}/cgroup.procs`, "0"),
      ...whereIs("self")
    ])
  ]),
  "a sibling of the root is behind it": within(["/a", "/b"], [
    fork(0, [
      ...set("/a/cgroup.procs", "0"),
      line("unshare", { flags: CLONE.NEWCGROUP }),
      ...set("/b/cgroup.procs", "0"),
      ...whereIs("self")
    ])
  ]),
  "a mount in a cgroup namespace shows its root": within(["/a"], [
    fork(CLONE.NEWNS, [
      ...set("/cgroup.procs", "0"),
      line("unshare", { flags: CLONE.NEWCGROUP }),
      mkdir("c"),
      line("mount", { source: "cgroup2", target: "c", type: "cgroup2", flags: 0, data: null }),
      open("c/a/cgroup.procs", O.RDONLY),
      ...readFile("c/cgroup.type"),
      ...write("c/a/cgroup.procs", "0"),
      ...whereIs("self")
    ])
  ])
}

const control = "/cgroup.subtree_control"

const controllers: Readonly<Record<string, Scenario>> = {
  "what cgroup.subtree_control takes": within([], [
    ...set(control, "", "\n", "pids", "+", "-", "+nothing", "-nothing", "+ pids", "* pids", "+cgroup")
  ]),
  "a controller that the parent has not switched on": within(["/a"], [
    ...set("/a/cgroup.subtree_control", "+pids"),
    ...set("/a/cgroup.subtree_control", "-pids"),
    ...set("/a/cgroup.subtree_control", "+pids -pids")
  ])
}

/** Where the controllers are in version 2, switched on for the groups below the root. */
const full: Readonly<Record<string, Scenario>> = {
  "controllers are listed in the kernel's order": within(["/a"], [
    ...values(control, "+pids", "+memory +cpu", "-memory", "+pids +memory -pids"),
    ...get("/a/cgroup.controllers"),
    ...set(control, "-cpu -memory -pids")
  ]),
  "files come and go with the controller": within(["/a"], [
    open(`${base}/a/pids.max`, O.RDONLY),
    ...set(control, "+pids"),
    ...values("/a/pids.max", "7"),
    ...set(control, "-pids"),
    open(`${base}/a/pids.max`, O.RDONLY),
    ...set(control, "+pids"),
    ...get("/a/pids.max"),
    ...set(control, "-pids")
  ]),
  "a controller that a group below uses stays": within(["/a"], [
    ...set(control, "+pids"),
    ...set("/a/cgroup.subtree_control", "+pids"),
    ...set(control, "-pids"),
    ...set("/a/cgroup.subtree_control", "-pids"),
    ...set(control, "-pids")
  ]),
  "no processes beside groups with controllers for processes": within(["/a"], [
    ...set(control, "+memory"),
    fork(0, [...set("/cgroup.procs", "0"), ...set("/a/cgroup.procs", "0"), ...whereIs("self")]),
    ...set(control, "-memory"),
    fork(0, [...set("/cgroup.procs", "0"), ...set(control, "+memory"), ...set("/a/cgroup.procs", "0")]),
    ...set(control, "+memory"),
    ...set(control, "-memory")
  ]),
  "processes beside groups with controllers for threads": within(["/a"], [
    ...set(control, "+pids"),
    fork(0, [...set("/cgroup.procs", "0"), ...types("", "/a"), ...whereIs("self")]),
    ...set(control, "-pids"),
    fork(0, [...set("/cgroup.procs", "0"), ...set(control, "+pids"), ...types("", "/a"), ...set(control, "+memory")]),
    ...set(control, "-pids")
  ]),
  "a threaded group has no controllers for processes": within(["/a"], [
    ...set(control, "+memory"),
    ...set("/a/cgroup.type", "threaded"),
    ...set(control, "-memory"),
    ...set("/a/cgroup.type", "threaded"),
    ...set(control, "+memory"),
    ...set(control, "+pids"),
    ...get("/a/cgroup.controllers"),
    ...set(control, "-pids")
  ]),
  "pids.max stops fork": within([], [
    fork(0, [
      ...set("/pids.max", "2"),
      ...set("/cgroup.procs", "0"),
      fork(0, [fork(0, [])]),
      ...set("/pids.max", "1"),
      fork(0, []),
      ...get("/pids.current")
    ])
  ]),
  "what pids.max takes": within([], values("/pids.max", "0", "max", "-1", "x", " 7 ", "4194304", "4194305")),
  "what limits of memory take": within([], [
    ...values("/memory.max", "0", "4096", "4097", "1M", "max", "-1", "abc", "1Mx"),
    ...values("/memory.high", "8k", "max"),
    ...values("/memory.low", "1G", "0"),
    ...values("/memory.min", "5000", "x"),
    ...values("/memory.oom.group", "1", "2", "0", "x")
  ]),
  "what cpu.max takes": within([], [
    ...values("/cpu.max", "50000", "50000 100000", "max", "max 50000", "999", "1000 1000", "0", "-1", "x"),
    ...values("/cpu.max", "50000 1000001", "50000 999", "20000 50000 x", "50000x")
  ]),
  "what io.max takes": within([], [
    ...values("/io.max", "", "x", "7", "7:", "7:0", "7:0 ", "999:999 rbps=100", "999:999 rbps=0", "999:999 x"),
    ...values("/io.max", "999: 999 rbps=100", "-1:0 rbps=100", " 999:999 rbps=max")
  ]),
  "what cpu.weight takes": within([], values("/cpu.weight", "0", "1", "10000", "10001", "x", "-1", "100\n")),
  "groups below may be told more than those above": within(["/a"], [
    ...set(control, "+cpu"),
    ...set("/cpu.max", "50000 100000"),
    ...values("/a/cpu.max", "60000 100000"),
    ...set(control, "-cpu")
  ]),
  "cpusets have what their parent has": within(["/a"], [
    ...set(control, "+cpuset"),
    ...get("/cpuset.cpus", "/cpuset.cpus.effective", "/a/cpuset.cpus.effective"),
    ...values("/cpuset.cpus", "1", "0-1", "x", "5", "\n", "0"),
    ...values("/a/cpuset.cpus", "1"),
    ...get("/a/cpuset.cpus.effective"),
    ...values("/a/cpuset.cpus", "0-1"),
    ...get("/a/cpuset.cpus.effective"),
    ...set(control, "-cpuset")
  ]),
  "processes have the processors of their cpuset": within([], [
    ...set("/cpuset.cpus", "1"),
    ...sleeper("child"),
    ...put("/cgroup.procs", "child"),
    line("sched_getaffinity", { pid: "$child" }, see),
    line("sched_setaffinity", { pid: "$child", cpus: [0] }),
    ...set("/cpuset.cpus", "0-1"),
    line("sched_getaffinity", { pid: "$child" }, see),
    ...end("child")
  ]),
  "a cpuset of version 2 takes processes though it is empty": within([], [
    fork(0, [...set("/cgroup.procs", "0"), line("sched_getaffinity", { pid: 0 }, see)])
  ])
}

const present = (): boolean => existsSync(`${root}/cgroup.controllers`)
const hasControllers = (): boolean => {
  const on = readFileSync(`${root}/cgroup.subtree_control`, "utf8").trim().split(" ")
  return ["cpu", "cpuset", "memory", "pids"].every((name) => on.includes(name))
}

export const cgroupsV2: Readonly<Record<string, Scenario>> = present()
  ? {
    ...core,
    ...freezing,
    ...killing,
    ...threads,
    ...delegation,
    ...namespaces,
    ...controllers,
    ...hasControllers() ? full : {}
  }
  : {}
