/** What generators of scenarios are made of. */
import * as fc from "fast-check"
import { cwd, type Line, type Scenario } from "../parityLines.ts"
import { line } from "../vocabulary.ts"

/** A step of a sequence: one line or a few that belong together. */
export type Steps = fc.Arbitrary<Scenario>

export const from = <A>(...values: ReadonlyArray<A>): fc.Arbitrary<A> => fc.constantFrom(...values)

/** Any of some flags together, but not more than so many. */
export const flagsUpTo = (most: number) => (...values: ReadonlyArray<number>): fc.Arbitrary<number> =>
  fc.subarray([...values], { maxLength: Math.min(most, values.length) }).map((some) =>
    some.reduce((all, one) => all | one, 0)
  )

export const call = (
  name: Line["call"],
  args: Readonly<Record<string, fc.Arbitrary<unknown>>>,
  more: Partial<Line> = {}
): Steps => fc.record(args).map((values) => [line(name, values, more)])

export const weighted = (...steps: ReadonlyArray<readonly [number, Steps]>): Steps =>
  fc.oneof(...steps.map(([weight, arbitrary]) => ({ weight, arbitrary })))

export const here = fc.constant(cwd)

/** Becomes an ordinary user, for good or by the effective uid only; or root again. */
export const becomeSomebody: Steps = from<Scenario>(
  [
    line("setresgid", { rgid: 1000, egid: 1000, sgid: 1000 }),
    line("setresuid", { ruid: 1000, euid: 1000, suid: 1000 })
  ],
  [line("setresuid", { ruid: -1, euid: 1000, suid: -1 })],
  [line("setresuid", { ruid: -1, euid: 0, suid: -1 })]
)
