/** Random filters, against a direct evaluation of their rules. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { Seccomp } from "../../../src/config/Container.ts"
import { runSeccomp } from "../../../src/model/bpfInterpreter.ts"
import { syscallNumbers } from "../../../src/native/syscallTables.ts"
import { type Branch, decisionTree } from "../../../src/steps/seccomp/decisionTree.ts"
import { ALLOW, compiled, errno, I386, KILL, X86_64 } from "../../support/seccompFilters.ts"

const ENOSYS = errno(38)

describe("against a direct evaluation of the rules", () => {
  const multiplexed = new Set(["semget", "socket", "recvmmsg"])
  const verdictOf = (branch: Branch, args: ReadonlyArray<bigint>): number | undefined => {
    if (branch === undefined || typeof branch === "number") return branch
    for (const { argument, half, mask, no, test, value, yes } of branch) {
      const whole = args[argument] ?? 0n
      const compared = (Number(BigInt.asUintN(32, half === "high" ? whole >> 32n : whole)) & mask) >>> 0
      const holds = test === "==" ? compared === value : test === ">" ? compared > value : compared >= value
      const verdict = verdictOf(holds ? yes : no, args)
      if (verdict !== undefined) return verdict
    }
    return undefined
  }
  /** The rules as the header of compile.ts states them, with no regard to how a program would do it. */
  const evaluate = (config: Seccomp, nr: number, arch: number, args: ReadonlyArray<bigint>): number => {
    const value = (action: string, errnoRet?: number): number =>
      action === "SCMP_ACT_ALLOW" ? ALLOW : action === "SCMP_ACT_ERRNO" ? errno(errnoRet ?? 1) : KILL
    const convention = arch === I386 ? "X86" : nr >= 0x40000000 && nr < 0xffffffff ? "X32" : "X86_64"
    if (convention !== "X86_64" && !config.architectures.includes(`SCMP_ARCH_${convention}`)) return KILL
    const byDefault = value(config.defaultAction, config.defaultErrnoRet)
    if (nr === 0xffffffff) return byDefault
    const numbers = syscallNumbers(convention)
    const counted = (name: string) => convention !== "X86" || !multiplexed.has(name)
    const named = config.syscalls.flatMap(({ names }) => names).filter(counted).flatMap((name) =>
      numbers.get(name) ?? []
    )
    if (config.defaultAction !== "SCMP_ACT_ALLOW" && Math.max(0, ...named) > 0 && nr > Math.max(...named)) return ENOSYS
    const mine = config.syscalls
      .filter(({ names }) => names.some((name) => numbers.get(name) === nr))
      .map((one) => ({ ...one, value: value(one.action, one.errnoRet) }))
      .filter((one) => one.value !== byDefault)
      .flatMap(({ args: conditions, names, value }) => {
        const repeated = new Set(conditions.map(({ index }) => index)).size < conditions.length
        const lists = repeated ? conditions.map((one) => [one]) : [conditions.toSorted((a, b) => a.index - b.index)]
        return lists.map((conditions) => ({ names, conditions, value }))
      })
    return verdictOf(decisionTree(mine, convention !== "X86_64"), args) ?? byDefault
  }

  // calls without a multiplexer, near each other and far apart
  const names = [
    "read",
    "write",
    "open",
    "close",
    "mkdir",
    "mkdirat",
    "clone",
    "personality",
    "clone3",
    "openat2",
    "mseal"
  ]
  const numbers = [
    ...names.flatMap((name) => [
      syscallNumbers("X86_64").get(name)!,
      syscallNumbers("X86").get(name)!,
      syscallNumbers("X32").get(name)!
    ]),
    0,
    13,
    300,
    436,
    463,
    5000,
    0x40000000,
    0x40000200,
    0x7fffffff,
    0x80000000,
    0xfffffffe,
    0xffffffff
  ]
  const interesting = [
    0n,
    1n,
    2n,
    7n,
    0xffffffffn,
    0x1_0000_0000n,
    0x1_0000_0001n,
    0x7_0000_0007n,
    2n ** 63n,
    2n ** 64n - 1n
  ]
  const number = fc.oneof(fc.constantFrom(...interesting), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))
  const action = fc.constantFrom("SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL")
  const withErrno = <A extends { action: string; errno: number }>({ action, errno, ...rest }: A) => ({
    ...rest,
    action,
    ...(action === "SCMP_ACT_ERRNO" ? { errnoRet: errno } : {})
  })
  const rules = fc.array(
    fc.record({
      names: fc.subarray(names, { minLength: 1, maxLength: 4 }),
      action,
      errno: fc.integer({ min: 0, max: 50 }),
      args: fc.oneof(
        fc.constant([]),
        fc.array(
          fc.record({
            index: fc.integer({ min: 0, max: 5 }),
            op: fc.constantFrom("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ").map((op) => `SCMP_CMP_${op}`),
            value: number,
            valueTwo: number
          }),
          { minLength: 1, maxLength: 3 }
        )
      )
    }).map(withErrno),
    { maxLength: 12 }
  )
  const config: fc.Arbitrary<Seccomp> = fc.record({
    defaultAction: action,
    architectures: fc.subarray(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]),
    flags: fc.constant([]),
    syscalls: rules
  })
  const calls = fc.array(
    fc.record({
      nr: fc.constantFrom(...numbers),
      arch: fc.constantFrom(X86_64, X86_64, I386),
      args: fc.array(number, { minLength: 6, maxLength: 6 })
    }),
    { minLength: 20, maxLength: 40 }
  )

  it("agrees on random filters and random calls", () => {
    fc.assert(
      fc.property(config, calls, (config, calls) => {
        const { program } = compiled(config)
        for (const { arch, args, nr } of calls) {
          assert.strictEqual(runSeccomp(program, { nr, arch, args }), evaluate(config, nr, arch, args))
        }
      }),
      { numRuns: 500 }
    )
  })
})
