/**
 * What can be seen of a process and of its namespaces once its lines have run, as lines of its trace.
 *
 * Only what a scenario can change is told, and numbers that the machine chooses are left out or told by name, so that the
 * same scenario leaves the same lines on every kernel.
 */
import * as Effect from "effect/Effect"
import { AT, F, O, PR, RLIMIT, S, STATX } from "../../src/native/constants.ts"
import { type Kernel, sys, SyscallError } from "../../src/native/Kernel.ts"
import { mountsBelow, type PeerGroups } from "./mountinfo.ts"

type Looking<A> = Effect.Effect<A, never, Kernel>

/** What was there before the first line, which is not told again. */
export interface Before {
  readonly descriptors: ReadonlySet<number>
  /** Devices of the machine's own file systems, as `major:minor`. */
  readonly devices: ReadonlySet<string>
  /** The root directory, as device and inode. */
  readonly root: string
  /** The machine's own mounts: device, root and mount point. */
  readonly mounts: ReadonlySet<string>
  /** What the process and its namespaces were. */
  readonly lines: ReadonlySet<string>
}

/** Descriptors from here on belong to the machinery of the suite. */
export const firstOwn = 500

const text = (data: Uint8Array): string => new TextDecoder().decode(data)

const or = <A>(effect: Effect.Effect<A, SyscallError, Kernel>): Effect.Effect<A | string, never, Kernel> =>
  Effect.match(effect, { onFailure: ({ code }): A | string => code, onSuccess: (value) => value })

const O_LARGEFILE = 0o100000

/** A whole file, read in one go. */
const readFile = (path: string): Effect.Effect<string, SyscallError, Kernel> =>
  Effect.gen(function*() {
    const fd = yield* sys.openat({ dirfd: AT.FDCWD, path, flags: O.RDONLY | O.CLOEXEC, mode: 0 })
    const data = yield* Effect.result(sys.read({ fd, count: 65536 }))
    yield* sys.close({ fd })
    return data._tag === "Success" ? text(data.success) : yield* Effect.fail(data.failure)
  })

const listDirectory = (path: string): Effect.Effect<ReadonlyArray<string>, SyscallError, Kernel> =>
  Effect.gen(function*() {
    const fd = yield* sys.openat({ dirfd: AT.FDCWD, path, flags: O.RDONLY | O.DIRECTORY | O.CLOEXEC, mode: 0 })
    const names: Array<string> = []
    for (;;) {
      const entries = yield* Effect.result(sys.getdents64({ fd }))
      if (entries._tag === "Failure") {
        yield* sys.close({ fd })
        return yield* Effect.fail(entries.failure)
      }
      if (entries.success.length === 0) break
      names.push(...entries.success.map(({ name }) => name))
    }
    yield* sys.close({ fd })
    return names.toSorted()
  })

// ── a process ────────────────────────────────────────────────────────────────────────────────────────────────────────

const statusFields =
  /^(?:Umask|Uid|Gid|Groups|CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp|SigPnd|ShdPnd|SigBlk|SigIgn):/

const credentials: Looking<ReadonlyArray<string>> = Effect.gen(function*() {
  const status = yield* Effect.result(readFile("/proc/self/status"))
  if (status._tag === "Success") {
    return status.success.split("\n").filter((line) => statusFields.test(line)).map((line) =>
      line.trim().replaceAll("\t", " ")
    )
  }
  // no /proc in sight: what the calls themselves tell
  const parts = [
    JSON.stringify(yield* or(sys.getresuid({}))),
    JSON.stringify(yield* or(sys.getresgid({}))),
    String(yield* or(sys.getgroups({}))),
    String(
      yield* or(
        Effect.map(
          sys.capget({ pid: 0 }),
          ({ effective, inheritable, permitted }) =>
            `${effective.toString(16)},${permitted.toString(16)},${inheritable.toString(16)}`
        )
      )
    ),
    String(yield* or(sys.prctl({ option: PR.GET_NO_NEW_PRIVS, arg2: 0, arg3: 0, arg4: 0, arg5: 0 })))
  ]
  return [`${status.failure.code} ${parts.join(" ")}`]
})

const attributes = { dumpable: PR.GET_DUMPABLE, keepcaps: PR.GET_KEEPCAPS, securebits: PR.GET_SECUREBITS }

const settings: Looking<ReadonlyArray<string>> = Effect.gen(function*() {
  const parts: Array<string> = []
  for (const [name, option] of Object.entries(attributes)) {
    parts.push(`${name}: ${String(yield* or(sys.prctl({ option, arg2: 0, arg3: 0, arg4: 0, arg5: 0 })))}`)
  }
  return parts
})

const descriptorNumbers = Effect.map(
  listDirectory("/proc/self/fd"),
  (names) => names.map(Number).filter((fd) => fd < firstOwn).toSorted((a, b) => a - b)
)

/** What a descriptor is of, without the numbers that the machine chose. */
const withoutNumbers = (target: string): string =>
  target.replace(/\[\d+\]/, "[n]").replace(/^.*\/pts\/\d+/, "pts/n").replace(/^(\/proc)?\/\d+(?=\/| |$)/, "$1/n")
    .replace(/#\d+ \(deleted\)$/, "#n (deleted)")

const descriptor = (fd: number, crowded: boolean): Looking<string> =>
  Effect.gen(function*() {
    const target = yield* or(sys.readlinkat({ dirfd: AT.FDCWD, path: `/proc/self/fd/${fd}` }))
    const cloexec = yield* or(sys.fcntl({ fd, command: F.GETFD, argument: 0 }))
    const flags = yield* or(sys.fcntl({ fd, command: F.GETFL, argument: 0 }))
    const name = withoutNumbers(target)
    // a terminal is opened without the bit for large files by ioctl(2) TIOCGPTPEER
    const shown = typeof flags === "number" && name === "pts/n" ? flags & ~O_LARGEFILE : flags
    // a low number is the lowest that was free, which differs
    return `${fd < 100 || crowded ? "" : `${fd} `}${name} 0${shown.toString(8)}${cloexec === 0 ? "" : " cloexec"}`
  })

const descriptors = (before: Before): Looking<ReadonlyArray<string>> =>
  Effect.gen(function*() {
    const numbers = yield* Effect.result(descriptorNumbers)
    if (numbers._tag === "Failure") return [`descriptors: ${numbers.failure.code}`]
    const lines: Array<string> = []
    for (const fd of numbers.success) {
      if (before.descriptors.has(fd)) continue
      // the one that the listing was read through is gone again
      const line = yield* descriptor(fd, numbers.success.length > 60)
      if (!line.includes("EBADF")) lines.push(`descriptor ${line}`)
    }
    return lines
  })

const resources = Object.entries(RLIMIT)

const limits: Looking<ReadonlyArray<string>> = Effect.gen(function*() {
  const lines: Array<string> = []
  for (const [name, resource] of resources) {
    const limit = yield* Effect.result(sys.prlimit64({ pid: 0, resource, limit: null }))
    lines.push(
      `limit ${name} ${limit._tag === "Success" ? `${limit.success.soft} ${limit.success.hard}` : limit.failure.code}`
    )
  }
  return lines
})

/** What is not as it was. */
const changed = (before: Before, lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.filter((line) => !before.lines.has(line))

const process: Looking<ReadonlyArray<string>> = Effect.gen(function*() {
  return [...yield* credentials, ...yield* settings, ...yield* limits]
})

/** Credentials, capabilities, signals, settings and limits of the caller that have changed, and its descriptors. */
export const ofProcess = (before: Before): Looking<ReadonlyArray<string>> =>
  Effect.gen(function*() {
    return [...changed(before, yield* process), ...yield* descriptors(before)]
  })

// ── its namespaces ───────────────────────────────────────────────────────────────────────────────────────────────────

const tmpfs = 0x01021994
const letters: ReadonlyMap<number, string> = new Map([
  [S.IFDIR, "d"],
  [S.IFREG, "f"],
  [S.IFLNK, "l"],
  [S.IFCHR, "c"],
  [S.IFBLK, "b"],
  [S.IFIFO, "p"],
  [S.IFSOCK, "s"]
])

/** Whether a directory is of a tmpfs that came after the first line. */
const isOfTmpfs = (path: string): Looking<boolean> =>
  Effect.gen(function*() {
    const fd = yield* sys.openat({ dirfd: AT.FDCWD, path, flags: O.PATH | O.CLOEXEC, mode: 0 })
    const stat = yield* Effect.result(sys.fstatfs({ fd }))
    yield* sys.close({ fd })
    return stat._tag === "Success" && stat.success.type === tmpfs
  }).pipe(Effect.orElseSucceed(() => false))

const tree = (path: string, before: Before, lines: Array<string>): Looking<void> =>
  Effect.gen(function*() {
    const stat = yield* Effect.result(
      sys.statx({ dirfd: AT.FDCWD, path, flags: AT.SYMLINK_NOFOLLOW, mask: STATX.BASIC_STATS })
    )
    if (stat._tag === "Failure") return void lines.push(`${path} ${stat.failure.code}`)
    const { dev, gid, mode, rdev, size, uid } = stat.success
    const type = letters.get(mode & S.IFMT) ?? "?"
    const more = type === "l"
      ? ` -> ${yield* or(sys.readlinkat({ dirfd: AT.FDCWD, path }))}`
      : type === "c" || type === "b"
      ? ` ${rdev.major}:${rdev.minor}`
      : type === "f"
      ? ` ${size}`
      : ""
    lines.push(`${path} ${type}${(mode & 0o7777).toString(8).padStart(4, "0")} ${uid}:${gid}${more}`)
    if (type !== "d" || lines.length > 200 || before.devices.has(`${dev.major}:${dev.minor}`)) return
    if (!(yield* isOfTmpfs(path))) return
    const names = yield* Effect.result(listDirectory(path))
    if (names._tag === "Failure") return void lines.push(`${path} ${names.failure.code}`)
    for (const name of names.success) yield* tree(path === "/" ? `/${name}` : `${path}/${name}`, before, lines)
  })

const network: Looking<ReadonlyArray<string>> = Effect.gen(function*() {
  const links = yield* Effect.result(sys.rtnetlink({ request: { _tag: "LinkList" } }))
  // a request takes a descriptor, for which there may be no room
  if (links._tag === "Failure") return links.failure.code === "EMFILE" ? [] : [`links ${links.failure.code}`]
  const lines: Array<string> = []
  for (const link of links.success) {
    if (link._tag !== "Link") continue
    const { index, kind, master, mtu, name } = link
    const addresses = yield* or(sys.rtnetlink({ request: { _tag: "AddressList", link: index } }))
    const shown = typeof addresses === "string"
      ? addresses
      : addresses.flatMap((one) =>
        // an IPv6 address of its own that a link makes from its random hardware address
        one._tag === "Address" && one.index === index && !one.address.startsWith("fe80:") ? [one.address] : []
      ).join(",")
    lines.push(`link ${index} ${name} ${kind} ${link.flags & 1 ? "up" : "down"} ${mtu} ${master ?? "-"} ${shown}`)
  }
  return lines
})

/** Which directory the root is. */
const root: Looking<string> = Effect.map(
  Effect.result(sys.statx({ dirfd: AT.FDCWD, path: "/", flags: 0, mask: STATX.BASIC_STATS })),
  (stat) => stat._tag === "Success" ? `${stat.success.dev.major}:${stat.success.dev.minor} ${stat.success.ino}` : ""
)

const deviceOf = (line: string): string => line.split(" ")[2] ?? ""
const mountOf = (line: string): string => line.split(" ").slice(2, 5).join(" ")

const names: Looking<ReadonlyArray<string>> = Effect.map(
  Effect.result(sys.uname({})),
  (found) => found._tag === "Success" ? [`names ${found.success.nodename} ${found.success.domainname}`] : []
)

/**
 * Working directory, the tree and the mounts below /mnt, or of the whole root where that is another one by now; the names of the
 * machine and the links with their addresses where they have changed: as the caller sees them.
 */
export const ofNamespaces = (
  before: Before,
  groups: PeerGroups,
  withLinks: boolean
): Looking<{ readonly lines: ReadonlyArray<string>; readonly groups: PeerGroups }> =>
  Effect.gen(function*() {
    const lines = [`cwd ${yield* or(sys.getcwd({}))}`]
    // not by its device: a sysfs is the machine's own, or another one, by the network namespace that the suite runs in
    const isNew = (yield* root) !== before.root
    yield* tree(isNew ? "/" : "/mnt", before, lines)
    const mountinfo = yield* Effect.result(readFile("/proc/self/mountinfo"))
    const own = mountinfo._tag === "Success"
      ? mountinfo.success.split("\n").filter((line) =>
        isNew ? !before.devices.has(deviceOf(line)) : !before.mounts.has(mountOf(line))
      ).join("\n")
      : ""
    const mounts = mountsBelow(own, isNew ? "/" : "/mnt", groups)
    if (mountinfo._tag === "Failure") lines.push(`mounts ${mountinfo.failure.code}`)
    lines.push(...mounts.lines.map((line) => `mount ${line}`))
    const others = [...yield* names, ...withLinks ? yield* network : []]
    return { lines: [...lines, ...changed(before, others)], groups: mounts.groups }
  })

/** Looks before the first line. */
export const before: Effect.Effect<Before, SyscallError, Kernel> = Effect.gen(function*() {
  const mountinfo = (yield* readFile("/proc/self/mountinfo")).split("\n")
  return {
    descriptors: new Set(yield* descriptorNumbers),
    devices: new Set(mountinfo.map(deviceOf)),
    root: yield* root,
    mounts: new Set(mountinfo.map(mountOf)),
    lines: new Set([...yield* process, ...yield* names, ...yield* network])
  }
})
