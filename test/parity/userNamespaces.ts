/** User namespaces: maps, names of ids, capabilities over what belongs to a namespace, joining. */
import { CLONE, MS, O, PR } from "../../src/native/constants.ts"
import { cwd, type Scenario } from "../support/parity.ts"
import {
  as,
  caps,
  chown,
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
  touch,
  uids,
  write
} from "../support/vocabulary.ts"

const unshare = (flags: number) => line("unshare", { flags })
const newUser = unshare(CLONE.NEWUSER)
const uid = line("getresuid", {}, see)
const gid = line("getresgid", {}, see)
const groups = line("getgroups", {}, see)
const setgroups = (...ids: ReadonlyArray<number>) => line("setgroups", { groups: ids })
const owner = (path: string) => line("statx", { dirfd: cwd, path, flags: 0, mask: 0x7ff }, { see: ["uid", "gid"] })
const user = (id: number): Scenario => [
  gids(id),
  setgroups(),
  uids(id),
  // so that its files in /proc are its own
  prctl(PR.SET_DUMPABLE, 1)
]
const capset = (set: bigint) => line("capset", { effective: set, permitted: set, inheritable: 0n })
const bit = (capability: number): bigint => 1n << BigInt(capability)

/** Maps of the process itself. */
const maps = (uids: string, gids = uids): Scenario => [
  ...write("/proc/self/setgroups", "deny"),
  ...write("/proc/self/uid_map", uids),
  ...write("/proc/self/gid_map", gids)
]

/** A child in a new user namespace, which its parent maps; then lines of both. */
const mapped = (uidMap: string, gidMap: string, inside: Scenario, outside: Scenario = [], flags = 0): Scenario => [
  fork(CLONE.NEWPID, [fork(0, [
    mount("proc", "/proc", "proc", 0),
    gate("ready"),
    gate("mapped"),
    gate("done"),
    gate("never"),
    start("child", CLONE.NEWUSER | flags, [
      openGate("ready"),
      pass("mapped"),
      ...inside,
      openGate("done"),
      pass("never")
    ]),
    pass("ready"),
    ...write("/proc/$child/uid_map", uidMap),
    ...write("/proc/$child/gid_map", gidMap),
    openGate("mapped"),
    pass("done"),
    ...outside,
    kill("$child", 9),
    join("child")
  ])])
]

/** What is written to a map of a new namespace of root. */
const tried = (text: string): Scenario => [fork(0, [newUser, ...write("/proc/self/uid_map", text)])]

const formats: Readonly<Record<string, Scenario>> = {
  "lines of a map": [
    "0 0 1",
    "0 0 1\n",
    "  0\t0   1  \n",
    "0 0 1\n1 1 1\n",
    "0 0 1 \n 1 1 1",
    "0 0\n",
    "0 0 1 2\n",
    "0 0 1x\n",
    "a 0 1\n",
    "-1 0 1\n",
    "+1 0 1\n",
    "0x1 0 1\n",
    "007 0 1\n",
    "0,0,1\n",
    "\n",
    " ",
    "0 0 1\n\n",
    "\n0 0 1\n",
    "0 0 1\n\n1 1 1\n",
    "0 0 1\n# comment\n"
  ].flatMap(tried),
  "numbers of a map": [
    "0 0 0\n",
    "4294967295 0 1\n",
    "4294967294 0 1\n",
    "4294967294 0 2\n",
    "4294967293 0 2\n",
    "0 4294967295 1\n",
    "0 4294967294 1\n",
    "0 4294967294 2\n",
    "0 0 4294967295\n",
    "0 0 4294967296\n",
    "1 0 4294967295\n",
    "4294967296 0 1\n",
    "0 0 4294967297\n",
    "18446744073709551616 0 1\n"
  ].flatMap(tried),
  "ranges of a map do not overlap": [
    "0 0 10\n10 10 10\n",
    "0 0 10\n9 100 10\n",
    "0 0 10\n100 9 10\n",
    "0 0 10\n0 100 1\n",
    "5 0 10\n0 100 6\n",
    "5 0 10\n0 100 5\n",
    "0 100 5\n100 0 5\n"
  ].flatMap(tried),
  "a map has 340 lines at most, and less than a page": [
    ...tried(Array.from({ length: 340 }, (_, index) => `${index} ${index} 1\n`).join("")),
    ...tried(Array.from({ length: 341 }, (_, index) => `${index} ${index} 1\n`).join("")),
    ...tried(`0 0 1${" ".repeat(4090)}`),
    ...tried(`0 0 1${" ".repeat(4091)}`)
  ],
  "a map is shown as it was written, up to five lines": [
    newUser,
    ...write("/proc/self/uid_map", "10 50 1\n0 10 1\n20 20 5\n"),
    ...readFile("/proc/self/uid_map"),
    ...readFile("/proc/self/gid_map")
  ],
  "a map of more lines is shown in order": [
    newUser,
    ...write("/proc/self/uid_map", [6, 5, 4, 3, 2, 1, 0].map((id) => `${id} ${100 - id} 1\n`).join("")),
    ...readFile("/proc/self/uid_map")
  ],
  "a map is written at the beginning of the file": [
    newUser,
    open("/proc/self/uid_map", O.RDWR, "map"),
    line("write", { fd: "$map", data: "0 0 0\n" }),
    line("write", { fd: "$map", data: "0 0 1\n" }, see),
    line("write", { fd: "$map", data: "1 1 1\n" })
  ],
  "the map of the first namespace stays": [
    ...write("/proc/self/uid_map", "0 0 1\n"),
    ...write("/proc/self/uid_map", "nonsense"),
    ...write("/proc/self/setgroups", "deny"),
    ...readFile("/proc/self/uid_map"),
    ...readFile("/proc/self/setgroups")
  ],
  "words for setgroups": [
    newUser,
    ...["deny\n", "deny ", "denyx", "den", "DENY", "", "allow", "deny  \n\n", " deny", "allow\n", "deny    \n"].flatMap(
      (
        word
      ) => write("/proc/self/setgroups", word)
    ),
    ...readFile("/proc/self/setgroups")
  ]
}

const rights: Readonly<Record<string, Scenario>> = {
  "a map is written once": [
    newUser,
    ...write("/proc/self/uid_map", "0 0 1\n"),
    ...write("/proc/self/uid_map", "0 0 1\n"),
    ...write("/proc/self/uid_map", "nonsense"),
    ...write("/proc/self/gid_map", "0 0 5\n")
  ],
  "a user maps itself, alone": [
    ...user(1000),
    newUser,
    ...write("/proc/self/uid_map", "0 1000 2\n"),
    ...write("/proc/self/uid_map", "0 1001 1\n"),
    ...write("/proc/self/uid_map", "0 1000 1\n1 1001 1\n"),
    ...write("/proc/self/uid_map", "7 1000 1\n"),
    uid
  ],
  "a user maps its group once setgroups is denied": [
    ...user(1000),
    newUser,
    ...write("/proc/self/gid_map", "0 1000 1\n"),
    ...write("/proc/self/setgroups", "deny"),
    ...write("/proc/self/gid_map", "0 1001 1\n"),
    ...write("/proc/self/gid_map", "3 1000 1\n"),
    gid
  ],
  "the effective uid is the one to map": [
    gids(1000),
    line("setresuid", { ruid: 1000, euid: 1001, suid: 1000 }),
    prctl(PR.SET_DUMPABLE, 1),
    newUser,
    ...write("/proc/self/uid_map", "0 1000 1\n"),
    ...write("/proc/self/uid_map", "0 1001 1\n"),
    uid
  ],
  "another effective uid than the creator's does not map itself": [
    gids(1000),
    line("setresuid", { ruid: 1000, euid: 1001, suid: 1000 }),
    prctl(PR.SET_DUMPABLE, 1),
    newUser,
    line("setresuid", { ruid: -1, euid: -1, suid: -1 }),
    ...write("/proc/self/uid_map", "0 1000 1\n")
  ],
  "root maps what it likes": [
    ...mapped("0 5000 10\n10 100 5\n", "0 6000 10\n", [uids(0), gids(0), uid, gid, setgroups(1, 2), groups], [
      ...readFile("/proc/$child/uid_map"),
      ...lookAt("/proc/$child/status", /^(Uid|Gid|Groups):/)
    ])
  ],
  "mapping takes the capability in the parent namespace": [
    fork(CLONE.NEWPID, [fork(0, [
      mount("proc", "/proc", "proc", 0),
      gate("never"),
      gate("ready"),
      start("child", CLONE.NEWUSER, [openGate("ready"), pass("never")]),
      pass("ready"),
      fork(0, [
        capset(bit(21)),
        ...write("/proc/$child/uid_map", "0 5000 10\n"),
        ...write("/proc/$child/gid_map", "0 5000 10\n")
      ]),
      fork(0, [capset(bit(6)), ...write("/proc/$child/gid_map", "1 5000 10\n")]),
      fork(0, [
        capset(bit(7)),
        ...write("/proc/$child/uid_map", "0 0 10\n"),
        ...write("/proc/$child/uid_map", "0 5000 10\n")
      ])
    ])])
  ],
  "mapping root of the parent takes CAP_SETFCAP": [
    fork(0, [capset(bit(7) | bit(6)), newUser, ...write("/proc/self/uid_map", "0 0 1\n")]),
    fork(0, [capset(bit(7) | bit(31)), newUser, ...write("/proc/self/uid_map", "0 0 1\n")]),
    fork(0, [capset(0n), newUser, ...write("/proc/self/uid_map", "0 0 1\n")]),
    fork(0, [capset(0n), newUser, ...maps("0 1 1\n", "0 0 1\n")]),
    fork(0, [capset(bit(31)), newUser, ...maps("0 0 1\n")])
  ],
  "whoever has the file open must have been allowed": [
    fork(CLONE.NEWPID, [fork(0, [
      mount("proc", "/proc", "proc", 0),
      gate("never"),
      gate("ready"),
      start("child", CLONE.NEWUSER, [openGate("ready"), pass("never")]),
      pass("ready"),
      open("/proc/$child/uid_map", O.WRONLY, "map"),
      open("/proc/$child/gid_map", O.WRONLY, "gids"),
      fork(0, [...user(1000), line("write", { fd: "$map", data: "0 5000 10\n" })]),
      fork(0, [capset(bit(6)), line("write", { fd: "$gids", data: "0 5000 10\n" })])
    ])])
  ],
  "only the namespace itself and its parent write maps": [
    fork(CLONE.NEWPID, [fork(0, [
      mount("proc", "/proc", "proc", 0),
      gate("never"),
      gate("hold"),
      gate("ready"),
      start("child", CLONE.NEWUSER, [
        line("prctl", { option: PR.SET_DUMPABLE, arg2: 1, arg3: 0, arg4: 0, arg5: 0 }),
        openGate("ready"),
        pass("never"),
        start("grandchild", CLONE.NEWUSER, [pass("hold")]),
        ...write("/proc/$grandchild/setgroups", "deny"),
        openGate("ready"),
        pass("never"),
        ...write("/proc/$grandchild/uid_map", "0 0 1\n"),
        openGate("ready"),
        pass("never")
      ]),
      pass("ready"),
      ...write("/proc/$child/uid_map", "0 0 1\n"),
      ...write("/proc/$child/gid_map", "0 0 1\n"),
      openGate("never"),
      pass("ready"),
      // numbered after the child
      ...write("/proc/4/uid_map", "0 0 1\n"),
      openGate("never"),
      pass("ready"),
      ...readFile("/proc/4/uid_map"),
      kill(4, 9),
      kill("$child", 9),
      join("child")
    ])])
  ],
  "setgroups is denied before the groups are mapped": [
    fork(0, [newUser, ...write("/proc/self/gid_map", "0 0 1\n"), ...write("/proc/self/setgroups", "deny")]),
    fork(0, [
      newUser,
      ...write("/proc/self/setgroups", "deny"),
      ...write("/proc/self/gid_map", "0 0 1\n"),
      ...write("/proc/self/setgroups", "deny"),
      ...write("/proc/self/setgroups", "allow")
    ]),
    fork(0, [
      newUser,
      ...write("/proc/self/setgroups", "allow"),
      ...write("/proc/self/gid_map", "0 0 1\n"),
      ...write("/proc/self/setgroups", "allow"),
      setgroups(0)
    ])
  ],
  "a denial of setgroups is for the namespaces below too": [
    newUser,
    ...maps("0 0 10\n"),
    newUser,
    ...readFile("/proc/self/setgroups"),
    ...write("/proc/self/setgroups", "allow"),
    ...write("/proc/self/gid_map", "0 0 1\n"),
    setgroups(0)
  ],
  "setgroups of another is written with CAP_SYS_ADMIN over it": [
    fork(CLONE.NEWPID, [fork(0, [
      mount("proc", "/proc", "proc", 0),
      gate("never"),
      gate("ready"),
      start("child", CLONE.NEWUSER, [openGate("ready"), pass("never")]),
      pass("ready"),
      fork(0, [...user(1000), open("/proc/$child/setgroups", O.WRONLY), open("/proc/$child/setgroups", O.RDONLY)]),
      fork(0, [...user(1000), open("/proc/self/setgroups", O.WRONLY)]),
      ...write("/proc/$child/setgroups", "deny"),
      ...readFile("/proc/$child/setgroups")
    ])])
  ],
  "a range of the parent is mapped from one of its lines": [
    newUser,
    ...write("/proc/self/uid_map", "0 100 5\n5 105 5\n20 200 5\n"),
    ...write("/proc/self/gid_map", "0 100 1\n"),
    uids(0),
    gids(0),
    fork(0, [newUser, ...write("/proc/self/uid_map", "0 0 5\n")]),
    fork(0, [newUser, ...write("/proc/self/uid_map", "0 0 6\n")]),
    fork(0, [newUser, ...write("/proc/self/uid_map", "0 4 2\n")]),
    fork(0, [newUser, ...write("/proc/self/uid_map", "0 5 5\n5 0 5\n")]),
    fork(0, [newUser, ...write("/proc/self/uid_map", "0 10 1\n")]),
    fork(0, [newUser, ...write("/proc/self/uid_map", "0 20 6\n")])
  ]
}

const names: Readonly<Record<string, Scenario>> = {
  "without a map everybody is nobody": [
    touch("f"),
    chown("f", 5, 5),
    setgroups(5, 6),
    newUser,
    uid,
    gid,
    groups,
    owner("f"),
    owner("/mnt"),
    ...lookAt("/proc/self/status", /^(Uid|Gid|Groups):/),
    uids(0),
    uids(65534),
    gids(0),
    setgroups(),
    chown("f", 0, 0),
    chown("f", -1, -1)
  ],
  "who has no name still owns files": [
    touch("f", 0o600),
    mkdir("d", 0o700),
    newUser,
    open("f", O.RDWR),
    touch("d/g"),
    owner("d/g"),
    line("fchmodat", { dirfd: cwd, path: "f", mode: 0o640 })
  ],
  "owners of files under a map": [
    ...[0, 999, 1000, 1005, 1010].flatMap((id) => [touch(`${id}`), chown(`${id}`, id, id)]),
    newUser,
    ...maps("0 0 1\n1 1000 10\n"),
    ...[0, 999, 1000, 1005, 1010].map((id) => owner(`${id}`)),
    chown("0", 5, 5),
    owner("0"),
    chown("999", 0, 0),
    chown("0", 11, 0),
    chown("0", 10, 0),
    chown("0", 0, 11),
    line("fchmodat", { dirfd: cwd, path: "999", mode: 0o777 }),
    line("fchmodat", { dirfd: cwd, path: "1005", mode: 0o777 })
  ],
  "capabilities reach files whose owners have names": [
    mkdir("d", 0o711),
    touch("d/f", 0o600),
    touch("d/g", 0o600),
    touch("d/h", 0o600),
    chown("d/f", 5, 5),
    chown("d/g", 1000, 5),
    chown("d/h", 5, 1000),
    newUser,
    ...maps("0 5 1\n1 6 1\n"),
    uids(1),
    gids(1),
    fork(0, [open("d/f", O.RDONLY)]),
    fork(0, [open("d/g", O.RDONLY)]),
    fork(0, [open("d/h", O.RDONLY)])
  ],
  "ids without a name can't be taken": [
    newUser,
    ...write("/proc/self/uid_map", "0 0 1\n5 1000 5\n"),
    ...write("/proc/self/gid_map", "0 0 1\n5 1000 5\n"),
    uids(4),
    uids(5),
    uids(9),
    uids(10),
    line("setresgid", { rgid: 10, egid: -1, sgid: -1 }),
    setgroups(5, 10),
    setgroups(5, 6),
    groups
  ],
  "ids of one namespace in another": [
    ...mapped("0 5000 10\n", "0 5000 10\n", [uids(3), gids(4), touch("/mnt/inside"), uid], [
      ...lookAt("/proc/$child/status", /^(Uid|Gid):/),
      fork(0, [newUser, ...maps("0 5000 4\n"), ...lookAt("/proc/$child/status", /^(Uid|Gid):/)])
    ])
  ],
  "maps as others read them": [
    ...mapped("0 5000 10\n20 100 1\n", "0 0 1\n", [...readFile("/proc/self/uid_map")], [
      ...readFile("/proc/$child/uid_map"),
      fork(0, [newUser, ...maps("0 5000 5\n"), ...readFile("/proc/$child/uid_map")]),
      fork(0, [newUser, ...maps("0 0 1\n50 5005 5\n"), ...readFile("/proc/$child/uid_map")])
    ])
  ],
  "two levels of maps": [
    newUser,
    ...write("/proc/self/uid_map", "0 1000 20\n"),
    ...write("/proc/self/gid_map", "0 1000 20\n"),
    uids(0),
    gids(0),
    newUser,
    ...write("/proc/self/uid_map", "0 5 5\n"),
    ...write("/proc/self/gid_map", "0 5 5\n"),
    ...readFile("/proc/self/uid_map"),
    uid,
    uids(0),
    gids(0),
    touch("/mnt/f"),
    uid
  ],
  "a mount of a namespace gives no files to those without a name": [
    ...mapped(
      "0 5000 10\n",
      "0 5000 10\n",
      [
        uids(0),
        gids(0),
        mount("tmpfs", "/mnt", "tmpfs", 0),
        touch("/mnt/f"),
        owner("/mnt/f"),
        owner("/mnt"),
        line("mknodat", { dirfd: cwd, path: "/mnt/null", mode: 0o20666, major: 1, minor: 3 })
      ],
      [],
      CLONE.NEWNS
    )
  ],
  "a mount of a namespace without maps": [
    unshare(CLONE.NEWUSER | CLONE.NEWNS),
    mount("tmpfs", "/mnt", "tmpfs", 0),
    owner("/mnt"),
    touch("/mnt/f"),
    mkdir("/mnt/d")
  ]
}

const powers: Readonly<Record<string, Scenario>> = {
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

export const userNamespaces: Readonly<Record<string, Scenario>> = { ...formats, ...rights, ...names, ...powers }
