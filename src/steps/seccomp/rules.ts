/**
 * The rules of a seccomp configuration: read, checked, and found again for a system call of a convention.
 *
 * @category seccomp
 * @since 0.2.0
 */
import * as Result from "effect/Result"
import type { Seccomp } from "../../config/Container.ts"
import { type SyscallArch, syscallNumbers } from "../../native/syscallTables.ts"
import { actionOf } from "./actions.ts"
import { allArchs } from "./conventions.ts"
import type { Rule } from "./decisionTree.ts"
import { isMultiplexed, multiplexers } from "./multiplexers.ts"
import { type Checked, refuse } from "./SeccompError.ts"

const operators = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"].map((name) => `SCMP_CMP_${name}`)

/** The rules of a configuration, each checked; those that say what the default says are left out. */
export const rulesOf = (seccomp: Seccomp, defaultValue: number): Checked<ReadonlyArray<Rule>> =>
  Result.gen(function*() {
    const rules: Array<Rule> = []
    for (const [index, { action, args, errnoRet, names }] of seccomp.syscalls.entries()) {
      const field = `syscalls[${index}]`
      const value = yield* actionOf(action, errnoRet, `${field}.action`, `${field}.errnoRet`)
      for (const [position, { index: argument, op }] of args.entries()) {
        if (!Number.isInteger(argument) || argument < 0 || argument > 5) {
          return yield* refuse(
            `${field}.args[${position}].index`,
            String(argument),
            "is not an argument",
            "use a number from 0 to 5"
          )
        }
        if (!operators.includes(op)) {
          return yield* refuse(
            `${field}.args[${position}].op`,
            op,
            "is not a comparison",
            `use one of ${operators.join(", ")}`
          )
        }
      }
      // such a rule adds nothing, and must not hide one that does: callers of libseccomp leave it out, too
      if (value === defaultValue) continue
      const alternatives = new Set(args.map((condition) => condition.index)).size < args.length
      const inOrder = args.toSorted((a, b) => a.index - b.index)
      for (const conditions of alternatives ? args.map((condition) => [condition]) : [inOrder]) {
        rules.push({ names, conditions, value })
      }
    }
    return rules
  })

/** The rules for each system call, in the order of the configuration. */
export type RulesByName = ReadonlyMap<string, ReadonlyArray<Rule>>

/** The rules by the names that they are for. */
export const byName = (rules: ReadonlyArray<Rule>): RulesByName => {
  const lists = new Map<string, Array<Rule>>()
  for (const rule of rules) {
    for (const name of rule.names) {
      const list = lists.get(name)
      if (list === undefined) lists.set(name, [rule])
      else list.push(rule)
    }
  }
  return lists
}

/** Rules for the calls that a multiplexer of x86 stands for, as rules for the multiplexer. */
const multiplexed = (calls: ReadonlyMap<string, number>, rules: RulesByName): ReadonlyArray<Rule> =>
  [...calls].flatMap(([name, selector]) =>
    (rules.get(name) ?? []).map((rule) => ({
      names: rule.names,
      value: rule.value,
      // the multiplexer's first argument selects the call; it takes the place of the call's own first argument
      conditions: [
        { index: 0, op: "SCMP_CMP_EQ", value: BigInt(selector), valueTwo: 0n },
        ...rule.conditions.filter(({ index }) => index !== 0)
      ]
    }))
  )

/** The rules that hold for a system call in one convention. */
export const rulesFor = (arch: SyscallArch, name: string, rules: RulesByName): ReadonlyArray<Rule> => {
  const own = rules.get(name) ?? []
  const calls = arch === "X86" ? multiplexers.get(name) : undefined
  return calls === undefined || own.some(({ conditions }) => conditions.length === 0)
    ? own
    : [...own, ...multiplexed(calls, rules)]
}

/** Names that no convention knows, of this machine or another. `tables` are those that have been read already. */
export const unknownNames = (
  rules: RulesByName,
  tables: ReadonlyMap<SyscallArch, ReadonlyMap<string, number>>
): ReadonlyArray<string> => {
  let missing = [...rules.keys()].filter((name) => !isMultiplexed(name))
  for (const arch of allArchs) {
    if (missing.length === 0) break
    const table = tables.get(arch) ?? syscallNumbers(arch)
    missing = missing.filter((name) => !table.has(name))
  }
  return missing
}
