/**
 * What a process's seccomp filters do with a call that it makes. @see seccomp(2), kernel/seccomp.c (`__seccomp_filter`)
 *
 * A call of the table is one or more system calls with numbers and arguments. Addresses have no value in the model; a
 * filter that reads one is not modelled.
 */
import { rowOf } from "../native/calls.ts"
import { SIG } from "../native/constants.ts"
import type { Register, Row } from "../native/definition.ts"
import * as Errno from "../native/Errno.ts"
import type { Call } from "../native/Kernel.ts"
import { syscallNumbers } from "../native/syscallTables.ts"
import { runSeccomp, UnknownWord } from "./bpfInterpreter.ts"
import { force } from "./ending.ts"
import { Gone, type Machine, refuse } from "./Machine.ts"

/** A system call: its name and arguments; `undefined` is an address. */
interface Syscall {
  readonly name: string
  readonly args: ReadonlyArray<bigint | undefined>
}

/** `SECCOMP_RET_*`: the action of a filter, the upper half of its answer. */
const action = {
  killProcess: 0x80000000,
  killThread: 0x00000000,
  trap: 0x00030000,
  errno: 0x00050000,
  notify: 0x7fc00000,
  trace: 0x7ff00000,
  log: 0x7ffc0000,
  allow: 0x7fff0000
} as const

/** All actions, for `SECCOMP_GET_ACTION_AVAIL`. */
export const actions: ReadonlySet<number> = new Set(Object.values(action))

/** `AUDIT_ARCH_*` and the table of numbers, by uname(2)'s name of the machine. */
const architectures = {
  x86_64: { audit: 0xc000003e, numbers: "X86_64" },
  aarch64: { audit: 0xc00000b7, numbers: "AARCH64" }
} as const

const word = (value: number | bigint): bigint => BigInt.asUintN(64, BigInt(value))

/** The arguments in the order of the row; what is not a number is an address. */
const listed = (call: Call, { arguments: args }: Row): ReadonlyArray<Register> => {
  const given: Readonly<Record<string, unknown>> = { ...call }
  return Object.keys(args).map((name) => {
    const value = given[name]
    return typeof value === "number" || typeof value === "bigint" ? value : undefined
  })
}

/** The registers of a call about which nothing is known. */
const unknown: ReadonlyArray<undefined> = Array.from({ length: 6 }, () => undefined)

/** The system calls that a call of the table stands for. */
const syscallsOf = (call: Call): ReadonlyArray<Syscall> => {
  const row = rowOf(call._tag)
  return (row.syscalls ?? [{}]).map(({ name = call._tag, registers }) => {
    const held = registers === undefined
      ? unknown
      : registers === "asListed"
      ? listed(call, row)
      : registers(call as never)
    return { name, args: held.map((value) => value === undefined ? undefined : word(value)) }
  })
}

/** The numbers of system calls, read once. */
const numbersOf = { X86_64: syscallNumbers("X86_64"), AARCH64: syscallNumbers("AARCH64") }

/** The answer of all filters to a system call: the most severe one; among equal ones, that of the newest filter. */
const verdict = (m: Machine, { args, name }: Syscall): number => {
  const { machine } = m.facts
  const { audit, numbers } = machine === "x86_64" || machine === "aarch64"
    ? architectures[machine]
    : m.unmodelled(`system calls of ${machine}`)
  const nr = numbersOf[numbers].get(name) ?? m.unmodelled(`the number of ${name}`)
  let worst: number = action.allow
  for (const program of m.self.filters.toReversed()) {
    const answer = answerOf(m, program, { nr, arch: audit, args })
    // compared as signed numbers, so that killing the process is the most severe
    if ((answer & 0xffff0000) < (worst & 0xffff0000)) worst = answer
  }
  return worst
}

const answerOf = (m: Machine, program: Uint8Array, data: Parameters<typeof runSeccomp>[1]): number => {
  try {
    return runSeccomp(program, data)
  } catch (error) {
    if (error instanceof UnknownWord) return m.unmodelled("a seccomp filter that looks at an address")
    throw error
  }
}

/** The result of a call that a filter answers with errno 0: nothing was done, but it succeeds. */
const pretend = (m: Machine, call: Call): number | undefined => {
  switch (rowOf(call._tag).result.kind) {
    case "number":
      return 0
    case "nothing":
      return undefined
    default:
      return m.unmodelled("what this call returns if a filter answers for it")
  }
}

const act = (m: Machine, call: Call, answer: number, isFirst: boolean): { readonly result: number | undefined } => {
  const data = answer & 0xffff
  switch ((answer & 0xffff0000) >>> 0) {
    case action.errno: {
      if (!isFirst) return m.unmodelled("a filter that refuses a part of a call")
      // ERRNO: at most MAX_ERRNO; 0 is a success
      if (data === 0) return { result: pretend(m, call) }
      return refuse(Errno.nameOf(Math.min(data, 4095)) ?? m.unmodelled(`errno ${data}`))
    }
    case action.notify:
      // ENOSYS: nobody listens
      return m.files.find(({ kind }) => kind._tag === "SeccompListener") === undefined
        ? refuse("ENOSYS")
        : m.unmodelled("a call that a listener answers")
    case action.trace:
      // ENOSYS: no tracer
      return refuse("ENOSYS")
    default:
      // killed, or a forced SIGSYS, even if it is blocked or ignored or the process is an init
      force(m, m.pid, SIG.SYS)
      throw new Gone()
  }
}

/** `undefined` if the filters allow a call; otherwise the result that they set. Ends the transition if they refuse. */
export const passFilters = (m: Machine, call: Call): { readonly result: number | undefined } | undefined => {
  if (m.self.filters.length === 0) return undefined
  for (const [index, syscall] of syscallsOf(call).entries()) {
    const answer = verdict(m, syscall)
    const wanted = (answer & 0xffff0000) >>> 0
    if (wanted === action.allow || wanted === action.log) continue
    return act(m, call, answer, index === 0)
  }
  return undefined
}
