/**
 * Processes: clone, exit, wait, ids, pidfds. @see clone(2), waitid(2), pidfd_open(2), setsid(2), pid_namespaces(7)
 */
import type { ChildStatus } from "../native/calls.ts"
import { CLD, CLONE, O, P, SIG, W } from "../native/constants.ts"
import type { Errno } from "../native/Errno.ts"
import type { Arguments } from "../native/Kernel.ts"
import * as Cgroups from "./Cgroups.ts"
import { CAP, capable, mayTrace, processByNumber, shown } from "./Credentials.ts"
import * as Descriptors from "./Descriptors.ts"
import * as Limits from "./Limits.ts"
import { block, type Machine, refuse, RefusedAfter } from "./Machine.ts"
import * as Namespaces from "./Namespaces.ts"
import { processOf } from "./Proc.ts"
import * as Scheduling from "./Scheduling.ts"
import { kill, signalOne } from "./Signals.ts"
import type { Namespace, OpenFile, Process } from "./State.ts"
import * as Terminals from "./Terminals.ts"
import { enterTime } from "./Times.ts"

/** Thrown by exit_group and execve: the caller never returns. */
export class Gone {
  readonly _tag = "Gone"
}

// ── clone ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The first process of a pid namespace. */
const initOf = (m: Machine, pidNs: number): Process | undefined =>
  m.processes.values().find(({ numbers, ns }) => ns.pid === pidNs && numbers.get(pidNs) === 1)

/** Numbers for a new process in its pid namespace and all above it. */
const number = (m: Machine, pidNs: number): ReadonlyMap<number, number> => {
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

/** The model's number of a new process: the one in the initial namespace. */
const outermost = (m: Machine, numbers: ReadonlyMap<number, number>): number =>
  [...numbers].find(([ns]) => m.namespace("pid", ns).level === 0)![1]

/** Flags of clone(2) that are not in the table: `linux/sched.h`. */
const [SYSVSEM, UNTRACED, DETACHED, IO] = [0x40000, 0x800000, 0x400000, 0x80000000] as const
/** Those that change nothing in a process that is not traced and shares no semaphores. */
const withoutEffect = SYSVSEM | UNTRACED | DETACHED | IO

/** The combinations that clone(2) refuses (`copy_process`), and those that the table of calls leaves out. */
const checkFlags = (m: Machine, flags: number): void => {
  // the exit signal stands in the lowest byte: SIGCHLD, and there is no place for CLONE_NEWTIME
  if ((flags & 0xff) !== 0) refuse("EINVAL")
  // the call's child has its own memory (native/linux/processes.ts)
  if ((flags & (CLONE.VM | CLONE.VFORK | CLONE.SIGHAND | CLONE.THREAD)) !== 0) refuse("EINVAL")
  // EINVAL: directories shared over mount or user namespaces
  if ((flags & CLONE.FS) !== 0 && (flags & (CLONE.NEWNS | CLONE.NEWUSER)) !== 0) refuse("EINVAL")
  // EINVAL: the init of a pid namespace has no siblings
  if ((flags & CLONE.PARENT) !== 0 && m.self.numbers.get(m.self.ns.pid) === 1) refuse("EINVAL")
  if ((flags & CLONE.FILES) !== 0) m.unmodelled("a descriptor table that processes share")
  const known = Object.values(Namespaces.flagOf).reduce((all, flag) => all | flag, withoutEffect)
  if ((flags & ~(known | CLONE.FS | CLONE.PARENT | CLONE.PIDFD)) !== 0) m.unmodelled("these flags of clone")
}

/** Refuses a clone so late that its numbers are used up (`alloc_pid`, whose cursors stay). */
const refuseNumbered = (m: Machine, pidNs: number, code: Errno): never => {
  number(m, pidNs)
  Namespaces.collect(m)
  throw new RefusedAfter(code)
}

/** Makes a child of the caller; gives the model's number of it. */
export const clone = (m: Machine, { flags }: { readonly flags: number }): number => {
  checkFlags(m, flags)
  const made = Namespaces.forChild(m, flags)
  // EINVAL: new System V semaphores can't be undone by an old list (copy_namespaces)
  if ((flags & CLONE.NEWIPC) !== 0 && (flags & SYSVSEM) !== 0) refuse("EINVAL")
  // ENOMEM: the namespace that children go to has lost its init (pid_namespaces(7))
  const target = m.namespace("pid", made.ns.pid)
  if (target.nextPid > 1 && initOf(m, target.id)?.status !== "running") return refuseNumbered(m, made.ns.pid, "ENOMEM")
  // EFAULT: the call has no place for a pidfd
  if ((flags & CLONE.PIDFD) !== 0) return refuseNumbered(m, made.ns.pid, "EFAULT")

  // EAGAIN: the user has too many processes, and is neither root nor privileged (fork(2), copy_process)
  const { creds } = m.self
  if (
    Limits.hasTooManyProcesses(m, m.self, 1) && creds.uid !== 0 && !capable(m, CAP.SYS_RESOURCE) &&
    !capable(m, CAP.SYS_ADMIN)
  ) {
    refuse("EAGAIN")
  }
  const scheduler = Scheduling.forChild(m.self)
  // EAGAIN: pids.max of a group, or of one above it (cgroup-v1/pids.rst)
  if (!Cgroups.mayFork(m, m.self)) refuse("EAGAIN")
  const directories = (flags & CLONE.FS) === 0 ? undefined : m.self.directories ?? m.fresh()
  if (directories !== undefined) m.change({ directories })
  enterTime(m, made.ns.time)
  const parent = m.self
  const numbers = number(m, made.ns.pid)
  const pid = outermost(m, numbers)
  const { directories: _, ended: _ended, nprocExceeded: _nproc, untold: _untold, ...copy } = parent
  Descriptors.share(m, parent.descriptors)
  m.processes.set(pid, {
    ...copy,
    pid,
    numbers,
    parent: (flags & CLONE.PARENT) !== 0 ? parent.parent : parent.pid,
    executed: false,
    startTime: Number((m.facts.uptime + m.time) / 10_000_000n),
    creds: made.creds,
    ns: made.ns,
    root: made.root,
    cwd: made.cwd,
    scheduler,
    ...directories === undefined ? {} : { directories },
    // not inherited: pending signals, the parent-death signal (prctl(2)), the subreaper mark
    pending: [],
    parentDeathSignal: 0,
    subreaper: false
  })
  return pid
}

/** {@link clone} with CLONE_PARENT, after which the caller ends and the child goes on in its place. */
export const reclone = (m: Machine, { flags }: Arguments<"reclone">): number => {
  const pid = clone(m, { flags: flags | CLONE.PARENT })
  end(m, m.pid, CLD.EXITED, 0)
  return pid
}

// ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Whether the parent of a dead process does not want to hear of it (SIGCHLD ignored; waitid(2), NOTES). */
const unheard = (parent: Process | undefined): boolean =>
  parent === undefined || parent.status !== "running" || parent.dispositions.get(SIG.CHLD) === "SIG_IGN" ||
  // the host's init waits for its children by itself
  parent.pid === 1

/** Ends a process (`do_exit`). */
export const end = (m: Machine, pid: number, code: number, status: number): void => {
  const process = m.processes.need(pid)
  if (process.status !== "running") return
  // what closing does to others, as a hangup, does nothing to it any more
  m.processes.set(pid, { ...process, status: "zombie", ended: { code, status } })
  Descriptors.closeAll(m, pid, () => true)
  Terminals.leaderEnded(m, m.processes.need(pid))
  const { directories: _, untold: _untold, ...rest } = m.processes.need(pid)
  m.processes.set(pid, { ...rest, status: "zombie", ended: { code, status }, pending: [], stopped: false })

  // children go to the nearest subreaper, else to the init of the pid namespace (prctl(2), PR_SET_CHILD_SUBREAPER)
  for (const child of m.processes.values().filter(({ parent }) => parent === pid)) {
    // a parent-death signal of one may have ended another
    if (!m.processes.has(child.pid)) continue
    const reaper = reaperFor(m, process)
    m.processes.update(child.pid, (old) => ({ ...old, parent: reaper }))
    if (child.status === "running" && child.parentDeathSignal !== 0) kill(m, child.pid, child.parentDeathSignal)
    if (child.status === "zombie") {
      tellParent(m, reaper)
      if (unheard(m.processes.get(reaper))) m.processes.delete(child.pid)
    }
  }
  // the end of a pid namespace's init is the end of all its members (pid_namespaces(7))
  if (process.numbers.get(process.ns.pid) === 1 && m.namespace("pid", process.ns.pid).level > 0) {
    for (const member of m.processes.values()) {
      if (member.pid === pid || !member.numbers.has(process.ns.pid)) continue
      // one may have gone with another
      if (m.processes.get(member.pid)?.status === "running") end(m, member.pid, CLD.KILLED, SIG.KILL)
    }
    for (const member of m.processes.values()) {
      // zombies whose parent is inside are reaped by the dying init
      if (
        member.pid !== pid && member.numbers.has(process.ns.pid) &&
        m.processes.get(member.parent)?.ns.pid === process.ns.pid
      ) {
        m.processes.delete(member.pid)
      }
    }
  }
  Namespaces.collect(m)
  tellParent(m, process.parent)
  if (unheard(m.processes.get(process.parent))) m.processes.delete(pid)
}

/** SIGCHLD, which waits where it is blocked; none to whoever ignores it (`do_notify_parent`). */
const tellParent = (m: Machine, pid: number): void => {
  const parent = m.processes.get(pid)
  if (parent?.status === "running" && parent.dispositions.get(SIG.CHLD) !== "SIG_IGN") kill(m, pid, SIG.CHLD)
}

const reaperFor = (m: Machine, process: Process): number => {
  for (let id = process.parent; id !== 0;) {
    const candidate = m.processes.get(id)
    if (candidate === undefined || candidate.ns.pid !== process.ns.pid) break
    if (candidate.subreaper && candidate.status === "running") return candidate.pid
    id = candidate.parent
  }
  const init = initOf(m, process.ns.pid)
  return init !== undefined && init.pid !== process.pid && init.status === "running" ? init.pid : 1
}

export const exitGroup = (m: Machine, { status }: Arguments<"exit_group">): never => {
  end(m, m.pid, CLD.EXITED, status & 0xff)
  throw new Gone()
}

// ── wait ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A dead process can be waited for; the init of a pid namespace only when it is the last of it (zap_pid_ns_processes). */
export const isWaitable = (m: Machine, process: Process): boolean =>
  process.status === "zombie" && (
    process.numbers.get(process.ns.pid) !== 1 ||
    !m.processes.values().some((other) => other.pid !== process.pid && other.numbers.has(process.ns.pid)) ||
    m.namespace("pid", process.ns.pid).level === 0
  )

const knownOptions = W.NOHANG | W.NOWAIT | W.EXITED | W.STOPPED | W.CONTINUED

/** Whether a child is one that waitid(2) asks for. EINVAL, EBADF (`kernel_waitid_prepare`). */
const asksFor = (m: Machine, idtype: number, id: number): (child: Process) => boolean => {
  switch (idtype) {
    case P.ALL:
      return () => true
    case P.PID:
      return id <= 0 ? refuse("EINVAL") : (child) => child.numbers.get(m.self.ns.pid) === id
    case P.PGID: {
      const { group } = m.self
      return id < 0 ? refuse("EINVAL") : id === 0 ? (child) => child.group === group : groupByNumber(m, id)
    }
    case P.PIDFD: {
      if (id < 0) return refuse("EINVAL")
      const { kind } = Descriptors.usable(m, id)
      return kind._tag === "Pid" ? (child) => kind.pid === child.pid : refuse("EBADF")
    }
    default:
      return refuse("EINVAL")
  }
}

/** What a child has to tell of what is asked for: its end, a stop or a continuation. */
const news = (m: Machine, child: Process, options: number): Process["ended"] => {
  if (child.status === "zombie") return (options & W.EXITED) !== 0 && isWaitable(m, child) ? child.ended : undefined
  const { untold } = child
  const wanted = untold?.code === CLD.STOPPED ? W.STOPPED : W.CONTINUED
  return (options & wanted) !== 0 ? untold : undefined
}

export const waitid = (m: Machine, { id, idtype, options }: Arguments<"waitid">): ChildStatus | null => {
  // EINVAL: unknown options, or none that says what for (waitid(2))
  if ((options & ~0xe0000000 & ~knownOptions) !== 0 || (options & (W.EXITED | W.STOPPED | W.CONTINUED)) === 0) {
    refuse("EINVAL")
  }
  if ((options & ~knownOptions) !== 0) m.unmodelled("waiting for threads, or children of clone only")
  const matches = asksFor(m, idtype, id)
  const children = m.processes.values().filter((process) => process.parent === m.pid && matches(process))
  // ECHILD: no such child (waitid(2))
  if (children.length === 0) refuse("ECHILD")
  const child = children.find((one) => news(m, one, options) !== undefined)
  if (child === undefined) {
    if ((options & W.NOHANG) !== 0) return null
    // EAGAIN: the pidfd does not block (pidfd_open(2), PIDFD_NONBLOCK)
    if (idtype === P.PIDFD && (Descriptors.fileOf(m, id).flags & O.NONBLOCK) !== 0) refuse("EAGAIN")
    return block(`child ${children.map(({ pid }) => pid).join(", ")} to end`)
  }
  const { code, status } = news(m, child, options)!
  if ((options & W.NOWAIT) === 0) {
    const { untold: _, ...told } = child
    if (child.status === "zombie") m.processes.delete(child.pid)
    else m.processes.set(child.pid, told)
    Namespaces.collect(m)
  }
  return { pid: child.numbers.get(m.self.ns.pid) ?? 0, uid: shown(m, "uid", child.creds.uid), code, status }
}

// ── ids ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const getpid = (m: Machine): number => m.self.numbers.get(m.self.ns.pid)!

/** 0 where the parent is in a pid namespace outside of ours (getppid(2)). */
export const getppid = (m: Machine): number => m.processes.get(m.self.parent)?.numbers.get(m.self.ns.pid) ?? 0

/** The number of a process group, and of a session, in a pid namespace; 0 where it has none. */
export const leaderNumber = (m: Machine, process: Process, leader: number, pidNs: number): number => {
  if (process.leaderNumbers !== undefined) return process.leaderNumbers.get(pidNs) ?? 0
  return m.namespace("pid", pidNs).level === 0 ? leader : 0
}

/** Whether a process is in the group that a number of the caller's pid namespace names. */
export const groupByNumber = (m: Machine, number: number): (process: Process) => boolean => {
  const pidNs = m.self.ns.pid
  return (process) => leaderNumber(m, process, process.group, pidNs) === number
}

export const setsid = (m: Machine): number => {
  // EPERM: a leader of a process group makes no session (setsid(2))
  if (m.self.group === m.pid) refuse("EPERM")
  const { terminal: _, ...without } = m.self
  m.processes.set(m.pid, { ...without, group: m.pid, session: m.pid, leaderNumbers: without.numbers })
  return getpid(m)
}

/** `PIDFD_THREAD`, a pidfd of one thread, which here is the process. */
const THREAD = O.EXCL

export const pidfdOpen = (m: Machine, { flags, pid }: Arguments<"pidfd_open">): number => {
  if (pid <= 0 || (flags & ~(O.NONBLOCK | THREAD)) !== 0) refuse("EINVAL")
  const target = processByNumber(m, pid) ?? refuse("ESRCH")
  return Descriptors.open(m, { _tag: "Pid", pid: target.pid }, O.RDWR | flags | O.CLOEXEC, "anon_inode:[pidfd]")
}

/** The process of a pidfd; ESRCH once it is gone. EBADF for any other descriptor. */
const ofPidfd = (m: Machine, { kind }: OpenFile): Process =>
  kind._tag === "Pid" ? m.processes.get(kind.pid) ?? refuse("ESRCH") : refuse("EBADF")

export const pidfdGetfd = (m: Machine, { flags, pidfd, targetfd }: Arguments<"pidfd_getfd">): number => {
  if (flags !== 0) refuse("EINVAL")
  const target = ofPidfd(m, Descriptors.fileOf(m, pidfd))
  // EPERM: PTRACE_MODE_ATTACH_REALCREDS (pidfd_getfd(2))
  if (!mayTrace(m, target, "real")) refuse("EPERM")
  if (target.status === "zombie") refuse("ESRCH")
  const entry = target.descriptors.get(targetfd) ?? refuse("EBADF")
  return Descriptors.enter(m, entry.file, true)
}

export const pidfdSendSignal = (m: Machine, { pidfd, signal }: Arguments<"pidfd_send_signal">): void => {
  const file = Descriptors.usable(m, pidfd)
  // a directory /proc/<pid> serves as well (pidfd_to_pid)
  const target = file.kind._tag === "Node" ? processOf(m, file.kind.location.node) : ofPidfd(m, file)
  // EINVAL: a process that this pid namespace does not see (access_pidfd_pidns)
  if (!target.numbers.has(m.self.ns.pid)) refuse("EINVAL")
  signalOne(m, target, signal)
}
