/** Who may write which map. */
import { CLONE, O, PR } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import {
  fork,
  gate,
  gids,
  join,
  kill,
  line,
  lookAt,
  mount,
  open,
  openGate,
  pass,
  prctl,
  readFile,
  start,
  uids,
  write
} from "../../support/vocabulary.ts"
import { bit, capset, gid, groups, mapped, maps, newUser, setgroups, uid, user } from "./lines.ts"

export const rights: Readonly<Record<string, Scenario>> = {
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
