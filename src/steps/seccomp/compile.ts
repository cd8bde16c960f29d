/**
 * Compiles the OCI form of a seccomp filter to the classic BPF program that seccomp(2) loads.
 *
 * What a filter does with a system call, in this order:
 *
 * 1. A calling convention that the filter does not list kills the thread, as libseccomp does by default. The native one
 *    is always listed. On x86-64, x32 calls are such a convention of their own (their numbers have bit 30 set).
 * 2. A number above the highest one that the filter names returns ENOSYS if the default action is not permissive, so
 *    that a C library that tries a newer call falls back to the older one, where EPERM would make it give up. On x86, the
 *    calls that were in a multiplexer first do not count.
 * 3. Of the rules for the call, the one that libseccomp would have decide (`decisionTree.ts`); else the default. A rule
 *    that says what the default says is none.
 *
 * Conventions of 32-bit systems compare the low 32 bits of an argument only. On x86, rules for socket(2) and its
 * relatives and for System V IPC hold for the multiplexers socketcall(2) and ipc(2) too, unless the configuration has a
 * rule without conditions for the multiplexer itself. A filter can't see the arguments that go through socketcall(2).
 *
 * Some of this is not in the OCI specification and follows runc and libseccomp: the points 1 and 2; several conditions on
 * one argument of a rule, which are alternatives, while conditions on different arguments must all hold; and names that
 * no convention knows, which are left out and reported.
 *
 * @see seccomp(2), OCI config-linux.md#seccomp
 * @category seccomp
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import type { Seccomp } from "../../config/Container.ts"
import * as Bpf from "../../native/bpf.ts"
import { type SyscallArch, syscallNumbers, X32_BIT } from "../../native/syscallTables.ts"
import { actionOf, enosys, flagsOf, killThread, permissive } from "./actions.ts"
import { type Architecture, conventions, isNarrow, listed } from "./conventions.ts"
import { type Branch, decisionTree, type Test } from "./decisionTree.ts"
import { isMultiplexed } from "./multiplexers.ts"
import { byName, rulesFor, rulesOf, unknownNames } from "./rules.ts"
import { type Checked, refuse } from "./SeccompError.ts"
import { type Nodes, sharedNodes } from "./sharedNodes.ts"

/** A filter, ready to load. */
export interface Compiled {
  /** `struct sock_filter` instructions, 8 bytes each. */
  readonly program: Uint8Array
  /** `SECCOMP_FILTER_FLAG_*`. */
  readonly flags: number
  /** Names of system calls that no convention knows; rules for them were left out. */
  readonly unknown: ReadonlyArray<string>
}

/** Offsets in `struct seccomp_data`; both halves of an argument, which is little-endian. */
const nr = 0
const audit = 4
const low = (index: number): number => 16 + 8 * index
const high = (index: number): number => low(index) + 4

const allBits = 0xffffffff

/** A test of half an argument, and where it leads. */
const testing = (
  { argument, half, mask, test, value }: Test,
  yes: Bpf.Node,
  no: Bpf.Node,
  { and, branch, load }: Nodes
): Bpf.Node => {
  const decided = branch(test, value, yes, no)
  return load(half === "high" ? high(argument) : low(argument), mask === allBits ? decided : and(mask, decided))
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

/** What one system call gets: what the tree of its rules returns, else the default. */
const decide = (branch: Branch, nodes: Nodes, otherwise: Bpf.Node): Bpf.Node => {
  if (branch === undefined) return otherwise
  if (typeof branch === "number") return nodes.ret(branch)
  return branch.reduceRight(
    (next, test) => testing(test, decide(test.yes, nodes, next), decide(test.no, nodes, next), nodes),
    otherwise
  )
}

/** A filter that has more instructions than the kernel takes. */
const tooLarge = (seccomp: Seccomp, problem: string): Checked<never> =>
  refuse(
    "syscalls",
    `${seccomp.syscalls.length} rules`,
    `${problem}, and the kernel takes ${Bpf.MAX_INSTRUCTIONS}`,
    "write fewer rules with conditions, or list fewer architectures"
  )

/** The most nodes that may become a program that fits: what is tested has to be loaded, and perhaps masked, for that alone. */
const mostNodes = 3 * Bpf.MAX_INSTRUCTIONS

/** Adds a range, unless it continues as the one before. Ranges are added from the lowest number up. */
const push = (ranges: Array<Range>, from: number, node: Bpf.Node): void => {
  const last = ranges.at(-1)
  if (last?.from === from) ranges.pop()
  if (ranges.at(-1)?.node !== node) ranges.push({ from, node })
}

/**
 * Compiles a seccomp configuration for a machine. Pure: loads nothing, asks no kernel.
 *
 * Fails with {@link SeccompError} for a name that is none (action, flag, architecture, comparison), for
 * `SCMP_ACT_NOTIFY`, for an `errnoRet` with an action that has none, for an errno or an argument's index out of range, and for
 * a filter of more than 4,096 instructions.
 */
export const compile = (seccomp: Seccomp, machine: Architecture): Checked<Compiled> =>
  Result.gen(function*() {
    const defaultValue = yield* actionOf(
      seccomp.defaultAction,
      seccomp.defaultErrnoRet,
      "defaultAction",
      "defaultErrnoRet"
    )
    const flags = yield* flagsOf(seccomp.flags)
    const archs = yield* listed(machine, seccomp.architectures)
    const rules = byName(yield* rulesOf(seccomp, defaultValue))
    // before each of them is compared with all others
    const crowded = [...rules].find(([, list]) =>
      list.length > Bpf.MAX_INSTRUCTIONS && list.every(({ conditions }) => conditions.length > 0)
    )
    if (crowded !== undefined) {
      const [name, list] = crowded
      return yield* tooLarge(seccomp, `need an instruction at least for each of the ${list.length} rules of ${name}`)
    }
    const named = new Set(seccomp.syscalls.flatMap(({ names }) => names))

    const nodes = sharedNodes()
    const byDefault = nodes.ret(defaultValue)
    const beyond = permissive.has(seccomp.defaultAction) ? byDefault : nodes.ret(enosys)
    const tables = new Map([...archs].map((arch) => [arch, syscallNumbers(arch)]))

    /** Adds the ranges of one convention, whose numbers start at `first`. */
    const add = (ranges: Array<Range>, arch: SyscallArch, first: number): void => {
      const table = tables.get(arch)
      if (table === undefined) return push(ranges, first, nodes.ret(killThread))
      push(ranges, first, byDefault)
      // the calls that x86 had in a multiplexer first are not counted by libseccomp, which knows them by that
      const highest = Math.max(
        0,
        ...[...table].flatMap(([name, number]) =>
          named.has(name) && !(arch === "X86" && isMultiplexed(name)) ? number : []
        )
      )
      // without a number there is no highest one
      const known = (number: number): boolean => highest === 0 || beyond === byDefault || number <= highest
      // the table is in the order of the numbers
      for (const [name, number] of table) {
        const list = rulesFor(arch, name, rules)
        if (list.length === 0 || !known(number)) continue
        push(ranges, number, decide(decisionTree(list, isNarrow(arch)), nodes, byDefault))
        push(ranges, number + 1, byDefault)
      }
      if (highest > 0) push(ranges, highest + 1, beyond)
    }

    let root = nodes.ret(killThread)
    for (const { archs: sharing, audit: value } of conventions[machine].toReversed()) {
      if (!sharing.some((arch) => archs.has(arch))) continue
      const ranges: Array<Range> = []
      for (const arch of sharing) add(ranges, arch, arch === "X32" ? X32_BIT : 0)
      // a tracer sets the number to -1 to skip a call; that is no number of any convention
      push(ranges, 0xffffffff, byDefault)
      root = Bpf.branch("==", value, Bpf.load(nr, search(ranges)), root)
    }
    // the program is made by recursion, which a filter of any length would take too deep
    if (nodes.count() > mostNodes) {
      return yield* tooLarge(seccomp, `make a filter of more than ${Bpf.MAX_INSTRUCTIONS} instructions`)
    }
    const program = Bpf.assemble(Bpf.load(audit, root))
    const length = program.length / 8
    if (length > Bpf.MAX_INSTRUCTIONS) return yield* tooLarge(seccomp, `make a filter of ${length} instructions`)

    return { program, flags, unknown: unknownNames(rules, tables) }
  })
