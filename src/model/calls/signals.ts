/** The calls about signals. @see kill(2), sigaction(2), sigprocmask(2) */
import { SIG } from "../../native/constants.ts"
import type { Arguments } from "../../native/Kernel.ts"
import { maySignal, processByNumber } from "../Credentials.ts"
import { deliverPending, isIgnored, kill, without } from "../ending.ts"
import { Gone, type Machine, refuse } from "../Machine.ts"
import { groupByNumber } from "../Processes.ts"
import type { Process } from "../State.ts"

/** Whether a number is a signal, or 0; real-time signals end at 64 (`valid_signal`). */
const isValid = (signal: number): boolean => signal >= 0 && signal <= 64

/** Sends a signal to one process (`check_kill_permission`). EINVAL: not a signal; EPERM. */
export const signalOne = (m: Machine, target: Process, signal: number): void => {
  if (!isValid(signal)) refuse("EINVAL")
  if (!maySignal(m, target, signal)) refuse("EPERM")
  kill(m, target.pid, signal, !m.self.numbers.has(target.ns.pid) || m.self.ns.pid !== target.ns.pid)
  if (m.processes.get(m.pid)?.status !== "running") throw new Gone()
}

export const killCall = (m: Machine, { pid, signal }: Arguments<"kill">): void => {
  // ESRCH comes before EINVAL: the signal is checked after the process was found (kill_pid_info)
  if (pid > 0) return signalOne(m, processByNumber(m, pid) ?? refuse("ESRCH"), signal)
  const isMember = pid === 0
    ? (process: Process): boolean => process.group === m.self.group
    : pid === -1
    // all processes of the pid namespace, except its init and the caller
    ? (process: Process): boolean => process.pid !== m.pid && (process.numbers.get(m.self.ns.pid) ?? 0) > 1
    // members of a group, also outside of the pid namespace
    : groupByNumber(m, -pid)
  const targets = m.processes.values().filter(isMember)
  if (targets.length === 0) refuse("ESRCH")
  if (!isValid(signal)) refuse("EINVAL")
  const allowed = targets.filter((target) => maySignal(m, target, signal))
  // EPERM only if no member of a group could be signalled (kill(2)); never for pid -1 (kill_something_info)
  if (allowed.length === 0 && pid !== -1) refuse("EPERM")
  for (const target of allowed.toSorted((a, b) => Number(a.pid === m.pid) - Number(b.pid === m.pid))) {
    // it may have ended together with another, as a member of its pid namespace
    if (m.processes.has(target.pid)) signalOne(m, target, signal)
  }
}

export const setDisposition = (m: Machine, { disposition, signal }: Arguments<"rt_sigaction">): void => {
  // EINVAL: no such signal, or SIGKILL or SIGSTOP, even for their default action (do_sigaction)
  if (signal < 1 || !isValid(signal) || signal === SIG.KILL || signal === SIG.STOP) refuse("EINVAL")
  const dispositions = new Map(m.self.dispositions)
  if (disposition === "SIG_IGN") dispositions.set(signal, "SIG_IGN")
  else dispositions.delete(signal)
  m.change({ dispositions })
  // a signal that is ignored now is no longer pending (do_sigaction)
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
    ? [...new Set(set)]
    : refuse("EINVAL")
  m.change({ blocked: next.toSorted((a, b) => a - b) })
  deliverPending(m, m.pid)
  if (m.processes.get(m.pid)?.status !== "running") throw new Gone()
  return old
}
