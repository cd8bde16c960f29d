/** Mount propagation: the four types, peer groups, and what reaches whom. @see mount_namespaces(7) */
import { CLONE, MNT, MS } from "../../src/native/constants.ts"
import type { Scenario } from "../support/parityLines.ts"
import {
  fork,
  gate,
  join,
  line,
  mkdir,
  mount,
  mounts,
  open,
  openGate,
  pass,
  start,
  umount
} from "../support/vocabulary.ts"

const tmpfs = (path: string): Scenario => [mkdir(path), mount("tmpfs", path, "tmpfs", 0)]
const make = (path: string, kind: number): Scenario[number] => mount(null, path, null, kind)
const bind = (from: string, to: string): Scenario => [mkdir(to), mount(from, to, null, MS.BIND)]
const inside = (path: string): Scenario => [mkdir(path), mount("tmpfs", path, "tmpfs", 0)]
/** A shared mount, and what a bind of it became. */
const pair = (kind: number): Scenario => [
  ...tmpfs("a"),
  mkdir("a/x"),
  make("a", MS.SHARED),
  ...bind("a", "b"),
  make("b", kind)
]
const kinds = { shared: MS.SHARED, private: MS.PRIVATE, slave: MS.SLAVE, unbindable: MS.UNBINDABLE } as const

/** Every transition of the table in mount_namespaces(7), from each of its states. */
const transitions = Object.fromEntries(
  Object.entries(kinds).map(([name, kind]) => [
    `what becomes ${name}, from each type`,
    [
      ...tmpfs("private"),
      ...tmpfs("alone"),
      make("alone", MS.SHARED),
      ...tmpfs("shared"),
      make("shared", MS.SHARED),
      ...bind("shared", "slave"),
      make("slave", MS.SLAVE),
      ...bind("shared", "both"),
      make("both", MS.SLAVE),
      make("both", MS.SHARED),
      ...tmpfs("unbindable"),
      make("unbindable", MS.UNBINDABLE),
      ...mounts("/mnt"),
      ...["private", "alone", "shared", "slave", "both", "unbindable"].map((path) => make(path, kind)),
      ...mounts("/mnt")
    ] as Scenario
  ])
)

/** What is mounted and unmounted on one side, seen on the other, in both directions. */
const directions = Object.fromEntries(
  Object.entries(kinds).map(([name, kind]) => [
    `mounts between a shared mount and a bind of it that became ${name}`,
    [
      ...pair(kind),
      mount("tmpfs", "a/x", "tmpfs", 0),
      ...mounts("/mnt"),
      umount("a/x"),
      ...mounts("/mnt"),
      mount("tmpfs", "b/x", "tmpfs", 0),
      ...mounts("/mnt"),
      umount("b/x"),
      ...mounts("/mnt")
    ] as Scenario
  ])
)

export const propagation: Readonly<Record<string, Scenario>> = {
  ...transitions,
  ...directions,
  "a change of type wants one type, and the root of a mount": [
    ...tmpfs("a"),
    mkdir("a/d"),
    make("a", MS.SHARED | MS.PRIVATE),
    make("a/d", MS.SHARED),
    make("missing", MS.SHARED),
    make("a", MS.SHARED | MS.NOSUID),
    make("a", MS.SHARED | MS.RDONLY),
    make("a", MS.SHARED | MS.SILENT),
    make("a/d", MS.SHARED | MS.PRIVATE),
    mount("x", "a", "tmpfs", MS.SHARED),
    ...mounts("/mnt")
  ],
  "recursion goes to all mounts below": [
    ...tmpfs("a"),
    ...inside("a/b"),
    ...inside("a/b/c"),
    make("a", MS.SHARED),
    ...mounts("/mnt"),
    make("a", MS.SHARED | MS.REC),
    ...mounts("/mnt"),
    make("a/b", MS.PRIVATE | MS.REC),
    ...mounts("/mnt"),
    make("a", MS.UNBINDABLE | MS.REC),
    ...mounts("/mnt")
  ],
  "what is mounted on a shared mount is shared": [
    ...tmpfs("a"),
    make("a", MS.SHARED),
    ...inside("a/b"),
    ...mounts("/mnt"),
    ...inside("a/b/c"),
    ...mounts("/mnt")
  ],
  "a bind of a shared mount is its peer, of a slave another slave": [
    ...pair(MS.SLAVE),
    ...bind("a", "c"),
    ...bind("b", "d"),
    ...mounts("/mnt"),
    mount("tmpfs", "c/x", "tmpfs", 0),
    ...mounts("/mnt")
  ],
  "a chain of slaves hands on what it gets": [
    ...pair(MS.SLAVE),
    make("b", MS.SHARED),
    ...bind("b", "c"),
    make("c", MS.SLAVE),
    ...mounts("/mnt"),
    mount("tmpfs", "a/x", "tmpfs", 0),
    ...mounts("/mnt"),
    umount("a/x"),
    ...mounts("/mnt"),
    mount("tmpfs", "b/x", "tmpfs", 0),
    ...mounts("/mnt"),
    umount("c/x"),
    ...mounts("/mnt"),
    umount("b/x"),
    ...mounts("/mnt")
  ],
  "the peers of a slave that is shared get one group": [
    ...pair(MS.SLAVE),
    make("b", MS.SHARED),
    ...bind("b", "c"),
    ...mounts("/mnt"),
    mount("tmpfs", "a/x", "tmpfs", 0),
    ...mounts("/mnt")
  ],
  "a tree that is bound to a shared mount arrives everywhere": [
    ...tmpfs("t"),
    ...inside("t/u"),
    ...pair(MS.SHARED),
    mount("t", "a/x", null, MS.BIND | MS.REC),
    ...mounts("/mnt"),
    umount("a/x"),
    umount("a/x/u"),
    ...mounts("/mnt"),
    umount("b/x"),
    ...mounts("/mnt")
  ],
  "what a peer does not show does not arrive there": [
    ...tmpfs("a"),
    mkdir("a/x"),
    mkdir("a/y"),
    make("a", MS.SHARED),
    ...bind("a/x", "b"),
    ...mounts("/mnt"),
    mount("tmpfs", "a/y", "tmpfs", 0),
    ...mounts("/mnt"),
    ...inside("a/x/z"),
    ...mounts("/mnt"),
    mkdir("b/w"),
    mount("tmpfs", "b/w", "tmpfs", 0),
    ...mounts("/mnt")
  ],
  "the last of a group that leaves gives its slaves to its master": [
    ...pair(MS.SLAVE),
    make("b", MS.SHARED),
    ...bind("b", "c"),
    make("c", MS.SLAVE),
    ...mounts("/mnt"),
    make("b", MS.PRIVATE),
    ...mounts("/mnt"),
    make("a", MS.PRIVATE),
    ...mounts("/mnt")
  ],
  "slaves of a group whose last mount goes are private": [
    ...pair(MS.SLAVE),
    ...mounts("/mnt"),
    umount("a"),
    ...mounts("/mnt"),
    mount("tmpfs", "b/x", "tmpfs", 0),
    ...mounts("/mnt")
  ],
  "a mount that arrives where something lies goes below it": [
    ...pair(MS.SLAVE),
    mount("own", "b/x", "tmpfs", 0),
    mount("other", "a/x", "tmpfs", 0),
    ...mounts("/mnt"),
    umount("b/x"),
    ...mounts("/mnt"),
    umount("a/x"),
    ...mounts("/mnt")
  ],
  "an umount leaves alone what lies over the copy": [
    ...pair(MS.SLAVE),
    mount("other", "a/x", "tmpfs", 0),
    mount("own", "b/x", "tmpfs", 0),
    ...mounts("/mnt"),
    umount("a/x"),
    ...mounts("/mnt")
  ],
  "a copy that is in use keeps the mount busy": [
    ...pair(MS.SLAVE),
    mount("tmpfs", "a/x", "tmpfs", 0),
    open("b/x", 0, "x"),
    umount("a/x"),
    ...mounts("/mnt"),
    umount("a/x", MNT.DETACH),
    ...mounts("/mnt"),
    line("getdents64", { fd: "$x" })
  ],
  "a copy that has mounts of its own stays": [
    ...pair(MS.SLAVE),
    mount("tmpfs", "a/x", "tmpfs", 0),
    ...inside("b/x/own"),
    umount("a/x"),
    ...mounts("/mnt")
  ],
  "a lazy umount takes the copies of the whole tree": [
    ...pair(MS.SHARED),
    mount("tmpfs", "a/x", "tmpfs", 0),
    ...inside("a/x/y"),
    ...mounts("/mnt"),
    umount("b/x", MNT.DETACH),
    ...mounts("/mnt")
  ],
  "nothing unbindable is bound, alone or as a part": [
    ...tmpfs("a"),
    ...inside("a/b"),
    ...inside("a/c"),
    make("a/b", MS.UNBINDABLE),
    mkdir("t"),
    mount("a/b", "t", null, MS.BIND),
    mount("a", "t", null, MS.BIND | MS.REC),
    ...mounts("/mnt"),
    umount("t", MNT.DETACH),
    mount("a", "t", null, MS.BIND),
    ...mounts("/mnt")
  ],
  "nothing unbindable moves to a shared mount": [
    ...tmpfs("a"),
    ...tmpfs("s"),
    mkdir("s/d"),
    make("s", MS.SHARED),
    make("a", MS.UNBINDABLE),
    mount("a", "s/d", null, MS.MOVE),
    make("s", MS.PRIVATE),
    mount("a", "s/d", null, MS.MOVE),
    ...mounts("/mnt")
  ],
  "nothing moves out of a shared mount": [
    ...tmpfs("s"),
    ...inside("s/d"),
    make("s", MS.SHARED),
    mkdir("t"),
    mount("s/d", "t", null, MS.MOVE),
    make("s", MS.PRIVATE),
    mount("s/d", "t", null, MS.MOVE),
    ...mounts("/mnt")
  ],
  "a mount that moves to a shared mount is shared, and copied": [
    ...pair(MS.SLAVE),
    ...tmpfs("t"),
    mount("t", "a/x", null, MS.MOVE),
    ...mounts("/mnt")
  ],
  "a mount that moves keeps its group": [
    ...pair(MS.SHARED),
    mkdir("t"),
    mount("b", "t", null, MS.MOVE),
    ...mounts("/mnt"),
    mount("tmpfs", "t/x", "tmpfs", 0),
    ...mounts("/mnt")
  ],
  "a new mount namespace has peers of shared mounts": [
    ...tmpfs("a"),
    mkdir("a/x"),
    mkdir("a/y"),
    make("a", MS.SHARED),
    gate("ready"),
    gate("go"),
    start("other", CLONE.NEWNS, [
      ...mounts("/mnt"),
      mount("tmpfs", "a/x", "tmpfs", 0),
      openGate("ready"),
      pass("go"),
      ...mounts("/mnt")
    ]),
    pass("ready"),
    ...mounts("/mnt"),
    mount("tmpfs", "a/y", "tmpfs", 0),
    openGate("go"),
    join("other")
  ],
  "a new mount namespace of a new user namespace has slaves of shared mounts": [
    ...tmpfs("a"),
    mkdir("a/x"),
    mkdir("a/y"),
    mkdir("a/z"),
    make("a", MS.SHARED),
    gate("ready"),
    gate("go"),
    start("other", CLONE.NEWNS | CLONE.NEWUSER, [
      ...mounts("/mnt"),
      mount("tmpfs", "a/x", "tmpfs", 0),
      openGate("ready"),
      pass("go"),
      ...mounts("/mnt"),
      // what arrived is no part of what the namespace began with
      umount("a/y"),
      umount("a/z/deep"),
      umount("a/z"),
      make("a", MS.SHARED),
      ...mounts("/mnt"),
      mount(null, "a/z", null, MS.REMOUNT | MS.BIND),
      mount(null, "a/z", null, MS.REMOUNT | MS.BIND | MS.NOSUID)
    ]),
    pass("ready"),
    ...mounts("/mnt"),
    mount("tmpfs", "a/y", "tmpfs", 0),
    mkdir("tree"),
    mount("tmpfs", "tree", "tmpfs", MS.NOSUID),
    mkdir("tree/deep"),
    mount("tmpfs", "tree/deep", "tmpfs", 0),
    mount("tree", "a/z", null, MS.BIND | MS.REC),
    openGate("go"),
    join("other")
  ],
  "a private mount is nobody's business in the other namespace": [
    ...tmpfs("a"),
    mkdir("a/x"),
    fork(CLONE.NEWNS, [mount("tmpfs", "a/x", "tmpfs", 0), ...mounts("/mnt")]),
    ...mounts("/mnt")
  ],
  "what an ended namespace had in common is private again": [
    ...tmpfs("a"),
    make("a", MS.SHARED),
    fork(CLONE.NEWNS, [make("a", MS.SLAVE), ...mounts("/mnt")]),
    make("a", MS.SLAVE),
    ...mounts("/mnt")
  ],
  "a master that is not in sight is told with what is": [
    ...pair(MS.SLAVE),
    make("b", MS.SHARED),
    ...bind("b", "c"),
    make("c", MS.SLAVE),
    mkdir("a/proc"),
    mkdir("c/proc"),
    umount("b"),
    ...mounts("/mnt")
  ],
  "a bind of a directory onto itself under a shared parent": [
    ...tmpfs("a"),
    mkdir("a/d"),
    make("a", MS.SHARED),
    mount("a/d", "a/d", null, MS.BIND),
    ...mounts("/mnt"),
    make("a/d", MS.PRIVATE),
    ...mounts("/mnt")
  ],
  "a shared mount bound below itself": [
    ...tmpfs("a"),
    mkdir("a/d"),
    mkdir("a/e"),
    make("a", MS.SHARED),
    mount("a", "a/d", null, MS.BIND),
    ...mounts("/mnt"),
    mount("tmpfs", "a/e", "tmpfs", 0),
    ...mounts("/mnt")
  ]
}
