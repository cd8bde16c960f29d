/** What outlives exec: descriptors, signals, the parent-death signal, namespaces. */
import { AT, CLONE, F, O, PR, SIG } from "../../../src/native/constants.ts"
import { cwd, type Scenario } from "../../support/parityLines.ts"
import { ending, file, sleeping } from "../../support/programs.ts"
import {
  capset,
  exit,
  fork,
  gate,
  gids,
  join,
  kill,
  line,
  lookAt,
  mkdir,
  mount,
  open,
  openGate,
  pass,
  prctl,
  readFile,
  see,
  start,
  symlink,
  uids,
  umount,
  waitFor,
  write
} from "../../support/vocabulary.ts"
import { dumpable, execAt, executed, execve, proc, status, user } from "./lines.ts"

/** A program with a parent-death signal whose parent then dies. */
const orphaned = (prepare: Scenario, mode = 0o755): Scenario => [
  ...file("p", sleeping, mode),
  fork(CLONE.NEWPID, [fork(0, [
    proc,
    prctl(PR.SET_CHILD_SUBREAPER, 1),
    gate("go"),
    start("child", 0, [
      start("grandchild", 0, [...prepare, prctl(PR.SET_PDEATHSIG, SIG.TERM), execve("p")]),
      join("grandchild"),
      ...readFile("/proc/$grandchild/environ"),
      exit(0)
    ]),
    waitFor("$child"),
    // it ends by SIGTERM, or else by SIGKILL
    line("kill", { pid: 4, signal: SIG.KILL }),
    waitFor(4)
  ])])
]

export const descriptors: Readonly<Record<string, Scenario>> = {
  "execveat by descriptor": [
    ...file("p", ending),
    mkdir("d"),
    ...file("d/q", ending),
    open("p", O.RDONLY, "p"),
    open("p", O.PATH, "path"),
    open("d", O.PATH, "d"),
    symlink("p", "link"),
    fork(0, [execAt("$p", "", AT.EMPTY_PATH)]),
    fork(0, [execAt("$path", "", AT.EMPTY_PATH)]),
    fork(0, [execAt("$d", "q")]),
    fork(0, [execAt("$d", "", AT.EMPTY_PATH)]),
    execAt("$p", ""),
    execAt("$p", "x"),
    execAt("$d", "missing"),
    execAt(480, "x"),
    execAt(480, "", AT.EMPTY_PATH),
    fork(0, [execAt(480, "/mnt/p")]),
    execAt("$d", "../link", AT.SYMLINK_NOFOLLOW),
    execAt("$d", "q", 0x40000),
    execAt("$d", "q", AT.REMOVEDIR)
  ],
  "a script by descriptor must outlive exec": [
    ...file("p", ending),
    ...file("s", "#!/mnt/p\n"),
    open("s", O.RDONLY, "s"),
    open("s", O.RDONLY | O.CLOEXEC, "closed"),
    open("/mnt", O.PATH | O.CLOEXEC, "dir"),
    fork(0, [execAt("$s", "", AT.EMPTY_PATH)]),
    execAt("$closed", "", AT.EMPTY_PATH),
    execAt("$dir", "s"),
    fork(0, [execAt("$dir", "/mnt/s")]),
    fork(0, [execAt("$dir", "p")])
  ],
  "a script by descriptor has a name of its own": executed(
    [...file("p", sleeping), ...file("script", "#!/mnt/p\n")],
    [open("script", O.RDONLY, "s"), line("dup3", { oldfd: "$s", newfd: 200, flags: 0 })],
    [...readFile("/proc/$child/cmdline"), ...readFile("/proc/$child/comm")],
    execAt(200, "", AT.EMPTY_PATH)
  ),
  "a program by descriptor is called as its file": executed(
    file("program", sleeping),
    [open("program", O.RDONLY, "s")],
    [...readFile("/proc/$child/cmdline"), ...readFile("/proc/$child/comm")],
    execAt("$s", "", AT.EMPTY_PATH)
  ),
  "a program in memory": [
    line("memfd_create", { name: "program", flags: 0 }, { as: "m" }),
    line("write", { fd: "$m", data: ending }),
    line("fchmod", { fd: "$m", mode: 0o644 }),
    execAt("$m", "", AT.EMPTY_PATH),
    line("fchmod", { fd: "$m", mode: 0o755 }),
    fork(0, [execAt("$m", "", AT.EMPTY_PATH)])
  ],
  "a program in memory has no set-user-id": executed(
    [],
    [
      line("memfd_create", { name: "program", flags: 0 }, { as: "m" }),
      line("write", { fd: "$m", data: sleeping }),
      line("fchmod", { fd: "$m", mode: 0o4755 }),
      ...user(1000)
    ],
    [...status, ...readFile("/proc/$child/comm")],
    execAt("$m", "", AT.EMPTY_PATH)
  ),
  "close-on-exec descriptors are closed, others stay": executed(
    file("p", sleeping),
    [
      line("fcntl", { fd: 0, command: F.DUPFD, argument: 200 }),
      line("fcntl", { fd: 0, command: F.DUPFD_CLOEXEC, argument: 201 })
    ],
    [
      line("readlinkat", { dirfd: cwd, path: "/proc/$child/fd/200" }),
      line("readlinkat", { dirfd: cwd, path: "/proc/$child/fd/201" })
    ]
  ),
  "working directory, root and umask stay": executed(
    [...file("p", sleeping), mkdir("d")],
    [line("umask", { mask: 0o27 }), line("chdir", { path: "d" })],
    [
      line("readlinkat", { dirfd: cwd, path: "/proc/$child/cwd" }, see),
      line("readlinkat", { dirfd: cwd, path: "/proc/$child/root" }, see),
      ...lookAt("/proc/$child/status", /^Umask:/)
    ],
    execve("/mnt/p")
  )
}

export const signals: Readonly<Record<string, Scenario>> = {
  "ignored, blocked and pending signals stay": executed(
    file("p", sleeping),
    [
      line("getpid", {}, { as: "me" }),
      line("rt_sigaction", { signal: SIG.USR1, disposition: "SIG_IGN" }),
      line("rt_sigprocmask", { how: 2, signals: [SIG.TERM, SIG.USR2] }),
      kill("$me", SIG.TERM)
    ],
    [...lookAt("/proc/$child/status", /^(SigPnd|ShdPnd|SigBlk|SigIgn|SigCgt):/)]
  ),
  "a process group and a session stay": executed(
    file("p", sleeping),
    [line("setsid")],
    [...lookAt("/proc/$child/status", /^(NSpgid|NSsid|NSpid|NStgid|Tgid|Pid|PPid):/)]
  ),
  "a time namespace for children takes the process in": executed(
    file("p", sleeping),
    [
      line("unshare", { flags: CLONE.NEWTIME }),
      line("readlinkat", { dirfd: cwd, path: "/proc/self/ns/time" }),
      ...write("/proc/self/timens_offsets", "monotonic 100 0\n")
    ],
    [...readFile("/proc/$child/timens_offsets")]
  )
}

export const parentDeath: Readonly<Record<string, Scenario>> = {
  "a parent-death signal outlives exec": orphaned([]),
  "a parent-death signal of a user outlives exec": orphaned(user(1000)),
  "set-user-id ends the parent-death signal": orphaned(user(1000), 0o4755),
  "gained capabilities end the parent-death signal": orphaned([capset(0n, 0n, 0n)]),
  "a real uid of root alone: the parent-death signal": orphaned([
    line("setresuid", { ruid: 0, euid: 1000, suid: 1000 })
  ])
}

export const namespaces: Readonly<Record<string, Scenario>> = {
  "files of /proc of a program in a user namespace": [
    ...file("p", sleeping, 0o711),
    fork(CLONE.NEWPID, [fork(0, [
      proc,
      gate("ready"),
      gate("mapped"),
      start("child", CLONE.NEWUSER, [openGate("ready"), pass("mapped"), uids(0), gids(0), execve("p")]),
      pass("ready"),
      ...write("/proc/$child/uid_map", "0 5000 10\n"),
      ...write("/proc/$child/gid_map", "0 6000 10\n"),
      openGate("mapped"),
      join("child"),
      ...readFile("/proc/$child/environ"),
      dumpable,
      ...status
    ])])
  ],
  "a program of a mount that the user namespace made": [
    fork(CLONE.NEWPID, [fork(0, [
      proc,
      gate("ready"),
      gate("mapped"),
      start("child", CLONE.NEWUSER | CLONE.NEWNS, [
        openGate("ready"),
        pass("mapped"),
        uids(0),
        gids(0),
        mount("tmpfs", "/mnt", "tmpfs", 0),
        line("chdir", { path: "/mnt" }),
        ...file("p", sleeping, 0o6755, [3, 4]),
        execve("p")
      ]),
      pass("ready"),
      ...write("/proc/$child/uid_map", "0 5000 10\n"),
      ...write("/proc/$child/gid_map", "0 6000 10\n"),
      openGate("mapped"),
      join("child"),
      ...readFile("/proc/$child/environ"),
      dumpable,
      ...status
    ])])
  ],
  "exec keeps a detached working directory": executed(
    [...file("p", sleeping), mkdir("m"), mount("tmpfs", "m", "tmpfs", 0)],
    [line("chdir", { path: "m" }), umount("/mnt/m", 2)],
    [line("readlinkat", { dirfd: cwd, path: "/proc/$child/cwd" }, see)],
    execve("/mnt/p")
  )
}
