/**
 * How the rules for one system call decide together: as libseccomp has it, so that a profile does what it does elsewhere.
 *
 * A rule without conditions makes all others for the call void, whether it comes before or after them; of several, the
 * first counts. Rules with conditions become one tree of tests. Each test compares half of an argument, as a filter can't
 * compare more at once (a convention of 32 bits has low halves only), and leads to the next test of its rule, or to what
 * the rule returns. Rules that begin with the same test share it.
 *
 * The tests of a level are not made in the order of the profile, but the most particular first: a later argument before
 * an earlier one, and its high half before its low half; equality, then upper limits, then lower limits; and the narrower
 * limit before the wider one. If a branch ends without a verdict, the next test of the level above is made.
 *
 * Two things are not taken over, as they are no order but errors: libseccomp's program compares a value with what it has
 * loaded for another test now and then, and rules that share a branch get each other's conditions there.
 *
 * @category seccomp
 * @since 0.2.0
 */
import type { Seccomp } from "../../config/Container.ts"

/** One comparison of an argument. */
export type Condition = Seccomp["syscalls"][number]["args"][number]

/** One rule for the calls of some names: the conditions that must all hold, and what the filter then returns. */
export interface Rule {
  readonly names: ReadonlyArray<string>
  readonly conditions: ReadonlyArray<Condition>
  readonly value: number
}

/** What a test leads to: further tests, one after the other; a value to return; or nothing. */
export type Branch = ReadonlyArray<Test> | number | undefined

/** A test of half an argument. */
export interface Test {
  readonly argument: number
  readonly half: "high" | "low"
  readonly test: "==" | ">" | ">="
  /** The bits that are compared. */
  readonly mask: number
  /** What they are compared with. */
  readonly value: number
  /** The comparison that the test is a part of. */
  readonly condition: Condition
  readonly yes: Branch
  readonly no: Branch
}

const halves = { high: 32n, low: 0n } as const
const allBits = 2n ** 64n - 1n

const halfOf = (value: bigint, half: Test["half"]): number => Number(BigInt.asUintN(32, value >> halves[half]))

/** What a condition compares: of a masked comparison the first value is the mask. */
const compared = ({ op, value, valueTwo }: Condition): { readonly mask: bigint; readonly value: bigint } =>
  op === "SCMP_CMP_MASKED_EQ" ? { mask: value, value: value & valueTwo } : { mask: allBits, value }

const testOf = (condition: Condition, half: Test["half"], test: Test["test"], yes: Branch, no: Branch): Test => {
  const { mask, value } = compared(condition)
  return {
    argument: condition.index,
    half,
    test,
    mask: halfOf(mask, half),
    value: halfOf(value, half),
    condition,
    yes,
    no
  }
}

/** The tests of one condition; `holds` is what follows if it does. */
const testsOf = (condition: Condition, narrow: boolean, holds: Branch): Test => {
  const equal = (yes: Branch, no: Branch): Test => {
    const low = testOf(condition, "low", "==", yes, no)
    return narrow ? low : testOf(condition, "high", "==", [low], no)
  }
  const greater = (test: ">" | ">=", yes: Branch, no: Branch): Test => {
    const low = testOf(condition, "low", test, yes, no)
    return narrow ? low : testOf(condition, "high", ">", yes, [testOf(condition, "high", "==", [low], no)])
  }
  switch (condition.op) {
    case "SCMP_CMP_NE":
      return equal(undefined, holds)
    case "SCMP_CMP_GT":
      return greater(">", holds, undefined)
    case "SCMP_CMP_GE":
      return greater(">=", holds, undefined)
    case "SCMP_CMP_LE":
      return greater(">", undefined, holds)
    case "SCMP_CMP_LT":
      return greater(">=", undefined, holds)
    default:
      return equal(holds, undefined)
  }
}

const rank: Readonly<Record<string, number>> = {
  SCMP_CMP_GE: 1,
  SCMP_CMP_GT: 1,
  SCMP_CMP_LE: 2,
  SCMP_CMP_LT: 2,
  SCMP_CMP_EQ: 3,
  SCMP_CMP_NE: 3,
  SCMP_CMP_MASKED_EQ: 3
}
const rankOf = ({ condition }: Test): number => rank[condition.op] ?? 0
const placeOf = ({ argument, half }: Test): number => argument * 2 + (half === "high" ? 1 : 0)
const isMasked = ({ condition }: Test): boolean => condition.op === "SCMP_CMP_MASKED_EQ"

const isSame = (a: Test, b: Test): boolean =>
  placeOf(a) === placeOf(b) && a.test === b.test && a.mask === b.mask && a.value === b.value &&
  isMasked(a) === isMasked(b)

/** Whether a test is made before another one of its level, which was there first. */
const isBefore = (added: Test, there: Test): boolean => {
  if (placeOf(added) !== placeOf(there)) return placeOf(added) > placeOf(there)
  if (rankOf(added) !== rankOf(there)) return rankOf(added) > rankOf(there)
  return rankOf(there) === 2 ? added.value < there.value : added.value > there.value
}

const join = (there: Branch, added: Branch): Branch => {
  if (added === undefined || there === undefined) return there ?? added
  // a verdict that is there already stays, and a shorter rule makes void what would continue from its end
  if (typeof there === "number" || typeof added === "number") return typeof there === "number" ? there : added
  return added.reduce(add, there)
}

const isHigher = (added: Test, there: Test): boolean =>
  added.half === "high" && typeof added.yes === "number" && typeof there.yes === "number" &&
  added.condition.value > there.condition.value

/** The level with one more test: in its place, or joined with the same test. */
const add = (level: ReadonlyArray<Test>, added: Test): ReadonlyArray<Test> => {
  for (const [index, there] of level.entries()) {
    if (isSame(there, added)) {
      // of two lower limits with one high half, the higher one decides for what is above both
      const yes = isHigher(added, there) ? added.yes : join(there.yes, added.yes)
      return level.with(index, { ...there, yes, no: join(there.no, added.no) })
    }
    if (isBefore(added, there)) return level.toSpliced(index, 0, added)
  }
  return [...level, added]
}

/** Whether a condition says nothing: a mask without a bit in this convention. */
const saysNothing = (condition: Condition, narrow: boolean): boolean => {
  const { mask } = compared(condition)
  return (narrow ? BigInt.asUintN(32, mask) : mask) === 0n
}

/** The tree of the rules for one call. */
export const decisionTree = (rules: ReadonlyArray<Rule>, narrow: boolean): Branch => {
  let level: ReadonlyArray<Test> = []
  for (const { conditions, value } of rules) {
    const asked = conditions.filter((condition) => !saysNothing(condition, narrow))
    const branch = asked.reduceRight<Branch>((holds, condition) => [testsOf(condition, narrow, holds)], value)
    if (typeof branch === "number") return branch
    level = (branch ?? []).reduce(add, level)
  }
  return level
}
