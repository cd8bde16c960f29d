/**
 * Limits, scheduling, keyrings, filters, and the small rest. @see getrlimit(2), sched(7), keyrings(7), seccomp(2), bpf(2)
 */
import { MAX_INSTRUCTIONS } from "../native/bpf.ts"
import type { Limit } from "../native/calls.ts"
import { O, RLIMIT, SECCOMP, SECCOMP_FILTER_FLAG, SIG, TIOC } from "../native/constants.ts"
import type { Arguments } from "../native/Kernel.ts"
import * as Cgroups from "./Cgroups.ts"
import { isSeccompProgram } from "./classicCheck.ts"
import { CAP, capable, capableHere, nsCapable, processByNumber } from "./Credentials.ts"
import * as Descriptors from "./Descriptors.ts"
import { randomBytes } from "./Files.ts"
import { block, type Machine, refuse, RefusedAfter } from "./Machine.ts"
import { Gone } from "./Processes.ts"
import { actions } from "./seccompFilter.ts"
import * as Signals from "./Signals.ts"
import type { Process } from "./State.ts"
import * as Terminals from "./Terminals.ts"

/** EPERM: another's process takes all its ids or CAP_SYS_RESOURCE in its user namespace (`check_prlimit_permission`). */
const mayLimit = (m: Machine, target: Process): boolean => {
  const { creds } = m.self
  const ids = [target.creds.uid, target.creds.euid, target.creds.suid].every((id) => id === creds.uid) &&
    [target.creds.gid, target.creds.egid, target.creds.sgid].every((id) => id === creds.gid)
  return target.pid === m.pid || ids || nsCapable(m, target.ns.user, CAP.SYS_RESOURCE)
}

/** The system's maximum of open files (`fs.nr_open`). */
const openMax = 1048576n

export const prlimit = (m: Machine, { limit, pid, resource }: Arguments<"prlimit64">): Limit => {
  const target = pid === 0 ? m.self : processByNumber(m, pid) ?? refuse("ESRCH")
  if (!mayLimit(m, target)) refuse("EPERM")
  // EINVAL: no such resource, soft above hard; EPERM: more files than fs.nr_open, whoever asks, and a higher hard limit
  // without CAP_SYS_RESOURCE in the initial user namespace (getrlimit(2), do_prlimit)
  if (!Object.values(RLIMIT).some((known) => known === resource)) refuse("EINVAL")
  const old = target.limits.get(resource) ?? { soft: Descriptors.infinity, hard: Descriptors.infinity }
  if (limit === null) return old
  if (limit.soft > limit.hard) refuse("EINVAL")
  if (resource === RLIMIT.NOFILE && limit.hard > openMax) refuse("EPERM")
  if (limit.hard > old.hard && !capable(m, CAP.SYS_RESOURCE)) refuse("EPERM")
  m.processes.set(target.pid, { ...target, limits: new Map(target.limits).set(resource, limit) })
  return old
}

/**
 * Whether a user has more processes than a process's RLIMIT_NPROC; dead ones count until they are waited for
 * (`is_rlimit_overlimit`). Processes are counted by user namespace; limits of those above are not modelled.
 */
export const hasTooManyProcesses = (m: Machine, process: Process, more: number): boolean => {
  const limit = process.limits.get(RLIMIT.NPROC)?.soft ?? Descriptors.infinity
  if (limit === Descriptors.infinity) return false
  const { uid } = process.creds
  const count = m.processes.values().filter(({ creds, ns }) => creds.uid === uid && ns.user === process.ns.user).length
  return BigInt(count + more) > limit
}

/**
 * What becoming another user does: with too many processes already, the next exec fails, if there still are too many
 * (`flag_nproc_exceeded`; setresuid(2), execve(2)).
 */
export const afterChangeOfUser = (m: Machine, uid: number): void => {
  const { nprocExceeded: _, ...rest } = m.self
  if (uid === rest.creds.uid) return
  const exceeded = uid !== 0 && hasTooManyProcesses(m, { ...rest, creds: { ...rest.creds, uid } }, 0)
  m.processes.set(m.pid, { ...rest, ...exceeded ? { nprocExceeded: true } : {} })
}

/** EAGAIN: the caller became a user with too many processes, and there still are (execve(2)). */
export const mayExecute = (m: Machine): void => {
  if (m.self.nprocExceeded === true && hasTooManyProcesses(m, m.self, 0)) refuse("EAGAIN")
}

/** EFBIG and SIGXFSZ, at which a process ends that has no other use for it (setrlimit(2), RLIMIT_FSIZE). */
const tooLarge = (m: Machine): never => {
  Signals.kill(m, m.pid, SIG.XFSZ, false)
  if (m.processes.get(m.pid)?.status !== "running") throw new Gone()
  throw new RefusedAfter("EFBIG")
}

const mostBytes = (m: Machine): bigint => m.self.limits.get(RLIMIT.FSIZE)?.soft ?? Descriptors.infinity

/** How much of a write at an offset RLIMIT_FSIZE lets through (`generic_write_check_limits`). */
export const roomInFile = (m: Machine, offset: number, length: number): number => {
  const most = mostBytes(m)
  if (length === 0 || most === Descriptors.infinity) return length
  return BigInt(offset) >= most ? tooLarge(m) : Math.min(length, Number(most) - offset)
}

/** Whether RLIMIT_FSIZE lets a file grow to a size (`inode_newsize_ok`). */
export const mayGrowTo = (m: Machine, from: number, to: bigint): void => {
  if (to > BigInt(from) && mostBytes(m) !== Descriptors.infinity && to > mostBytes(m)) tooLarge(m)
}

/** `SECCOMP_FILTER_FLAG_*` that there are; the order of the rules is `seccomp_set_mode_filter`'s. */
const filterFlags = Object.values(SECCOMP_FILTER_FLAG).reduce((all, flag) => all | flag, 0)

/** The instructions of all filters of a process, each counted with four more, are limited (`MAX_INSNS_PER_PATH`). */
const mostInstructions = 32768

const isAvailable = (m: Machine, flags: number, program: Uint8Array): number => {
  if (flags !== 0) refuse("EINVAL")
  if (program.length < 4) return m.unmodelled("an action of less than 4 bytes")
  // EOPNOTSUPP: no such action (seccomp_get_action_avail)
  return actions.has(new DataView(program.buffer, program.byteOffset).getUint32(0, true)) ? 0 : refuse("ENOTSUP")
}

export const seccomp = (m: Machine, { flags, operation, program }: Arguments<"seccomp">): number => {
  if (operation === SECCOMP.GET_ACTION_AVAIL) return isAvailable(m, flags, program)
  if (operation !== SECCOMP.SET_MODE_FILTER) return operation === 3 ? m.unmodelled("this operation") : refuse("EINVAL")
  const { NEW_LISTENER, TSYNC, TSYNC_ESRCH, WAIT_KILLABLE_RECV } = SECCOMP_FILTER_FLAG
  const listens = (flags & NEW_LISTENER) !== 0
  // EINVAL: unknown flags; a listener and threads, whose results can't be told apart; a flag for listeners without one
  if ((flags & ~filterFlags) !== 0) refuse("EINVAL")
  if ((flags & TSYNC) !== 0 && listens && (flags & TSYNC_ESRCH) === 0) refuse("EINVAL")
  if ((flags & WAIT_KILLABLE_RECV) !== 0 && !listens) refuse("EINVAL")
  // EINVAL: no instructions or too many, before the right to load them; all else behind it (seccomp_prepare_filter)
  if (program.length === 0 || program.length % 8 !== 0 || program.length / 8 > MAX_INSTRUCTIONS) refuse("EINVAL")
  // EACCES: without no_new_privs only with CAP_SYS_ADMIN in the user namespace (seccomp(2))
  if (!m.self.creds.noNewPrivs && !capableHere(m, CAP.SYS_ADMIN)) refuse("EACCES")
  if (!isSeccompProgram(program)) refuse("EINVAL")
  const { filters } = m.self
  // ENOMEM: too much in all (seccomp_attach_filter)
  const total = filters.reduce((sum, one) => sum + one.length / 8 + 4, program.length / 8)
  if (total > mostInstructions) refuse("ENOMEM")
  // EBUSY: one listener a process (has_duplicate_listener)
  if (listens && m.self.listened === true) refuse("EBUSY")
  m.change({ filters: [...filters, program], ...listens ? { listened: true } : {} })
  return listens
    ? Descriptors.open(m, { _tag: "SeccompListener", pid: m.pid }, O.RDWR | O.CLOEXEC, "anon_inode:seccomp notify")
    : 0
}

export const loadProgram = (m: Machine, { instructions }: Arguments<"bpf_prog_load">): number => {
  if (instructions.length === 0 || instructions.length % 8 !== 0) refuse("EINVAL")
  // EPERM: CAP_BPF (or CAP_SYS_ADMIN), and for cgroup programs CAP_NET_ADMIN or CAP_SYS_ADMIN (bpf_prog_load)
  if (!capable(m, CAP.BPF) && !capable(m, CAP.SYS_ADMIN)) refuse("EPERM")
  return Descriptors.open(m, { _tag: "BpfProgram", instructions }, O.RDWR | O.CLOEXEC, "anon_inode:bpf-prog")
}

export const attachProgram = (m: Machine, { flags, programFd, targetFd }: Arguments<"bpf_prog_attach">): void => {
  if (!capable(m, CAP.NET_ADMIN) && !capable(m, CAP.SYS_ADMIN)) refuse("EPERM")
  const program = Descriptors.fileOf(m, programFd).kind
  if (program._tag !== "BpfProgram") return refuse("EINVAL")
  const target = Descriptors.usable(m, targetFd).kind
  return target._tag === "Node"
    ? Cgroups.attachProgram(m, target.location.node, program.instructions, flags)
    : refuse("EBADF")
}

export const nanosleep = (m: Machine, { nanoseconds }: Arguments<"nanosleep">): void => {
  if (nanoseconds < 0n) refuse("EINVAL")
  if (!m.timedOut && nanoseconds > 0n) block("time to pass", nanoseconds)
}

export const getrandom = (m: Machine, { count }: Arguments<"getrandom">): Uint8Array => randomBytes(m, count)

export const ioctl = (m: Machine, { argument, fd, request }: Arguments<"ioctl">): number => {
  switch (request) {
    case TIOC.SCTTY:
      return Terminals.setControlling(m, fd, argument)
    case TIOC.NOTTY:
      return Terminals.giveUpControlling(m, fd)
    case TIOC.GPTPEER:
      return Terminals.openPeer(m, fd, argument)
    default:
      return m.unmodelled(`ioctl ${request}`)
  }
}
