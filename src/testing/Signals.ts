/**
 * Signals: who may send them, what they do, what waits. @see kill(2), signal(7), sigaction(2), sigprocmask(2)
 */
import { CLD, RLIMIT, SIG } from "../native/constants.ts"
import type { Arguments } from "../native/Kernel.ts"
import * as Cgroups from "./Cgroups.ts"
import { maySignal, processByNumber } from "./Credentials.ts"
import { type Machine, refuse } from "./Machine.ts"
import { end, Gone, groupByNumber } from "./Processes.ts"
import type { Process } from "./State.ts"

const ignoredByDefault: ReadonlySet<number> = new Set([SIG.CHLD, SIG.CONT, SIG.URG, SIG.WINCH])
const stops: ReadonlySet<number> = new Set([SIG.STOP, SIG.TSTP, SIG.TTIN, SIG.TTOU])
/** Those whose default action writes a core (signal(7), "Standard signals"). */
const dumps: ReadonlySet<number> = new Set([
  SIG.QUIT,
  SIG.ILL,
  SIG.TRAP,
  SIG.ABRT,
  SIG.BUS,
  SIG.FPE,
  SIG.SEGV,
  SIG.XCPU,
  SIG.XFSZ,
  SIG.SYS
])

/** Real-time signals reach 64 (`valid_signal`). */
const isValid = (signal: number): boolean => signal >= 0 && signal <= 64

const without = (process: Process, which: (signal: number) => boolean): Process => ({
  ...process,
  pending: process.pending.filter((signal) => !which(signal))
})

/** Whether a signal would do nothing, also if it were not blocked (`sig_task_ignored`). */
const isIgnored = ({ dispositions }: Process, signal: number): boolean =>
  dispositions.get(signal) === "SIG_IGN" || ignoredByDefault.has(signal)

/**
 * Whether no member of the process group has a parent in the same session and another group: terminals' stop signals
 * then do nothing (`is_current_pgrp_orphaned`; setpgid(2), "orphaned process group").
 */
const isOrphaned = (m: Machine, group: number): boolean =>
  !m.processes.values().some((member) => {
    const parent = member.group === group && member.status === "running" && member.parent !== 1
      ? m.processes.get(member.parent)
      : undefined
    return parent !== undefined && parent.group !== group && parent.session === member.session
  })

/** Sends a signal, permission granted. */
export const kill = (m: Machine, pid: number, signal: number, fromOutside = true): void => {
  const target = m.processes.need(pid)
  if (target.status === "zombie" || signal === 0) return
  const forced = signal === SIG.KILL || signal === SIG.STOP
  // a stop takes a pending SIGCONT away, and SIGCONT every pending stop (prepare_signal)
  if (stops.has(signal)) m.processes.set(pid, without(target, (other) => other === SIG.CONT))
  if (signal === SIG.CONT) {
    const rest = without(target, (other) => stops.has(other))
    // it goes on, whether the signal is blocked or ignored (signal(7))
    m.processes.set(
      pid,
      target.stopped ? { ...rest, stopped: false, untold: { code: CLD.CONTINUED, status: SIG.CONT } } : rest
    )
    deliverPending(m, pid)
    if (m.processes.get(pid)?.status !== "running") return
  }
  const now = m.processes.need(pid)
  // the init of a pid namespace gets from its own members only what it has a handler for, and from outside only SIGKILL
  // and SIGSTOP are forced (pid_namespaces(7), sig_task_ignored)
  const isInit = now.numbers.get(now.ns.pid) === 1
  // what is ignored is dropped, but not while it is blocked (sig_ignored)
  const blocked = !forced && now.blocked.includes(signal)
  if (isInit && !blocked && !(fromOutside && forced && now.pid !== 1)) return
  if (!forced && !blocked && isIgnored(now, signal)) return
  // a blocked signal waits, and every one of a stopped process but SIGKILL; a frozen one of version 2 ends of what ends it
  // without a core (complete_signal), one of version 1 after the thaw
  const ends = signal === SIG.KILL || (!stops.has(signal) && !dumps.has(signal))
  const waits = blocked || (signal !== SIG.KILL && now.stopped) ||
    (ends ? Cgroups.isFrozenHard(m, now) : Cgroups.isFrozen(m, now))
  if (waits) {
    m.processes.set(pid, { ...now, pending: [...new Set([...now.pending, signal])] })
    return
  }
  if (!stops.has(signal)) return end(m, pid, codeOf(m, now, signal), signal)
  if (signal !== SIG.STOP && isOrphaned(m, now.group)) return
  m.processes.set(pid, { ...now, stopped: true, untold: { code: CLD.STOPPED, status: signal } })
}

/** A core is written only where RLIMIT_CORE leaves room for a page (core(5)); what then is in it is not modelled. */
const codeOf = (m: Machine, { limits }: Process, signal: number): number =>
  dumps.has(signal) && (limits.get(RLIMIT.CORE)?.soft ?? 0n) >= 4096n ? m.unmodelled("a core dump") : CLD.KILLED

/** Ends a process by a signal of the kernel's own, though it block or ignore it or be an init (`force_sig_info`). */
export const force = (m: Machine, pid: number, signal: number): void =>
  end(m, pid, codeOf(m, m.processes.need(pid), signal), signal)

/** Delivers what waited for a thaw, a continuation or an unblocking. SIGKILL first, then the lowest (`next_signal`). */
export const deliverPending = (m: Machine, pid: number): void => {
  const { blocked, pending } = m.processes.need(pid)
  const ready = pending.filter((signal) => !blocked.includes(signal))
  if (ready.length === 0) return
  m.processes.update(pid, (old) => without(old, (signal) => ready.includes(signal)))
  for (const signal of ready.toSorted((a, b) => a === SIG.KILL ? -1 : b === SIG.KILL ? 1 : a - b)) {
    if (m.processes.get(pid)?.status === "running") kill(m, pid, signal, signal === SIG.KILL)
  }
}

/** `check_kill_permission`: EINVAL for no signal, EPERM. */
export const signalOne = (m: Machine, target: Process, signal: number): void => {
  if (!isValid(signal)) refuse("EINVAL")
  if (!maySignal(m, target, signal)) refuse("EPERM")
  kill(m, target.pid, signal, !m.self.numbers.has(target.ns.pid) || m.self.ns.pid !== target.ns.pid)
  if (m.processes.get(m.pid)?.status !== "running") throw new Gone()
}

export const killCall = (m: Machine, { pid, signal }: Arguments<"kill">): void => {
  // ESRCH before EINVAL: the signal is looked at once there is somebody to get it (kill_pid_info)
  if (pid > 0) return signalOne(m, processByNumber(m, pid) ?? refuse("ESRCH"), signal)
  const isMember = pid === 0
    ? (process: Process): boolean => process.group === m.self.group
    : pid === -1
    // everybody in the pid namespace but its init and the caller
    ? (process: Process): boolean => process.pid !== m.pid && (process.numbers.get(m.self.ns.pid) ?? 0) > 1
    // members of a group also outside of the pid namespace
    : groupByNumber(m, -pid)
  const targets = m.processes.values().filter(isMember)
  if (targets.length === 0) refuse("ESRCH")
  if (!isValid(signal)) refuse("EINVAL")
  const allowed = targets.filter((target) => maySignal(m, target, signal))
  // EPERM only if none of a group could be signalled (kill(2)); of everybody it is never told (kill_something_info)
  if (allowed.length === 0 && pid !== -1) refuse("EPERM")
  for (const target of allowed.toSorted((a, b) => Number(a.pid === m.pid) - Number(b.pid === m.pid))) {
    // one may have ended with another, as a member of its pid namespace
    if (m.processes.has(target.pid)) signalOne(m, target, signal)
  }
}

export const setDisposition = (m: Machine, { disposition, signal }: Arguments<"rt_sigaction">): void => {
  // EINVAL: no such signal, or SIGKILL or SIGSTOP, even to their default (do_sigaction)
  if (signal < 1 || !isValid(signal) || signal === SIG.KILL || signal === SIG.STOP) refuse("EINVAL")
  const dispositions = new Map(m.self.dispositions)
  if (disposition === "SIG_IGN") dispositions.set(signal, "SIG_IGN")
  else dispositions.delete(signal)
  m.change({ dispositions })
  // what is ignored now is no longer pending (do_sigaction)
  if (isIgnored(m.self, signal)) m.change(without(m.self, (other) => other === signal))
}

export const setMask = (m: Machine, { how, signals }: Arguments<"rt_sigprocmask">): ReadonlyArray<number> => {
  const old = m.self.blocked
  const set = signals.filter((signal) => signal !== SIG.KILL && signal !== SIG.STOP)
  const next = how === 0
    ? [...new Set([...old, ...set])]
    : how === 1
    ? old.filter((one) => !set.includes(one))
    : how === 2
    ? set
    : refuse("EINVAL")
  m.change({ blocked: next.toSorted((a, b) => a - b) })
  deliverPending(m, m.pid)
  if (m.processes.get(m.pid)?.status !== "running") throw new Gone()
  return old
}
