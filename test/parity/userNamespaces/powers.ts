/** Capabilities over what belongs to a namespace, and joining. */
import { CLONE, MS, O, PR } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import {
  as,
  caps,
  exit,
  fork,
  gate,
  kill,
  line,
  lookAt,
  mkdir,
  mount,
  open,
  openGate,
  pass,
  prctl,
  see,
  start,
  uids,
  write
} from "../../support/vocabulary.ts"
import { bit, capset, mapped, maps, newUser, uid, unshare, user } from "./lines.ts"

export const powers: Readonly<Record<string, Scenario>> = {
  "the first process of a namespace has all capabilities in it": [
    capset(bit(5)),
    line("prctl", { option: PR.CAPBSET_DROP, arg2: 5, arg3: 0, arg4: 0, arg5: 0 }),
    fork(CLONE.NEWUSER, [caps, ...lookAt("/proc/self/status", /^Cap/)])
  ],
  "a new namespace clears what was inheritable, ambient and kept": [
    line("capset", { effective: 0x1ffn, permitted: 0x1ffn, inheritable: 0x20n }),
    prctl(PR.CAP_AMBIENT, PR.CAP_AMBIENT_RAISE, 5),
    prctl(PR.SET_KEEPCAPS, 1),
    prctl(PR.SET_NO_NEW_PRIVS, 1),
    newUser,
    ...lookAt("/proc/self/status", /^(Cap|NoNew)/),
    prctl(PR.GET_KEEPCAPS)
  ],
  "a new user namespace gives nothing over the old namespaces": [
    newUser,
    line("sethostname", { name: "x" }),
    mount("tmpfs", "/mnt", "tmpfs", 0),
    line("chroot", { path: "/mnt" }),
    kill(1, 0),
    line("prlimit64", { pid: 1, resource: 4, limit: null }),
    unshare(CLONE.NEWUTS),
    line("sethostname", { name: "x" })
  ],
  "a user makes namespaces by way of a user namespace": [
    ...user(1000),
    unshare(CLONE.NEWUTS),
    unshare(CLONE.NEWNS),
    unshare(CLONE.NEWNET),
    unshare(CLONE.NEWIPC),
    unshare(CLONE.NEWPID),
    unshare(CLONE.NEWCGROUP),
    unshare(CLONE.NEWTIME),
    fork(CLONE.NEWUTS, []),
    unshare(
      CLONE.NEWUSER | CLONE.NEWUTS | CLONE.NEWNS | CLONE.NEWNET | CLONE.NEWIPC | CLONE.NEWPID | CLONE.NEWCGROUP |
        CLONE.NEWTIME
    ),
    line("sethostname", { name: "x" }),
    fork(0, [line("getpid", {}, see)])
  ],
  "the owner of a namespace has all capabilities in it from outside": [
    ...user(1000),
    fork(0, [
      gate("ready"),
      gate("never"),
      start("child", CLONE.NEWUSER | CLONE.NEWUTS, [openGate("ready"), pass("never")]),
      pass("ready"),
      line("pidfd_open", { pid: "$child", flags: 0 }, as("fd")),
      kill("$child", 0),
      ...write("/proc/$child/setgroups", "deny"),
      ...write("/proc/$child/uid_map", "0 1000 1\n"),
      ...write("/proc/$child/gid_map", "0 1000 1\n"),
      fork(0, [line("setns", { fd: "$fd", nstype: CLONE.NEWUTS })]),
      fork(0, [
        line("setns", { fd: "$fd", nstype: CLONE.NEWUSER }),
        uid,
        caps,
        line("setns", { fd: "$fd", nstype: CLONE.NEWUTS }),
        line("sethostname", { name: "inner" })
      ]),
      fork(0, [line("setns", { fd: "$fd", nstype: CLONE.NEWUSER | CLONE.NEWUTS }), line("sethostname", { name: "x" })])
    ])
  ],
  "another user than the owner has none": [
    fork(CLONE.NEWPID, [fork(0, [
      mount("proc", "/proc", "proc", 0),
      gate("ready"),
      gate("never"),
      start("child", 0, [...user(1000), newUser, openGate("ready"), pass("never")]),
      pass("ready"),
      open("/proc/$child/ns/user", O.RDONLY, "ns"),
      fork(0, [...user(1001), line("setns", { fd: "$ns", nstype: CLONE.NEWUSER }), kill("$child", 0)]),
      fork(0, [...user(1000), line("setns", { fd: "$ns", nstype: CLONE.NEWUSER })]),
      fork(0, [capset(0n), line("setns", { fd: "$ns", nstype: CLONE.NEWUSER })]),
      fork(0, [capset(bit(21)), line("setns", { fd: "$ns", nstype: CLONE.NEWUSER }), caps])
    ])])
  ],
  "a capability in a namespace is one in those below": [
    newUser,
    ...maps("0 0 1\n"),
    fork(CLONE.NEWUSER | CLONE.NEWUTS, [line("sethostname", { name: "x" })]),
    gate("ready"),
    gate("never"),
    start("child", CLONE.NEWUSER | CLONE.NEWUTS, [openGate("ready"), pass("never")]),
    pass("ready"),
    open("/proc/$child/ns/uts", O.RDONLY, "uts"),
    fork(0, [line("setns", { fd: "$uts", nstype: 0 }), line("sethostname", { name: "y" })]),
    fork(0, [capset(bit(5)), line("setns", { fd: "$uts", nstype: 0 })])
  ],
  "a process in a namespace below can't be signalled by an equal number": [
    ...mapped("0 5000 10\n", "0 5000 10\n", [uids(3)], [
      fork(0, [...user(5003), kill("$child", 0)]),
      fork(0, [...user(3), kill("$child", 0)])
    ])
  ],
  "the last process may not leave its own namespace": [
    open("/proc/self/ns/user", O.RDONLY, "first"),
    line("setns", { fd: "$first", nstype: CLONE.NEWUSER }),
    newUser,
    line("setns", { fd: "$first", nstype: CLONE.NEWUSER }),
    open("/proc/self/ns/user", O.RDONLY, "own"),
    line("setns", { fd: "$own", nstype: CLONE.NEWUSER })
  ],
  "a chroot has no user namespace of its own, but may join one": [
    gate("ready"),
    gate("never"),
    start("child", CLONE.NEWUSER, [openGate("ready"), pass("never")]),
    pass("ready"),
    open("/proc/$child/ns/user", O.RDONLY, "ns"),
    mkdir("root"),
    line("chroot", { path: "root" }),
    newUser,
    fork(CLONE.NEWUSER, []),
    fork(0, [line("setns", { fd: "$ns", nstype: 0 })]),
    unshare(CLONE.NEWUTS)
  ],
  "a creator without a name has no namespaces": [
    newUser,
    newUser,
    ...write("/proc/self/uid_map", "0 0 1\n"),
    newUser,
    ...write("/proc/self/gid_map", "0 0 1\n"),
    newUser
  ],
  "user namespaces nest 33 deep": Array.from({ length: 34 }, () => [newUser, ...maps("0 0 1\n")]).flat(),
  "unshare takes flags for what is not shared anyway": [
    unshare(CLONE.FS),
    unshare(CLONE.FILES),
    unshare(CLONE.THREAD),
    unshare(CLONE.SIGHAND),
    unshare(CLONE.VM),
    unshare(0x40000),
    unshare(CLONE.PARENT),
    unshare(CLONE.VFORK),
    unshare(0),
    unshare(0x80000000)
  ],
  "several namespaces of a pidfd are joined at once or not at all": [
    fork(CLONE.NEWPID, [fork(0, [
      mount("proc", "/proc", "proc", 0),
      gate("ready"),
      gate("never"),
      start("child", CLONE.NEWUTS, [
        line("sethostname", { name: "inner" }),
        unshare(CLONE.NEWUSER),
        openGate("ready"),
        pass("never")
      ]),
      pass("ready"),
      line("pidfd_open", { pid: "$child", flags: 0 }, as("fd")),
      // the user namespace first, whose process owns nothing else
      fork(0, [
        line("setns", { fd: "$fd", nstype: CLONE.NEWUSER | CLONE.NEWUTS }),
        line("uname", {}, { see: "nodename" })
      ]),
      fork(0, [
        line("setns", { fd: "$fd", nstype: CLONE.NEWUSER }),
        line("setns", { fd: "$fd", nstype: CLONE.NEWUTS })
      ]),
      // no user namespace of one's own
      fork(0, [
        line("setns", { fd: "$fd", nstype: CLONE.NEWUSER }),
        line("setns", { fd: "$fd", nstype: CLONE.NEWUTS | CLONE.NEWUSER }),
        line("setns", { fd: "$fd", nstype: 0x1 }),
        line("setns", { fd: "$fd", nstype: CLONE.NEWUSER | CLONE.FS })
      ])
    ])])
  ],
  "joining wants CAP_SYS_ADMIN on both sides": [
    unshare(CLONE.NEWUTS),
    open("/proc/self/ns/uts", O.RDONLY, "uts"),
    open("/proc/self/ns/ipc", O.RDONLY, "ipc"),
    open("/proc/self/ns/net", O.RDONLY, "net"),
    open("/proc/self/ns/mnt", O.RDONLY, "mnt"),
    open("/proc/self/ns/pid", O.RDONLY, "pid"),
    open("/proc/self/ns/cgroup", O.RDONLY, "cgroup"),
    open("/proc/self/ns/time", O.RDONLY, "time"),
    ...[bit(21), bit(18), bit(21) | bit(18), 0n].map((set) =>
      fork(0, [
        capset(set),
        ...["uts", "ipc", "net", "mnt", "pid", "cgroup", "time"].map((name) =>
          line("setns", { fd: `$${name}`, nstype: 0 })
        )
      ])
    ),
    newUser,
    ...["uts", "ipc", "net", "mnt", "pid", "cgroup", "time"].map((name) => line("setns", { fd: `$${name}`, nstype: 0 }))
  ],
  "setns wants a namespace of the type": [
    open("/proc/self/ns/uts", O.RDONLY, "uts"),
    open("/proc/self/ns/uts", O.PATH, "path"),
    open("/mnt", O.RDONLY, "dir"),
    line("setns", { fd: "$path", nstype: 0 }),
    line("setns", { fd: "$dir", nstype: 0 }),
    line("setns", { fd: "$uts", nstype: CLONE.NEWUTS | CLONE.NEWIPC }),
    line("setns", { fd: "$uts", nstype: CLONE.NEWUTS }),
    line("setns", { fd: "$uts", nstype: 1 }),
    line("setns", { fd: -1, nstype: 0 })
  ],
  "a mount namespace is joined at its root": [
    mkdir("d"),
    line("chdir", { path: "d" }),
    gate("ready"),
    gate("never"),
    start("child", CLONE.NEWNS, [
      mount("tmpfs", "/mnt", "tmpfs", 0),
      mkdir("/mnt/inner"),
      openGate("ready"),
      pass("never")
    ]),
    pass("ready"),
    open("/proc/$child/ns/mnt", O.RDONLY, "ns"),
    line("setns", { fd: "$ns", nstype: CLONE.NEWNS }),
    line("getcwd", {}, see),
    open("/mnt/inner", O.RDONLY)
  ],
  "the children of a namespace's owner are not the owner": [
    ...user(1000),
    newUser,
    ...maps("5 1000 1\n"),
    caps,
    fork(0, [caps, newUser, ...maps("0 5 1\n"), uid]),
    exit(0)
  ],
  "idmaps and file systems of one's own": [
    unshare(CLONE.NEWUSER | CLONE.NEWNS),
    ...maps("0 0 1\n"),
    mount("tmpfs", "/mnt", "tmpfs", MS.NOSUID),
    mount("sysfs", "/mnt", "sysfs", 0),
    mount("proc", "/mnt", "proc", 0)
  ]
}
