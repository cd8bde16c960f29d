/**
 * Limits, scheduling, keyrings, filters, and the small rest. @see getrlimit(2), sched(7), keyrings(7), seccomp(2), bpf(2)
 */
import { MAX_INSTRUCTIONS } from "../native/bpf.ts"
import type { Limit } from "../native/calls.ts"
import {
  IOPRIO_CLASS,
  IOPRIO_WHO,
  KEYCTL,
  O,
  RLIMIT,
  SCHED,
  SECCOMP,
  SECCOMP_FILTER_FLAG,
  TIOC
} from "../native/constants.ts"
import type { Arguments } from "../native/Kernel.ts"
import * as Cgroups from "./Cgroups.ts"
import { isSeccompProgram } from "./classicCheck.ts"
import { CAP, capable, capableHere, processByNumber } from "./Credentials.ts"
import * as Descriptors from "./Descriptors.ts"
import { randomBytes } from "./Files.ts"
import { block, type Machine, refuse } from "./Machine.ts"
import { actions } from "./seccompFilter.ts"
import type { Process } from "./State.ts"
import * as Terminals from "./Terminals.ts"

const named = (m: Machine, pid: number): Process => pid === 0 ? m.self : processByNumber(m, pid) ?? refuse("ESRCH")

/** EPERM: another's process takes equal ids or CAP_SYS_RESOURCE there (prlimit(2)). */
const mayLimit = (m: Machine, target: Process): void => {
  const { creds } = m.self
  const ids = [target.creds.uid, target.creds.euid, target.creds.suid].every((id) => id === creds.uid) &&
    [target.creds.gid, target.creds.egid, target.creds.sgid].every((id) => id === creds.gid)
  const powerful = target.ns.user === m.self.ns.user ? capableHere(m, CAP.SYS_RESOURCE) : capable(m, CAP.SYS_RESOURCE)
  if (target.pid !== m.pid && !ids && !powerful) refuse("EPERM")
}

/** The system's maximum of open files (`fs.nr_open`). */
const openMax = 1048576n

export const prlimit = (m: Machine, { limit, pid, resource }: Arguments<"prlimit64">): Limit => {
  if (!Object.values(RLIMIT).some((known) => known === resource)) refuse("EINVAL")
  const target = named(m, pid)
  mayLimit(m, target)
  const old = target.limits.get(resource) ?? { soft: Descriptors.infinity, hard: Descriptors.infinity }
  if (limit === null) return old
  // EINVAL: soft above hard; EPERM: raising the hard limit takes CAP_SYS_RESOURCE in the initial user namespace, and
  // RLIMIT_NOFILE never goes above fs.nr_open (getrlimit(2))
  if (limit.soft > limit.hard) refuse("EINVAL")
  if (resource === RLIMIT.NOFILE && limit.hard > openMax) refuse("EPERM")
  if (limit.hard > old.hard && !capable(m, CAP.SYS_RESOURCE)) refuse("EPERM")
  m.processes.set(target.pid, { ...target, limits: new Map(target.limits).set(resource, limit) })
  return old
}

export const setAffinity = (m: Machine, { cpus, pid }: Arguments<"sched_setaffinity">): void => {
  const target = named(m, pid)
  if (
    target.creds.euid !== m.self.creds.euid && target.creds.uid !== m.self.creds.euid && !capableHere(m, CAP.SYS_NICE)
  ) {
    refuse("EPERM")
  }
  const there = [...new Set(cpus)].filter((cpu) => cpu < m.facts.cpus).toSorted((a, b) => a - b)
  // EINVAL: none of them is there (sched_setaffinity(2))
  if (there.length === 0) refuse("EINVAL")
  m.processes.set(target.pid, { ...target, affinity: there })
}

export const setScheduler = (m: Machine, { attributes, pid }: Arguments<"sched_setattr">): void => {
  const target = named(m, pid)
  const { nice, policy, priority } = attributes
  if (!Object.values(SCHED).some((known) => known === policy)) refuse("EINVAL")
  const realTime = policy === SCHED.FIFO || policy === SCHED.RR
  // EINVAL: a priority of 1 to 99 for real-time policies, 0 for the others (sched(7))
  if (realTime ? priority < 1 || priority > 99 : priority !== 0) refuse("EINVAL")
  if (policy === SCHED.DEADLINE && !(attributes.runtime > 0n && attributes.deadline >= attributes.runtime)) {
    refuse("EINVAL")
  }
  // EPERM: real time, or a lower nice value than now, without CAP_SYS_NICE in the initial user namespace
  const lifts = realTime || policy === SCHED.DEADLINE || nice < target.scheduler.nice
  if (lifts && !capable(m, CAP.SYS_NICE)) refuse("EPERM")
  m.processes.set(target.pid, { ...target, scheduler: attributes })
}

export const setIoPriority = (m: Machine, { ioprio, which, who }: Arguments<"ioprio_set">): void => {
  const [kind, level] = [ioprio >> 13, ioprio & 7]
  // ioprio_set(2): EINVAL for unknown classes; EPERM: real time takes CAP_SYS_ADMIN or CAP_SYS_NICE
  if (kind > IOPRIO_CLASS.IDLE || kind < 0 || (kind === IOPRIO_CLASS.NONE && level !== 0)) refuse("EINVAL")
  if (kind === IOPRIO_CLASS.RT && !capable(m, CAP.SYS_ADMIN) && !capable(m, CAP.SYS_NICE)) refuse("EPERM")
  if (which !== IOPRIO_WHO.PROCESS) m.unmodelled("io priorities of groups and users")
  const target = named(m, who)
  m.processes.set(target.pid, { ...target, ioPriority: ioprio })
}

export const personality = (m: Machine, { persona }: Arguments<"personality">): number => {
  const old = m.self.personality
  if (persona >>> 0 !== 0xffffffff) m.change({ personality: persona })
  return old
}

export const setMemoryPolicy = (m: Machine, { mode, nodes }: Arguments<"set_mempolicy">): void => {
  const kind = mode & 0xff
  // EINVAL: unknown modes, nodes where none may be given or missing where needed, nodes that are not there
  if (kind > 6 || ((kind === 0 || kind === 4) && nodes.length > 0)) refuse("EINVAL")
  if ([2, 3, 5, 6].includes(kind) && nodes.length === 0) refuse("EINVAL")
  if (nodes.length > 0 && !nodes.includes(0)) refuse("EINVAL")
  m.change({ memoryPolicy: { mode, nodes } })
}

export const keyctl = (m: Machine, { arg2, arg3, operation }: Arguments<"keyctl">): number => {
  switch (operation) {
    case KEYCTL.JOIN_SESSION_KEYRING: {
      const id = m.fresh()
      m.change({ sessionKeyring: id })
      return id
    }
    case KEYCTL.GET_KEYRING_ID:
      return arg2 === -3 ? m.self.sessionKeyring : m.unmodelled(`keyring ${String(arg2)}`)
    case KEYCTL.SETPERM:
      return arg2 === m.self.sessionKeyring ? 0 : refuse("ENOKEY")
    case KEYCTL.DESCRIBE:
      return arg3 >= 0 ? 40 : refuse("EINVAL")
    default:
      return m.unmodelled(`keyctl operation ${operation}`)
  }
}

export const seccomp = (m: Machine, { flags, operation, program }: Arguments<"seccomp">): number => {
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

export const attachProgram = (m: Machine, { programFd, targetFd }: Arguments<"bpf_prog_attach">): void => {
  if (!capable(m, CAP.NET_ADMIN) && !capable(m, CAP.SYS_ADMIN)) refuse("EPERM")
  const program = Descriptors.fileOf(m, programFd).kind
  if (program._tag !== "BpfProgram") return refuse("EINVAL")
  const target = Descriptors.usable(m, targetFd).kind
  return target._tag === "Node" ? Cgroups.attachProgram(m, target.location.node, program.instructions) : refuse("EBADF")
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
