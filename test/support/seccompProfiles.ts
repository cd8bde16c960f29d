/** Profiles whose rules overlap: the same ones on every machine. */
import type { Seccomp } from "../../src/config/Container.ts"
import type { SyscallData } from "../../src/model/bpfInterpreter.ts"

const operators = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"]
const actions = ["KILL", "TRAP", "ERRNO", "LOG", "ALLOW", "KILL_PROCESS"]
const values = [0n, 1n, 2n, 5n, 8n, 40n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 32n + 5n, 2n ** 63n - 1n, 2n ** 64n - 1n]

const random = (seed: number) => {
  let state = seed * 7919 + 13
  const below = (limit: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return (state >>> 8) % limit
  }
  return { below, pick: <A>(list: ReadonlyArray<A>): A => list[below(list.length)]! }
}

/** The profile of a number: some rules for one or two calls, with up to three conditions each. */
export const profileOf = (seed: number): Seccomp => {
  const { below, pick } = random(seed)
  return {
    defaultAction: pick(["SCMP_ACT_ALLOW", "SCMP_ACT_LOG"]),
    architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
    flags: [],
    syscalls: Array.from({ length: 2 + below(6) }, () => {
      const action = pick(actions)
      return {
        names: [pick(["clone", "ioctl"])],
        action: `SCMP_ACT_${action}`,
        args: Array.from({ length: pick([0, 1, 1, 1, 1, 2, 2, 3]) }, () => ({
          index: below(3),
          op: `SCMP_CMP_${pick(operators)}`,
          value: pick(values),
          valueTwo: pick(values)
        })),
        ...(action === "ERRNO" && { errnoRet: 1 + below(40) })
      }
    })
  }
}

const calls = [{ arch: 0xc000003e, numbers: [56, 16] }, { arch: 0x40000003, numbers: [120, 54] }]

/** Calls that try the profile of a number, with arguments next to the values that it compares. */
export const callsOf = (seed: number, { syscalls }: Seccomp, times: number): ReadonlyArray<SyscallData> => {
  const { pick } = random(seed)
  const near = new Set([0n, 1n])
  for (const { value, valueTwo } of syscalls.flatMap(({ args }) => args)) {
    for (const one of [value, valueTwo]) {
      for (const step of [-1n, 0n, 1n, 2n ** 32n]) near.add(BigInt.asUintN(64, one + step))
    }
  }
  const list = [...near]
  return calls.flatMap(({ arch, numbers }) =>
    numbers.flatMap((nr) =>
      Array.from({ length: times }, () => ({ nr, arch, args: Array.from({ length: 3 }, () => pick(list)) }))
    )
  )
}
