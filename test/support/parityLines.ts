/** What a scenario is: lines in order, as data. `play` of parity.ts runs them. */
import { AT } from "../../src/native/constants.ts"
import type { CallName } from "../../src/native/Kernel.ts"

/** One call: its name, its arguments, and whether its result is kept (`as`) or compared (`see`). */
export interface Line {
  readonly call: CallName
  readonly args?: Readonly<Record<string, unknown>>
  readonly as?: string
  /**
   * Compare the result, or one or more parts of it, too; without it only success or errno. A part is named by a path
   * (`credentials.pid`), in which `*` stands for each item of a list and `&7` for the bits of a number.
   */
  readonly see?: true | string | ReadonlyArray<string>
  /** The order of a list does not matter. */
  readonly sorted?: true
  /** Of a result that is a text, compare the lines that match only; of a list that is sorted, the names. */
  readonly only?: RegExp
  /** Not told: whoever waits for it may end this process before it could. */
  readonly quiet?: true
  /** The result is a mountinfo: compare the mounts at and below this path, with the peer groups by name. */
  readonly mounts?: string
}

/** As `data` of a call: one byte, so many times. */
export interface Bytes {
  readonly byte: string
  readonly times: number
}

/** Another process: it runs its lines, and the parent waits for it and tells how it went if not by its last line. */
export interface Child {
  readonly fork: number
  readonly lines: Scenario
}

/** A process beside: `$name` is its pid. What is left of it at the end of the scenario is killed. */
export interface Start {
  readonly start: string
  readonly flags: number
  readonly lines: Scenario
}

/** Waits until a process beside has run its last line, has ended or has executed a program; tells its lines. */
export interface Join {
  readonly join: string
}

/** Lines in order. */
export type Scenario = ReadonlyArray<Line | Child | Start | Join>

/** What each line came to: `ok`, an errno, or the result. */
export type Trace = ReadonlyArray<string>

/** Scenarios by name. */
export type Scenarios = Readonly<Record<string, Scenario>>

/** All scenarios of some parts. Two of one name would be one test less: that is refused. */
export const union = (...parts: ReadonlyArray<Scenarios>): Scenarios => {
  const all = parts.flatMap(Object.entries<Scenario>)
  const twice = all.find(([name], index) => all.findIndex((other) => other[0] === name) !== index)
  if (twice !== undefined) throw new Error(`two scenarios are called "${twice[0]}"`)
  return Object.fromEntries(all)
}

/**
 * A scenario in which each pause is so many times longer. A pause is there for what the kernel does later, by threads of its
 * own: how long that takes is a matter of the machine.
 */
export const lengthened = (scenario: Scenario, times: number): Scenario =>
  scenario.map((line) => {
    if ("lines" in line) return { ...line, lines: lengthened(line.lines, times) }
    const { nanoseconds } = "call" in line && line.call === "nanosleep" ? line.args ?? {} : {}
    return typeof nanoseconds === "bigint" && nanoseconds > 0n
      ? { ...line, args: { nanoseconds: nanoseconds * BigInt(times) } }
      : line
  })

/** Whether a scenario pauses for what the kernel does later. */
export const pauses = (scenario: Scenario): boolean =>
  scenario.some((line) => "lines" in line ? pauses(line.lines) : "call" in line && line.call === "nanosleep")

/** `AT_FDCWD`, for short. */
export const cwd = AT.FDCWD
