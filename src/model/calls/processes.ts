/** The calls about processes. @see clone(2), wait(2), pidfd_open(2), setsid(2) */
import { flagOf } from "../../config/namespaceFlags.ts"
import { CLD, CLONE, O, P, W } from "../../native/constants.ts"
import type { Errno } from "../../native/Errno.ts"
import type { Arguments } from "../../native/Kernel.ts"
import type { ChildStatus, ReapedChild } from "../../native/results.ts"
import { mayFork } from "../cgroupMembership.ts"
import { hasTooManyProcesses } from "../Counts.ts"
import { CAP, capable, mayTrace, processByNumber, shown } from "../Credentials.ts"
import * as Descriptors from "../Descriptors.ts"
import { end } from "../ending.ts"
import { block, Gone, LateRefusal, type Machine, refuse } from "../Machine.ts"
import * as Namespaces from "../Namespaces.ts"
import * as NewNamespaces from "../NewNamespaces.ts"
import { groupByNumber, initOf, isWaitable, leaderNumber, number } from "../Processes.ts"
import * as Scheduling from "../Scheduling.ts"
import type { NodeId, OpenFile, Process } from "../State.ts"
import { enterTime } from "../Times.ts"
import { signalOne } from "./signals.ts"

export const nanosleep = (m: Machine, { nanoseconds }: Arguments<"nanosleep">): void => {
  if (nanoseconds < 0n) refuse("EINVAL")
  if (!m.timedOut && nanoseconds > 0n) block("time to pass", nanoseconds)
}

/** The process of a directory `/proc/<pid>`, which pidfd_send_signal(2) accepts as a pidfd. EBADF for other files. */
const processOf = (m: Machine, node: NodeId): Process => {
  const [, fs, number] = /^proc:(\d+):(\d+)$/.exec(String(node)) ?? refuse("EBADF")
  return processByNumber(m, Number(number), m.fileSystems.need(Number(fs)).shows) ?? refuse("ESRCH")
}

/** The model's number of a new process: its pid in the initial namespace. */
const outermost = (m: Machine, numbers: ReadonlyMap<number, number>): number =>
  [...numbers].find(([ns]) => m.namespace("pid", ns).level === 0)![1]

/** Flags of clone(2) that are not in the table: `linux/sched.h`. */
const [SYSVSEM, UNTRACED, DETACHED, IO] = [0x40000, 0x800000, 0x400000, 0x80000000] as const

/** Flags without effect on a process that is not traced and shares no semaphores. */
const withoutEffect = SYSVSEM | UNTRACED | DETACHED | IO

/** The combinations that clone(2) refuses (`copy_process`), and those that the table of calls leaves out. */
const checkFlags = (m: Machine, flags: number): void => {
  // the lowest byte is the exit signal, so CLONE_NEWTIME can't be passed
  if ((flags & 0xff) !== 0) refuse("EINVAL")
  // the call's child has its own memory (native/linux/processes.ts)
  if ((flags & (CLONE.VM | CLONE.VFORK | CLONE.SIGHAND | CLONE.THREAD)) !== 0) refuse("EINVAL")
  // EINVAL: directories shared over mount or user namespaces
  if ((flags & CLONE.FS) !== 0 && (flags & (CLONE.NEWNS | CLONE.NEWUSER)) !== 0) refuse("EINVAL")
  // EINVAL: the init of a pid namespace has no siblings
  if ((flags & CLONE.PARENT) !== 0 && m.self.numbers.get(m.self.ns.pid) === 1) refuse("EINVAL")
  if ((flags & CLONE.FILES) !== 0) m.unmodelled("a descriptor table that processes share")
  const known = Object.values(flagOf).reduce((all, flag) => all | flag, withoutEffect)
  if ((flags & ~(known | CLONE.FS | CLONE.PARENT | CLONE.PIDFD)) !== 0) m.unmodelled("these flags of clone")
}

/** Refuses a clone after its pids were allocated: they stay used (`alloc_pid`). */
const refuseNumbered = (m: Machine, pidNs: number, code: Errno): never => {
  number(m, pidNs)
  Namespaces.collect(m)
  throw new LateRefusal(code)
}

/** Makes a child of the caller; returns the model's number of it. */
export const clone = (m: Machine, { flags }: { readonly flags: number }): number => {
  checkFlags(m, flags)
  const made = NewNamespaces.forChild(m, flags, (creds, userNs) => {
    // EAGAIN: the user has too many processes, and is neither root nor privileged (fork(2), copy_process)
    const isExempt = creds.uid === 0 || capable(m, CAP.SYS_RESOURCE) || capable(m, CAP.SYS_ADMIN)
    if (!isExempt && hasTooManyProcesses(m, userNs, creds.uid, 1)) refuse("EAGAIN")
  })
  // EINVAL: a new ipc namespace can't share the list of semaphore undos (copy_namespaces)
  if ((flags & CLONE.NEWIPC) !== 0 && (flags & SYSVSEM) !== 0) refuse("EINVAL")
  // ENOMEM: the pid namespace of the children has lost its init (pid_namespaces(7))
  const target = m.namespace("pid", made.ns.pid)
  if (target.nextPid > 1 && initOf(m, target.id)?.status !== "running") return refuseNumbered(m, made.ns.pid, "ENOMEM")
  // EFAULT: the call passes no address for a pidfd
  if ((flags & CLONE.PIDFD) !== 0) return refuseNumbered(m, made.ns.pid, "EFAULT")

  const scheduler = Scheduling.forChild(m.self)
  // EAGAIN: pids.max of the group, or of a group above it (cgroup-v1/pids.rst)
  if (!mayFork(m, m.self)) refuse("EAGAIN")
  const directories = (flags & CLONE.FS) === 0 ? undefined : m.self.directories ?? m.fresh()
  if (directories !== undefined) m.change({ directories })
  enterTime(m, made.ns.time)
  const parent = m.self
  const numbers = number(m, made.ns.pid)
  const pid = outermost(m, numbers)
  // what it has in memory is its parent's, as long as neither writes to it
  const {
    directories: _,
    ended: _ended,
    memory: _memory,
    nprocExceeded: _nproc,
    reaps: _reaps,
    untold: _untold,
    ...copy
  } = parent
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

/** {@link clone} with CLONE_PARENT, after which the caller ends and the child continues in its place. */
export const reclone = (m: Machine, { flags }: Arguments<"reclone">): number => {
  const pid = clone(m, { flags: flags | CLONE.PARENT })
  end(m, m.pid, CLD.EXITED, 0)
  return pid
}

export const exitGroup = (m: Machine, { status }: Arguments<"exit_group">): never => {
  end(m, m.pid, CLD.EXITED, status & 0xff)
  throw new Gone()
}

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

/** What a child has to report, of the requested kinds: its end, a stop or a continuation. */
const news = (m: Machine, child: Process, options: number): Process["ended"] => {
  if (child.status === "zombie") return (options & W.EXITED) !== 0 && isWaitable(m, child) ? child.ended : undefined
  const { untold } = child
  const wanted = untold?.code === CLD.STOPPED ? W.STOPPED : W.CONTINUED
  return (options & wanted) !== 0 ? untold : undefined
}

export const waitid = (m: Machine, { id, idtype, options }: Arguments<"waitid">): ChildStatus | null => {
  // EINVAL: unknown options, or none of WEXITED, WSTOPPED and WCONTINUED (waitid(2))
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

/** As waitid(2) for one child; a process of the model uses nothing. */
export const wait4 = (m: Machine, { pid }: Arguments<"wait4">): ReapedChild | null => {
  if (pid <= 0) refuse("EINVAL")
  const ended = waitid(m, { idtype: P.PID, id: pid, options: W.EXITED | W.NOHANG })
  if (ended === null) return null
  const { code, status } = ended
  return { pid, code, status, usage: { cpu: 0n, maxMemory: 0n, read: 0n, written: 0n } }
}

// -- ids --------------------------------------------------------------------------------------------------------------
export const getpid = (m: Machine): number => m.self.numbers.get(m.self.ns.pid)!

/** 0 if the parent is in a pid namespace outside of the caller's (getppid(2)). */
export const getppid = (m: Machine): number => m.processes.get(m.self.parent)?.numbers.get(m.self.ns.pid) ?? 0

/** 0 if the leader was in a pid namespace outside of the caller's. ESRCH also for a negative number (find_task_by_vpid). */
export const getsid = (m: Machine, { pid }: Arguments<"getsid">): number => {
  const target = pid === 0 ? m.self : processByNumber(m, pid) ?? refuse("ESRCH")
  return leaderNumber(m, target, target.session, m.self.ns.pid)
}

export const setsid = (m: Machine): number => {
  // EPERM: the leader of a process group can't make a session (setsid(2))
  if (m.self.group === m.pid) refuse("EPERM")
  const { terminal: _, ...without } = m.self
  m.processes.set(m.pid, { ...without, group: m.pid, session: m.pid, leaderNumbers: without.numbers })
  return getpid(m)
}

/** `PIDFD_THREAD`: a pidfd of one thread; in the model, of the process. */
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
  // a directory /proc/<pid> is accepted too (pidfd_to_pid)
  const target = file.kind._tag === "Node" ? processOf(m, file.kind.location.node) : ofPidfd(m, file)
  // EINVAL: the caller's pid namespace does not see the process (access_pidfd_pidns)
  if (!target.numbers.has(m.self.ns.pid)) refuse("EINVAL")
  signalOne(m, target, signal)
}
