/**
 * What a process's seccomp filters do with a call that it makes. @see seccomp(2), kernel/seccomp.c (`__seccomp_filter`)
 *
 * A call of the table is one or more system calls with numbers and arguments. An argument that is an address has no
 * value in the model; a filter that looks at one is not modelled.
 */
import { calls } from "../native/calls.ts"
import { BPF_CMD, SIG, TC, TIOC } from "../native/constants.ts"
import * as Errno from "../native/Errno.ts"
import { type Call, type CallName, callNames } from "../native/Kernel.ts"
import { syscallNumbers } from "../native/syscallTables.ts"
import { runSeccomp, UnknownWord } from "./bpfInterpreter.ts"
import { type Machine, refuse } from "./Machine.ts"
import { Gone } from "./Processes.ts"
import * as Signals from "./Signals.ts"

/** A system call: its name and arguments; `undefined` is an address. */
interface Syscall {
  readonly name: string
  readonly args: ReadonlyArray<bigint | undefined>
}

/** `SECCOMP_RET_*`: what a filter wants, by the upper half of its answer. */
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

/** `AUDIT_ARCH_*`, and the table of numbers, by what uname(2) calls the machine. */
const architectures = {
  x86_64: { audit: 0xc000003e, numbers: "X86_64" },
  aarch64: { audit: 0xc00000b7, numbers: "AARCH64" }
} as const

const word = (value: number | bigint): bigint => BigInt.asUintN(64, BigInt(value))

/** The arguments as they stand in the table, which is the order of the C prototype: numbers, else addresses. */
const plain = (call: Call): Syscall => {
  const given: Readonly<Record<string, unknown>> = { ...call }
  return {
    name: call._tag,
    args: Object.keys(calls[call._tag].arguments).map((name) => {
      const value = given[name]
      return typeof value === "number" || typeof value === "bigint" ? word(value) : undefined
    })
  }
}

const ioctl = (fd: number, request: number, argument: bigint | undefined = undefined): Syscall => ({
  name: "ioctl",
  args: [word(fd), word(request), argument]
})

/** The system calls that a call of the table stands for (`native/linux/*.ts`). */
const syscallsOf = (m: Machine, call: Call): ReadonlyArray<Syscall> => {
  switch (call._tag) {
    case "clone":
    case "reclone":
      // the signal mask is set around it; what V8 is told of its heap may fail
      return [
        { name: "rt_sigprocmask", args: [2n, undefined, undefined, 8n] },
        { name: "clone", args: [word((call.flags | SIG.CHLD) >>> 0), 0n, 0n, 0n, 0n] },
        { name: "rt_sigprocmask", args: [2n, undefined, 0n, 8n] }
      ]
    case "rtnetlink":
      return ["socket", "sendto", "recvfrom"].map((name) => ({ name, args: [undefined, undefined, undefined] }))
    case "bpf_prog_load":
      return [{ name: "bpf", args: [word(BPF_CMD.PROG_LOAD), undefined, undefined] }]
    case "bpf_prog_attach":
      return [{ name: "bpf", args: [word(BPF_CMD.PROG_ATTACH), undefined, undefined] }]
    case "ioctl_gptn":
      return [ioctl(call.fd, TIOC.GPTN)]
    case "ioctl_sptlck":
      return [ioctl(call.fd, TIOC.SPTLCK)]
    case "ioctl_gwinsz":
      return [ioctl(call.fd, TIOC.GWINSZ)]
    case "ioctl_swinsz":
      return [ioctl(call.fd, TIOC.SWINSZ)]
    case "ioctl_tcgets":
      return [ioctl(call.fd, TC.GETS)]
    case "ioctl_tcsetsw":
      return [ioctl(call.fd, TC.SETSW)]
    case "socket":
      return [{ name: "socket", args: [word(call.domain), word(call.type), word(call.protocol)] }]
    case "socketpair":
      return [{ name: "socketpair", args: [1n, word(call.type), 0n, undefined] }]
    case "setsockopt":
      return [{ name: "setsockopt", args: [word(call.fd), 1n, word(call.option), undefined, undefined] }]
    case "mknodat": {
      const { dirfd, major, minor, mode } = call
      const device = (minor & 0xff | major << 8 | (minor & ~0xff) << 12) >>> 0
      return [{ name: "mknodat", args: [word(dirfd), undefined, word(mode), word(device)] }]
    }
    case "kill":
    case "prctl":
    case "unshare":
    case "setns":
    case "mkdirat":
    case "openat":
    case "unlinkat":
    case "symlinkat":
    case "fchmod":
    case "fchmodat":
    case "fchownat":
    case "setresuid":
    case "setresgid":
    case "exit_group":
    case "getpid":
    case "getppid":
    case "setsid":
    case "umask":
    case "close":
    case "dup":
    case "dup3":
    case "fcntl":
    case "chdir":
    case "chroot":
    case "fchdir":
    case "mount":
    case "umount2":
    case "personality":
    case "ioprio_set":
    case "execve":
    case "execveat":
    case "ioctl":
    case "ftruncate":
    case "fsync":
    case "flock":
    case "pidfd_open":
    case "renameat2":
    case "close_range":
      return [plain(call)]
    default:
      // their numbers are known, their arguments are not in the order of the system call, or mostly addresses
      return callNames.includes(call._tag)
        ? [{ name: call._tag, args: Array.from({ length: 6 }, () => undefined) }]
        : m.unmodelled("how that call is made")
  }
}

/** The numbers of system calls, read once. */
const numbersOf = { X86_64: syscallNumbers("X86_64"), AARCH64: syscallNumbers("AARCH64") }

/** What the filters together want of a system call: the most severe answer, of equal ones the newest filter's. */
const verdict = (m: Machine, { args, name }: Syscall): number => {
  const { machine } = m.facts
  const { audit, numbers } = machine === "x86_64" || machine === "aarch64"
    ? architectures[machine]
    : m.unmodelled(`system calls of ${machine}`)
  const nr = numbersOf[numbers].get(name) ?? m.unmodelled(`the number of ${name}`)
  let worst: number = action.allow
  for (const program of m.self.filters.toReversed()) {
    const answer = answerOf(m, program, { nr, arch: audit, args })
    // signed, so that killing the process comes before all else
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

/** Calls that give a number, and those that give more; the others give nothing. */
const givesNumber: ReadonlySet<CallName> = new Set<CallName>([
  "getpid",
  "getppid",
  "setsid",
  "pidfd_open",
  "pidfd_getfd",
  "prctl",
  "keyctl",
  "personality",
  "openat",
  "openat2",
  "dup",
  "dup3",
  "fcntl",
  "write",
  "memfd_create",
  "umask",
  "open_tree",
  "fsopen",
  "fsmount",
  "socket",
  "ioctl",
  "seccomp",
  "bpf_prog_load"
])
const givesNothing: ReadonlySet<CallName> = new Set<CallName>([
  "kill",
  "unshare",
  "setns",
  "sethostname",
  "setdomainname",
  "setresuid",
  "setresgid",
  "setgroups",
  "mkdirat",
  "mknodat",
  "symlinkat",
  "unlinkat",
  "renameat2",
  "fchmod",
  "fchmodat",
  "fchownat",
  "chdir",
  "chroot",
  "fchdir",
  "close",
  "mount",
  "umount2",
  "pivot_root",
  "rt_sigaction"
])

/** A call that a filter answers with 0 has done nothing, and says that it has. */
const pretend = (m: Machine, call: Call): number | undefined =>
  givesNumber.has(call._tag)
    ? 0
    : givesNothing.has(call._tag)
    ? undefined
    : m.unmodelled("what this call gives where a filter answers for it")

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
      // killed, or a SIGSYS that is forced, though it be blocked or ignored or the process an init
      Signals.force(m, m.pid, SIG.SYS)
      throw new Gone()
  }
}

/** Whether a filter lets a call go on: `undefined`, or what it answers with. Ends the transition where it refuses. */
export const passFilters = (m: Machine, call: Call): { readonly result: number | undefined } | undefined => {
  if (m.self.filters.length === 0) return undefined
  for (const [index, syscall] of syscallsOf(m, call).entries()) {
    const answer = verdict(m, syscall)
    const wanted = (answer & 0xffff0000) >>> 0
    if (wanted === action.allow || wanted === action.log) continue
    return act(m, call, answer, index === 0)
  }
  return undefined
}
