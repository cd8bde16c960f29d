import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import type { Seccomp } from "../../../src/config/Container.ts"
import { runSeccomp } from "../../../src/model/bpfInterpreter.ts"
import { syscallNumbers } from "../../../src/native/syscallTables.ts"
import { compile } from "../../../src/steps/seccomp/compile.ts"
import type { SeccompError } from "../../../src/steps/seccomp/SeccompError.ts"
import { ALLOW, compiled, errno, I386, KILL, verdict, X86_64 } from "../../support/seccompFilters.ts"

const AARCH64 = 0xc00000b7

const ARM = 0x40000028

const [EPERM, EINVAL, ENOSYS] = [errno(1), errno(22), errno(38)]

type Rule = Seccomp["syscalls"][number]

type Condition = Rule["args"][number]

const seccomp = (over: Partial<Seccomp>): Seccomp => ({
  defaultAction: "SCMP_ACT_ALLOW",
  architectures: [],
  flags: [],
  syscalls: [],
  ...over
})

const rule = (names: ReadonlyArray<string>, action: string, over: Partial<Rule> = {}): Rule => ({
  names,
  action,
  args: [],
  ...over
})

const when = (index: number, op: string, value: bigint, valueTwo = 0n): Condition => ({
  index,
  op: `SCMP_CMP_${op}`,
  value,
  valueTwo
})

const refused = (config: Seccomp): SeccompError => {
  const result = compile(config, "x64")
  assert(Result.isFailure(result))
  return result.failure
}

const [mkdir, socket, socketcall] = [83, 41, 102]

describe("actions", () => {
  it("returns what seccomp(2) calls each action", () => {
    const expected: Record<string, number> = {
      SCMP_ACT_KILL: 0,
      SCMP_ACT_KILL_THREAD: 0,
      SCMP_ACT_KILL_PROCESS: 0x80000000,
      SCMP_ACT_TRAP: 0x00030000,
      SCMP_ACT_ERRNO: EPERM,
      SCMP_ACT_TRACE: 0x7ff00001,
      SCMP_ACT_ALLOW: ALLOW,
      SCMP_ACT_LOG: 0x7ffc0000
    }
    for (const [action, value] of Object.entries(expected)) {
      assert.strictEqual(verdict(seccomp({ syscalls: [rule(["mkdir"], action)] }), mkdir), value, action)
      assert.strictEqual(verdict(seccomp({ defaultAction: action }), mkdir), value, action)
    }
  })

  it("puts errnoRet beside ERRNO and TRACE", () => {
    const config = seccomp({
      defaultAction: "SCMP_ACT_TRACE",
      defaultErrnoRet: 0xffff,
      syscalls: [rule(["mkdir"], "SCMP_ACT_ERRNO", { errnoRet: 22 })]
    })
    assert.strictEqual(verdict(config, mkdir), EINVAL)
    assert.strictEqual(verdict(config, socket), 0x7ff0ffff)
  })
})

describe("architectures", () => {
  const config = seccomp({
    defaultAction: "SCMP_ACT_ERRNO",
    syscalls: [rule(["mkdir", "listns"], "SCMP_ACT_ALLOW")]
  })

  it("kills the thread for a convention that is not listed", () => {
    assert.strictEqual(verdict(config, mkdir), ALLOW)
    assert.strictEqual(verdict(config, 39, [], I386), KILL)
    assert.strictEqual(verdict(config, 39, [], 12345), KILL)
  })

  it("takes x32 for a convention of its own", () => {
    assert.strictEqual(verdict(config, 0x40000000 + mkdir), KILL)
    const both = { ...config, architectures: ["SCMP_ARCH_X32"] }
    assert.strictEqual(verdict(both, 0x40000000 + mkdir), ALLOW)
    assert.strictEqual(verdict(both, 0x40000000 + socket), EPERM)
    assert.strictEqual(verdict(both, 0x40000000 + 512), ENOSYS)
    assert.strictEqual(verdict(both, mkdir), ALLOW)
  })

  it("gives the default for the number -1, with which a tracer skips a call", () => {
    assert.strictEqual(verdict(config, 0xffffffff), EPERM)
    assert.strictEqual(verdict(config, 0xfffffffe), KILL)
  })

  it("knows each convention's own numbers", () => {
    const all = { ...config, architectures: ["SCMP_ARCH_X86", "SCMP_ARCH_ARM", "SCMP_ARCH_S390X"] }
    assert.strictEqual(verdict(all, 39, [], I386), ALLOW)
    assert.strictEqual(verdict(all, mkdir, [], I386), EPERM)
    assert.strictEqual(verdict(all, 39, [], ARM, "arm64"), ALLOW)
    assert.strictEqual(verdict(all, 470, [], AARCH64, "arm64"), ALLOW)
    assert.strictEqual(verdict(all, 39, [], AARCH64, "arm64"), EPERM)
  })

  it("filters the multiplexers of x86 like the calls that they stand for", () => {
    const config = seccomp({
      architectures: ["SCMP_ARCH_X86"],
      syscalls: [
        rule(["socket"], "SCMP_ACT_ERRNO", { args: [when(0, "EQ", 40n)] }),
        rule(["shmget"], "SCMP_ACT_ERRNO")
      ]
    })
    assert.strictEqual(verdict(config, 359, [40n], I386), EPERM)
    assert.strictEqual(verdict(config, 359, [2n], I386), ALLOW)
    assert.strictEqual(verdict(config, socketcall, [1n], I386), EPERM)
    assert.strictEqual(verdict(config, socketcall, [2n], I386), ALLOW)
    assert.strictEqual(verdict(config, 117, [23n], I386), EPERM)
    assert.strictEqual(verdict(config, 117, [21n], I386), ALLOW)
    assert.strictEqual(verdict(config, socketcall, [1n]), ALLOW)
    const itself = { ...config, syscalls: [...config.syscalls, rule(["socketcall"], "SCMP_ACT_LOG")] }
    assert.strictEqual(verdict(itself, socketcall, [1n], I386), 0x7ffc0000)
    assert.strictEqual(verdict(itself, 117, [23n], I386), EPERM)
  })
})

describe("calls newer than the filter", () => {
  const names = ["mkdir", "close_range"]
  const highest = 436

  it("gives ENOSYS where the default is not permissive", () => {
    for (const defaultAction of ["SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"]) {
      const config = seccomp({ defaultAction, syscalls: [rule(names, "SCMP_ACT_ALLOW")] })
      assert.strictEqual(verdict(config, highest), ALLOW)
      assert.strictEqual(verdict(config, highest + 1), ENOSYS)
      assert.strictEqual(verdict(config, 0x3fffffff), ENOSYS)
      assert.notStrictEqual(verdict(config, highest - 1), ENOSYS)
    }
  })

  it("leaves a permissive default alone", () => {
    for (const defaultAction of ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"]) {
      const config = seccomp({ defaultAction, syscalls: [rule(names, "SCMP_ACT_ERRNO")] })
      assert.strictEqual(verdict(config, highest + 1), verdict(config, 0))
    }
  })

  it("counts a rule that repeats the default action", () => {
    const config = seccomp({ defaultAction: "SCMP_ACT_ERRNO", syscalls: [rule(names, "SCMP_ACT_ERRNO")] })
    assert.strictEqual(verdict(config, highest), EPERM)
    assert.strictEqual(verdict(config, highest + 1), ENOSYS)
  })

  it("knows no highest number without rules", () => {
    assert.strictEqual(verdict(seccomp({ defaultAction: "SCMP_ACT_ERRNO" }), 5000), EPERM)
  })
})

describe("order of rules", () => {
  it("lets a rule without conditions decide, wherever it stands, as libseccomp does", () => {
    const exception = rule(["socket"], "SCMP_ACT_ERRNO", { args: [when(0, "EQ", 40n)] })
    const general = rule(["socket"], "SCMP_ACT_ALLOW")
    for (const syscalls of [[exception, general], [general, exception]]) {
      const config = seccomp({ defaultAction: "SCMP_ACT_KILL", syscalls })
      assert.strictEqual(verdict(config, socket, [40n]), ALLOW)
      assert.strictEqual(verdict(config, socket, [2n]), ALLOW)
    }
  })

  it("takes a rule that says what the default says for none", () => {
    const exception = rule(["socket"], "SCMP_ACT_ERRNO", { args: [when(0, "EQ", 40n)] })
    for (const syscalls of [[exception, rule(["socket"], "SCMP_ACT_ALLOW")]]) {
      assert.strictEqual(verdict(seccomp({ syscalls }), socket, [40n]), EPERM)
      assert.strictEqual(verdict(seccomp({ syscalls }), socket, [2n]), ALLOW)
    }
  })

  it("takes the first of those without conditions", () => {
    const syscalls = [rule(["socket"], "SCMP_ACT_ERRNO", { errnoRet: 22 }), rule(["socket"], "SCMP_ACT_ERRNO")]
    assert.strictEqual(verdict(seccomp({ syscalls }), socket), EINVAL)
  })

  it.each<[what: string, wins: Condition, loses: Condition, args: ReadonlyArray<bigint>]>([
    ["a later argument", when(1, "GE", 1n), when(0, "EQ", 8n), [8n, 8n]],
    ["equality before a range", when(0, "EQ", 8n), when(0, "GE", 8n), [8n]],
    ["an upper limit before a lower one", when(0, "LE", 8n), when(0, "GE", 8n), [8n]],
    ["the higher of two lower limits", when(0, "GE", 20n), when(0, "GE", 10n), [25n]],
    ["the lower of two upper limits", when(0, "LT", 10n), when(0, "LT", 20n), [5n]]
  ])("looks at the more particular first: %s", (_, wins, loses, args) => {
    const first = rule(["socket"], "SCMP_ACT_ERRNO", { errnoRet: 22, args: [wins] })
    const other = rule(["socket"], "SCMP_ACT_ERRNO", { errnoRet: 1, args: [loses] })
    for (const syscalls of [[first, other], [other, first]]) {
      assert.strictEqual(verdict(seccomp({ syscalls }), socket, args), EINVAL)
    }
  })

  it("takes conditions on one argument as alternatives, on several as a conjunction", () => {
    const both = seccomp({
      syscalls: [rule(["socket"], "SCMP_ACT_ERRNO", { args: [when(0, "EQ", 16n), when(2, "EQ", 9n)] })]
    })
    assert.strictEqual(verdict(both, socket, [16n, 0n, 9n]), EPERM)
    assert.strictEqual(verdict(both, socket, [16n, 0n, 8n]), ALLOW)
    const either = seccomp({
      syscalls: [rule(["socket"], "SCMP_ACT_ERRNO", { args: [when(0, "EQ", 16n), when(0, "EQ", 9n)] })]
    })
    assert.strictEqual(verdict(either, socket, [16n]), EPERM)
    assert.strictEqual(verdict(either, socket, [9n]), EPERM)
    assert.strictEqual(verdict(either, socket, [8n]), ALLOW)
  })
})

describe("comparisons", () => {
  const edge = 0x1_0000_0001n

  it("compares 64 bits", () => {
    const holds = (op: string, value: bigint): boolean =>
      verdict(seccomp({ syscalls: [rule(["mkdir"], "SCMP_ACT_ERRNO", { args: [when(5, op, edge)] })] }), mkdir, [
        0n,
        0n,
        0n,
        0n,
        0n,
        value
      ]) === EPERM
    const samples = [0n, 1n, 2n, edge - 1n, edge, edge + 1n, 0x2_0000_0000n, 2n ** 64n - 1n]
    assert.deepStrictEqual(samples.map((value) => holds("LT", value)), samples.map((value) => value < edge))
    assert.deepStrictEqual(samples.map((value) => holds("LE", value)), samples.map((value) => value <= edge))
    assert.deepStrictEqual(samples.map((value) => holds("EQ", value)), samples.map((value) => value === edge))
    assert.deepStrictEqual(samples.map((value) => holds("NE", value)), samples.map((value) => value !== edge))
    assert.deepStrictEqual(samples.map((value) => holds("GE", value)), samples.map((value) => value >= edge))
    assert.deepStrictEqual(samples.map((value) => holds("GT", value)), samples.map((value) => value > edge))
  })

  it("compares the low half only in a 32-bit convention", () => {
    const config = seccomp({
      architectures: ["SCMP_ARCH_X86"],
      syscalls: [rule(["personality"], "SCMP_ACT_ERRNO", { args: [when(0, "EQ", 2n ** 64n - 1n)] })]
    })
    assert.strictEqual(verdict(config, 136, [0xffffffffn], I386), EPERM)
    assert.strictEqual(verdict(config, 135, [0xffffffffn]), ALLOW)
  })
})

describe("size", () => {
  it("jumps further than a conditional instruction reaches", () => {
    const names = [...syscallNumbers("X86_64").keys()].slice(0, 300)
    const config = seccomp({
      syscalls: names.map((name, index) =>
        rule([name], "SCMP_ACT_ERRNO", { errnoRet: 1 + index, args: [when(0, "GT", BigInt(index))] })
      )
    })
    const { program } = compiled(config)
    assert.isAbove(program.length / 8, 1000)
    for (const [index, name] of names.entries()) {
      const nr = syscallNumbers("X86_64").get(name)!
      assert.strictEqual(runSeccomp(program, { nr, arch: X86_64, args: [BigInt(index + 1)] }), errno(1 + index))
      assert.strictEqual(runSeccomp(program, { nr, arch: X86_64, args: [BigInt(index)] }), ALLOW)
    }
  })

  it("refuses a filter that the kernel would not take", () => {
    const error = refused(seccomp({
      syscalls: Array.from(
        { length: 2100 },
        (_, index) => rule(["mkdir"], "SCMP_ACT_ERRNO", { args: [when(0, "EQ", BigInt(index))] })
      )
    }))
    assert.match(
      error.message,
      /^linux\.seccomp\.syscalls: "2100 rules" make a filter of \d+ instructions, and the kernel takes 4096$/
    )
  })

  it("refuses any number of rules that are too many, without a look at each", () => {
    const rules = (length: number, name: (index: number) => string) =>
      refused(seccomp({
        syscalls: Array.from({ length }, (_, index) =>
          rule([name(index)], "SCMP_ACT_ERRNO", { args: [when(0, "EQ", BigInt(index))] }))
      })).message
    assert.match(rules(100_000, () => "mkdir"), /each of the 100000 rules of mkdir, and the kernel takes 4096$/)
    assert.match(
      rules(12_000, (index) => ["mkdir", "rmdir", "chdir", "chmod"][index % 4]!),
      /more than 4096 instructions/
    )
  })
})

describe("what is refused or reported", () => {
  it("reports names that no convention knows", () => {
    const config = seccomp({
      syscalls: [rule(["mkdir", "frobnicate", "recv", "breakpoint", "frobnicate"], "SCMP_ACT_ERRNO")]
    })
    assert.deepStrictEqual(compiled(config).unknown, ["frobnicate"])
    assert.strictEqual(verdict(config, mkdir), EPERM)
  })

  it("sets flags", () => {
    const flags = ["TSYNC", "LOG", "SPEC_ALLOW"].map((name) => `SECCOMP_FILTER_FLAG_${name}`)
    assert.strictEqual(compiled(seccomp({ flags })).flags, 6)
    // it is about a listener, and there is none
    assert.strictEqual(compiled(seccomp({ flags: ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"] })).flags, 0)
  })

  it.each<[string, Partial<Seccomp>, string]>([
    ["an action", { defaultAction: "SCMP_ACT_FOO" }, "linux.seccomp.defaultAction: \"SCMP_ACT_FOO\" is not an action"],
    [
      "a listener",
      { syscalls: [rule(["mkdir"], "SCMP_ACT_NOTIFY")] },
      "linux.seccomp.syscalls[0].action: \"SCMP_ACT_NOTIFY\" needs a seccomp listener, which runfx does not offer"
    ],
    [
      "an errno without ERRNO",
      { defaultErrnoRet: 1 },
      "linux.seccomp.defaultErrnoRet: \"1\" can't be given with SCMP_ACT_ALLOW, which returns no errno"
    ],
    [
      "an errno that is none",
      { defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 4096 },
      "linux.seccomp.defaultErrnoRet: \"4096\" is not a number from 0 to 4095"
    ],
    [
      "an architecture",
      { architectures: ["SCMP_ARCH_X86", "amd64"] },
      "linux.seccomp.architectures[1]: \"amd64\" is not an architecture"
    ],
    [
      "a flag",
      { flags: ["SECCOMP_FILTER_FLAG_NEW_LISTENER"] },
      "linux.seccomp.flags[0]: \"SECCOMP_FILTER_FLAG_NEW_LISTENER\" is not a flag that runfx can set"
    ],
    [
      "a comparison",
      { syscalls: [rule(["mkdir"], "SCMP_ACT_ERRNO", { args: [when(0, "IS", 1n)] })] },
      "linux.seccomp.syscalls[0].args[0].op: \"SCMP_CMP_IS\" is not a comparison"
    ],
    [
      "an argument",
      { syscalls: [rule(["mkdir"], "SCMP_ACT_ERRNO", { args: [when(6, "EQ", 1n)] })] },
      "linux.seccomp.syscalls[0].args[0].index: \"6\" is not an argument"
    ]
  ])("refuses %s that is none", (_, over, message) => {
    const error = refused(seccomp(over))
    assert.strictEqual(error.message, message)
    assert.isNotEmpty(error.advice)
  })
})
