/**
 * The device controller of cgroup v2: an eBPF program that decides about each access to a device node.
 *
 * The rules are those of the v1 controller, with the same order and meaning. A later rule overrides an earlier one for what
 * both name. What no rule names is refused. An access that asks for several things (`open` for reading and writing) is
 * granted only if each of them is.
 *
 * Two rules are followed literally that v1 ignores. A rule that carves a piece out of an earlier, wider one (`c *:* m`
 * allowed, then `c 1:3 m` denied) holds, while v1 silently keeps the wider one. And a rule of type `a` reaches as far as
 * its numbers and letters say, while v1 takes every such rule for `a *:* rwm`.
 *
 * @see cgroups(7), the kernel's Documentation/admin-guide/cgroup-v1/devices.rst, OCI config-linux.md#allowed-device-list
 */
import { ebpf, encode, type Instruction } from "./bpf.ts"

/** One rule, as in `devices.allow`; `null` means any. */
export interface Rule {
  readonly allow: boolean
  readonly type: "a" | "c" | "b"
  readonly major: number | null
  readonly minor: number | null
  /** Some of `r`, `w`, `m`; empty is all of them. */
  readonly access: string
}

/** `BPF_DEVCG_DEV_*` of `linux/bpf.h`. */
const deviceType = { b: 1, c: 2 } as const

/** `BPF_DEVCG_ACC_*` of `linux/bpf.h`. */
const accessBit: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 }
const everything = 7

/** Offsets in the context, `struct bpf_cgroup_dev_ctx`: the access in the upper half of the first field, the type below. */
const offset = { accessAndType: 0, major: 4, minor: 8 } as const

// Registers: the result, or the value under test; the context; the bits of the access that no rule has granted yet.
const scratch = 0
const context = 1
const pending = 2

const bitsOf = (access: string): number =>
  access === "" ? everything : [...access].reduce((bits, letter) => bits | (accessBit[letter] ?? 0), 0)

/** A device number has 12 bits of major and 20 of minor: no device matches a rule with larger ones. */
const matchesSome = (rule: Rule): boolean => (rule.major ?? 0) < 2 ** 12 && (rule.minor ?? 0) < 2 ** 20

const give = (value: 0 | 1): ReadonlyArray<Instruction> => [
  { code: ebpf.move, dst: scratch, immediate: value },
  { code: ebpf.exit }
]

/** The code of a rule for an access that it matches. `pending` holds the bits that no later rule has granted yet. */
const verdict = (rule: Rule): ReadonlyArray<Instruction> => {
  const bits = bitsOf(rule.access)
  if (rule.allow) {
    return [
      { code: ebpf.and, dst: pending, immediate: everything & ~bits },
      { code: ebpf.jumpIfNotEqual, dst: pending, offset: 2, immediate: 0 },
      ...give(1)
    ]
  }
  return [
    // an access without any bit is decided by the first rule that matches the device
    { code: ebpf.jumpIfEqual, dst: pending, offset: 3, immediate: 0 },
    { code: ebpf.moveRegister, dst: scratch, src: pending },
    { code: ebpf.and, dst: scratch, immediate: bits },
    { code: ebpf.jumpIfEqual, dst: scratch, offset: 2, immediate: 0 },
    ...give(0)
  ]
}

/**
 * Loads a field of the context, again for each comparison. Otherwise the verifier follows each value that a register was
 * compared with through the rest of the program, and gives up after a few hundred rules (E2BIG).
 */
const loadField = (at: number): Instruction => ({ code: ebpf.loadWord, dst: scratch, src: context, offset: at })

/** The tests of a rule: the code that loads a value, and the value that must be there. */
const testsOf = (rule: Rule): ReadonlyArray<{ readonly look: ReadonlyArray<Instruction>; readonly value: number }> => {
  const tests: Array<{ readonly look: ReadonlyArray<Instruction>; readonly value: number }> = []
  if (rule.type !== "a") {
    const look = [loadField(offset.accessAndType), { code: ebpf.and, dst: scratch, immediate: 0xffff }]
    tests.push({ look, value: deviceType[rule.type] })
  }
  if (rule.major !== null) tests.push({ look: [loadField(offset.major)], value: rule.major })
  if (rule.minor !== null) tests.push({ look: [loadField(offset.minor)], value: rule.minor })
  return tests
}

/** The code of a rule. If the rule does not match, control continues with the next one. */
const block = (rule: Rule): ReadonlyArray<Instruction> => {
  const tests = testsOf(rule)
  const rest = verdict(rule)
  const end = tests.reduce((length, { look }) => length + look.length + 1, rest.length)
  const code: Array<Instruction> = []
  for (const { look, value } of tests) {
    code.push(...look)
    code.push({ code: ebpf.jumpIfNotEqual, dst: scratch, offset: end - code.length - 1, immediate: value })
  }
  code.push(...rest)
  return code
}

const namesAll = (rule: Rule): boolean =>
  rule.type === "a" && rule.major === null && rule.minor === null && bitsOf(rule.access) === everything

/**
 * Compiles rules to the instructions of a `BPF_PROG_TYPE_CGROUP_DEVICE` program, for `bpf_prog_load` and
 * `bpf_prog_attach`. Without any rule, every access is refused.
 */
export const compileDeviceFilter = (rules: ReadonlyArray<Rule>): Uint8Array => {
  // tested from the last rule to the first; rules before one that names everything are never reached
  const last = rules.findLastIndex(namesAll)
  const reached = rules.slice(Math.max(last, 0)).filter(matchesSome).toReversed()
  return encode([
    { code: ebpf.loadWord, dst: pending, src: context, offset: offset.accessAndType },
    { code: ebpf.shiftRight, dst: pending, immediate: 16 },
    ...reached.flatMap(block),
    ...give(0)
  ])
}
