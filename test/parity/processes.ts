/** Processes: clone's flags, ends, waiting, reparenting, signals, parent-death signals, dumpable, pidfds, sessions. */
import { CLONE, O, P, POLL, PR, SIG, W } from "../../src/native/constants.ts"
import { cwd, type Scenario } from "../support/parity.ts"
import {
  as,
  exit,
  fork,
  gate,
  gids,
  join,
  kill,
  line,
  lookAt,
  open,
  openGate,
  pass,
  prctl,
  readFile,
  see,
  start,
  uids,
  waitFor
} from "../support/vocabulary.ts"

/** As process 2 of a pid namespace, so that the numbers are the same on both sides. */
const numbered = (lines: Scenario): Scenario => [fork(CLONE.NEWPID, [fork(0, lines)])]

/** A pidfd of a process. */
const pidfd = (pid: string | number, name: string, flags = 0) => line("pidfd_open", { pid, flags }, as(name))
const wait = (idtype: number, id: number | string, options: number) =>
  line("waitid", { idtype, id, options }, { see: ["code", "status"] })
const sendBy = (fd: string | number, signal: number) => line("pidfd_send_signal", { pidfd: fd, signal })
/** Wait for a child that has ended, and leave it. */
const ended = (name: string) => waitFor(`$${name}`, W.EXITED | W.NOWAIT)

/** A child that waits at a gate which nobody opens. */
const sleeper = (name: string): Scenario => [gate("never"), start(name, 0, [pass("never")])]

const clones: Readonly<Record<string, Scenario>> = {
  "clone refuses a new mount namespace with shared directories": [
    fork(CLONE.NEWNS | CLONE.FS, []),
    fork(CLONE.NEWNS, [line("getcwd", {}, see)])
  ],
  "clone refuses a new user namespace with shared directories": [
    fork(CLONE.NEWUSER | CLONE.FS, []),
    fork(CLONE.NEWUSER, [])
  ],
  "clone refuses signal handlers without memory, and threads without handlers": [
    fork(CLONE.SIGHAND, []),
    fork(CLONE.THREAD, []),
    fork(CLONE.THREAD | CLONE.SIGHAND, [])
  ],
  "clone refuses a new ipc namespace with shared semaphore undo lists": [
    fork(CLONE.NEWIPC | 0x40000, []),
    fork(0x40000, [])
  ],
  "clone refuses a pidfd for which there is no place": [fork(CLONE.PIDFD, [])],
  "clone takes no time namespace": [fork(CLONE.NEWTIME, [])],
  "clone with CLONE_PARENT makes a sibling": numbered([
    start("child", 0, [line("reclone", { flags: 0 }), line("getpid", {}, see), line("getppid", {}, see)]),
    join("child"),
    waitFor("$child"),
    wait(P.ALL, 0, W.EXITED),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "the init of a pid namespace has no siblings": [
    fork(CLONE.NEWPID, [line("reclone", { flags: 0 }), fork(CLONE.PARENT, [])])
  ],
  "a sibling in a new pid namespace is its init": numbered([
    start("child", 0, [line("reclone", { flags: CLONE.NEWPID }), line("getpid", {}, see), line("getppid", {}, see)]),
    join("child"),
    line("waitid", { idtype: P.ALL, id: 0, options: W.EXITED }, { see: ["pid", "code", "status"] }),
    line("waitid", { idtype: P.ALL, id: 0, options: W.EXITED }, { see: ["pid", "code", "status"] })
  ]),
  "children inherit mask, umask, ignored signals and limits": [
    line("umask", { mask: 0o27 }),
    line("rt_sigprocmask", { how: 2, signals: [SIG.USR1, SIG.TERM] }),
    fork(0, [
      line("umask", { mask: 0 }, see),
      line("rt_sigprocmask", { how: 2, signals: [] }, see),
      prctl(PR.GET_NO_NEW_PRIVS)
    ]),
    line("umask", { mask: 0 }, see)
  ],
  "children don't inherit pending signals": [
    line("rt_sigprocmask", { how: 0, signals: [SIG.USR1] }),
    fork(0, [
      line("getpid", {}, as("me")),
      kill("$me", SIG.USR1),
      fork(0, [line("rt_sigprocmask", { how: 2, signals: [] }, see)]),
      line("rt_sigprocmask", { how: 2, signals: [] })
    ])
  ],
  "a shared working directory moves for both": [
    line("mkdirat", { dirfd: cwd, path: "d", mode: 0o755 }),
    fork(CLONE.FS, [line("chdir", { path: "d" }), line("umask", { mask: 0o123 })]),
    line("getcwd", {}, see),
    line("umask", { mask: 0 }, see),
    fork(0, [line("chdir", { path: ".." })]),
    line("getcwd", {}, see)
  ],
  "shared directories forbid to join a mount namespace": [
    open("/proc/self/ns/mnt", O.RDONLY, "mnt"),
    gate("hold"),
    start("child", CLONE.FS, [pass("hold")]),
    line("setns", { fd: "$mnt", nstype: CLONE.NEWNS }),
    line("unshare", { flags: CLONE.FS }),
    line("setns", { fd: "$mnt", nstype: CLONE.NEWNS }),
    openGate("hold"),
    join("child")
  ],
  "shared directories do not forbid to join a mount namespace among others": numbered([
    gate("hold"),
    gate("never"),
    line("mkdirat", { dirfd: cwd, path: "d", mode: 0o755 }),
    line("chdir", { path: "d" }),
    start("other", 0, [pass("never")]),
    line("pidfd_open", { pid: "$other", flags: 0 }, as("fd")),
    start("child", CLONE.FS, [pass("hold"), line("getcwd", {}, see)]),
    line("setns", { fd: "$fd", nstype: CLONE.NEWNS }),
    line("setns", { fd: "$fd", nstype: CLONE.NEWNS | CLONE.NEWUTS }),
    line("getcwd", {}, see),
    openGate("hold"),
    join("child")
  ]),
  "shared directories end with unshare of a user namespace": [
    gate("hold"),
    line("mkdirat", { dirfd: cwd, path: "d", mode: 0o755 }),
    start("child", CLONE.FS, [pass("hold"), line("getcwd", {}, see)]),
    line("unshare", { flags: CLONE.NEWUSER }),
    line("chdir", { path: "d" }),
    openGate("hold"),
    join("child")
  ]
}

const waits: Readonly<Record<string, Scenario>> = {
  "an exit status has eight bits": [
    fork(0, [exit(7)]),
    fork(0, [exit(256)]),
    fork(0, [exit(-1)]),
    fork(0, [exit(0x1ff)])
  ],
  "waitid wants to know what for": numbered([
    ...sleeper("child"),
    wait(P.ALL, 0, 0),
    wait(P.ALL, 0, W.NOHANG),
    wait(P.ALL, 0, W.EXITED | W.NOHANG | 0x100),
    wait(9, 0, W.EXITED),
    wait(P.ALL, 0, W.STOPPED | W.NOHANG),
    wait(P.ALL, 0, W.CONTINUED | W.NOHANG),
    wait(P.ALL, 0, W.EXITED | W.NOHANG)
  ]),
  "waitid refuses impossible ids": [
    wait(P.PID, 0, W.EXITED),
    wait(P.PID, -1, W.EXITED),
    wait(P.PGID, -1, W.EXITED),
    wait(P.PIDFD, -1, W.EXITED),
    wait(P.PIDFD, 0, W.EXITED),
    wait(P.PIDFD, 480, W.EXITED)
  ],
  "waitid without children": [
    wait(P.ALL, 0, W.EXITED),
    wait(P.ALL, 0, W.EXITED | W.NOHANG),
    wait(P.PID, 1, W.EXITED),
    wait(P.PGID, 0, W.EXITED),
    wait(P.PID, 4000000, W.EXITED)
  ],
  "only one's own children can be waited for": numbered([
    ...sleeper("child"),
    fork(0, [wait(P.PID, "$child", W.EXITED | W.NOHANG), wait(P.ALL, 0, W.EXITED | W.NOHANG)]),
    wait(P.PID, "$child", W.EXITED | W.NOHANG)
  ]),
  "WNOWAIT leaves the child": numbered([
    start("child", 0, [exit(3)]),
    wait(P.PID, "$child", W.EXITED | W.NOWAIT),
    wait(P.PID, "$child", W.EXITED | W.NOWAIT | W.NOHANG),
    kill("$child", SIG.KILL),
    ...lookAt("/proc/self/status", /^Name:/),
    wait(P.PID, "$child", W.EXITED),
    wait(P.PID, "$child", W.EXITED),
    kill("$child", 0)
  ]),
  "the status of a killed child is the signal": numbered([
    ...sleeper("child"),
    kill("$child", SIG.TERM),
    line("waitid", { idtype: P.PID, id: "$child", options: W.EXITED }, see),
    ...sleeper("second"),
    kill("$second", SIG.KILL),
    line("waitid", { idtype: P.ALL, id: 0, options: W.EXITED }, see)
  ]),
  "children are waited for in the order they were made": numbered([
    start("one", 0, [exit(1)]),
    start("two", 0, [exit(2)]),
    ended("one"),
    ended("two"),
    wait(P.ALL, 0, W.EXITED),
    wait(P.ALL, 0, W.EXITED),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "a stop and a continuation are told once": numbered([
    ...sleeper("child"),
    kill("$child", SIG.STOP),
    wait(P.PID, "$child", W.STOPPED | W.NOWAIT),
    wait(P.PID, "$child", W.EXITED | W.CONTINUED | W.NOHANG),
    wait(P.PID, "$child", W.STOPPED),
    wait(P.PID, "$child", W.STOPPED | W.NOHANG),
    kill("$child", SIG.CONT),
    wait(P.PID, "$child", W.STOPPED | W.NOHANG),
    wait(P.PID, "$child", W.CONTINUED),
    wait(P.PID, "$child", W.CONTINUED | W.NOHANG),
    kill("$child", SIG.KILL),
    wait(P.PID, "$child", W.STOPPED | W.EXITED)
  ]),
  "a stop that was not told is forgotten by a continuation": numbered([
    ...sleeper("child"),
    kill("$child", SIG.STOP),
    wait(P.PID, "$child", W.STOPPED | W.NOWAIT),
    kill("$child", SIG.CONT),
    wait(P.PID, "$child", W.STOPPED | W.CONTINUED),
    wait(P.PID, "$child", W.STOPPED | W.CONTINUED | W.NOHANG)
  ]),
  "a continuation that was not told is forgotten by a stop": numbered([
    ...sleeper("child"),
    kill("$child", SIG.STOP),
    wait(P.PID, "$child", W.STOPPED),
    kill("$child", SIG.CONT),
    kill("$child", SIG.STOP),
    wait(P.PID, "$child", W.STOPPED),
    wait(P.PID, "$child", W.CONTINUED | W.NOHANG)
  ]),
  "SIGCONT for a running process is no continuation": numbered([
    ...sleeper("child"),
    kill("$child", SIG.CONT),
    wait(P.PID, "$child", W.CONTINUED | W.NOHANG),
    kill("$child", SIG.TERM),
    wait(P.PID, "$child", W.CONTINUED | W.EXITED)
  ]),
  "a stopped process can be killed, but takes other signals later": numbered([
    ...sleeper("child"),
    kill("$child", SIG.STOP),
    wait(P.PID, "$child", W.STOPPED),
    kill("$child", SIG.TERM),
    wait(P.PID, "$child", W.EXITED | W.NOHANG),
    kill("$child", SIG.CONT),
    wait(P.PID, "$child", W.EXITED),
    ...sleeper("second"),
    kill("$second", SIG.STOP),
    wait(P.PID, "$second", W.STOPPED),
    kill("$second", SIG.KILL),
    wait(P.PID, "$second", W.EXITED)
  ]),
  "a stopped process is shown as such": numbered([
    ...sleeper("child"),
    kill("$child", SIG.STOP),
    wait(P.PID, "$child", W.STOPPED),
    line("mount", { source: "proc", target: "/proc", type: "proc", flags: 0, data: null }),
    ...lookAt("/proc/$child/status", /^State:/),
    kill("$child", SIG.KILL),
    ended("child"),
    ...lookAt("/proc/$child/status", /^State:/)
  ]),
  "a parent that ignores SIGCHLD has no zombies": numbered([
    line("rt_sigaction", { signal: SIG.CHLD, disposition: "SIG_IGN" }),
    start("child", 0, [exit(3)]),
    wait(P.PID, "$child", W.EXITED),
    kill("$child", 0)
  ]),
  "ignoring SIGCHLD later keeps the zombie": numbered([
    start("child", 0, [exit(3)]),
    ended("child"),
    line("rt_sigaction", { signal: SIG.CHLD, disposition: "SIG_IGN" }),
    wait(P.ALL, 0, W.EXITED),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "P_PGID waits for children of a group": numbered([
    gate("ready"),
    start("child", 0, [line("setsid"), openGate("ready"), exit(4)]),
    pass("ready"),
    wait(P.PGID, 0, W.EXITED | W.NOHANG),
    wait(P.PGID, "$child", W.EXITED),
    start("other", 0, [exit(5)]),
    wait(P.PGID, "$other", W.EXITED),
    wait(P.PGID, 0, W.EXITED)
  ]),
  "P_PIDFD waits for the process of a pidfd": numbered([
    start("child", 0, [exit(6)]),
    pidfd("$child", "fd"),
    wait(P.PIDFD, "$fd", W.EXITED),
    wait(P.PIDFD, "$fd", W.EXITED),
    pidfd(1, "init"),
    wait(P.PIDFD, "$init", W.EXITED)
  ]),
  "a non-blocking pidfd does not wait": numbered([
    ...sleeper("child"),
    pidfd("$child", "fd", O.NONBLOCK),
    wait(P.PIDFD, "$fd", W.EXITED),
    wait(P.PIDFD, "$fd", W.EXITED | W.NOHANG),
    kill("$child", SIG.KILL),
    ended("child"),
    wait(P.PIDFD, "$fd", W.EXITED)
  ]),
  "waitid tells the pid and the real uid of the child": numbered([
    start("child", 0, [line("setresuid", { ruid: 1000, euid: 1001, suid: 1002 }), exit(0)]),
    line("waitid", { idtype: P.ALL, id: 0, options: W.EXITED }, see)
  ])
}

const families: Readonly<Record<string, Scenario>> = {
  "orphans go to the init of the pid namespace": [
    fork(CLONE.NEWPID, [
      gate("orphaned"),
      gate("told"),
      fork(0, [start("grandchild", 0, [pass("orphaned"), line("getppid", {}, see), exit(9)]), exit(0)]),
      openGate("orphaned"),
      wait(P.ALL, 0, W.EXITED),
      wait(P.ALL, 0, W.EXITED)
    ])
  ],
  "orphans go to the nearest subreaper": numbered([
    gate("orphaned"),
    prctl(PR.SET_CHILD_SUBREAPER, 1),
    fork(0, [start("grandchild", 0, [pass("orphaned"), exit(9)]), exit(0)]),
    openGate("orphaned"),
    wait(P.ALL, 0, W.EXITED),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "a process that is no subreaper any more gets no orphans": numbered([
    gate("orphaned"),
    prctl(PR.SET_CHILD_SUBREAPER, 1),
    prctl(PR.GET_CHILD_SUBREAPER),
    prctl(PR.SET_CHILD_SUBREAPER, 0),
    prctl(PR.GET_CHILD_SUBREAPER),
    fork(0, [start("grandchild", 0, [pass("orphaned"), exit(9)]), exit(0)]),
    openGate("orphaned"),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "being a subreaper is not inherited": numbered([
    prctl(PR.SET_CHILD_SUBREAPER, 1),
    fork(0, [prctl(PR.GET_CHILD_SUBREAPER)]),
    prctl(PR.GET_CHILD_SUBREAPER)
  ]),
  "a subreaper outside of the pid namespace gets no orphans of it": numbered([
    prctl(PR.SET_CHILD_SUBREAPER, 1),
    fork(CLONE.NEWPID, [
      gate("orphaned"),
      fork(0, [start("grandchild", 0, [pass("orphaned"), line("getppid", {}, see), exit(9)]), exit(0)]),
      openGate("orphaned"),
      wait(P.ALL, 0, W.EXITED)
    ]),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "zombies of a dead parent go to the reaper as well": numbered([
    prctl(PR.SET_CHILD_SUBREAPER, 1),
    fork(0, [start("grandchild", 0, [exit(9)]), ended("grandchild"), exit(0)]),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "getppid follows the reaper": numbered([
    gate("orphaned"),
    gate("ready"),
    prctl(PR.SET_CHILD_SUBREAPER, 1),
    start("child", 0, [
      start("grandchild", 0, [
        line("getppid", {}, see),
        openGate("ready"),
        pass("orphaned"),
        line("getppid", {}, see),
        exit(0)
      ]),
      pass("ready"),
      exit(0)
    ]),
    waitFor("$child"),
    openGate("orphaned"),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "setsid makes a leader, once": numbered([
    line("setsid", {}, see),
    line("setsid", {}, see),
    fork(0, [line("setsid", {}, see), line("setsid", {}, see)])
  ]),
  "getsid tells the session of anybody, and outlives its leader": numbered([
    line("getsid", { pid: 0 }, see),
    line("getsid", { pid: 1 }, see),
    line("getsid", { pid: 77 }, see),
    line("getsid", { pid: -1 }, see),
    gate("cloned"),
    gate("never"),
    start("child", 0, [
      line("setsid", {}, see),
      line("reclone", { flags: CLONE.PARENT }),
      line("getsid", { pid: 0 }, see),
      openGate("cloned"),
      pass("never")
    ]),
    pass("cloned"),
    line("getsid", { pid: "$child" }, see)
  ])
}

/** A grandchild with a parent-death signal after some lines; its reaper is the process that calls. */
const orphanedAfter = (signal: number, lines: Scenario): Scenario => [
  prctl(PR.SET_CHILD_SUBREAPER, 1),
  gate("ready"),
  gate("last"),
  start("child", 0, [
    start("grandchild", 0, [
      prctl(PR.SET_PDEATHSIG, signal),
      ...lines,
      prctl(PR.GET_PDEATHSIG),
      openGate("ready"),
      pass("last"),
      exit(5)
    ]),
    pass("ready"),
    exit(0)
  ]),
  waitFor("$child"),
  // signalled by now, or never
  openGate("last"),
  wait(P.ALL, 0, W.EXITED)
]

const parentDeath: Readonly<Record<string, Scenario>> = {
  "a parent-death signal ends the child": numbered(orphanedAfter(SIG.KILL, [])),
  "a parent-death signal of zero is none": numbered(orphanedAfter(0, [])),
  "a parent-death signal can be ignored": numbered(
    orphanedAfter(SIG.USR1, [line("rt_sigaction", { signal: SIG.USR1, disposition: "SIG_IGN" })])
  ),
  "a change of the effective uid forgets the parent-death signal": numbered(
    orphanedAfter(SIG.KILL, [line("setresuid", { ruid: -1, euid: 1000, suid: -1 })])
  ),
  "a change of the effective gid forgets the parent-death signal": numbered(
    orphanedAfter(SIG.KILL, [line("setresgid", { rgid: -1, egid: 1000, sgid: -1 })])
  ),
  "a change of the real or saved uid keeps the parent-death signal": numbered(
    orphanedAfter(SIG.KILL, [line("setresuid", { ruid: 1000, euid: -1, suid: 1000 })])
  ),
  "dropping capabilities keeps the parent-death signal": numbered(
    orphanedAfter(SIG.KILL, [line("capset", { effective: 0n, permitted: 0n, inheritable: 0n })])
  ),
  "a new user namespace and the parent-death signal": numbered(
    orphanedAfter(SIG.KILL, [line("unshare", { flags: CLONE.NEWUSER })])
  ),
  "setgroups keeps the parent-death signal": numbered(
    orphanedAfter(SIG.KILL, [line("setgroups", { groups: [5] })])
  ),
  "the child's child has no parent-death signal": numbered([
    prctl(PR.SET_PDEATHSIG, SIG.KILL),
    fork(0, [prctl(PR.GET_PDEATHSIG)]),
    prctl(PR.GET_PDEATHSIG)
  ]),
  "a parent-death signal must be a signal": [
    prctl(PR.SET_PDEATHSIG, 64),
    prctl(PR.SET_PDEATHSIG, 65),
    prctl(PR.SET_PDEATHSIG, -1),
    prctl(PR.GET_PDEATHSIG)
  ],
  "the init of a pid namespace dies of a parent outside with SIGKILL": numbered([
    prctl(PR.SET_CHILD_SUBREAPER, 1),
    gate("ready"),
    gate("last"),
    start("child", 0, [
      start("init", CLONE.NEWPID, [prctl(PR.SET_PDEATHSIG, SIG.KILL), openGate("ready"), pass("last")]),
      pass("ready"),
      exit(0)
    ]),
    waitFor("$child"),
    openGate("last"),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "the init of a pid namespace does not hear of SIGTERM for the death of its parent": numbered([
    prctl(PR.SET_CHILD_SUBREAPER, 1),
    gate("ready"),
    gate("last"),
    start("child", 0, [
      start("init", CLONE.NEWPID, [prctl(PR.SET_PDEATHSIG, SIG.TERM), openGate("ready"), pass("last"), exit(6)]),
      pass("ready"),
      exit(0)
    ]),
    waitFor("$child"),
    openGate("last"),
    wait(P.ALL, 0, W.EXITED)
  ])
}

const signals: Readonly<Record<string, Scenario>> = {
  "a blocked signal arrives when it is unblocked": [
    fork(CLONE.NEWPID, [fork(0, [
      line("getpid", {}, as("me")),
      line("rt_sigprocmask", { how: 0, signals: [SIG.TERM] }),
      kill("$me", SIG.TERM),
      kill("$me", SIG.TERM),
      line("rt_sigprocmask", { how: 1, signals: [SIG.TERM] }),
      line("getpid")
    ])])
  ],
  "ignoring a signal drops what is pending": numbered([
    line("getpid", {}, as("me")),
    line("rt_sigprocmask", { how: 0, signals: [SIG.TERM] }),
    kill("$me", SIG.TERM),
    line("rt_sigaction", { signal: SIG.TERM, disposition: "SIG_IGN" }),
    line("rt_sigaction", { signal: SIG.TERM, disposition: "SIG_DFL" }),
    line("rt_sigprocmask", { how: 1, signals: [SIG.TERM] }),
    line("getpid", {}, see)
  ]),
  "a blocked signal is kept though it is ignored": numbered([
    line("getpid", {}, as("me")),
    line("rt_sigaction", { signal: SIG.TERM, disposition: "SIG_IGN" }),
    line("rt_sigprocmask", { how: 0, signals: [SIG.TERM] }),
    kill("$me", SIG.TERM),
    line("rt_sigaction", { signal: SIG.TERM, disposition: "SIG_DFL" }),
    line("rt_sigprocmask", { how: 1, signals: [SIG.TERM] }),
    line("getpid")
  ]),
  "signals that are ignored by default end nothing": numbered([
    ...sleeper("child"),
    kill("$child", SIG.CHLD),
    kill("$child", SIG.URG),
    kill("$child", SIG.WINCH),
    kill("$child", SIG.CONT),
    wait(P.ALL, 0, W.EXITED | W.NOHANG)
  ]),
  "real-time signals end a process": numbered([
    ...sleeper("child"),
    kill("$child", 34),
    wait(P.ALL, 0, W.EXITED),
    ...sleeper("last"),
    kill("$last", 64),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "signals that dump core tell so only where a core is written": numbered([
    line("prlimit64", { pid: 0, resource: 4, limit: { soft: 0n, hard: 0n } }),
    ...sleeper("child"),
    kill("$child", SIG.QUIT),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "SIGTSTP does not stop a member of an orphaned group": numbered([
    line("setsid"),
    ...sleeper("child"),
    kill("$child", SIG.TSTP),
    kill("$child", SIG.TTIN),
    wait(P.ALL, 0, W.STOPPED | W.NOHANG),
    kill("$child", SIG.STOP),
    wait(P.ALL, 0, W.STOPPED)
  ]),
  "SIGKILL and SIGSTOP can't be blocked": numbered([
    gate("never"),
    gate("ready"),
    start("child", 0, [
      line("rt_sigprocmask", { how: 2, signals: [SIG.KILL, SIG.STOP, SIG.TERM] }),
      openGate("ready"),
      pass("never")
    ]),
    pass("ready"),
    kill("$child", SIG.TERM),
    kill("$child", SIG.STOP),
    wait(P.ALL, 0, W.STOPPED),
    kill("$child", SIG.KILL),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "SIGCONT takes pending stops away": numbered([
    gate("never"),
    gate("ready"),
    start("child", 0, [
      line("rt_sigprocmask", { how: 2, signals: [SIG.TSTP, SIG.CONT] }),
      openGate("ready"),
      pass("never"),
      line("rt_sigprocmask", { how: 2, signals: [] }),
      exit(3)
    ]),
    pass("ready"),
    kill("$child", SIG.TSTP),
    kill("$child", SIG.CONT),
    openGate("never"),
    wait(P.ALL, 0, W.EXITED | W.STOPPED)
  ]),
  "kill of a group": numbered([
    gate("ready"),
    gate("never"),
    start("leader", 0, [
      line("setsid"),
      start("member", 0, [openGate("ready"), pass("never")]),
      pass("never")
    ]),
    pass("ready"),
    kill(-4000000, SIG.TERM),
    line("kill", { pid: -3, signal: SIG.TERM }),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "kill of one's own group": numbered([
    line("setsid"),
    ...sleeper("child"),
    line("rt_sigaction", { signal: SIG.TERM, disposition: "SIG_IGN" }),
    kill(0, SIG.TERM),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "kill of everybody spares init and the caller": [
    fork(CLONE.NEWPID, [
      ...sleeper("one"),
      fork(0, [kill(-1, SIG.TERM), line("getpid", {}, see)]),
      wait(P.ALL, 0, W.EXITED),
      kill(-1, SIG.TERM)
    ])
  ],
  "kill wants a signal and a process": [
    kill(1, 65),
    kill(1, -1),
    kill(1, 0),
    kill(4000000, 65),
    kill(-2147483648, SIG.TERM)
  ],
  "who may signal": numbered([
    gate("ready"),
    gate("never"),
    start("child", 0, [line("setresuid", { ruid: 1000, euid: 1001, suid: 1002 }), openGate("ready"), pass("never")]),
    pass("ready"),
    ...[999, 1000, 1001, 1002].map((id) => fork(0, [uids(id), kill("$child", 0), kill("$child", SIG.CONT)])),
    fork(0, [line("setresuid", { ruid: 1000, euid: 5, suid: 5 }), kill("$child", 0)]),
    fork(0, [line("setresuid", { ruid: 5, euid: 5, suid: 1000 }), kill("$child", 0)]),
    fork(0, [line("capset", { effective: 0n, permitted: 0n, inheritable: 0n }), kill("$child", 0)]),
    fork(0, [line("capset", { effective: 0x20n, permitted: 0x20n, inheritable: 0n }), kill("$child", 0)])
  ]),
  "SIGCONT is for the whole session": numbered([
    gate("ready"),
    gate("never"),
    start("child", 0, [uids(1000), line("setsid"), openGate("ready"), pass("never")]),
    pass("ready"),
    fork(0, [uids(1001), kill("$child", SIG.CONT), kill("$child", 0)])
  ]),
  "kill of a group succeeds if one could be signalled": numbered([
    line("setsid"),
    ...sleeper("child"),
    gate("ready"),
    start("mine", 0, [uids(1000), openGate("ready"), pass("never")]),
    pass("ready"),
    fork(0, [
      uids(1000),
      line("rt_sigaction", { signal: SIG.TERM, disposition: "SIG_IGN" }),
      kill(0, SIG.TERM),
      kill(-1, 0)
    ]),
    waitFor("$mine"),
    kill("$child", SIG.KILL),
    waitFor("$child")
  ]),
  "sigprocmask knows three ways": [line("rt_sigprocmask", { how: 3, signals: [] })],
  "dispositions of SIGKILL and SIGSTOP stay": [
    line("rt_sigaction", { signal: SIG.KILL, disposition: "SIG_DFL" }),
    line("rt_sigaction", { signal: SIG.STOP, disposition: "SIG_IGN" }),
    line("rt_sigaction", { signal: 0, disposition: "SIG_DFL" }),
    line("rt_sigaction", { signal: 64, disposition: "SIG_IGN" }),
    line("rt_sigaction", { signal: 65, disposition: "SIG_IGN" })
  ]
}

const owner = (path: string) => line("statx", { dirfd: cwd, path, flags: 0, mask: 0x7ff }, { see: ["uid", "gid"] })

const dumpable: Readonly<Record<string, Scenario>> = {
  "dumpable is lost with the effective uid": [
    prctl(PR.SET_DUMPABLE, 1),
    line("setresuid", { ruid: 1000, euid: -1, suid: 1000 }),
    prctl(PR.GET_DUMPABLE),
    line("setresuid", { ruid: -1, euid: 1000, suid: -1 }),
    prctl(PR.GET_DUMPABLE)
  ],
  "dumpable is lost with the effective gid, not with the others": [
    prctl(PR.SET_DUMPABLE, 1),
    line("setresgid", { rgid: 5, egid: -1, sgid: 6 }),
    prctl(PR.GET_DUMPABLE),
    line("setgroups", { groups: [7] }),
    prctl(PR.GET_DUMPABLE),
    line("setresgid", { rgid: -1, egid: 5, sgid: -1 }),
    prctl(PR.GET_DUMPABLE)
  ],
  "dumpable survives dropped capabilities": [
    prctl(PR.SET_DUMPABLE, 1),
    line("capset", { effective: 0n, permitted: 0x20n, inheritable: 0n }),
    prctl(PR.GET_DUMPABLE),
    line("capset", { effective: 0x20n, permitted: 0x20n, inheritable: 0n }),
    prctl(PR.GET_DUMPABLE)
  ],
  "dumpable and a new user namespace": [
    prctl(PR.SET_DUMPABLE, 1),
    line("unshare", { flags: CLONE.NEWUSER }),
    prctl(PR.GET_DUMPABLE)
  ],
  "dumpable is copied by fork": [
    prctl(PR.SET_DUMPABLE, 0),
    fork(0, [prctl(PR.GET_DUMPABLE), prctl(PR.SET_DUMPABLE, 1), prctl(PR.GET_DUMPABLE)]),
    prctl(PR.GET_DUMPABLE)
  ],
  "files of /proc/self of a process that is not dumpable are root's": [
    gids(1001),
    uids(1000),
    owner("/proc/self"),
    owner("/proc/self/status"),
    owner("/proc/self/fd"),
    owner("/proc/self/ns"),
    owner("/proc/self/task"),
    owner("/proc/self/uid_map"),
    prctl(PR.SET_DUMPABLE, 1),
    owner("/proc/self"),
    owner("/proc/self/status"),
    owner("/proc/self/fd"),
    owner("/proc/self/ns"),
    owner("/proc/self/task"),
    owner("/proc/self/uid_map")
  ],
  "files of /proc of a zombie are root's": numbered([
    line("mount", { source: "proc", target: "/proc", type: "proc", flags: 0, data: null }),
    start("child", 0, [gids(1000), uids(1000), prctl(PR.SET_DUMPABLE, 1), exit(0)]),
    ended("child"),
    owner("/proc/$child"),
    owner("/proc/$child/status")
  ]),
  "a process that is not dumpable looks into itself": numbered([
    line("mount", { source: "proc", target: "/proc", type: "proc", flags: 0, data: null }),
    gids(1000),
    uids(1000),
    line("readlinkat", { dirfd: cwd, path: "/proc/self/cwd" }, see),
    line("readlinkat", { dirfd: cwd, path: "/proc/self/ns/uts" }),
    open("/proc/self/ns/uts", O.RDONLY),
    open("/proc/self/fd", O.RDONLY | O.DIRECTORY),
    open("/proc/self/environ", O.RDONLY),
    open("/proc/self/oom_score_adj", O.WRONLY),
    open("/proc/self/uid_map", O.WRONLY),
    open("/proc/self/status", O.RDONLY)
  ])
}

/** Another process of user 1000, dumpable or not; then lines of a process that looks at it. */
const beside = (prepare: Scenario, lines: Scenario): Scenario =>
  numbered([
    line("mount", { source: "proc", target: "/proc", type: "proc", flags: 0, data: null }),
    gate("ready"),
    gate("never"),
    open("/proc/self/ns/uts", O.RDONLY, "held"),
    start("other", 0, [...prepare, openGate("ready"), pass("never")]),
    pass("ready"),
    pidfd("$other", "fd"),
    ...lines
  ])

const asUser = (id: number): Scenario => [gids(id), line("setgroups", { groups: [] }), uids(id)]

const looks: Scenario = [
  line("readlinkat", { dirfd: cwd, path: "/proc/$other/cwd" }, see),
  line("readlinkat", { dirfd: cwd, path: "/proc/$other/root" }, see),
  open("/proc/$other/ns/uts", O.RDONLY),
  open("/proc/$other/root/proc", O.RDONLY | O.DIRECTORY),
  open("/proc/$other/fd", O.RDONLY | O.DIRECTORY),
  open("/proc/$other/environ", O.RDONLY),
  open("/proc/$other/status", O.RDONLY),
  line("pidfd_getfd", { pidfd: "$fd", targetfd: "$held", flags: 0 }),
  line("setns", { fd: "$fd", nstype: CLONE.NEWUTS })
]

const seeing: Readonly<Record<string, Scenario>> = {
  "root looks into anybody": beside([...asUser(1000)], looks),
  "a user looks into its own dumpable process": beside([...asUser(1000), prctl(PR.SET_DUMPABLE, 1)], [
    fork(0, [...asUser(1000), ...looks])
  ]),
  "a user does not look into its own undumpable process": beside(asUser(1000), [fork(0, [...asUser(1000), ...looks])]),
  "a user does not look into another's process": beside([...asUser(1000), prctl(PR.SET_DUMPABLE, 1)], [
    fork(0, [...asUser(1001), ...looks])
  ]),
  "a user does not look into a process with more capabilities": beside([
    prctl(PR.SET_KEEPCAPS, 1),
    ...asUser(1000),
    line("capset", { effective: 0x20n, permitted: 0x20n, inheritable: 0n }),
    prctl(PR.SET_DUMPABLE, 1)
  ], [fork(0, [...asUser(1000), ...looks])]),
  "CAP_SYS_PTRACE looks into anybody": beside(asUser(1000), [
    fork(0, [
      line("capset", { effective: 1n << 19n, permitted: 1n << 19n, inheritable: 0n }),
      ...looks
    ])
  ]),
  "root without capabilities looks into root's processes only without more capabilities": beside([], [
    fork(0, [line("capset", { effective: 0n, permitted: 0n, inheritable: 0n }), ...looks])
  ]),
  "a saved uid that differs hides a process": beside([
    line("setgroups", { groups: [] }),
    gids(1000),
    line("setresuid", { ruid: 1000, euid: 1000, suid: 1001 }),
    prctl(PR.SET_DUMPABLE, 1)
  ], [fork(0, [...asUser(1000), ...looks])]),
  "the effective uid looks into /proc, the real one through pidfds": beside([
    ...asUser(1000),
    prctl(PR.SET_DUMPABLE, 1)
  ], [
    fork(0, [
      line("setresgid", { rgid: -1, egid: 1000, sgid: 1000 }),
      line("setresuid", { ruid: 0, euid: 1000, suid: 1000 }),
      ...looks
    ]),
    fork(0, [
      line("setresgid", { rgid: 1000, egid: 7, sgid: 7 }),
      line("setresuid", { ruid: 1000, euid: 7, suid: 7 }),
      ...looks
    ])
  ])
}

const pidfds: Readonly<Record<string, Scenario>> = {
  "pidfd_open wants a process": numbered([
    pidfd(-1, "x"),
    pidfd(0, "x"),
    pidfd(1, "x", 1),
    pidfd(1, "x", O.NONBLOCK),
    pidfd(4000000, "x"),
    line("fcntl", { fd: "$x", command: 1, argument: 0 }, see)
  ]),
  "a pidfd of a zombie, and of a process that is gone": numbered([
    start("child", 0, [exit(1)]),
    ended("child"),
    pidfd("$child", "fd"),
    line("poll", { fds: ["$fd"], events: POLL.IN, timeout: 0 }, see),
    sendBy("$fd", SIG.TERM),
    line("pidfd_getfd", { pidfd: "$fd", targetfd: 0, flags: 0 }),
    line("setns", { fd: "$fd", nstype: CLONE.NEWUTS }),
    waitFor("$child"),
    sendBy("$fd", 0),
    sendBy("$fd", SIG.TERM),
    line("pidfd_getfd", { pidfd: "$fd", targetfd: 0, flags: 0 }),
    line("setns", { fd: "$fd", nstype: CLONE.NEWUTS }),
    pidfd("$child", "again")
  ]),
  "pidfd_send_signal ends a process": numbered([
    ...sleeper("child"),
    pidfd("$child", "fd"),
    sendBy("$fd", SIG.TERM),
    wait(P.PIDFD, "$fd", W.EXITED)
  ]),
  "pidfd_send_signal asks as kill does": numbered([
    gate("ready"),
    gate("never"),
    start("child", 0, [uids(1000), openGate("ready"), pass("never")]),
    pass("ready"),
    pidfd("$child", "fd"),
    fork(0, [uids(1001), sendBy("$fd", 0), sendBy("$fd", SIG.CONT), kill("$child", SIG.CONT)]),
    fork(0, [uids(1000), sendBy("$fd", 0)])
  ]),
  "pidfd_send_signal takes a directory of /proc": numbered([
    line("mount", { source: "proc", target: "/proc", type: "proc", flags: 0, data: null }),
    ...sleeper("child"),
    open("/proc/$child", O.RDONLY | O.DIRECTORY, "dir"),
    open("/proc/$child/ns", O.RDONLY | O.DIRECTORY, "below"),
    open("/proc/$child", O.PATH, "path"),
    sendBy("$path", 0),
    sendBy("$below", 0),
    sendBy("$dir", 0),
    sendBy("$dir", SIG.KILL),
    waitFor("$child"),
    sendBy("$dir", 0)
  ]),
  "pidfd_getfd takes no flags and no closed descriptors": numbered([
    ...sleeper("child"),
    pidfd("$child", "fd"),
    line("pidfd_getfd", { pidfd: "$fd", targetfd: 0, flags: 1 }),
    line("pidfd_getfd", { pidfd: "$fd", targetfd: 480, flags: 0 }),
    line("pidfd_getfd", { pidfd: "$fd", targetfd: -1, flags: 0 }),
    line("pidfd_getfd", { pidfd: 0, targetfd: 0, flags: 0 }),
    line("pidfd_getfd", { pidfd: 480, targetfd: 0, flags: 0 }),
    line("pidfd_getfd", { pidfd: "$fd", targetfd: "$never.0", flags: 0 }, as("got")),
    line("fcntl", { fd: "$got", command: 1, argument: 0 }, see),
    line("write", { fd: "$got", data: "x" })
  ]),
  "a pidfd tells in fdinfo which process": numbered([
    line("mount", { source: "proc", target: "/proc", type: "proc", flags: 0, data: null }),
    start("child", 0, [exit(1)]),
    ended("child"),
    pidfd("$child", "fd"),
    ...lookAt("/proc/self/fdinfo/$fd", /^(Pid|NSpid)/),
    waitFor("$child"),
    ...lookAt("/proc/self/fdinfo/$fd", /^(Pid|NSpid)/),
    pidfd(1, "init"),
    ...lookAt("/proc/self/fdinfo/$init", /^(Pid|NSpid)/)
  ]),
  "files of a process that is gone": numbered([
    line("mount", { source: "proc", target: "/proc", type: "proc", flags: 0, data: null }),
    start("child", 0, [exit(1)]),
    open("/proc/$child", O.PATH | O.DIRECTORY, "dir"),
    open("/proc/$child/status", O.RDONLY, "status"),
    ended("child"),
    line("readlinkat", { dirfd: cwd, path: "/proc/$child/cwd" }, see),
    line("readlinkat", { dirfd: cwd, path: "/proc/$child/exe" }, see),
    ...["uts", "mnt", "user", "pid", "pid_for_children", "time"].map((name) =>
      open(`/proc/$child/ns/${name}`, O.RDONLY)
    ),
    ...readFile("/proc/$child/cmdline"),
    open("/proc/$child/environ", O.RDONLY),
    waitFor("$child"),
    open("/proc/$child/status", O.RDONLY),
    line("openat", { dirfd: "$dir", path: "status", flags: O.RDONLY, mode: 0 }),
    line("read", { fd: "$status", count: 10 })
  ])
}

export const processes: Readonly<Record<string, Scenario>> = {
  ...clones,
  ...waits,
  ...families,
  ...parentDeath,
  ...signals,
  ...dumpable,
  ...seeing,
  ...pidfds
}
