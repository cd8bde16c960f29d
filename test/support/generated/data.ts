/**
 * Values for generated scenarios of what has an odd notation or many rules: options of file systems, attributes, flags,
 * numbers in files, limits.
 */
import * as fc from "fast-check"
import { AT, CLONE, F, FSCONFIG, LOCK, MFD, MS, O, PR, RLIMIT, S } from "../../../src/native/constants.ts"
import { type Child, cwd, type Line, type Scenario } from "../parityLines.ts"
import { as, fork, line, see } from "../vocabulary.ts"
import { becomeSomebody, call, flagsUpTo, from, here, type Steps, weighted } from "./parts.ts"

const flags = flagsUpTo(3)

// ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A number in some notation, or what looks like one. */
const numbers: fc.Arbitrary<string> = fc.tuple(
  from("", "", "", "+", "-", " ", "\n"),
  from("", "", "", "0x", "0", "0X"),
  from("0", "1", "5", "8", "10", "1f", "1000", "2147483647", "4294967296", "18446744073709551615", "", "x"),
  from("", "", "", "\n", " ", "k", "%", "x", "\n\n", "\0")
).map((parts) => parts.join(""))

const writing = (path: string, text: fc.Arbitrary<string>): Steps =>
  text.map((data): Scenario => [
    line("openat", { dirfd: cwd, path, flags: O.RDWR, mode: 0 }, as("w")),
    line("write", { fd: "$w", data }, see),
    line("close", { fd: "$w" }),
    line("openat", { dirfd: cwd, path, flags: O.RDONLY, mode: 0 }, as("w")),
    line("read", { fd: "$w", count: 200 }, see),
    line("close", { fd: "$w" })
  ])

/** Numbers written to files of the process and of its namespaces. */
export const numberStep: Steps = weighted(
  [3, writing("/proc/self/oom_score_adj", numbers)],
  [2, writing("/proc/self/loginuid", numbers)],
  [
    4,
    from(
      "kernel/msgmax",
      "kernel/shmmax",
      "kernel/shm_rmid_forced",
      "fs/mqueue/msg_max",
      "net/ipv4/tcp_syncookies",
      "net/ipv4/ip_default_ttl",
      "net/core/somaxconn"
    ).chain((path) => writing(`/proc/sys/${path}`, numbers))
  ],
  [
    2,
    from("net/ipv4/ping_group_range", "net/ipv4/ip_local_port_range").chain((path) =>
      writing(`/proc/sys/${path}`, fc.tuple(numbers, numbers).map((two) => two.join(" ")))
    )
  ],
  [2, writing("/proc/self/uid_map", fc.tuple(numbers, numbers, numbers).map((three) => three.join(" ")))],
  [1, call("unshare", { flags: from<number>(CLONE.NEWUSER, CLONE.NEWIPC, CLONE.NEWNET) })]
)

// ── mount data ───────────────────────────────────────────────────────────────────────────────────────────────────────

const keys = from(
  ..."size nr_blocks nr_inodes mode uid gid huge mpol noswap inode64 hidepid subset ptmxmode max newinstance ro rw"
    .split(" "),
  ..."sync async mand lazytime dirsync source nosuch noexec".split(" ")
)
const values = fc.oneof(
  // a text of a call ends at its end
  { weight: 4, arbitrary: numbers.map((text) => text.replace("\0", "")) },
  { weight: 2, arbitrary: from("777", "0755", "1m", "10%", "never", "pid", "invisible", "default", "local", "x", "") }
)
const option = fc.tuple(keys, fc.option(values, { nil: undefined })).map(([key, value]) =>
  value === undefined ? key : `${key}=${value}`
)
/** Not cgroups: what they are told is for the whole machine. */
const types = from("tmpfs", "tmpfs", "tmpfs", "ramfs", "proc", "devpts", "mqueue", "sysfs")
const data = fc.array(option, { maxLength: 3 }).map((all) => all.join(","))
const place = from("d", "d", "e")
const mode = from(0o644, 0o755, 0o600, 0o777, 0o1777)

/** Mounts with options, by both interfaces, and what limited ones hold. */
export const mountDataStep: Steps = weighted(
  [
    6,
    types.chain((type) =>
      call("mount", {
        source: from(type, null, ""),
        target: place,
        type: fc.constant(type),
        flags: fc.constant(0),
        data
      })
    )
  ],
  [
    3,
    call("mount", {
      source: fc.constant(null),
      target: place,
      type: fc.constant(null),
      // no read-only remount: the file system may be that of others
      flags: fc.constant(MS.REMOUNT),
      data: data.map((text) =>
        text.split(",").filter((one) => !/^ro\b|^sync|^mand|^lazytime|^dirsync/.test(one)).join(",")
      )
    })
  ],
  [3, types.map((type): Scenario => [line("fsopen", { type, flags: 0 }, as("fs"))])],
  [
    5,
    fc.tuple(keys, fc.option(values, { nil: null })).map(([key, value]): Scenario => [
      line("fsconfig", {
        fd: "$fs",
        command: value === null ? FSCONFIG.SET_FLAG : FSCONFIG.SET_STRING,
        key,
        value,
        aux: 0
      })
    ])
  ],
  [2, fc.constant([line("fsconfig", { fd: "$fs", command: FSCONFIG.CMD_CREATE, key: null, value: null, aux: 0 })])],
  [
    2,
    place.map((toPath): Scenario => [
      line("fsmount", { fd: "$fs", flags: 0, attributes: 0 }, as("m")),
      line("move_mount", { fromDirfd: "$m", fromPath: "", toDirfd: cwd, toPath, flags: 4 })
    ])
  ],
  [
    2,
    call("statx", { dirfd: here, path: place, flags: fc.constant(0), mask: fc.constant(0x7ff) }, {
      see: ["mode", "uid", "gid"]
    })
  ],
  [
    4,
    fc.tuple(place, from("a", "b", "c"), from(1, 3000, 5000)).map(([path, name, times]): Scenario => [
      line(
        "openat",
        { dirfd: cwd, path: `${path}/${name}`, flags: O.CREAT | O.RDWR | O.NONBLOCK, mode: 0o644 },
        as("f")
      ),
      line("write", { fd: "$f", data: { byte: "x", times } }, see)
    ])
  ],
  [2, call("unlinkat", { dirfd: here, path: from("d/a", "d/b", "e/a"), flags: fc.constant(0) })],
  [2, call("mkdirat", { dirfd: here, path: from("d", "e", "d/x", "e/x"), mode })],
  [1, call("umount2", { target: place, flags: fc.constant(2) })],
  [1, call("close", { fd: from("$f", "$fs", "$m") })]
)

// ── attributes, memory files, flags of opening, locks ────────────────────────────────────────────────────────────────

const things = from("f", "d", "l", "p", "c", "o", "s", "w", ".", "missing", "/proc/self", "/proc/self/status")
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const acl = fc.array(fc.tuple(from(1, 4, 0x20, 1, 4, 0x20, 0x10), from(0, 4, 6, 7, 8)), { maxLength: 4 }).map(
  (entries) => {
    const view = new DataView(new ArrayBuffer(4 + 8 * entries.length))
    view.setUint32(0, 2, true)
    for (const [index, [tag, permissions]] of entries.entries()) {
      view.setUint16(4 + 8 * index, tag, true)
      view.setUint16(6 + 8 * index, permissions, true)
      view.setUint32(8 + 8 * index, 0xffffffff, true)
    }
    return new Uint8Array(view.buffer)
  }
)
/** What the steps of attributes and flags begin with. */
export const thingStart: ReadonlyArray<Line> = [
  line("openat", { dirfd: cwd, path: "f", flags: O.CREAT, mode: 0o644 }),
  line("openat", { dirfd: cwd, path: "w", flags: O.CREAT, mode: 0o666 }),
  line("openat", { dirfd: cwd, path: "o", flags: O.CREAT, mode: 0o600 }),
  line("fchownat", { dirfd: cwd, path: "o", uid: 1000, gid: 1000, flags: 0 }),
  line("mkdirat", { dirfd: cwd, path: "d", mode: 0o755 }),
  line("mkdirat", { dirfd: cwd, path: "s", mode: 0o755 }),
  line("fchmodat", { dirfd: cwd, path: "s", mode: 0o1777 }),
  line("symlinkat", { target: "f", dirfd: cwd, path: "l" }),
  line("mknodat", { dirfd: cwd, path: "p", mode: S.IFIFO | 0o666, major: 0, minor: 0 }),
  line("mknodat", { dirfd: cwd, path: "c", mode: S.IFCHR | 0o666, major: 1, minor: 3 })
]

export const thingStep: Steps = weighted(
  [
    5,
    call("setxattr", {
      path: things,
      name: from(..."user.x trusted.x security.x system.x nosuch.x x user. security. user".split(" "), ""),
      value: from(bytes("1"), bytes(""))
    })
  ],
  [
    2,
    call("setxattr", { path: things, name: from("system.posix_acl_access", "system.posix_acl_default"), value: acl })
  ],
  [
    3,
    call(
      "memfd_create",
      { name: from("m", ""), flags: flags(MFD.CLOEXEC, MFD.ALLOW_SEALING, 8, 0x10, 0x20, 0x40) },
      as("g")
    )
  ],
  [
    3,
    call("fcntl", {
      fd: from("$g", "$h"),
      command: from<number>(F.ADD_SEALS, F.GET_SEALS),
      argument: from(1, 2, 4, 8, 16, 32, 64)
    }, see)
  ],
  [2, call("fchmod", { fd: from("$g", "$h"), mode })],
  [2, call("write", { fd: from("$g", "$h"), data: from("x", "hello", "") }, see)],
  [1, call("ftruncate", { fd: from("$g", "$h"), length: from(0n, 3n, 40n) })],
  [
    6,
    call("openat2", {
      dirfd: here,
      path: things,
      flags: fc.tuple(
        from(0, 1, 2, 3),
        flags(
          O.CREAT,
          O.EXCL,
          O.TRUNC,
          O.APPEND,
          O.DIRECTORY,
          O.NOFOLLOW,
          O.NOATIME,
          O.DIRECT,
          O.SYNC,
          O.DSYNC,
          O.PATH,
          O.ASYNC,
          8
        )
      )
        .map(([access, more]) => access | more | ((more & O.PATH) === 0 ? O.NONBLOCK : 0)),
      mode: from(0, 0, 0o644, 0o10644),
      resolve: flags(1, 2, 4, 8, 16, 64)
    }, as("h"))
  ],
  [
    2,
    call("openat", {
      dirfd: here,
      path: things,
      flags: fc.tuple(from(0, 1, 2, 3), flags(O.CREAT, O.TRUNC, O.NOATIME, O.DIRECT, O.SYNC, O.PATH, O.TMPFILE)).map((
        [access, more]
      ) => access | more | O.NONBLOCK),
      mode
    }, as("h"))
  ],
  [2, call("fcntl", { fd: fc.constant("$h"), command: fc.constant(F.GETFL), argument: fc.constant(0) }, see)],
  [
    2,
    call("fcntl", {
      fd: fc.constant("$h"),
      command: fc.constant(F.SETFL),
      argument: flags(O.DIRECT, O.NOATIME, O.APPEND, O.NONBLOCK, O.SYNC)
    })
  ],
  [2, call("read", { fd: fc.constant("$h"), count: from(0, 3) })],
  [
    3,
    call("flock", {
      fd: fc.oneof(from<unknown>("$h", "$g"), from<unknown>(-1, 400)),
      operation: fc.tuple(from(0, 1, 2, 8, 3, 16, 32, 64, 128), from<number>(LOCK.NB, LOCK.NB, LOCK.NB)).map((
        [kind, more]
      ) => kind | more)
    })
  ],
  [
    3,
    call("statx", {
      dirfd: fc.oneof(here as fc.Arbitrary<unknown>, from<unknown>("$h", -1)),
      path: fc.oneof(things, from("", "")),
      flags: flags(AT.SYMLINK_NOFOLLOW, AT.EMPTY_PATH, AT.NO_AUTOMOUNT, 0x2000, 0x4000, 0x200, 0x10000),
      mask: from(0x7ff, 0, 0x80000000)
    }, { see: ["mode", "uid"] })
  ],
  [1, call("fchmodat", { dirfd: here, path: things, mode })],
  [1, becomeSomebody]
)

// ── limits per user, ownership through grandchildren ─────────────────────────────────────────────────────────────────

const processes = from(0n, 1n, 2n, 3n, 100n)
const maps: Scenario = [
  ["setgroups", "deny"],
  ["uid_map", "0 0 1"],
  ["gid_map", "0 0 1"]
].flatMap(([file, text]) => [
  line("openat", { dirfd: cwd, path: `/proc/self/${file!}`, flags: O.WRONLY, mode: 0 }, as("w")),
  line("write", { fd: "$w", data: text }, see),
  line("close", { fd: "$w" })
])
const kinds = from("uts", "ipc", "mnt", "user", "pid", "net", "cgroup", "time")
const newNamespaces = flags(CLONE.NEWUSER, CLONE.NEWUTS, CLONE.NEWIPC, CLONE.NEWNS, CLONE.NEWCGROUP)
const prctl = (number: number, arg2: fc.Arbitrary<number>): Steps =>
  arg2.map((value): Scenario => [line("prctl", { option: number, arg2: value, arg3: 0, arg4: 0, arg5: 0 }, see)])

const userStep: Steps = weighted(
  [
    3,
    processes.map((
      soft
    ): Scenario => [line("prlimit64", { pid: 0, resource: RLIMIT.NPROC, limit: { soft, hard: 100n } })])
  ],
  [3, from<Scenario>([fork(0, [])], [fork(CLONE.NEWUSER, [])], [fork(CLONE.NEWUTS, [])], [fork(0, [fork(0, [])])])],
  [3, call("unshare", { flags: newNamespaces })],
  [2, fc.constant([line("unshare", { flags: CLONE.NEWUSER }), ...maps])],
  [
    3,
    fc.tuple(kinds, from("0", "1", "2", "3", "-1")).chain(([kind, text]) =>
      writing(`/proc/sys/user/max_${kind}_namespaces`, fc.constant(text))
    )
  ],
  [1, fc.constant([line("setresuid", { ruid: 45678, euid: 45678, suid: 45678 })])],
  [1, fc.constant([line("setresuid", { ruid: -1, euid: 45678, suid: -1 })])],
  [1, prctl(PR.SET_DUMPABLE, from(0, 1))],
  [1, prctl(PR.GET_DUMPABLE, fc.constant(0))],
  [1, prctl(PR.SET_PDEATHSIG, from(0, 9))],
  [1, prctl(PR.GET_PDEATHSIG, fc.constant(0))],
  [
    3,
    from("user", "uts", "ipc").chain((type) =>
      from("u", "v").map((name): Scenario => [
        line("openat", { dirfd: cwd, path: `/proc/self/ns/${type}`, flags: O.RDONLY, mode: 0 }, as(name))
      ])
    )
  ],
  [3, call("setns", { fd: from("$u", "$v"), nstype: fc.constant(0) })]
)

/** Limits and user namespaces, with children that have children. */
export const userSteps: Steps = fc.oneof(
  { weight: 8, arbitrary: userStep },
  {
    weight: 2,
    arbitrary: fc.tuple(from<number>(0, CLONE.NEWUSER), fc.array(userStep, { minLength: 1, maxLength: 6 })).map((
      [flag, lines]
    ): Scenario => [{ fork: flag, lines: [...flag === 0 ? [] : maps, ...lines.flat()] } satisfies Child])
  }
)
