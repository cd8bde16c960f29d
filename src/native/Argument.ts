/**
 * The kinds of argument that a kernel call takes: for each its TypeScript type and how it is printed.
 *
 * Printing follows strace(1), since that is what a reader of kernel calls knows: `O_RDONLY|O_CLOEXEC`, `0755`,
 * `AT_FDCWD`, `"path"`.
 *
 * @category arguments
 * @since 0.1.0
 */
import * as constants from "./constants.ts"
import type { AnyFd, AnyGid, AnyPid, AnyPidfd, AnyUid } from "./Handle.ts"
import type { Limit, SchedulerAttributes, TerminalModes } from "./results.ts"
import type { Request } from "./Rtnetlink.ts"

/** One kind of argument. `A` is the type of its values. */
export interface Argument<out A> {
  /** Carries the type only; never present at run time. */
  readonly "~value"?: A
  /** The value as strace(1) would print it. */
  readonly render: (value: never) => string
}

/** The type of the values of an argument kind. */
export type Value<K> = K extends Argument<infer A> ? A : never

const make = <A>(render: (value: A) => string): Argument<A> => ({ render })

/** How many characters of a string are printed; the rest is only counted. */
const printed = 80

/**
 * A text in quotes, cut if it is long.
 *
 * @since 0.2.0
 */
export const quote = (text: string): string =>
  text.length > printed
    ? `${JSON.stringify(text.slice(0, printed))}…(${text.length})`
    : JSON.stringify(text)

/** A plain integer: a count, an id, a status. */
export const int: Argument<number> = make(String)

/**
 * A process's number, as the caller sees it.
 *
 * @since 0.2.0
 */
export const pid: Argument<AnyPid> = make(String)

/**
 * The id of a user, in the caller's user namespace.
 *
 * @since 0.2.0
 */
export const uid: Argument<AnyUid> = make(String)

/**
 * The id of a group, in the caller's user namespace.
 *
 * @since 0.2.0
 */
export const gid: Argument<AnyGid> = make(String)

/** A 64-bit integer. */
export const bigint: Argument<bigint> = make(String)

/** A 64-bit set, printed in hexadecimal: capability sets. */
export const bits: Argument<bigint> = make((value) => `0x${value.toString(16)}`)

/** A file descriptor of the calling process; `AT_FDCWD` by name. */
export const fd: Argument<AnyFd> = make((value) => value === constants.AT.FDCWD ? "AT_FDCWD" : String(value))

/**
 * A descriptor of a process.
 *
 * @since 0.2.0
 */
export const pidfd: Argument<AnyPidfd> = make(String)

/** A path or any other text. */
export const text: Argument<string> = make(quote)

/** A path or text, or NULL. */
export const textOrNull: Argument<string | null> = make((value) => value === null ? "NULL" : quote(value))

/** The most entries that are printed of a vector; the rest is counted. */
const printedEntries = 32

/** A vector, of which a long one is cut. */
const vector = <A>(values: ReadonlyArray<A>, render: (value: A) => string): string =>
  values.length > printedEntries
    ? `[${values.slice(0, printedEntries).map(render).join(", ")}, …(${values.length})]`
    : `[${values.map(render).join(", ")}]`

/** A vector of texts: `argv`, `envp`. */
export const texts: Argument<ReadonlyArray<string>> = make((values) => vector(values, quote))

/** An environment, `envp`. Only the number of variables is printed, since their values may be secrets. */
export const environment: Argument<ReadonlyArray<string>> = make((values) =>
  `/* ${values.length} variable${values.length === 1 ? "" : "s"} */`
)

/** A vector of integers: groups, descriptors, signals. */
export const ints: Argument<ReadonlyArray<number>> = make((values) => vector(values, String))

/**
 * A vector of ids of groups.
 *
 * @since 0.2.0
 */
export const gids: Argument<ReadonlyArray<AnyGid>> = make(ints.render)

/**
 * A vector of file descriptors of the calling process.
 *
 * @since 0.2.0
 */
export const fds: Argument<ReadonlyArray<AnyFd>> = make(ints.render)

/**
 * A sorted set of integers, printed as ranges: `[0-3, 7]`.
 *
 * @since 0.2.0
 */
export const ranges: Argument<ReadonlyArray<number>> = make((values) => {
  const runs: Array<[first: number, last: number]> = []
  for (const value of values) {
    const run = runs.at(-1)
    if (run !== undefined && run[1] + 1 === value) run[1] = value
    else runs.push([value, value])
  }
  return vector(runs, ([first, last]) => first === last ? String(first) : `${first}-${last}`)
})

/** Bytes: printed as text if they are text, otherwise as their number. */
export const bytes: Argument<Uint8Array> = make((value) => {
  const plain = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("utf8")
  // eslint-disable-next-line no-control-regex
  return /^[\t\n\x20-\x7e]*$/.test(plain) ? quote(plain) : `<${value.length} bytes>`
})

/** A permission mode in octal: `0755`. With a file type if the call takes one (mknod). */
export const mode: Argument<number> = make((value) => octal(value))

/** Any plain data, printed as JSON: the request of a netlink message. */
export const data = <A>(render: (value: A) => string = (value) => JSON.stringify(value)): Argument<A> => make(render)

const limitText = (value: bigint): string => value === 2n ** 64n - 1n ? "RLIM_INFINITY" : String(value)

/**
 * A limit of setrlimit(2), or NULL.
 *
 * @since 0.2.0
 */
export const limit: Argument<Limit | null> = make((value) =>
  value === null ? "NULL" : `{soft=${limitText(value.soft)}, hard=${limitText(value.hard)}}`
)

/** `struct sched_attr`. */
export const scheduling: Argument<SchedulerAttributes> = make((value) =>
  `{${Object.entries(value).map(([key, field]) => `${key}=${field}`).join(", ")}}`
)

const octal = (value: number): string => `0${value.toString(8)}`

/** `struct termios`. */
export const terminalModes: Argument<TerminalModes> = make(({ control, input, local, output }) =>
  `{iflag=${octal(input)}, oflag=${octal(output)}, cflag=${octal(control)}, lflag=${octal(local)}, …}`
)

/**
 * A request of rtnetlink(7).
 *
 * @since 0.2.0
 */
export const netlinkRequest: Argument<Request> = make(({ _tag, ...rest }) =>
  `${_tag}${JSON.stringify(rest, (_, value: unknown) => value instanceof Uint8Array ? [...value] : value)}`
)

const namesOfBits = (value: number, named: ReadonlyArray<readonly [string, number]>): ReadonlyArray<string> => {
  const names: Array<string> = []
  let rest = value
  for (const [name, bit] of named) {
    if (bit === 0 || (rest & bit) !== bit) continue
    names.push(name)
    rest &= ~bit
  }
  return rest === 0 ? names : [...names, `0x${(rest >>> 0).toString(16)}`]
}

const entriesOf = (family: Readonly<Record<string, number>>): ReadonlyArray<readonly [string, number]> =>
  // a flag that contains another (O_TMPFILE contains O_DIRECTORY) must be looked for first
  Object.entries(family).map(([name, bit]) => [constants.prefixOf(family) + name, bit] as const)
    .toSorted((a, b) => b[1] - a[1])

/** A set of flags of one or more families: `CLONE_NEWNS|CLONE_NEWPID`; bits without a name in hexadecimal. */
export const flags = (...families: ReadonlyArray<Readonly<Record<string, number>>>): Argument<number> => {
  // at the first use: most processes print no call, and all evaluate the table of calls
  let named: ReturnType<typeof entriesOf> | undefined
  return make((value) => value === 0 ? "0" : namesOfBits(value, named ??= families.flatMap(entriesOf)).join("|"))
}

/** One value of a family: `PR_SET_KEEPCAPS`; a value without a name as a number. */
export const one = (family: Readonly<Record<string, number>>): Argument<number> =>
  make((value) => {
    const name = Object.keys(family).find((key) => family[key] === value)
    return name === undefined ? String(value) : constants.prefixOf(family) + name
  })

const accessModes = ["O_RDONLY", "O_WRONLY", "O_RDWR"]
let openFlagNames: ReturnType<typeof entriesOf> | undefined

/** Flags of open(2): the access mode (left out with `O_PATH`, which ignores it) and the rest. */
export const openFlags: Argument<number> = make((value) => {
  openFlagNames ??= entriesOf(constants.O).filter(([, bit]) => bit > constants.O.RDWR)
  const names = namesOfBits(value & ~3, openFlagNames)
  return (names.includes("O_PATH") ? names : [accessModes[value & 3] ?? "3", ...names]).join("|")
})
