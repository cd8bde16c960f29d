/** Differences between the model and Linux that random sequences found, each at its shortest. */
import { AT, CLONE, F, FSCONFIG, MOVE_MOUNT, MS, O, SIG, SOCK } from "../../src/native/constants.ts"
import { cwd, type Scenario } from "../support/parityLines.ts"
import { as, fork, line, link, lookAt, mkdir, mount, open, see, touch } from "../support/vocabulary.ts"

/** By the rule that each holds. */
export const found: Readonly<Record<string, Scenario>> = {
  "a namespace's file is not executed, before it is not written": [
    open("/proc/self/ns/net", O.RDONLY, "n"),
    ...[1, 2, 3, 4, 5, 6, 7].map((mode) => line("faccessat2", { dirfd: cwd, path: "/proc/self/fd/$n", mode, flags: 0 }))
  ],
  "a negative length is refused before the descriptor is looked at": [
    line("ftruncate", { fd: -1, length: -1n }),
    line("ftruncate", { fd: -1, length: 1n })
  ],
  "an empty path is refused before the descriptor is looked at": [
    line("statx", { dirfd: -1, path: "", flags: 0, mask: 0x7ff }),
    line("statx", { dirfd: -1, path: "", flags: AT.EMPTY_PATH, mask: 0x7ff })
  ],
  "only the end of a pipe that is written knows of packets": [
    line("pipe2", { flags: 0o40000 }, as("p")),
    line("fcntl", { fd: "$p.0", command: F.GETFL, argument: 0 }, see),
    line("fcntl", { fd: "$p.1", command: F.GETFL, argument: 0 }, see)
  ],
  "seals are refused to whoever only reads, whatever it is": [
    line("pipe2", { flags: 0 }, as("p")),
    line("fcntl", { fd: "$p.0", command: F.ADD_SEALS, argument: 1 }),
    line("fcntl", { fd: "$p.1", command: F.ADD_SEALS, argument: 1 }),
    line("fcntl", { fd: "$p.0", command: F.GET_SEALS, argument: 0 })
  ],
  "a message of no bytes is waited for as well": [
    line("socketpair", { type: SOCK.STREAM | SOCK.NONBLOCK }, as("s")),
    line("recvmsg", { fd: "$s.0", size: 0, flags: 0 }, { see: "data" }),
    line("read", { fd: "$s.0", count: 0 }, see),
    line("write", { fd: "$s.1", data: "x" }),
    line("recvmsg", { fd: "$s.0", size: 0, flags: 0 }, { see: "data" }),
    line("recvmsg", { fd: "$s.0", size: 1, flags: 0 }, { see: "data" })
  ],
  "SIGCHLD waits where it is blocked": [
    line("rt_sigprocmask", { how: 0, signals: [SIG.CHLD] }),
    fork(0, []),
    ...lookAt("/proc/self/status", /^ShdPnd:/)
  ],
  "a blocked signal waits for the init of a pid namespace as well": [
    fork(CLONE.NEWPID, [
      line("rt_sigprocmask", { how: 0, signals: [SIG.TERM] }),
      line("kill", { pid: 1, signal: SIG.TERM }),
      line("kill", { pid: 1, signal: SIG.HUP }),
      line("rt_sigprocmask", { how: 1, signals: [SIG.TERM] })
    ])
  ],
  "a link goes up before its bridge is refused": [
    link({ _tag: "VethAdd", name: "a", peer: "b" }),
    link({ _tag: "LinkSet", link: "a", up: true, master: 77 }),
    line("rtnetlink", { request: { _tag: "LinkGet", link: "a" } }, { see: "0.flags.&1" })
  ],
  "the hardware address that a link has is not looked at": [
    link({ _tag: "LinkSet", link: "lo", mac: "00:00:00:00:00:00" }),
    link({ _tag: "VethAdd", name: "a", peer: "b" }),
    link({ _tag: "LinkSet", link: "a", mac: "00:00:00:00:00:00" })
  ],
  "a link that is missing comes before a route that leads nowhere": [
    link({ _tag: "RouteAdd", link: "a" }),
    link({ _tag: "RouteAdd", link: "lo" })
  ],
  "an open file of a namespace goes by the name of its mount": [
    touch("/mnt/ns"),
    open("/proc/self/ns/uts", O.RDONLY, "there"),
    mount("/proc/self/ns/uts", "/mnt/ns", null, MS.BIND),
    open("/mnt/ns", O.RDONLY, "bound"),
    line("readlinkat", { dirfd: cwd, path: "/proc/self/fd/$bound" }, see)
  ],
  "where a mount moves to is looked up before what moves": [
    line("move_mount", { fromDirfd: -1, fromPath: "", toDirfd: cwd, toPath: "a", flags: MOVE_MOUNT.F_EMPTY_PATH }),
    mkdir("a"),
    line("move_mount", { fromDirfd: -1, fromPath: "", toDirfd: cwd, toPath: "a", flags: MOVE_MOUNT.F_EMPTY_PATH })
  ],
  "a change of a mount that changes nothing looks at nothing": [
    line("mount_setattr", { dirfd: cwd, path: "a", flags: 0, set: 0, clear: 0, propagation: 0, usernsFd: -1 }),
    line("mount_setattr", { dirfd: cwd, path: "a", flags: 0, set: 1, clear: 0, propagation: 0, usernsFd: -1 })
  ],
  "a negative descriptor of a file system is no argument, another one none that is open": [
    line("fsconfig", { fd: -1, command: FSCONFIG.CMD_CREATE, key: null, value: null, aux: 0 }),
    line("fsconfig", { fd: 400, command: FSCONFIG.CMD_CREATE, key: null, value: null, aux: 0 })
  ],
  "the last of a peer group becomes private where all become slaves": [
    mkdir("a"),
    mkdir("b"),
    mount(null, "/mnt", null, MS.SHARED),
    mount("a", "b", null, MS.BIND),
    mount(null, "/mnt", null, MS.SLAVE | MS.REC)
  ],
  "a directory of a mount that was taken off is no place to mount on": [
    mkdir("a"),
    line("umount2", { target: ".", flags: 2 }),
    mount("a", "a", null, MS.BIND),
    mount("tmpfs", "a", "tmpfs", 0)
  ],
  "a mount that was taken off is no place to move one to": [
    line("umount2", { target: ".", flags: 2 }),
    line("fsopen", { type: "tmpfs", flags: 0 }, as("f")),
    line("fsconfig", { fd: "$f", command: FSCONFIG.CMD_CREATE, key: null, value: null, aux: 0 }),
    line("fsmount", { fd: "$f", flags: 0, attributes: 2 }, as("f")),
    line("move_mount", { fromDirfd: "$f", fromPath: "", toDirfd: cwd, toPath: ".", flags: MOVE_MOUNT.F_EMPTY_PATH })
  ],
  "a directory that was removed is listed no more, and marked where it is mounted": [
    mkdir("a"),
    mkdir("a/d"),
    mkdir("b"),
    mount("a/d", "b", null, MS.BIND),
    open("a/d", O.RDONLY, "d"),
    line("unlinkat", { dirfd: cwd, path: "a/d", flags: AT.REMOVEDIR }),
    fork(CLONE.NEWNS, [line("unlinkat", { dirfd: cwd, path: "a/d", flags: AT.REMOVEDIR })]),
    line("getdents64", { fd: "$d" }),
    line("umount2", { target: "b", flags: 2 }),
    line("unlinkat", { dirfd: cwd, path: "a/d", flags: AT.REMOVEDIR }),
    line("getdents64", { fd: "$d" })
  ],
  "the files of a process take no write that they have no use for, and its directory no file": [
    open("/proc/self/status", O.WRONLY, "f"),
    line("write", { fd: "$f", data: "x" }),
    open("/proc/self", O.RDWR | O.TMPFILE, "g", 0o600)
  ],
  "a signal is blocked once, however often it is named": [
    line("rt_sigprocmask", { how: 2, signals: [SIG.CONT, SIG.CONT] }),
    line("rt_sigprocmask", { how: 0, signals: [] }, see)
  ],
  "a link that is too small for IPv4 is none to route to": [
    link({ _tag: "LinkSet", link: "lo", mtu: 10 }),
    link({ _tag: "RouteAdd", destination: "10.5.0.0/16", link: "lo" })
  ],
  "message queues are not made read-only": [
    mkdir("d"),
    mount("mqueue", "d", "mqueue", 0, "ro"),
    line("unlinkat", { dirfd: cwd, path: "d/a", flags: 0 })
  ],
  "a name that procfs does not have is missed before the mount is found read-only": [
    mkdir("d"),
    mount("proc", "d", "proc", MS.RDONLY),
    ...["d/new", "d/self/new", "d/sys/new", "d/sys/kernel/new"].flatMap((path) => [
      mkdir(path),
      line("mknodat", { dirfd: cwd, path, mode: 0o10666, major: 0, minor: 0 }),
      line("symlinkat", { target: "x", dirfd: cwd, path }),
      touch(path),
      line("unlinkat", { dirfd: cwd, path, flags: 0 })
    ])
  ]
}
