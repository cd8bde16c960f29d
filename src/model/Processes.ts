/**
 * Processes: clone, exit, wait, ids, pidfds. @see clone(2), waitid(2), pidfd_open(2), setsid(2), pid_namespaces(7)
 */
import type { Machine } from "./Machine.ts"
import type { Namespace, Process } from "./State.ts"

// -- clone ------------------------------------------------------------------------------------------------------------

/** The first process of a pid namespace. */
export const initOf = (m: Machine, pidNs: number): Process | undefined =>
  m.processes.values().find(({ numbers, ns }) => ns.pid === pidNs && numbers.get(pidNs) === 1)

/** Numbers for a new process in its pid namespace and all above it. */
export const number = (m: Machine, pidNs: number): ReadonlyMap<number, number> => {
  const out = new Map<number, number>()
  for (let id: number | undefined = pidNs; id !== undefined;) {
    const ns: Extract<Namespace, { readonly type: "pid" }> = m.namespace("pid", id)
    // the initial namespace's numbers are the model's own
    const taken = new Set(m.processes.values().map(({ numbers }) => numbers.get(ns.id)))
    let next = ns.nextPid
    while (taken.has(next)) next++
    out.set(ns.id, next)
    m.namespaces.set(ns.id, { ...ns, nextPid: next + 1 })
    id = ns.parent
  }
  return out
}

// -- wait -------------------------------------------------------------------------------------------------------------

/**
 * Whether a process can be waited for: it is dead, and, if it is the init of a pid namespace, the last process of it
 * (zap_pid_ns_processes).
 */
export const isWaitable = (m: Machine, process: Process): boolean =>
  process.status === "zombie" && (
    process.numbers.get(process.ns.pid) !== 1 ||
    !m.processes.values().some((other) => other.pid !== process.pid && other.numbers.has(process.ns.pid)) ||
    m.namespace("pid", process.ns.pid).level === 0
  )

/** The number of a process group, and of a session, in a pid namespace; 0 if it has none. */
export const leaderNumber = (m: Machine, process: Process, leader: number, pidNs: number): number => {
  if (process.leaderNumbers !== undefined) return process.leaderNumbers.get(pidNs) ?? 0
  return m.namespace("pid", pidNs).level === 0 ? leader : 0
}

/** Whether a process is in the group that a number of the caller's pid namespace names. */
export const groupByNumber = (m: Machine, number: number): (process: Process) => boolean => {
  const pidNs = m.self.ns.pid
  return (process) => leaderNumber(m, process, process.group, pidNs) === number
}
