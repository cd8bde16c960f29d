/** Which devices a process may use: the devices controller of version 1, and the programs of version 2. */
import { existsSync } from "node:fs"
import { O, S } from "../../src/native/constants.ts"
import { compileDeviceFilter, type Rule } from "../../src/native/deviceFilter.ts"
import { markOf } from "../support/mark.ts"
import { cwd, type Line, type Scenario } from "../support/parityLines.ts"
import { become, fork, line, mkdir, mknod, open, readFile, rmdir, see, write } from "../support/vocabulary.ts"

const name = markOf("runfx-parity-")
const legacy = `/sys/fs/cgroup/devices/${name}`
const unified = `${
  existsSync("/sys/fs/cgroup/cgroup.controllers") ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified"
}/${name}`

const within = (base: string, below: ReadonlyArray<string>, lines: Scenario): Scenario => [
  mkdir(base),
  ...below.map((path) => mkdir(`${base}${path}`)),
  ...lines,
  // else they would be shown as what has been removed
  ...base === unified ? [line("close", { fd: "$group" }), line("close", { fd: "$below" })] : [],
  ...below.toReversed().map((path) => rmdir(`${base}${path}`)),
  rmdir(base)
]

const list = (below = ""): Scenario => readFile(`${legacy}${below}/devices.list`)
const allow = (text: string, below = ""): Scenario => write(`${legacy}${below}/devices.allow`, text)
const deny = (text: string, below = ""): Scenario => write(`${legacy}${below}/devices.deny`, text)
const join = (path: string): Scenario => write(`${path}/cgroup.procs`, "0")

const char = S.IFCHR | 0o666
/** Opens and makes devices, and looks which of it is refused. */
const tries: Scenario = [
  open("/dev/null", O.RDONLY),
  open("/dev/null", O.WRONLY),
  open("/dev/null", O.RDWR),
  open("/dev/zero", O.RDONLY),
  open("/dev/zero", O.RDWR),
  open("/dev/zero", O.PATH),
  mknod("null", char, 1, 3),
  mknod("zero", char, 1, 5),
  mknod("disk", S.IFBLK | 0o600, 8, 0),
  mknod("white", S.IFCHR, 0, 0),
  mknod("pipe", S.IFIFO | 0o600)
]

const lists: Readonly<Record<string, Scenario>> = {
  "a new group has its parent's devices": within(legacy, [], [
    ...list(),
    ...deny("a"),
    ...allow("c 1:3 rw"),
    mkdir(`${legacy}/a`),
    ...list("/a"),
    rmdir(`${legacy}/a`)
  ]),
  "rules of devices.allow": within(legacy, [], [
    ...deny("a"),
    ...[
      "c 1:3 rwm",
      "b *:* m",
      "c 5:* rw",
      "c 1:3 r",
      "c 1:9 r\n",
      "c 1:8 mwr",
      "b 8:0 rwm foo",
      "c *:3 rw",
      "c 1:11 rrr"
    ]
      .flatMap((text) => [...allow(text), ...list()])
  ]),
  "what is no rule": within(legacy, [], [
    ...deny("a"),
    ...[
      "c 1:5 rwx",
      "x 1:3 r",
      "c 1:3",
      "c 1:3 ",
      "c 1 r",
      "c a:b r",
      "c  1:3 r",
      "b 8:1 rw foo",
      "c 1:12 rrrr",
      "",
      "c"
    ]
      .flatMap((text) => allow(text)),
    ...list()
  ]),
  "numbers of 32 bits": within(legacy, [], [
    ...deny("a"),
    ...["c 99999:1 r", "c 4294967296:1 r", "c 4294967294:1 r", "c 12345678901:1 r"]
      .flatMap((text) => [...allow(text), ...list()])
  ]),
  "everything is allowed again": within(legacy, [], [
    ...deny("a"),
    ...list(),
    ...allow("c 1:3 r"),
    ...list(),
    ...allow("a"),
    ...list(),
    ...deny("a *:* rwm"),
    ...list(),
    ...allow("a x"),
    ...list()
  ]),
  "accesses are added and taken away one by one": within(legacy, [], [
    ...deny("a"),
    ...allow("c 1:3 r"),
    ...allow("c 1:3 m"),
    ...list(),
    ...deny("c 1:3 r"),
    ...list(),
    ...deny("c 1:* m"),
    ...list(),
    ...deny("c 1:3 m"),
    ...list()
  ]),
  "exceptions of a group that allows everything are not listed": within(legacy, [], [
    ...deny("c 1:3 w"),
    ...list(),
    ...allow("c 1:3 w"),
    ...list()
  ]),
  "a group allows no more than its parent": within(legacy, ["/a"], [
    ...deny("a", "/a"),
    ...deny("c 1:3 w"),
    ...allow("c 1:3 w", "/a"),
    ...allow("c 1:3 r", "/a"),
    ...allow("c 1:* rwm", "/a"),
    ...allow("c 1:5 rwm", "/a"),
    ...list("/a")
  ]),
  "a parent that denies everything": within(legacy, [], [
    ...deny("a"),
    mkdir(`${legacy}/a`),
    ...allow("c 1:3 r", "/a"),
    ...allow("c 1:3 rw"),
    ...allow("c 1:3 rwm", "/a"),
    ...allow("c 1:3 rw", "/a"),
    ...allow("a", "/a"),
    ...list("/a"),
    rmdir(`${legacy}/a`)
  ]),
  "everything at once only without groups below": within(legacy, ["/a"], [
    ...allow("a"),
    ...deny("a"),
    ...deny("a", "/a")
  ]),
  "a restriction goes down": within(legacy, [], [
    ...deny("a"),
    ...allow("c 1:3 rwm"),
    ...allow("c 1:5 rwm"),
    mkdir(`${legacy}/a`),
    mkdir(`${legacy}/a/b`),
    ...deny("c 1:3 w"),
    ...list("/a"),
    ...list("/a/b"),
    ...deny("c 1:5 rwm"),
    ...list("/a/b"),
    rmdir(`${legacy}/a/b`),
    rmdir(`${legacy}/a`)
  ]),
  "a restriction goes down into a group that denies everything": within(legacy, ["/a"], [
    ...deny("a", "/a"),
    ...allow("c 1:3 rwm", "/a"),
    ...deny("c 1:3 w"),
    ...list("/a"),
    ...deny("c *:* r"),
    ...list("/a")
  ]),
  "a group can't take back what its parent excepts": within(legacy, ["/a"], [
    ...deny("c 1:3 w"),
    ...allow("c 1:3 w", "/a"),
    ...deny("c 1:5 w", "/a"),
    ...allow("c 1:5 w", "/a")
  ])
}

const legacyUse: Readonly<Record<string, Scenario>> = {
  "nothing is denied at first": within(legacy, [], [fork(0, [...join(legacy), ...tries])]),
  "all is denied": within(legacy, [], [...deny("a"), fork(0, [...join(legacy), ...tries])]),
  "only reading of one": within(legacy, [], [
    ...deny("a"),
    ...allow("c 1:3 r"),
    fork(0, [...join(legacy), ...tries])
  ]),
  "making of all, use of none": within(legacy, [], [
    ...deny("a"),
    ...allow("c *:* m"),
    fork(0, [...join(legacy), ...tries])
  ]),
  "reading and writing by two rules is not both": within(legacy, [], [
    ...deny("a"),
    ...allow("c 1:* r"),
    ...allow("c *:3 w"),
    fork(0, [...join(legacy), ...tries])
  ]),
  "all but writing of one": within(legacy, [], [
    ...deny("c 1:3 w"),
    fork(0, [...join(legacy), ...tries])
  ]),
  "all but making": within(legacy, [], [...deny("c *:* m"), fork(0, [...join(legacy), ...tries])]),
  "what is open stays open": within(legacy, [], [
    ...deny("a"),
    fork(0, [
      open("/dev/null", O.RDWR, "null"),
      ...join(legacy),
      line("write", { fd: "$null", data: "x" }, see),
      open("/dev/null", O.RDWR)
    ])
  ]),
  "access(2) asks the devices controller too": within(legacy, [], [
    ...deny("a"),
    ...allow("c 1:3 r"),
    fork(0, [
      ...join(legacy),
      line("faccessat2", { dirfd: cwd, path: "/dev/null", mode: 4, flags: 0 }),
      line("faccessat2", { dirfd: cwd, path: "/dev/null", mode: 2, flags: 0 }),
      line("faccessat2", { dirfd: cwd, path: "/dev/null", mode: 0, flags: 0 })
    ])
  ]),
  "permission bits come first": within(legacy, [], [
    ...deny("a"),
    mknod("secret", S.IFCHR | 0o600, 1, 3),
    fork(0, [...join(legacy), ...become(54321), open("secret", O.RDONLY), open("/dev/null", O.RDONLY)])
  ])
}

const load = (rules: ReadonlyArray<Rule>): Line =>
  line("bpf_prog_load", { instructions: compileDeviceFilter(rules), license: "GPL" }, { as: "program" })
const attach = (flags = 0, target = "$group"): Line =>
  line("bpf_prog_attach", { targetFd: target, programFd: "$program", flags })
const group = (below = "", as = "group"): Line => open(`${unified}${below}`, O.RDONLY | O.DIRECTORY, as)
const rule = (
  allowed: boolean,
  type: Rule["type"],
  major: number | null,
  minor: number | null,
  access: string
): Rule => ({
  allow: allowed,
  type,
  major,
  minor,
  access
})
const nothing = [rule(false, "a", null, null, "rwm")]
const everything = [rule(true, "a", null, null, "rwm")]
const [override, multi] = [1, 2] as const

const programs: Readonly<Record<string, Scenario>> = {
  "a program that refuses everything": within(unified, [], [
    load(nothing),
    group(),
    attach(),
    fork(0, [...join(unified), ...tries])
  ]),
  "a program with exceptions": within(unified, [], [
    load([...nothing, rule(true, "c", 1, 3, "rw"), rule(true, "c", null, null, "m"), rule(false, "c", 1, 5, "m")]),
    group(),
    attach(),
    fork(0, [...join(unified), ...tries])
  ]),
  "a program that allows everything but reading": within(unified, [], [
    load([...everything, rule(false, "c", null, null, "r")]),
    group(),
    attach(),
    fork(0, [...join(unified), ...tries])
  ]),
  "a program holds for groups below": within(unified, ["/a"], [
    load(nothing),
    group(),
    attach(),
    fork(0, [...join(`${unified}/a`), ...tries])
  ]),
  "processes outside are not concerned": within(unified, [], [load(nothing), group(), attach(), ...tries]),
  "a program alone is replaced by the next": within(unified, [], [
    load(nothing),
    group(),
    attach(),
    load(everything),
    attach(),
    fork(0, [...join(unified), ...tries])
  ]),
  "a program alone lets none be attached below": within(unified, ["/a"], [
    load(nothing),
    group(),
    group("/a", "below"),
    attach(),
    attach(0, "$below"),
    attach(override, "$below"),
    attach(multi, "$below")
  ]),
  "a program that may be overridden": within(unified, ["/a"], [
    load(nothing),
    group(),
    group("/a", "below"),
    attach(override),
    load(everything),
    attach(override, "$below"),
    fork(0, [...join(`${unified}/a`), ...tries]),
    fork(0, [...join(unified), open("/dev/null", O.RDONLY)])
  ]),
  "several programs must all allow": within(unified, ["/a"], [
    load([...everything, rule(false, "c", 1, 3, "w")]),
    group(),
    group("/a", "below"),
    attach(multi),
    load([...everything, rule(false, "c", 1, 5, "r")]),
    attach(multi),
    load([...everything, rule(false, "b", null, null, "m")]),
    attach(multi, "$below"),
    fork(0, [...join(unified), ...tries]),
    fork(0, [...join(`${unified}/a`), mknod("other", S.IFBLK | 0o600, 8, 1), open("/dev/zero", O.RDONLY)])
  ]),
  "the same program is not attached twice beside others": within(unified, [], [
    load(nothing),
    group(),
    attach(multi),
    attach(multi)
  ]),
  "how programs are attached does not change": within(unified, [], [
    load(nothing),
    group(),
    attach(multi),
    attach(),
    attach(override),
    attach(override | multi),
    attach(0x100)
  ]),
  "programs are for groups of version 2": [
    load(nothing),
    open("/dev", O.RDONLY | O.DIRECTORY, "group"),
    attach(),
    line("bpf_prog_attach", { targetFd: "$group", programFd: "$group", flags: 0 }),
    line("bpf_prog_attach", { targetFd: 499, programFd: "$program", flags: 0 }),
    line("bpf_prog_attach", { targetFd: "$group", programFd: 499, flags: 0 })
  ],
  "a program without instructions is none": [
    line("bpf_prog_load", { instructions: new Uint8Array(0), license: "GPL" })
  ]
}

export const devices: Readonly<Record<string, Scenario>> = {
  ...existsSync("/sys/fs/cgroup/devices/devices.list") ? { ...lists, ...legacyUse } : {},
  ...programs
}
