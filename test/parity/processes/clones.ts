/** clone(2): flags that exclude each other, and what children inherit. */
import { CLONE, O, P, PR, SIG, W } from "../../../src/native/constants.ts"
import { cwd, type Scenario } from "../../support/parityLines.ts"
import {
  as,
  fork,
  gate,
  join,
  kill,
  line,
  open,
  openGate,
  pass,
  prctl,
  see,
  start,
  waitFor
} from "../../support/vocabulary.ts"
import { numbered, wait } from "./lines.ts"

export const clones: Readonly<Record<string, Scenario>> = {
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
