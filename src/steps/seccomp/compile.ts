/**
 * Compiles the OCI form of a seccomp filter to the classic BPF program that seccomp(2) loads.
 *
 * What a filter does with a system call, in this order:
 *
 * 1. A calling convention that the filter does not list kills the thread, as libseccomp does by default. The native one
 *    is always listed. On x86-64, x32 calls are such a convention of their own (their numbers have bit 30 set).
 * 2. A number above the highest one that the filter names gives ENOSYS where the default action is not permissive, so
 *    that a C library that tries a newer call falls back to the older one, where EPERM would make it give up.
 * 3. Of the rules for the call, the first whose conditions hold; else the first without conditions; else the default.
 *    (libseccomp forgets all rules with conditions for a call as soon as one without is added, before or behind: an
 *    exception that the configuration states is then silently lost. Here it holds.)
 *
 * Conventions of 32-bit systems compare the low 32 bits of an argument only. On x86, rules for socket(2) and its
 * relatives and for System V IPC hold for the multiplexers socketcall(2) and ipc(2) too, unless the configuration has a
 * rule without conditions for the multiplexer itself. A filter can't see the arguments that go through socketcall(2).
 *
 * Some of this is not in the OCI specification and follows runc and libseccomp: the points 1 and 2; several conditions on
 * one argument of a rule, which are alternatives, where conditions on different arguments must all hold; and names that
 * no convention knows, which are left out and reported.
 *
 * @see seccomp(2), OCI config-linux.md#seccomp
 */
import * as Result from "effect/Result"
import type { Seccomp } from "../../config/Container.ts"
import * as Bpf from "../../native/bpf.ts"
import { SECCOMP_FILTER_FLAG } from "../../native/constants.ts"
import { numberOf } from "../../native/Errno.ts"
import { type SyscallArch, syscallNumbers, X32_BIT } from "../../native/syscallTables.ts"
import { SeccompError } from "./SeccompError.ts"

/** A filter, ready to load. */
export interface Compiled {
  /** `struct sock_filter` instructions, 8 bytes each. */
  readonly program: Uint8Array
  /** `SECCOMP_FILTER_FLAG_*`. */
  readonly flags: number
  /** Names of system calls that no convention knows; rules for them were left out. */
  readonly unknown: ReadonlyArray<string>
}

/** The machine's architecture, as Node names it. */
export type Machine = "x64" | "arm64"

type Checked<A> = Result.Result<A, SeccompError>
type Condition = Seccomp["syscalls"][number]["args"][number]

const refuse = (field: string, value: string, problem: string, advice: string): Checked<never> =>
  Result.fail(new SeccompError({ field: `linux.seccomp.${field}`, value, problem, advice }))

// ── actions and flags ────────────────────────────────────────────────────────────────────────────────────────────────

/** `SECCOMP_RET_*` of `linux/seccomp.h`. */
const returned: Readonly<Record<string, number>> = {
  SCMP_ACT_KILL: 0,
  SCMP_ACT_KILL_THREAD: 0,
  SCMP_ACT_TRAP: 0x00030000,
  SCMP_ACT_ERRNO: 0x00050000,
  SCMP_ACT_TRACE: 0x7ff00000,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_ALLOW: 0x7fff0000,
  SCMP_ACT_KILL_PROCESS: 0x80000000
}
const killThread = 0
const enosys = returned["SCMP_ACT_ERRNO"]! | numberOf("ENOSYS")

/** The highest value beside an action: an errno (`MAX_ERRNO`), or 16 bits for the tracer. */
const highest: Readonly<Record<string, number>> = { SCMP_ACT_ERRNO: 4095, SCMP_ACT_TRACE: 0xffff }

/** Actions under which an unknown system call reaches the kernel, or a tracer, that answers it. */
const permissive = new Set(["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"])

const actionOf = (
  name: string,
  errnoRet: number | undefined,
  nameField: string,
  errnoField: string
): Checked<number> => {
  if (name === "SCMP_ACT_NOTIFY") {
    return refuse(
      nameField,
      name,
      "needs a seccomp listener, which runfx does not offer",
      "use SCMP_ACT_ERRNO or SCMP_ACT_LOG"
    )
  }
  const action = returned[name]
  if (action === undefined) {
    return refuse(nameField, name, "is not an action", `use one of ${Object.keys(returned).join(", ")}`)
  }
  const limit = highest[name]
  if (limit === undefined) {
    return errnoRet === undefined
      ? Result.succeed(action)
      : refuse(errnoField, String(errnoRet), `can't be given with ${name}, which returns no errno`, "leave it out")
  }
  const value = errnoRet ?? numberOf("EPERM")
  return Number.isInteger(value) && value >= 0 && value <= limit
    ? Result.succeed(action + value)
    : refuse(
      errnoField,
      String(value),
      `is not a number from 0 to ${limit}`,
      "give an errno as a number: 1 is EPERM, 38 ENOSYS"
    )
}

/** TSYNC is left out: the init has one thread. */
const flagBits: Readonly<Record<string, number>> = {
  SECCOMP_FILTER_FLAG_TSYNC: 0,
  SECCOMP_FILTER_FLAG_LOG: SECCOMP_FILTER_FLAG.LOG,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: SECCOMP_FILTER_FLAG.SPEC_ALLOW
}

const flagsOf = (names: ReadonlyArray<string>): Checked<number> => {
  let flags = 0
  for (const [index, name] of names.entries()) {
    const bit = flagBits[name]
    if (bit === undefined) {
      return refuse(
        `flags[${index}]`,
        name,
        "is not a flag that runfx can set",
        `use some of ${Object.keys(flagBits).join(", ")}`
      )
    }
    flags |= bit
  }
  return Result.succeed(flags)
}

// ── architectures ────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * What one machine can run: by the value that the kernel reports (`AUDIT_ARCH_*` of `linux/audit.h`), the conventions that
 * share it. The machine's own one stands first.
 */
const conventions: Readonly<
  Record<Machine, ReadonlyArray<{ readonly audit: number; readonly archs: ReadonlyArray<SyscallArch> }>>
> = {
  x64: [{ audit: 0xc000003e, archs: ["X86_64", "X32"] }, { audit: 0x40000003, archs: ["X86"] }],
  arm64: [{ audit: 0xc00000b7, archs: ["AARCH64"] }, { audit: 0x40000028, archs: ["ARM"] }]
}
const allArchs = Object.values(conventions).flat().flatMap(({ archs }) => archs)

/** Conventions of other machines: a program of theirs can't run here, so there is nothing to filter. */
const foreign = /^(MIPS(EL)?(64(N32)?)?|PPC(64(LE)?)?|S390X?|PARISC(64)?|RISCV64|LOONGARCH64|M68K|SHEB?)$/

const isNarrow = (arch: SyscallArch): boolean => arch !== "X86_64" && arch !== "AARCH64"

const listed = (machine: Machine, names: ReadonlyArray<string>): Checked<ReadonlySet<SyscallArch>> => {
  const here = conventions[machine].flatMap((convention) => convention.archs)
  const archs = new Set<SyscallArch>([here[0]!])
  for (const [index, name] of names.entries()) {
    const bare = name.replace(/^SCMP_ARCH_/, "")
    const found = here.find((arch) => arch === bare)
    if (found !== undefined) archs.add(found)
    else if (bare === name || !(bare === "NATIVE" || foreign.test(bare) || allArchs.some((arch) => arch === bare))) {
      return refuse(
        `architectures[${index}]`,
        name,
        "is not an architecture",
        "use a name such as SCMP_ARCH_X86_64 or SCMP_ARCH_AARCH64"
      )
    }
  }
  return Result.succeed(archs)
}

/** The number by which socketcall(2) knows a call on x86. */
const socketcalls: ReadonlyMap<string, number> = new Map(
  ("socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom shutdown setsockopt " +
    "getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg").split(" ").map((name, index) => [name, index + 1])
)

/** The number by which ipc(2) knows a call on x86. */
const ipcs: ReadonlyMap<string, number> = new Map([
  ["semop", 1],
  ["semget", 2],
  ["semctl", 3],
  ["semtimedop", 4],
  ["msgsnd", 11],
  ["msgrcv", 12],
  ["msgget", 13],
  ["msgctl", 14],
  ["shmat", 21],
  ["shmdt", 22],
  ["shmget", 23],
  ["shmctl", 24]
])

const multiplexers: ReadonlyMap<string, ReadonlyMap<string, number>> = new Map([
  ["socketcall", socketcalls],
  ["ipc", ipcs]
])

// ── rules ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** One rule for the calls of some names: the conditions that must all hold, and what the filter then returns. */
interface Rule {
  readonly names: ReadonlyArray<string>
  readonly conditions: ReadonlyArray<Condition>
  readonly value: number
}

const operators = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"].map((name) => `SCMP_CMP_${name}`)

const rulesOf = (seccomp: Seccomp): Checked<ReadonlyArray<Rule>> =>
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
      const alternatives = new Set(args.map((condition) => condition.index)).size < args.length
      for (const conditions of alternatives ? args.map((condition) => [condition]) : [args]) {
        rules.push({ names, conditions, value })
      }
    }
    return rules
  })

type RulesByName = ReadonlyMap<string, ReadonlyArray<Rule>>

const byName = (rules: ReadonlyArray<Rule>): RulesByName => {
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

const rulesFor = (arch: SyscallArch, name: string, rules: RulesByName): ReadonlyArray<Rule> => {
  const own = rules.get(name) ?? []
  const calls = arch === "X86" ? multiplexers.get(name) : undefined
  return calls === undefined || own.some(({ conditions }) => conditions.length === 0)
    ? own
    : [...own, ...multiplexed(calls, rules)]
}

/** Names that no convention knows, of this machine or another. `tables` are those that have been read already. */
const unknownNames = (
  rules: RulesByName,
  tables: ReadonlyMap<SyscallArch, ReadonlyMap<string, number>>
): ReadonlyArray<string> => {
  let missing = [...rules.keys()].filter((name) => !socketcalls.has(name) && !ipcs.has(name))
  for (const arch of allArchs) {
    if (missing.length === 0) break
    const table = tables.get(arch) ?? syscallNumbers(arch)
    missing = missing.filter((name) => !table.has(name))
  }
  return missing
}

// ── code ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Offsets in `struct seccomp_data`; both halves of an argument, which is little-endian. */
const nr = 0
const audit = 4
const low = (index: number): number => 16 + 8 * index
const high = (index: number): number => low(index) + 4

const lowBits = (value: bigint): number => Number(BigInt.asUintN(32, value))
const highBits = (value: bigint): number => Number(BigInt.asUintN(32, value >> 32n))

/** Compares an argument, its high half first: only where that is equal does the low half decide. */
const compare = ({ index, op, value, valueTwo }: Condition, narrow: boolean, yes: Bpf.Node, no: Bpf.Node): Bpf.Node => {
  const equal = (wanted: bigint, yes: Bpf.Node, no: Bpf.Node): Bpf.Node => {
    const lower = Bpf.load(low(index), Bpf.branch("==", lowBits(wanted), yes, no))
    return narrow ? lower : Bpf.load(high(index), Bpf.branch("==", highBits(wanted), lower, no))
  }
  const greater = (test: ">" | ">=", yes: Bpf.Node, no: Bpf.Node): Bpf.Node => {
    const lower = Bpf.load(low(index), Bpf.branch(test, lowBits(value), yes, no))
    if (narrow) return lower
    return Bpf.load(
      high(index),
      Bpf.branch(">", highBits(value), yes, Bpf.branch("==", highBits(value), lower, no))
    )
  }
  const masked = (mask: bigint, wanted: bigint): Bpf.Node => {
    const lower = Bpf.load(low(index), Bpf.and(lowBits(mask), Bpf.branch("==", lowBits(wanted), yes, no)))
    if (narrow) return lower
    return Bpf.load(high(index), Bpf.and(highBits(mask), Bpf.branch("==", highBits(wanted), lower, no)))
  }
  switch (op) {
    case "SCMP_CMP_NE":
      return equal(value, no, yes)
    case "SCMP_CMP_EQ":
      return equal(value, yes, no)
    case "SCMP_CMP_GT":
      return greater(">", yes, no)
    case "SCMP_CMP_GE":
      return greater(">=", yes, no)
    case "SCMP_CMP_LE":
      return greater(">", no, yes)
    case "SCMP_CMP_LT":
      return greater(">=", no, yes)
    default:
      // a wanted bit outside the mask could never be seen; like libseccomp, it is not asked for
      return masked(value, valueTwo & value)
  }
}

/** What is returned from a number on, up to the next one. */
interface Range {
  readonly from: number
  readonly node: Bpf.Node
}

/** Finds the range of the accumulator by halving. */
const search = (ranges: ReadonlyArray<Range>, from = 0, to = ranges.length): Bpf.Node => {
  if (to - from === 1) return ranges[from]!.node
  const middle = (from + to) >> 1
  return Bpf.branch(">=", ranges[middle]!.from, search(ranges, middle, to), search(ranges, from, middle))
}

/** Makes the node that returns a value: one for each value, so that neighbours which return the same become one range. */
type Returning = (value: number) => Bpf.Node

const makeReturning = (): Returning => {
  const nodes = new Map<number, Bpf.Node>()
  return (value) => {
    const node = nodes.get(value) ?? Bpf.ret(value)
    nodes.set(value, node)
    return node
  }
}

/** What one system call gets: the rules with conditions in their order, then the first without, then the default. */
const decide = (list: ReadonlyArray<Rule>, narrow: boolean, returning: Returning, byDefault: Bpf.Node): Bpf.Node => {
  const general = list.find(({ conditions }) => conditions.length === 0)
  let node = general === undefined ? byDefault : returning(general.value)
  for (const { conditions, value } of list.toReversed()) {
    if (conditions.length === 0) continue
    const otherwise = node
    node = conditions.reduceRight((yes, condition) => compare(condition, narrow, yes, otherwise), returning(value))
  }
  return node
}

/** Adds a range, unless it goes on as the one before. Ranges are added from the lowest number up. */
const push = (ranges: Array<Range>, from: number, node: Bpf.Node): void => {
  const last = ranges.at(-1)
  if (last?.from === from) ranges.pop()
  if (ranges.at(-1)?.node !== node) ranges.push({ from, node })
}

/**
 * Compiles a seccomp configuration for a machine. Pure: loads nothing, asks no kernel.
 *
 * Fails with {@link SeccompError} for a name that is none (action, flag, architecture, comparison), for
 * `SCMP_ACT_NOTIFY`, for an `errnoRet` beside an action that has none, and for a filter of more than 4,096 instructions.
 */
export const compile = (seccomp: Seccomp, machine: Machine): Checked<Compiled> =>
  Result.gen(function*() {
    const defaultValue = yield* actionOf(
      seccomp.defaultAction,
      seccomp.defaultErrnoRet,
      "defaultAction",
      "defaultErrnoRet"
    )
    const flags = yield* flagsOf(seccomp.flags)
    const archs = yield* listed(machine, seccomp.architectures)
    const rules = byName(yield* rulesOf(seccomp))

    const returning = makeReturning()
    const byDefault = returning(defaultValue)
    const beyond = permissive.has(seccomp.defaultAction) ? byDefault : returning(enosys)
    const tables = new Map([...archs].map((arch) => [arch, syscallNumbers(arch)]))

    /** Adds the ranges of one convention, whose numbers start at `first`. */
    const add = (ranges: Array<Range>, arch: SyscallArch, first: number): void => {
      const table = tables.get(arch)
      if (table === undefined) return push(ranges, first, returning(killThread))
      push(ranges, first, byDefault)
      let highest: number | undefined
      // the table is in the order of the numbers
      for (const [name, number] of table) {
        const list = rulesFor(arch, name, rules)
        if (list.length === 0) continue
        push(ranges, number, decide(list, isNarrow(arch), returning, byDefault))
        push(ranges, number + 1, byDefault)
        highest = number
      }
      // without a number there is no highest one
      if (highest !== undefined) push(ranges, highest + 1, beyond)
    }

    let root = returning(killThread)
    for (const { archs: sharing, audit: value } of conventions[machine].toReversed()) {
      if (!sharing.some((arch) => archs.has(arch))) continue
      const ranges: Array<Range> = []
      for (const arch of sharing) add(ranges, arch, arch === "X32" ? X32_BIT : 0)
      // a tracer sets the number to -1 to skip a call; that is no number of any convention
      push(ranges, 0xffffffff, byDefault)
      root = Bpf.branch("==", value, Bpf.load(nr, search(ranges)), root)
    }
    const program = Bpf.assemble(Bpf.load(audit, root))
    const length = program.length / 8
    if (length > Bpf.MAX_INSTRUCTIONS) {
      return yield* refuse(
        "syscalls",
        `${seccomp.syscalls.length} rules`,
        `make a filter of ${length} instructions, and the kernel takes ${Bpf.MAX_INSTRUCTIONS}`,
        "write fewer rules with conditions, or list fewer architectures"
      )
    }

    return { program, flags, unknown: unknownNames(rules, tables) }
  })
