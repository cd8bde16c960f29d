/** System calls that try a filter: those that it names and others, with arguments next to the values that it compares. */
import type { Seccomp } from "../../src/config/Container.ts"
import type { SyscallData } from "../../src/model/bpfInterpreter.ts"

const conventions = [[0xc000003e, 0], [0x40000003, 0], [0xc000003e, 0x40000000]] as const

/** The same calls for the same filter, on every machine. @param numbers those of the calls that it names */
export const callsFor = ({ syscalls }: Seccomp, numbers: ReadonlyArray<number>): ReadonlyArray<SyscallData> => {
  const values = new Set([0n, 1n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 64n - 1n])
  for (const { value, valueTwo } of syscalls.flatMap(({ args }) => args)) {
    for (const one of [value, valueTwo]) {
      for (const step of [-1n, 0n, 1n, 2n ** 32n]) values.add(BigInt.asUintN(64, one + step))
    }
  }
  const list = [...values]
  let seed = 1
  const next = (): bigint => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff
    return list[(seed >>> 8) % list.length]!
  }
  const calls: Array<SyscallData> = []
  for (const [arch, base] of conventions) {
    for (let number = 0; number < 450; number += 3) calls.push({ nr: base + number, arch, args: [] })
    for (const number of numbers) {
      for (let time = 0; time < 12; time++) {
        calls.push({ nr: base + (number & 0x3fffffff), arch, args: Array.from({ length: 6 }, next) })
      }
    }
  }
  return calls
}
