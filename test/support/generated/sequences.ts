/** What the areas share: sequences of steps, and names, modes and ids that often meet. */
import * as fc from "fast-check"
import { O } from "../../../src/native/constants.ts"
import { markOf } from "../mark.ts"
import { type Child, cwd, type Line, type Scenario } from "../parityLines.ts"
import { as, line, see } from "../vocabulary.ts"
import { call, flagsUpTo, from, type Steps } from "./parts.ts"

export const flags = flagsUpTo(3)

export const keep = (
  name: Line["call"],
  args: Readonly<Record<string, fc.Arbitrary<unknown>>>,
  names: fc.Arbitrary<string>
) => fc.tuple(fc.record(args), names).map(([values, name_]): Scenario => [line(name, values, as(name_))])

/** A sequence: some of the usual beginnings, then what comes. */
export const sequence = (step: Steps, beginnings: ReadonlyArray<Line> = [], maxLength = 14): fc.Arbitrary<Scenario> =>
  fc.tuple(fc.subarray([...beginnings]), fc.array(step, { minLength: 1, maxLength })).map(([first, rest]) => [
    ...first,
    ...rest.flat()
  ])

export const inFork = (flags: fc.Arbitrary<number>, step: Steps, maxLength = 6): Steps =>
  fc.tuple(flags, fc.array(step, { minLength: 1, maxLength })).map(([flag, lines]): Scenario => [
    { fork: flag, lines: lines.flat() } satisfies Child
  ])

export const zero = fc.constant(0)
export const names = from("f", "g", "h")
export const fds = names.map((name) => `$${name}`)
export const modes = from(0o644, 0o755, 0o700, 0o600, 0o777, 0o000, 0o1777, 0o2755, 0o4755, 0o070, 0o007)
export const ids = from(0, 0, 1000, 1000, 2000, -1)
export const texts = from("x", "hello", "0123456789abcdef", "")
export const below = from("a", "a", "b", "b", "c", "a/d", "a/d", "b/d", ".", "a/f", "/mnt/a")
export const nothing = fc.constant(null)
const sets = flags(0x1, 0x40, 0x80, 0x100, 0x1000, 0x200000).map(BigInt)
export const all = 0x1fffeffffffn
export const someSet = fc.oneof({ weight: 3, arbitrary: sets }, { weight: 1, arbitrary: from(0n, all) })

export const prctl = (option: number, arg2: fc.Arbitrary<number>, arg3: fc.Arbitrary<number> = zero): Steps =>
  call("prctl", { option: fc.constant(option), arg2, arg3, arg4: zero, arg5: zero }, see)

export const writing = (path: string, data: fc.Arbitrary<string>): Steps =>
  data.map((text): Scenario => [
    line("openat", { dirfd: cwd, path, flags: O.WRONLY, mode: 0 }, as("w")),
    line("write", { fd: "$w", data: text }, see),
    line("close", { fd: "$w" })
  ])

export const maps = from(
  "0 0 1\n",
  "0 1000 1\n",
  "0 0 4000\n",
  "0 1000 10\n",
  "1000 1000 1\n",
  "0 0 1000\n2000 2000 5\n",
  "5 0 1\n",
  "0 2000 1\n"
)

/** A directory of their own, which is removed again after each sequence. */
export const top = `/sys/fs/cgroup/pids/${markOf("runfx-generated-")}`
export const group = from(`${top}`, `${top}/a`, `${top}/a/b`, `${top}/c`)
