/** Processes, what they execute, and the namespaces that they join. */
import { AT, CLONE, MS, O, P, POLL, S, SIG, SOCK, W } from "../../../src/native/constants.ts"
import { cwd, type Scenario } from "../../support/parityLines.ts"
import { as, fork, line, mkdir, mount, open, see, symlink, touch, umount } from "../../support/vocabulary.ts"

export const processes: Readonly<Record<string, Scenario>> = {
  "pid namespaces": [
    line("unshare", { flags: CLONE.NEWPID }),
    line("unshare", { flags: CLONE.NEWPID }),
    fork(0, [
      line("getpid", {}, see),
      line("getppid", {}, see),
      line("kill", { pid: 1, signal: SIG.KILL }),
      line("kill", { pid: 1, signal: SIG.TERM }),
      line("kill", { pid: 2, signal: 0 }),
      fork(0, [
        line("getpid", {}, see),
        line("getppid", {}, see),
        line("setsid", {}, see),
        line("setsid", {}, see),
        line("kill", { pid: 1, signal: SIG.KILL })
      ]),
      fork(CLONE.NEWPID, [line("getpid", {}, see), line("getppid", {}, see)])
    ]),
    // its init is gone
    line("waitid", { idtype: P.ALL, id: 0, options: W.EXITED | W.NOHANG }),
    line("waitid", { idtype: P.ALL, id: 0, options: 0 })
  ],
  "namespaces through /proc": [
    open("/proc/self/ns/user", O.RDONLY, "user"),
    open("/proc/self/ns/mnt", O.RDONLY, "mnt"),
    open("/proc/self/ns/uts", O.RDONLY, "uts"),
    line("setns", { fd: "$user", nstype: 0 }),
    line("setns", { fd: "$uts", nstype: CLONE.NEWNET }),
    line("setns", { fd: "$uts", nstype: CLONE.NEWUTS }),
    line("unshare", { flags: CLONE.NEWUTS }),
    line("sethostname", { name: "inner" }),
    line("setns", { fd: "$uts", nstype: 0 }),
    mkdir("x"),
    line("chdir", { path: "x" }),
    line("setns", { fd: "$mnt", nstype: 0 }),
    line("getcwd", {}, see),
    line("setns", { fd: 0, nstype: 0 }),
    line("setns", { fd: 400, nstype: 0 }),
    touch("/mnt/ns"),
    mount("/proc/self/ns/uts", "/mnt/ns", null, MS.BIND),
    open("/mnt/ns", O.RDONLY, "bound"),
    line("setns", { fd: "$bound", nstype: CLONE.NEWUTS }),
    umount("/mnt/ns"),
    line("unshare", { flags: 0x1 })
  ],
  "executing what can't be executed": [
    touch("plain", 0o644),
    line("execve", { path: "missing", argv: ["x"], envp: [] }),
    line("execve", { path: "plain", argv: ["x"], envp: [] }),
    line("execve", { path: "/mnt", argv: ["x"], envp: [] }),
    line("execve", { path: "plain/x", argv: ["x"], envp: [] }),
    symlink("plain", "link"),
    line("execveat", { dirfd: cwd, path: "link", argv: ["x"], envp: [], flags: AT.SYMLINK_NOFOLLOW }),
    line("execveat", { dirfd: cwd, path: "", argv: ["x"], envp: [], flags: 0 }),
    mkdir("noexec"),
    mount("tmpfs", "noexec", "tmpfs", MS.NOEXEC),
    touch("noexec/x", 0o755),
    line("execve", { path: "noexec/x", argv: ["x"], envp: [] }),
    line("faccessat2", { dirfd: cwd, path: "noexec/x", mode: 1, flags: 0 }),
    mount("tmpfs", "noexec", "tmpfs", MS.NODEV),
    line("mknodat", { dirfd: cwd, path: "noexec/null", mode: S.IFCHR | 0o666, major: 1, minor: 3 }),
    open("noexec/null", O.RDONLY),
    open("noexec/null", O.PATH)
  ],
  "namespaces by pidfd": [
    // as process 2 of a pid namespace, so that the numbers are the same on both sides
    fork(CLONE.NEWPID, [fork(0, [
      line("getpid", {}, as("me")),
      line("pidfd_open", { pid: "$me", flags: 0 }, as("self")),
      line("pidfd_open", { pid: 0, flags: 0 }),
      line("pidfd_open", { pid: 4000000, flags: 0 }),
      line("setns", { fd: "$self", nstype: 0 }),
      line("setns", { fd: "$self", nstype: CLONE.NEWUTS | CLONE.NEWIPC }),
      line("setns", { fd: "$self", nstype: CLONE.NEWUSER }),
      line("pidfd_send_signal", { pidfd: "$self", signal: 0 }),
      line("pidfd_send_signal", { pidfd: "$self", signal: 99 }),
      line("pidfd_send_signal", { pidfd: 0, signal: 0 }),
      line("pidfd_getfd", { pidfd: "$self", targetfd: 400, flags: 0 }),
      line("pidfd_getfd", { pidfd: "$self", targetfd: 0, flags: 1 }),
      line("pidfd_getfd", { pidfd: "$self", targetfd: "$self", flags: 0 }),
      line("poll", { fds: ["$self"], events: POLL.IN, timeout: 1 }, see),
      line("fstatfs", { fd: "$self" }, { see: "type" }),
      line("socketpair", { type: SOCK.STREAM }, as("s")),
      line("fstatfs", { fd: "$s.0" }, { see: "type" }),
      line("pipe2", { flags: 0 }, as("p")),
      line("fstatfs", { fd: "$p.0" }, { see: "type" }),
      line("fsopen", { type: "tmpfs", flags: 0 }, as("fs")),
      line("fstatfs", { fd: "$fs" }, { see: "type" }),
      fork(CLONE.NEWPID, [line("pidfd_send_signal", { pidfd: "$self", signal: 0 })])
    ])])
  ],
  "signals": [
    // as process 2 of a pid namespace, so that the numbers are the same on both sides
    fork(CLONE.NEWPID, [fork(0, [
      line("rt_sigaction", { signal: SIG.KILL, disposition: "SIG_IGN" }),
      line("rt_sigaction", { signal: SIG.TERM, disposition: "SIG_IGN" }),
      line("rt_sigaction", { signal: 70, disposition: "SIG_IGN" }),
      line("rt_sigprocmask", { how: 2, signals: [SIG.USR1, SIG.KILL] }),
      line("rt_sigprocmask", { how: 0, signals: [SIG.USR2] }, see),
      line("rt_sigprocmask", { how: 1, signals: [SIG.USR1] }, see),
      line("rt_sigprocmask", { how: 0, signals: [] }, see),
      line("getpid", {}, as("me")),
      line("kill", { pid: "$me", signal: SIG.TERM }),
      line("kill", { pid: "$me", signal: SIG.USR2 }),
      line("kill", { pid: "$me", signal: SIG.CHLD }),
      line("kill", { pid: "$me", signal: 99 }),
      line("kill", { pid: 4000000, signal: 0 }),
      fork(0, [line("rt_sigprocmask", { how: 0, signals: [] }, see)])
    ])])
  ]
}
