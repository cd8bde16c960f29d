/** Links to namespaces and directories of others, and who may follow them; files of the machine. */
import { AT, CLONE, O, PR } from "../../../src/native/constants.ts"
import { cwd, type Scenario } from "../../support/parityLines.ts"
import { as, fork, gids, line, mkdir, open, prctl, readFile, touch, uids, write } from "../../support/vocabulary.ts"
import { beside, list, mayOpen, readlink, setNs, stat } from "./lines.ts"

export const access: Readonly<Record<string, Scenario>> = {
  "links of namespaces": [
    ...list("/proc/self/ns"),
    ...["user", "mnt", "pid", "net", "uts", "ipc", "cgroup", "time"].flatMap((name) => [
      open(`/proc/self/ns/${name}`, O.RDONLY, "ns"),
      line("fstatfs", { fd: "$ns" }, { see: "type" }),
      line("read", { fd: "$ns", count: 10 }),
      line("statx", { dirfd: "$ns", path: "", flags: AT.EMPTY_PATH, mask: 0x7ff }, { see: ["mode", "uid", "size"] })
    ]),
    open("/proc/self/ns/uts", O.WRONLY),
    open("/proc/self/ns/uts", O.RDWR),
    open("/proc/self/ns/uts", O.PATH | O.NOFOLLOW, "link"),
    line("setns", { fd: "$link", nstype: 0 }),
    line("statx", { dirfd: cwd, path: "/proc/self/ns/uts", flags: AT.SYMLINK_NOFOLLOW, mask: 0x7ff }, { see: "mode" })
  ],
  "a namespace that has no process": [
    fork(0, [
      line("unshare", { flags: CLONE.NEWPID }),
      open("/proc/self/ns/pid_for_children", O.RDONLY),
      readlink("/proc/self/ns/pid_for_children"),
      fork(0, []),
      open("/proc/self/ns/pid_for_children", O.RDONLY)
    ])
  ],
  "a process that may not be traced keeps its links": [
    ...beside(0, [gids(1000), uids(1000), prctl(PR.SET_DUMPABLE, 1)], [
      fork(0, [
        gids(1001),
        uids(1001),
        ...["exe", "cwd", "root", "ns/uts", "fd/0"].map((name) =>
          line("readlinkat", { dirfd: cwd, path: `/proc/$other/${name}` })
        ),
        ...[
          "environ",
          "ns/uts",
          "fd",
          "status",
          "mountinfo",
          "cmdline",
          "limits",
          "cgroup",
          "cwd",
          "root",
          "exe",
          "uid_map",
          "attr/current"
        ].map((name) => mayOpen(`/proc/$other/${name}`)),
        mayOpen("/proc/$other/comm", O.WRONLY),
        mayOpen("/proc/$other/oom_score_adj", O.WRONLY)
      ]),
      fork(0, [
        gids(1000),
        uids(1000),
        ...["cwd", "root", "ns/uts"].map((name) => line("readlinkat", { dirfd: cwd, path: `/proc/$other/${name}` })),
        ...["environ", "ns/uts", "fd", "status"].map((name) => mayOpen(`/proc/$other/${name}`))
      ])
    ])
  ],
  "a process that is not dumpable belongs to root": [
    ...beside(0, [gids(1000), uids(1000)], [
      stat("/proc/$other/status", "uid", "gid"),
      fork(0, [
        gids(1000),
        uids(1000),
        ...["cwd", "ns/uts"].map((name) => line("readlinkat", { dirfd: cwd, path: `/proc/$other/${name}` })),
        ...["environ", "ns/uts", "fd", "status"].map((name) => mayOpen(`/proc/$other/${name}`))
      ]),
      ...["cwd", "ns/uts"].map((name) => line("readlinkat", { dirfd: cwd, path: `/proc/$other/${name}` })),
      mayOpen("/proc/$other/fd")
    ])
  ],
  "a process with more capabilities may not be traced": [
    ...beside(0, [], [
      fork(0, [
        line("capset", { effective: 0n, permitted: 0n, inheritable: 0n }),
        line("readlinkat", { dirfd: cwd, path: "/proc/$other/cwd" }),
        mayOpen("/proc/$other/ns/uts"),
        mayOpen("/proc/$other/environ"),
        mayOpen("/proc/$other/status")
      ])
    ])
  ],
  "a process of a user namespace below may be traced from above": [
    ...beside(CLONE.NEWUSER | CLONE.NEWUTS, [], [
      open("/proc/$other/ns/uts", O.RDONLY, "uts"),
      open("/proc/$other/ns/user", O.RDONLY, "user"),
      readlink("/proc/$other/cwd"),
      fork(0, [setNs("$uts")]),
      fork(0, [setNs("$user"), setNs("$uts")]),
      fork(CLONE.NEWUSER, [mayOpen("/proc/$other/ns/uts"), mayOpen("/proc/$other/ns/user")])
    ])
  ],
  "a user namespace above is out of reach": [
    fork(CLONE.NEWUSER, [
      mayOpen("/proc/1/ns/uts"),
      mayOpen("/proc/1/ns/user"),
      line("readlinkat", { dirfd: cwd, path: "/proc/1/cwd" }),
      line("readlinkat", { dirfd: cwd, path: "/proc/1/ns/net" }),
      mayOpen("/proc/1/status"),
      mayOpen("/proc/1/environ")
    ])
  ],
  "a pidfd of a process that may not be traced joins nothing": [
    ...beside(CLONE.NEWUTS, [], [
      line("pidfd_open", { pid: "$other", flags: 0 }, as("pidfd")),
      fork(0, [line("setns", { fd: "$pidfd", nstype: CLONE.NEWUTS })]),
      fork(0, [uids(1000), line("setns", { fd: "$pidfd", nstype: CLONE.NEWUTS })]),
      fork(CLONE.NEWUSER, [line("setns", { fd: "$pidfd", nstype: CLONE.NEWUTS })])
    ])
  ],
  "namespaces by pidfd, several at once": [
    ...beside(CLONE.NEWUSER | CLONE.NEWUTS | CLONE.NEWIPC, [line("sethostname", { name: "there" })], [
      line("pidfd_open", { pid: "$other", flags: 0 }, as("pidfd")),
      fork(0, [
        line("setns", { fd: "$pidfd", nstype: CLONE.NEWUSER | CLONE.NEWUTS | CLONE.NEWIPC }),
        line("uname", {}, { see: "nodename" })
      ]),
      fork(0, [line("setns", { fd: "$pidfd", nstype: CLONE.NEWUTS }), line("uname", {}, { see: "nodename" })]),
      fork(0, [line("setns", { fd: "$pidfd", nstype: CLONE.NEWUTS | CLONE.NEWTIME | 0x1 })]),
      // one that is refused changes none
      fork(0, [
        line("setns", { fd: "$pidfd", nstype: CLONE.NEWUTS | CLONE.NEWUSER }),
        line("setns", { fd: "$pidfd", nstype: CLONE.NEWUTS | CLONE.NEWUSER }),
        line("uname", {}, { see: "nodename" })
      ])
    ])
  ],
  "a user namespace that is joined is not joined again": [
    ...beside(CLONE.NEWUSER, [], [
      open("/proc/$other/ns/user", O.RDONLY, "user"),
      open("/proc/self/ns/user", O.RDONLY, "own"),
      fork(0, [setNs("$own"), setNs("$user"), setNs("$user"), setNs("$own")])
    ])
  ],
  "links of directories": [
    readlink("/proc/self/cwd"),
    readlink("/proc/self/root"),
    mkdir("d"),
    touch("d/f"),
    mkdir("d/e"),
    line("chdir", { path: "d" }),
    readlink("/proc/self/cwd"),
    mayOpen("/proc/self/cwd/f"),
    mayOpen("/proc/self/root/mnt/d/f"),
    line("chroot", { path: "/mnt/d" }),
    readlink("/proc/self/root"),
    mayOpen("/proc/self/cwd")
  ],
  "links of directories that are gone": [
    mkdir("d"),
    line("chdir", { path: "d" }),
    line("unlinkat", { dirfd: cwd, path: "/mnt/d", flags: AT.REMOVEDIR }),
    readlink("/proc/self/cwd"),
    mayOpen("/proc/self/cwd"),
    line("getcwd")
  ],
  "links of another's root": [
    ...beside(CLONE.NEWNS, [
      mkdir("/mnt/in"),
      touch("/mnt/in/f"),
      line("chroot", { path: "/mnt/in" }),
      line("chdir", { path: "/" })
    ], [
      readlink("/proc/$other/root"),
      readlink("/proc/$other/cwd"),
      mayOpen("/proc/$other/root/f"),
      mayOpen("/proc/$other/root/mnt")
    ])
  ],
  "files of the machine": [
    readlink("/proc/mounts"),
    mayOpen("/proc/filesystems"),
    mayOpen("/proc/uptime"),
    mayOpen("/proc/uptime", O.WRONLY),
    mayOpen("/proc/stat"),
    mayOpen("/proc/version"),
    stat("/proc/uptime", "mode", "size"),
    stat("/proc/filesystems", "mode")
  ],
  "no file is made or removed": [
    touch("/proc/x"),
    mkdir("/proc/d"),
    line("unlinkat", { dirfd: cwd, path: "/proc/uptime", flags: 0 }),
    line("unlinkat", { dirfd: cwd, path: "/proc/self/status", flags: 0 }),
    line("symlinkat", { target: "x", dirfd: cwd, path: "/proc/l" }),
    line("mknodat", { dirfd: cwd, path: "/proc/n", mode: 0o100644, major: 0, minor: 0 }),
    line("fchmodat", { dirfd: cwd, path: "/proc/self/status", mode: 0o666 }),
    line("fchownat", { dirfd: cwd, path: "/proc/self/status", uid: 1, gid: 1, flags: 0 }),
    touch("/proc/self/x"),
    mkdir("/proc/self/d")
  ],
  "the oom score of another": [
    ...beside(0, [gids(1000), uids(1000), prctl(PR.SET_DUMPABLE, 1)], [
      ...write("/proc/$other/oom_score_adj", "500"),
      ...readFile("/proc/$other/oom_score_adj"),
      fork(0, [
        gids(1000),
        uids(1000),
        ...write("/proc/$other/oom_score_adj", "600"),
        ...write("/proc/$other/oom_score_adj", "100"),
        ...readFile("/proc/$other/oom_score_adj")
      ])
    ])
  ]
}
