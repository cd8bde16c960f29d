/** The calls about limits, scheduling and memory policy. @see prlimit(2), sched_setattr(2), ioprio_set(2) */
import { IOPRIO_CLASS, IOPRIO_WHO, MPOL, MPOL_F, RLIMIT, SCHED, SCHED_FLAG } from "../../native/constants.ts"
import type { Arguments } from "../../native/Kernel.ts"
import type { Limit, SchedulerAttributes } from "../../native/results.ts"
import { allowedCpus } from "../cgroupCpuset.ts"
import { hasRealTime } from "../cgroupMembership.ts"
import { CAP, capable, nsCapable, processByNumber } from "../Credentials.ts"
import * as Descriptors from "../Descriptors.ts"
import { type Machine, refuse } from "../Machine.ts"
import { groupByNumber } from "../Processes.ts"
import { isRealTime } from "../Scheduling.ts"
import type { Process } from "../State.ts"
import { numberOf } from "../Sysctl.ts"

/**
 * Whether the caller may set limits of a process: all its ids are the caller's, or CAP_SYS_RESOURCE in its user namespace
 * (`check_prlimit_permission`).
 */
const mayLimit = (m: Machine, target: Process): boolean => {
  const { creds } = m.self
  const ids = [target.creds.uid, target.creds.euid, target.creds.suid].every((id) => id === creds.uid) &&
    [target.creds.gid, target.creds.egid, target.creds.sgid].every((id) => id === creds.gid)
  return target.pid === m.pid || ids || nsCapable(m, target.ns.user, CAP.SYS_RESOURCE)
}

export const prlimit = (m: Machine, { limit, pid, resource }: Arguments<"prlimit64">): Limit => {
  const target = pid === 0 ? m.self : processByNumber(m, pid) ?? refuse("ESRCH")
  if (!mayLimit(m, target)) refuse("EPERM")
  // EINVAL: no such resource, or soft above hard. EPERM: more files than fs.nr_open, for any caller; a higher hard limit
  // without CAP_SYS_RESOURCE in the initial user namespace (getrlimit(2), do_prlimit)
  if (!Object.values(RLIMIT).some((known) => known === resource)) refuse("EINVAL")
  const old = target.limits.get(resource) ?? { soft: Descriptors.infinity, hard: Descriptors.infinity }
  if (limit === null) return old
  if (limit.soft > limit.hard) refuse("EINVAL")
  if (resource === RLIMIT.NOFILE && limit.hard > BigInt(numberOf(m, "fs/nr_open") ?? 1048576)) refuse("EPERM")
  if (limit.hard > old.hard && !capable(m, CAP.SYS_RESOURCE)) refuse("EPERM")
  // a process that has used up its CPU time gets SIGXCPU at once
  if (resource === RLIMIT.CPU && limit.soft === 0n) m.unmodelled("when a process has used all of its processor time")
  m.processes.set(target.pid, { ...target, limits: new Map(target.limits).set(resource, limit) })
  return old
}

const named = (m: Machine, pid: number): Process => pid === 0 ? m.self : processByNumber(m, pid) ?? refuse("ESRCH")

/** Whether the caller's effective uid is the target's effective or real one (`check_same_owner`). */
const isOwn = (m: Machine, { creds }: Process): boolean =>
  m.self.creds.euid === creds.euid || m.self.creds.euid === creds.uid

// -- processors -------------------------------------------------------------------------------------------------------
export const getAffinity = (m: Machine, { pid }: Arguments<"sched_getaffinity">): ReadonlyArray<number> =>
  named(m, pid).affinity

export const setAffinity = (m: Machine, { cpus, pid }: Arguments<"sched_setaffinity">): void => {
  const target = named(m, pid)
  // EPERM: neither the target's uid nor CAP_SYS_NICE in its user namespace (sched_setaffinity)
  if (!isOwn(m, target) && !nsCapable(m, target.ns.user, CAP.SYS_NICE)) refuse("EPERM")
  const allowed = allowedCpus(m, target)
  const there = [...new Set(cpus)].filter((cpu) => allowed.includes(cpu)).toSorted((a, b) => a - b)
  // EINVAL: none of them exists and is in the cpuset (sched_setaffinity(2))
  if (there.length === 0) refuse("EINVAL")
  // EBUSY: a deadline task must run on its whole root domain (dl_task_check_affinity)
  if (target.scheduler.policy === SCHED.DEADLINE && there.length < m.facts.cpus) refuse("EBUSY")
  m.processes.set(target.pid, { ...target, affinity: there, askedAffinity: [...new Set(cpus)] })
}

const isFair = (policy: number): boolean => policy === SCHED.NORMAL || policy === SCHED.BATCH

/** The soft limit of a process. */
const softLimit = ({ limits }: Process, resource: number): bigint => limits.get(resource)?.soft ?? 0n

/** RLIMIT_NICE counts from 20, the lowest priority being 1 (getrlimit(2)). */
const withinNiceLimit = (target: Process, nice: number): boolean => BigInt(20 - nice) <= softLimit(target, RLIMIT.NICE)

/** Runtime, deadline and period: 1 µs at least, a period of 100 µs to 4.2 s (`__checkparam_dl`, sysctl defaults). */
const isDeadline = ({ deadline, period, runtime }: SchedulerAttributes): boolean => {
  const length = period === 0n ? deadline : period
  return deadline !== 0n && runtime >= 1024n && (deadline >> 63n) === 0n && (period >> 63n) === 0n &&
    length >= deadline && deadline >= runtime && length >= 100_000n && length <= 4_194_304_000n
}

/** The requested attributes, after the flags that keep old values. */
const wanted = (target: Process, attributes: SchedulerAttributes): SchedulerAttributes => {
  const keeps = (flag: number): boolean => (attributes.flags & BigInt(flag)) !== 0n
  const { scheduler } = target
  const given = keeps(SCHED_FLAG.KEEP_PARAMS)
    ? { ...scheduler, policy: attributes.policy, flags: attributes.flags }
    : { ...attributes, nice: Math.min(19, Math.max(-20, attributes.nice)) }
  return keeps(SCHED_FLAG.KEEP_POLICY)
    ? { ...given, policy: scheduler.policy, flags: given.flags & ~1n | scheduler.flags & 1n }
    : given
}

/** Whether a change needs CAP_SYS_NICE (`user_check_sched_setscheduler`). */
const needsPrivilege = (
  m: Machine,
  target: Process,
  { flags, nice, policy, priority }: SchedulerAttributes
): boolean => {
  const now = target.scheduler
  if (isFair(policy) && nice < now.nice && !withinNiceLimit(target, nice)) return true
  if (isRealTime(policy)) {
    const most = softLimit(target, RLIMIT.RTPRIO)
    if (policy !== now.policy && most === 0n) return true
    if (priority > now.priority && BigInt(priority) > most) return true
  }
  if (policy === SCHED.DEADLINE) return true
  if (now.policy === SCHED.IDLE && policy !== SCHED.IDLE && !withinNiceLimit(target, now.nice)) return true
  return !isOwn(m, target) || (now.flags & 1n) !== 0n && (flags & 1n) === 0n
}

export const setScheduler = (m: Machine, { attributes, pid }: Arguments<"sched_setattr">): void => {
  // EINVAL for a negative pid or policy is checked before ESRCH (sched_setattr(2))
  if (pid < 0 || attributes.policy < 0) refuse("EINVAL")
  const target = named(m, pid)
  const next = wanted(target, attributes)
  const { policy, priority } = next
  if (policy === 7) m.unmodelled("SCHED_EXT")
  if (!Object.values(SCHED).some((known) => known === policy)) refuse("EINVAL")
  const flags = Object.values(SCHED_FLAG).reduce((all, flag) => all | flag, 0)
  if ((next.flags & ~BigInt(flags)) !== 0n) refuse("EINVAL")
  if ((next.flags & BigInt(SCHED_FLAG.UTIL_CLAMP_MIN | SCHED_FLAG.UTIL_CLAMP_MAX)) !== 0n) m.unmodelled("clamps")
  // EINVAL: the priority must be 1 to 99 for real-time policies and 0 for others; an invalid deadline (sched(7))
  if (priority < 0 || priority > 99 || isRealTime(policy) !== (priority !== 0)) refuse("EINVAL")
  if (policy === SCHED.DEADLINE && !isDeadline(next)) refuse("EINVAL")
  if (needsPrivilege(m, target, next) && !capable(m, CAP.SYS_NICE)) refuse("EPERM")
  // EPERM: the group has no time for real-time processes (CONFIG_RT_GROUP_SCHED, cpu.rt_runtime_us of version 1)
  if (isRealTime(policy) && !hasRealTime(m, target)) refuse("EPERM")
  // EPERM: a deadline process must run on all processors of its root domain
  if (policy === SCHED.DEADLINE && target.affinity.length < m.facts.cpus) refuse("EPERM")
  // the nice value is kept under policies that do not use it
  const nice = isFair(policy) ? next.nice : target.scheduler.nice
  m.processes.set(target.pid, { ...target, scheduler: { ...next, nice, flags: next.flags & 1n } })
}

// -- the rest ---------------------------------------------------------------------------------------------------------
const setOnesIoPriority = (m: Machine, target: Process, ioprio: number): void => {
  const { euid, uid } = m.self.creds
  // EPERM: the target's real uid is neither the caller's real nor effective uid (set_task_ioprio)
  if (target.creds.uid !== euid && target.creds.uid !== uid && !capable(m, CAP.SYS_NICE)) refuse("EPERM")
  m.processes.set(target.pid, { ...target, ioPriority: ioprio })
}

export const setIoPriority = (m: Machine, { ioprio, which, who }: Arguments<"ioprio_set">): void => {
  const [kind, level] = [ioprio >> 13 & 7, ioprio & 7]
  // EPERM: the real-time class needs CAP_SYS_ADMIN or CAP_SYS_NICE; EINVAL: an unknown class, or a level without a class
  // (ioprio_check_cap)
  if (kind === IOPRIO_CLASS.RT && !capable(m, CAP.SYS_ADMIN) && !capable(m, CAP.SYS_NICE)) refuse("EPERM")
  if (kind > IOPRIO_CLASS.IDLE || (kind === IOPRIO_CLASS.NONE && level !== 0)) refuse("EINVAL")
  switch (which) {
    case IOPRIO_WHO.PROCESS:
      return setOnesIoPriority(m, named(m, who), ioprio)
    case IOPRIO_WHO.PGRP: {
      const own = m.self.group
      const isMember = who === 0 ? ({ group }: Process): boolean => group === own : groupByNumber(m, who)
      const members = m.processes.values().filter((process) => process.status === "running" && isMember(process))
      if (members.length === 0) refuse("ESRCH")
      for (const { pid } of members) setOnesIoPriority(m, m.processes.need(pid), ioprio)
      return
    }
    case IOPRIO_WHO.USER:
      return m.unmodelled("io priorities of users")
    default:
      return refuse("EINVAL")
  }
}

export const personality = (m: Machine, { persona }: Arguments<"personality">): number => {
  const old = m.self.personality
  if (persona >>> 0 !== 0xffffffff) m.change({ personality: persona })
  return old
}

/** The only memory node of the machine; more are not modelled. */
const theNode = 0

/** `MPOL_MAX`: modes up to weighted interleave. */
const modes = 7

export const setMemoryPolicy = (m: Machine, { mode, nodes }: Arguments<"set_mempolicy">): void => {
  const { NUMA_BALANCING, RELATIVE_NODES, STATIC_NODES } = MPOL_F
  const [isStatic, isRelative] = [(mode & STATIC_NODES) !== 0, (mode & RELATIVE_NODES) !== 0]
  const kind = mode & ~(STATIC_NODES | RELATIVE_NODES | NUMA_BALANCING)
  // EINVAL: an unknown mode, or flags that exclude each other (sanitize_mpol_flags)
  if (kind < 0 || kind >= modes || isStatic && isRelative) refuse("EINVAL")
  if ((mode & NUMA_BALANCING) !== 0 && kind !== MPOL.BIND && kind !== MPOL.PREFERRED_MANY) refuse("EINVAL")
  // EINVAL: nodes for a mode that takes none, or none for a mode that needs some (mpol_new)
  const isEmpty = nodes.length === 0
  if (kind === MPOL.DEFAULT && !isEmpty) refuse("EINVAL")
  if (kind === MPOL.LOCAL && (!isEmpty || isStatic || isRelative)) refuse("EINVAL")
  if (kind === MPOL.PREFERRED && isEmpty && (isStatic || isRelative)) refuse("EINVAL")
  if (isEmpty && kind !== MPOL.DEFAULT && kind !== MPOL.LOCAL && kind !== MPOL.PREFERRED) refuse("EINVAL")
  // EINVAL: none of the nodes exists; relative ones wrap around (mpol_set_nodemask)
  if (!isEmpty && !isRelative && !nodes.includes(theNode)) refuse("EINVAL")
  m.change({ memoryPolicy: { mode, nodes } })
}
