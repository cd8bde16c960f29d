/** Control groups of version 1, controller by controller; nothing on a machine that has none. */
import { existsSync } from "node:fs"
import { CLONE, O, SCHED, SIG, W } from "../../src/native/constants.ts"
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
  symlink,
  unlink,
  waitFor,
  write
} from "../support/vocabulary.ts"

const name = markOf("runfx-parity-")
const nobody = 54321

/** The group of the scenario in a hierarchy, and what is below it. */
const at = (controller: string, below = ""): string => `/sys/fs/cgroup/${controller}/${name}${below}`

/** Runs lines with groups of their own, parents first, and removes those. */
const within = (controller: string, below: ReadonlyArray<string>, lines: Scenario): Scenario => [
  mkdir(at(controller)),
  ...below.map((path) => mkdir(at(controller, path))),
  ...lines,
  ...below.toReversed().map((path) => rmdir(at(controller, path))),
  rmdir(at(controller))
]

/** Tries values for a file, and reads it after each. */
const values = (path: string, ...texts: ReadonlyArray<string>): Scenario =>
  texts.flatMap((text) => [...write(path, text), ...readFile(path)])
const writes = (path: string, ...texts: ReadonlyArray<string>): Scenario => texts.flatMap((text) => write(path, text))

/** Puts a child into a group; how many digits its number has differs. */
const put = (path: string, child: string): Scenario => [
  open(path, O.WRONLY, "file"),
  line("write", { fd: "$file", data: `$${child}\n` }),
  line("close", { fd: "$file" })
]

/** A child that waits, as somebody; `end` waits for its end. */
const sleeper = (child: string, lines: Scenario = []): Scenario => [
  gate("asleep"),
  gate("ready"),
  start(child, 0, [...lines, openGate("ready"), pass("asleep")]),
  pass("ready")
]
const end = (child: string): Scenario => [kill(`$${child}`, SIG.KILL), waitFor(`$${child}`)]
const realTime = { policy: SCHED.FIFO, flags: 0n, nice: 0, priority: 5, runtime: 0n, deadline: 0n, period: 0n }
const moment: Line = line("nanosleep", { nanoseconds: 50_000_000n })

const core: Readonly<Record<string, Scenario>> = {
  "a new group is empty": within("pids", [], [
    ...readFile(at("pids", "/cgroup.procs")),
    ...readFile(at("pids", "/tasks")),
    ...readFile(at("pids", "/notify_on_release")),
    ...readFile(at("pids", "/cgroup.clone_children")),
    stat(at("pids"), ["mode", "uid", "gid"]),
    stat(at("pids", "/tasks"), ["mode", "uid", "gid"]),
    stat(at("pids", "/pids.current"), "mode")
  ]),
  "what has no such name": within("pids", [], [
    open(at("pids", "/pids.nothing"), O.RDONLY),
    open(at("pids", "/cpu.shares"), O.RDONLY),
    open("/sys/fs/cgroup/pids/pids.max", O.RDONLY),
    open("/sys/fs/cgroup/freezer/freezer.state", O.RDONLY),
    open(at("pids", "/release_agent"), O.RDONLY),
    open(at("pids", "/tasks/x"), O.RDONLY)
  ]),
  "groups are made once, with any name but lines": within("pids", ["/a b", "/cgroup.x", "/c:d"], [
    mkdir(at("pids")),
    mkdir(at("pids", "/tasks")),
    mkdir(at("pids", "/a\nb")),
    mkdir(at("pids", "/missing/a"))
  ]),
  "groups hold nothing but groups": within("pids", [], [
    open(at("pids", "/new"), O.CREAT | O.WRONLY, undefined, 0o644),
    symlink("x", at("pids", "/link")),
    unlink(at("pids", "/tasks")),
    rmdir(at("pids", "/tasks")),
    unlink(at("pids")),
    rmdir(at("pids", "/missing"))
  ]),
  "a group with groups stays": within("pids", ["/a"], [rmdir(at("pids"))]),
  "a group with processes stays": within("pids", [], [
    ...sleeper("child"),
    ...put(at("pids", "/cgroup.procs"), "child"),
    rmdir(at("pids")),
    ...end("child")
  ]),
  "the root of a hierarchy stays": [rmdir("/sys/fs/cgroup/pids")],
  "what cgroup.procs takes": within(
    "pids",
    [],
    writes(at("pids", "/cgroup.procs"), "", "x", "-1", "1 2", "0x", "99999999", "4294967296", "\n")
  ),
  "a process joins itself as 0": within("pids", [], [
    fork(0, [
      ...write(at("pids", "/cgroup.procs"), "0\n"),
      ...lookAt("/proc/self/cgroup", /pids/)
    ])
  ]),
  "children are in the group of their parent, and stay when it leaves": within("pids", [], [
    fork(0, [
      ...write(at("pids", "/tasks"), "0"),
      ...sleeper("child"),
      ...write("/sys/fs/cgroup/pids/cgroup.procs", "0"),
      ...readFile(at("pids", "/pids.current")),
      ...lookAt("/proc/$child/cgroup", /pids/),
      ...end("child")
    ])
  ]),
  "read-only and write-only files": within("pids", [], [
    ...write(at("pids", "/pids.current"), "1"),
    ...write(at("pids", "/pids.events"), "1"),
    mkdir(at("devices")),
    ...readFile(at("devices", "/devices.allow")),
    rmdir(at("devices"))
  ]),
  "a dead process joins nothing, without an error": within("pids", [], [
    start("child", 0, []),
    join("child"),
    waitFor("$child", W.EXITED | W.NOWAIT),
    ...put(at("pids", "/cgroup.procs"), "child"),
    ...readFile(at("pids", "/cgroup.procs")),
    waitFor("$child")
  ]),
  "flags are numbers": within("pids", [], [
    ...values(at("pids", "/notify_on_release"), "1", "0", "7", "-1", "x", " 1", "1 ", "1\n", "0x0"),
    ...values(at("pids", "/cgroup.clone_children"), "1", "0")
  ]),
  "new groups take flags over": within("pids", [], [
    ...write(at("pids", "/notify_on_release"), "1"),
    ...write(at("pids", "/cgroup.clone_children"), "1"),
    mkdir(at("pids", "/a")),
    ...readFile(at("pids", "/a/notify_on_release")),
    ...readFile(at("pids", "/a/cgroup.clone_children")),
    rmdir(at("pids", "/a")),
    ...write(at("pids", "/notify_on_release"), "0")
  ]),
  "a named hierarchy has no controllers": within("systemd", [], [
    fork(0, [...write(at("systemd", "/cgroup.procs"), "0"), ...lookAt("/proc/self/cgroup", /systemd/)]),
    open(at("systemd", "/pids.max"), O.RDONLY)
  ])
}

const rights: Readonly<Record<string, Scenario>> = {
  "somebody without rights makes and moves nothing": within("pids", [], [
    fork(0, [
      ...become(nobody),
      mkdir(at("pids", "/a")),
      open(at("pids", "/cgroup.procs"), O.WRONLY),
      open(at("pids", "/cgroup.procs"), O.RDONLY),
      open(at("pids", "/pids.max"), O.RDWR),
      rmdir(at("pids"))
    ])
  ]),
  "a group that was given away: groups below, not its own files": within("pids", [], [
    chown(at("pids"), nobody, nobody),
    fork(0, [
      ...become(nobody),
      mkdir(at("pids", "/a")),
      stat(at("pids", "/a"), ["uid", "gid", "mode"]),
      stat(at("pids", "/a/tasks"), ["uid", "gid", "mode"]),
      open(at("pids", "/cgroup.procs"), O.WRONLY),
      ...write(at("pids", "/a/cgroup.procs"), "0"),
      ...write(at("pids", "/a/pids.max"), "10"),
      ...lookAt("/proc/self/cgroup", /pids/)
    ]),
    rmdir(at("pids", "/a"))
  ]),
  "a file that was given away": within("pids", [], [
    chown(at("pids", "/cgroup.procs"), nobody, nobody),
    stat(at("pids", "/cgroup.procs"), ["uid", "gid", "mode"]),
    stat(at("pids", "/tasks"), ["uid", "gid", "mode"]),
    fork(0, [
      ...become(nobody),
      ...write(at("pids", "/cgroup.procs"), "0"),
      open(at("pids", "/tasks"), O.WRONLY),
      open(at("pids", "/pids.max"), O.WRONLY)
    ])
  ]),
  "a file's mode": within("pids", [], [
    chmod(at("pids", "/cgroup.procs"), 0o666),
    fork(0, [...become(nobody), ...write(at("pids", "/cgroup.procs"), "0")]),
    chmod(at("pids", "/pids.max"), 0o600),
    stat(at("pids", "/pids.max"), "mode"),
    fork(0, [...become(nobody), open(at("pids", "/pids.max"), O.RDONLY), chmod(at("pids", "/pids.max"), 0o644)])
  ]),
  "others' processes are root's to move": within("pids", [], [
    chmod(at("pids", "/cgroup.procs"), 0o666),
    ...sleeper("root"),
    ...sleeper("own", become(nobody)),
    fork(0, [
      ...become(nobody),
      ...put(at("pids", "/cgroup.procs"), "root"),
      ...put(at("pids", "/cgroup.procs"), "own")
    ]),
    ...end("root"),
    ...end("own")
  ]),
  "who opened the file counts, not who writes": within("pids", [], [
    ...sleeper("child"),
    open(at("pids", "/cgroup.procs"), O.WRONLY, "procs"),
    fork(0, [...become(nobody), line("write", { fd: "$procs", data: "$child\n" })]),
    ...end("child"),
    line("close", { fd: "$procs" })
  ]),
  "numbers are those of the writer's pid namespace": within("pids", [], [
    fork(CLONE.NEWPID, [
      fork(0, [
        ...write(at("pids", "/cgroup.procs"), "1"),
        ...readFile(at("pids", "/cgroup.procs")),
        ...write(at("pids", "/cgroup.procs"), "2"),
        ...readFile(at("pids", "/cgroup.procs")),
        ...write("/sys/fs/cgroup/pids/cgroup.procs", "1"),
        ...readFile(at("pids", "/cgroup.procs"))
      ])
    ])
  ]),
  "a reader does not see processes of other pid namespaces": within("pids", [], [
    ...sleeper("child"),
    ...put(at("pids", "/cgroup.procs"), "child"),
    fork(CLONE.NEWPID, readFile(at("pids", "/cgroup.procs"))),
    ...end("child")
  ])
}

const freezer: Readonly<Record<string, Scenario>> = {
  "a freezer's words": within("freezer", [], [
    ...values(
      at("freezer", "/freezer.state"),
      "FROZEN",
      "frozen",
      "THAWED",
      "FREEZING",
      "FROZEN\n",
      "",
      "FROZEN x",
      "\n"
    )
  ]),
  "its read-only files": within("freezer", [], [
    ...write(at("freezer", "/freezer.self_freezing"), "1"),
    ...write(at("freezer", "/freezer.parent_freezing"), "1")
  ]),
  "groups below are frozen with it": within("freezer", ["/a"], [
    ...write(at("freezer", "/freezer.state"), "FROZEN"),
    ...["", "/a"].flatMap((below) =>
      ["state", "self_freezing", "parent_freezing"].flatMap((file) =>
        readFile(at("freezer", `${below}/freezer.${file}`))
      )
    ),
    ...write(at("freezer", "/a/freezer.state"), "THAWED"),
    ...readFile(at("freezer", "/a/freezer.state")),
    ...write(at("freezer", "/a/freezer.state"), "FROZEN"),
    ...write(at("freezer", "/freezer.state"), "THAWED"),
    ...["", "/a"].flatMap((below) =>
      ["state", "self_freezing", "parent_freezing"].flatMap((file) =>
        readFile(at("freezer", `${below}/freezer.${file}`))
      )
    )
  ]),
  "a new group in a frozen one is frozen": within("freezer", [], [
    ...write(at("freezer", "/freezer.state"), "FROZEN"),
    mkdir(at("freezer", "/a")),
    ...readFile(at("freezer", "/a/freezer.state")),
    ...readFile(at("freezer", "/a/freezer.self_freezing")),
    rmdir(at("freezer", "/a"))
  ]),
  "a frozen process is killed after the thaw": within("freezer", [], [
    ...sleeper("child"),
    ...put(at("freezer", "/cgroup.procs"), "child"),
    ...write(at("freezer", "/freezer.state"), "FROZEN"),
    moment,
    ...readFile(at("freezer", "/freezer.state")),
    ...lookAt("/proc/$child/status", /^State/),
    kill("$child", SIG.KILL),
    moment,
    waitFor("$child", W.EXITED | W.NOHANG),
    rmdir(at("freezer")),
    ...write(at("freezer", "/freezer.state"), "THAWED"),
    waitFor("$child")
  ]),
  "a process that leaves a frozen group goes on": within("freezer", [], [
    gate("hold"),
    start("child", 0, [pass("hold"), line("getcwd", {}, see)]),
    ...put(at("freezer", "/cgroup.procs"), "child"),
    ...write(at("freezer", "/freezer.state"), "FROZEN"),
    openGate("hold"),
    moment,
    waitFor("$child", W.EXITED | W.NOHANG),
    ...put("/sys/fs/cgroup/freezer/cgroup.procs", "child"),
    join("child"),
    waitFor("$child")
  ]),
  "a process that joins a frozen group is frozen": within("freezer", [], [
    ...write(at("freezer", "/freezer.state"), "FROZEN"),
    gate("hold"),
    start("child", 0, [pass("hold"), line("getcwd", {}, see)]),
    ...put(at("freezer", "/cgroup.procs"), "child"),
    openGate("hold"),
    moment,
    ...readFile(at("freezer", "/freezer.state")),
    waitFor("$child", W.EXITED | W.NOHANG),
    ...write(at("freezer", "/freezer.state"), "THAWED"),
    join("child"),
    waitFor("$child")
  ]),
  "a group can be frozen that is frozen": within("freezer", [], [
    ...write(at("freezer", "/freezer.state"), "FROZEN"),
    ...write(at("freezer", "/freezer.state"), "FROZEN"),
    ...write(at("freezer", "/freezer.state"), "THAWED"),
    ...write(at("freezer", "/freezer.state"), "THAWED"),
    ...readFile(at("freezer", "/freezer.state"))
  ])
}

const pids: Readonly<Record<string, Scenario>> = {
  "what pids.max takes": within(
    "pids",
    [],
    values(
      at("pids", "/pids.max"),
      "0",
      "1",
      "max",
      "4194304",
      "4194305",
      "-1",
      "abc",
      "",
      "  7 ",
      "99999999999999999999",
      "0x10",
      "max\n"
    )
  ),
  "pids.max stops fork": within("pids", [], [
    fork(0, [
      ...write(at("pids", "/pids.max"), "2"),
      ...write(at("pids", "/cgroup.procs"), "0"),
      fork(0, [fork(0, [])]),
      ...write(at("pids", "/pids.max"), "1"),
      fork(0, []),
      ...write(at("pids", "/pids.max"), "0"),
      fork(0, []),
      ...readFile(at("pids", "/pids.current"))
    ])
  ]),
  "pids.max of a group above counts as well": within("pids", ["/a"], [
    fork(0, [
      ...write(at("pids", "/pids.max"), "1"),
      ...write(at("pids", "/a/cgroup.procs"), "0"),
      fork(0, []),
      ...write(at("pids", "/pids.max"), "2"),
      fork(0, [])
    ])
  ]),
  "joining is not stopped": within("pids", [], [
    ...write(at("pids", "/pids.max"), "0"),
    ...sleeper("child"),
    ...put(at("pids", "/cgroup.procs"), "child"),
    ...readFile(at("pids", "/pids.current")),
    ...end("child")
  ]),
  "a group below counts for the one above": within("pids", ["/a"], [
    ...sleeper("child"),
    ...put(at("pids", "/a/cgroup.procs"), "child"),
    ...readFile(at("pids", "/pids.current")),
    ...readFile(at("pids", "/a/pids.current")),
    ...readFile(at("pids", "/cgroup.procs")),
    ...end("child")
  ]),
  "root is not above it": within("pids", [], [
    fork(0, [
      ...write(at("pids", "/pids.max"), "1"),
      ...write(at("pids", "/cgroup.procs"), "0"),
      line("unshare", { flags: CLONE.NEWUSER }),
      fork(0, [])
    ])
  ])
}

const memory: Readonly<Record<string, Scenario>> = {
  "what a limit of memory takes": within(
    "memory",
    [],
    values(
      at("memory", "/memory.limit_in_bytes"),
      "-1",
      "0",
      "4096",
      "4097",
      "1M",
      "1G",
      "1g",
      "5k",
      "abc",
      "-2",
      "max",
      "1 M",
      "1Mx",
      " 8192\n"
    )
  ),
  "memory is not above memory and swap": within("memory", [], [
    ...write(at("memory", "/memory.limit_in_bytes"), "1M"),
    ...writes(at("memory", "/memory.memsw.limit_in_bytes"), "512k", "2M"),
    ...writes(at("memory", "/memory.limit_in_bytes"), "3M", "-1", "2M", "1M"),
    ...writes(at("memory", "/memory.memsw.limit_in_bytes"), "-1"),
    ...writes(at("memory", "/memory.limit_in_bytes"), "-1"),
    ...readFile(at("memory", "/memory.memsw.limit_in_bytes"))
  ]),
  "memory and swap are not limited first": within("memory", [], [
    ...write(at("memory", "/memory.memsw.limit_in_bytes"), "1M"),
    ...write(at("memory", "/memory.limit_in_bytes"), "1M"),
    ...write(at("memory", "/memory.memsw.limit_in_bytes"), "1M")
  ]),
  "groups below have limits of their own": within("memory", ["/a"], [
    ...write(at("memory", "/memory.limit_in_bytes"), "10M"),
    ...readFile(at("memory", "/a/memory.limit_in_bytes")),
    ...write(at("memory", "/a/memory.limit_in_bytes"), "20M")
  ]),
  "soft limits and swappiness": within("memory", [], [
    ...values(at("memory", "/memory.soft_limit_in_bytes"), "4096", "4097", "-1", "abc"),
    ...values(at("memory", "/memory.swappiness"), "0", "100", "200", "201", "-1", "abc", " 1")
  ]),
  "a new group takes swappiness and the oom switch over": within("memory", [], [
    ...write(at("memory", "/memory.swappiness"), "33"),
    ...write(at("memory", "/memory.oom_control"), "1"),
    mkdir(at("memory", "/a")),
    ...readFile(at("memory", "/a/memory.swappiness")),
    ...lookAt(at("memory", "/a/memory.oom_control"), /disable/),
    rmdir(at("memory", "/a"))
  ]),
  "the oom switch": within("memory", [], [
    ...values(at("memory", "/memory.oom_control"), "1", "0", "2", "x")
  ]),
  "hierarchies are for ever": within("memory", [], [
    ...writes(at("memory", "/memory.use_hierarchy"), "1", "0", "2"),
    ...readFile(at("memory", "/memory.use_hierarchy"))
  ]),
  "counters are reset by any write": within("memory", [], [
    ...writes(at("memory", "/memory.failcnt"), "0", "x"),
    ...writes(at("memory", "/memory.max_usage_in_bytes"), "0"),
    ...writes(at("memory", "/memory.usage_in_bytes"), "0"),
    ...writes(at("memory", "/memory.force_empty"), "0")
  ]),
  "the root has no limit": [
    ...write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1G"),
    ...write("/sys/fs/cgroup/memory/memory.oom_control", "1")
  ]
}

const cpu: Readonly<Record<string, Scenario>> = {
  "what a quota takes": within(
    "cpu",
    [],
    values(
      at("cpu", "/cpu.cfs_quota_us"),
      "0",
      "999",
      "1000",
      "50000",
      "-1",
      "-2",
      "100000000000000",
      "abc",
      "",
      " 5000",
      "5000 ",
      "5000\n",
      "0x2000",
      "5000x"
    )
  ),
  "what a period takes": within(
    "cpu",
    [],
    values(at("cpu", "/cpu.cfs_period_us"), "0", "999", "1000", "1000000", "1000001", "-1", "abc", "100000")
  ),
  "a burst is at most the quota": within("cpu", [], [
    ...values(at("cpu", "/cpu.cfs_burst_us"), "9999999"),
    ...write(at("cpu", "/cpu.cfs_quota_us"), "50000"),
    ...values(at("cpu", "/cpu.cfs_burst_us"), "0", "50000", "50001", "-1"),
    ...write(at("cpu", "/cpu.cfs_quota_us"), "50000"),
    ...values(at("cpu", "/cpu.cfs_quota_us"), "40000", "-1")
  ]),
  "groups below have no more than those above": within("cpu", ["/a", "/a/b"], [
    ...write(at("cpu", "/cpu.cfs_quota_us"), "50000"),
    ...writes(at("cpu", "/a/b/cpu.cfs_quota_us"), "60000", "50000"),
    ...writes(at("cpu", "/cpu.cfs_quota_us"), "40000", "-1"),
    ...writes(at("cpu", "/a/b/cpu.cfs_period_us"), "10000"),
    ...writes(at("cpu", "/a/cpu.cfs_quota_us"), "10000", "500000")
  ]),
  "what shares take": within(
    "cpu",
    [],
    values(at("cpu", "/cpu.shares"), "0", "1", "2", "1024", "262144", "262145", "99999999999", "-1", "abc")
  ),
  "an idle group has the least shares": within("cpu", [], [
    ...values(at("cpu", "/cpu.idle"), "2", "-1", "1"),
    ...readFile(at("cpu", "/cpu.shares")),
    ...write(at("cpu", "/cpu.shares"), "100"),
    ...values(at("cpu", "/cpu.idle"), "0"),
    ...readFile(at("cpu", "/cpu.shares"))
  ]),
  "the root group has all": [
    ...write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "1000"),
    ...write("/sys/fs/cgroup/cpu/cpu.shares", "5"),
    ...write("/sys/fs/cgroup/cpu/cpu.idle", "1")
  ],
  "real time is shared out": within("cpu", ["/a"], [
    ...values(at("cpu", "/cpu.rt_runtime_us"), "950001", "-1", "1000"),
    ...writes(at("cpu", "/a/cpu.rt_runtime_us"), "2000", "500"),
    ...writes(at("cpu", "/cpu.rt_runtime_us"), "400"),
    ...writes(at("cpu", "/cpu.rt_period_us"), "0", "500"),
    ...writes(at("cpu", "/a/cpu.rt_runtime_us"), "0"),
    ...writes(at("cpu", "/cpu.rt_runtime_us"), "0")
  ]),
  "a new group has no real time": within("cpu", [], [
    fork(0, [
      ...write(at("cpu", "/cgroup.procs"), "0"),
      line("sched_setattr", { pid: 0, attributes: realTime }),
      ...write(at("cpu", "/cpu.rt_runtime_us"), "1000"),
      line("sched_setattr", { pid: 0, attributes: realTime }),
      ...write(at("cpu", "/cpu.rt_runtime_us"), "0")
    ])
  ]),
  "a real-time process joins no group without real time": within("cpu", [], [
    fork(0, [
      line("sched_setattr", { pid: 0, attributes: realTime }),
      ...write(at("cpu", "/cgroup.procs"), "0"),
      ...write(at("cpu", "/cpu.rt_runtime_us"), "1000"),
      ...write(at("cpu", "/cgroup.procs"), "0")
    ])
  ])
}

const cpuset: Readonly<Record<string, Scenario>> = {
  "a new cpuset takes nobody": within("cpuset", [], [
    ...readFile(at("cpuset", "/cpuset.cpus")),
    ...readFile(at("cpuset", "/cpuset.effective_cpus")),
    fork(0, [
      ...write(at("cpuset", "/cgroup.procs"), "0"),
      ...write(at("cpuset", "/cpuset.cpus"), "0"),
      ...write(at("cpuset", "/cgroup.procs"), "0"),
      ...write(at("cpuset", "/cpuset.mems"), "0"),
      ...write(at("cpuset", "/cgroup.procs"), "0")
    ])
  ]),
  "what cpuset.cpus takes": within(
    "cpuset",
    [],
    values(
      at("cpuset", "/cpuset.cpus"),
      "0",
      "5",
      "0,5",
      "0-1",
      "1-0",
      "x",
      "",
      "0-",
      "0,",
      "-1",
      " 1 ",
      "999999",
      "all",
      "0 1",
      "1,1",
      "\n"
    )
  ),
  "what cpuset.mems takes": within(
    "cpuset",
    [],
    values(at("cpuset", "/cpuset.mems"), "0", "1", "0-1", "x", "1024", "\n")
  ),
  "a cpuset has no more than its parent": within("cpuset", ["/a"], [
    ...write(at("cpuset", "/cpuset.cpus"), "0"),
    ...write(at("cpuset", "/a/cpuset.cpus"), "1"),
    ...write(at("cpuset", "/a/cpuset.mems"), "0"),
    ...write(at("cpuset", "/cpuset.mems"), "0"),
    ...write(at("cpuset", "/a/cpuset.mems"), "0"),
    ...write(at("cpuset", "/a/cpuset.cpus"), "0"),
    ...readFile(at("cpuset", "/a/cpuset.effective_cpus")),
    ...write(at("cpuset", "/cpuset.cpus"), "1"),
    ...write(at("cpuset", "/cpuset.cpus"), "\n"),
    ...write(at("cpuset", "/cpuset.cpus"), "0-1")
  ]),
  "a cpuset with processes is not emptied": within("cpuset", [], [
    ...write(at("cpuset", "/cpuset.cpus"), "0"),
    ...write(at("cpuset", "/cpuset.mems"), "0"),
    ...sleeper("child"),
    ...put(at("cpuset", "/cgroup.procs"), "child"),
    ...write(at("cpuset", "/cpuset.cpus"), "\n"),
    ...write(at("cpuset", "/cpuset.mems"), "\n"),
    ...write(at("cpuset", "/cpuset.cpus"), "1"),
    ...end("child")
  ]),
  "processes have the processors of their cpuset": within("cpuset", [], [
    ...write(at("cpuset", "/cpuset.cpus"), "1"),
    ...write(at("cpuset", "/cpuset.mems"), "0"),
    ...sleeper("child"),
    ...put(at("cpuset", "/cgroup.procs"), "child"),
    line("sched_getaffinity", { pid: "$child" }, see),
    line("sched_setaffinity", { pid: "$child", cpus: [0] }),
    ...write(at("cpuset", "/cpuset.cpus"), "0-1"),
    line("sched_getaffinity", { pid: "$child" }, see),
    line("sched_setaffinity", { pid: "$child", cpus: [0] }),
    ...write(at("cpuset", "/cpuset.cpus"), "1"),
    line("sched_getaffinity", { pid: "$child" }, see),
    ...put("/sys/fs/cgroup/cpuset/cgroup.procs", "child"),
    line("sched_getaffinity", { pid: "$child" }, see),
    ...end("child")
  ]),
  "a clone of the parent's cpuset": within("cpuset", [], [
    ...write(at("cpuset", "/cpuset.cpus"), "0-1"),
    ...write(at("cpuset", "/cpuset.mems"), "0"),
    ...write(at("cpuset", "/cgroup.clone_children"), "1"),
    mkdir(at("cpuset", "/a")),
    ...readFile(at("cpuset", "/a/cpuset.cpus")),
    ...readFile(at("cpuset", "/a/cpuset.mems")),
    rmdir(at("cpuset", "/a"))
  ]),
  "the root cpuset has all": [
    ...write("/sys/fs/cgroup/cpuset/cpuset.cpus", "0"),
    ...readFile("/sys/fs/cgroup/cpuset/cpuset.cpus")
  ],
  "an exclusive cpuset overlaps with no sibling": within("cpuset", ["/a", "/a/x", "/a/y"], [
    ...write(at("cpuset", "/cpuset.cpus"), "0-1"),
    ...write(at("cpuset", "/a/cpuset.cpus"), "0-1"),
    ...write(at("cpuset", "/a/x/cpuset.cpu_exclusive"), "1"),
    ...write(at("cpuset", "/a/x/cpuset.cpus"), "0"),
    ...write(at("cpuset", "/a/y/cpuset.cpus"), "0"),
    ...write(at("cpuset", "/a/x/cpuset.mem_exclusive"), "x")
  ])
}

const namespaces: Readonly<Record<string, Scenario>> = {
  "a cgroup namespace makes a process's groups its root": within("pids", ["/a"], [
    fork(0, [
      ...write(at("pids", "/a/cgroup.procs"), "0"),
      line("unshare", { flags: CLONE.NEWCGROUP }),
      ...lookAt("/proc/self/cgroup", /pids/),
      ...write("/sys/fs/cgroup/pids/cgroup.procs", "0"),
      ...lookAt("/proc/self/cgroup", /pids/),
      ...write(at("pids", "/cgroup.procs"), "0"),
      ...lookAt("/proc/self/cgroup", /pids/)
    ])
  ]),
  "from outside the path is whole": within("pids", [], [
    gate("ready"),
    gate("hold"),
    start("child", 0, [
      ...write(at("pids", "/cgroup.procs"), "0"),
      line("unshare", { flags: CLONE.NEWCGROUP }),
      openGate("ready"),
      pass("hold")
    ]),
    pass("ready"),
    ...lookAt("/proc/$child/cgroup", /pids/),
    ...end("child")
  ]),
  "a mount in a cgroup namespace shows its root": within("pids", [], [
    fork(CLONE.NEWNS, [
      ...write(at("pids", "/cgroup.procs"), "0"),
      line("unshare", { flags: CLONE.NEWCGROUP }),
      mkdir("c"),
      line("mount", { source: "cgroup", target: "c", type: "cgroup", flags: 0, data: "pids" }),
      open("c/pids.max", O.RDONLY),
      open("c/release_agent", O.RDONLY)
    ])
  ])
}

export const cgroupsV1: Readonly<Record<string, Scenario>> = existsSync("/sys/fs/cgroup/pids/cgroup.procs")
  ? { ...core, ...rights, ...freezer, ...pids, ...memory, ...cpu, ...cpuset, ...namespaces }
  : {}
