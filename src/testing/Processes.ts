/**
 * Processes: clone, exit, wait, signals, exec. @see clone(2), execve(2), waitid(2), kill(2), signal(7), pid_namespaces(7)
 */
import type { ChildStatus } from "../native/calls.ts"
import { AT, CLD, CLONE, F, FD, MS, O, P, SECCOMP, SIG, W } from "../native/constants.ts"
import { numberOf } from "../native/Errno.ts"
import type { Arguments } from "../native/Kernel.ts"
import type { Options as Trampoline } from "../native/trampoline.ts"
import * as Cgroups from "./Cgroups.ts"
import { afterExec, maySignal, mayTrace, processByNumber, shown, toUser } from "./Credentials.ts"
import * as Descriptors from "./Descriptors.ts"
import { write } from "./Files.ts"
import { seccomp } from "./Limits.ts"
import { block, type Machine, refuse, Refused } from "./Machine.ts"
import * as Namespaces from "./Namespaces.ts"
import * as Nodes from "./Nodes.ts"
import { fileText, mountinfo } from "./Proc.ts"
import { at, existing, pathOf } from "./Resolve.ts"
import type { Executed, Namespace, Process } from "./State.ts"
import { trampolineOf } from "./trampolineOf.ts"

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

/** Makes a child of the caller; gives the model's number of it. */
export const clone = (m: Machine, { flags }: { readonly flags: number }): number => {
  const shared = CLONE.VM | CLONE.FS | CLONE.FILES | CLONE.SIGHAND | CLONE.THREAD | CLONE.PIDFD | CLONE.VFORK
  if ((flags & shared) !== 0) m.unmodelled("clone flags that share memory, descriptors or directories")
  const parent = m.self
  // EINVAL: the init of a pid namespace has no siblings (clone(2), CLONE_PARENT)
  const isInit = parent.numbers.get(parent.ns.pid) === 1
  if ((flags & CLONE.PARENT) !== 0 && isInit) refuse("EINVAL")

  const made = Namespaces.forChild(m, flags)
  // ENOMEM: the namespace that children go to has lost its init (pid_namespaces(7))
  const target = m.namespace("pid", made.ns.pid)
  if (target.nextPid > 1 && initOf(m, target.id)?.status !== "running") refuse("ENOMEM")

  const numbers = number(m, made.ns.pid)
  const pid = outermost(m, numbers)
  const { ended: _, ...copy } = parent
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
  Descriptors.closeAll(m, pid, () => true)
  m.processes.update(pid, (old) => ({ ...old, status: "zombie", ended: { code, status }, pending: [] }))

  // children go to the nearest subreaper, else to the init of the pid namespace (prctl(2), PR_SET_CHILD_SUBREAPER)
  for (const child of m.processes.values().filter(({ parent }) => parent === pid)) {
    const reaper = reaperFor(m, process)
    m.processes.update(child.pid, (old) => ({ ...old, parent: reaper }))
    if (child.status === "running" && child.parentDeathSignal !== 0) kill(m, child.pid, child.parentDeathSignal)
    if (child.status === "zombie" && unheard(m.processes.get(reaper))) m.processes.delete(child.pid)
  }
  // the end of a pid namespace's init is the end of all its members (pid_namespaces(7))
  if (process.numbers.get(process.ns.pid) === 1 && m.namespace("pid", process.ns.pid).level > 0) {
    for (const member of m.processes.values()) {
      if (member.pid === pid || !member.numbers.has(process.ns.pid) || member.status !== "running") continue
      end(m, member.pid, CLD.KILLED, SIG.KILL)
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
  if (unheard(m.processes.get(process.parent))) m.processes.delete(pid)
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

export const waitid = (m: Machine, { id, idtype, options }: Arguments<"waitid">): ChildStatus | null => {
  if ((options & (W.EXITED | W.STOPPED | W.CONTINUED)) === 0) refuse("EINVAL")
  const pidNs = m.self.ns.pid
  const matches = (child: Process): boolean => {
    switch (idtype) {
      case P.ALL:
        return true
      case P.PID:
        return child.numbers.get(pidNs) === id
      case P.PGID:
        return child.group === (id === 0 ? m.self.group : processByNumber(m, id)?.group)
      case P.PIDFD: {
        const { kind } = Descriptors.usable(m, id)
        return kind._tag === "Pid" ? kind.pid === child.pid : refuse("EBADF")
      }
      default:
        return refuse("EINVAL")
    }
  }
  const children = m.processes.values().filter((process) => process.parent === m.pid && matches(process))
  // ECHILD: no such child (waitid(2))
  if (children.length === 0) refuse("ECHILD")
  const dead = children.find((child) => isWaitable(m, child))
  if (dead === undefined || (options & W.EXITED) === 0) {
    return (options & W.NOHANG) !== 0 ? null : block(
      `child ${children.map(({ pid }) => pid).join(", ")} to end`
    )
  }
  if ((options & W.NOWAIT) === 0) {
    m.processes.delete(dead.pid)
    Namespaces.collect(m)
  }
  return {
    pid: dead.numbers.get(pidNs) ?? 0,
    uid: shown(m, "uid", dead.creds.uid),
    code: dead.ended!.code,
    status: dead.ended!.status
  }
}

// ── signals ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const ignoredByDefault: ReadonlySet<number> = new Set([SIG.CHLD, SIG.CONT, SIG.URG, SIG.WINCH])
const stops: ReadonlySet<number> = new Set([SIG.STOP, SIG.TSTP, SIG.TTIN, SIG.TTOU])

/** Sends a signal, permission granted. */
export const kill = (m: Machine, pid: number, signal: number, fromOutside = true): void => {
  const target = m.processes.need(pid)
  if (target.status === "zombie" || signal === 0) return
  const isInit = target.numbers.get(target.ns.pid) === 1
  // the init of a pid namespace gets from its own members only what it has a handler for, and from outside only SIGKILL
  // and SIGSTOP are forced (pid_namespaces(7))
  const forced = signal === SIG.KILL || signal === SIG.STOP
  if (isInit && !(fromOutside && forced && target.pid !== 1)) return
  if (signal === SIG.CONT && target.stopped) m.processes.update(pid, (old) => ({ ...old, stopped: false }))
  if (!forced && (target.dispositions.get(signal) === "SIG_IGN" || ignoredByDefault.has(signal))) return
  // a blocked signal, and every signal of a frozen process, waits; version 2 lets a frozen one be killed
  const waits = (!forced && target.blocked.includes(signal)) ||
    (signal === SIG.KILL ? Cgroups.isFrozenHard(m, target) : Cgroups.isFrozen(m, target))
  if (waits) {
    m.processes.update(pid, (old) => ({ ...old, pending: [...new Set([...old.pending, signal])] }))
    return
  }
  if (stops.has(signal)) m.processes.update(pid, (old) => ({ ...old, stopped: true }))
  else end(m, pid, CLD.KILLED, signal)
}

/** Delivers what waited for a thaw or an unblocking. */
export const deliverPending = (m: Machine, pid: number): void => {
  const { pending } = m.processes.need(pid)
  if (pending.length === 0) return
  m.processes.update(pid, (old) => ({ ...old, pending: [] }))
  for (const signal of pending) if (m.processes.get(pid)?.status === "running") kill(m, pid, signal)
}

const signalOne = (m: Machine, target: Process, signal: number): void => {
  if (!maySignal(m, target, signal)) refuse("EPERM")
  kill(m, target.pid, signal, !m.self.numbers.has(target.ns.pid) || m.self.ns.pid !== target.ns.pid)
  if (target.pid === m.pid && m.self.status !== "running") throw new Gone()
}

export const killCall = (m: Machine, { pid, signal }: Arguments<"kill">): void => {
  if (signal < 0 || signal > 64) refuse("EINVAL")
  if (pid > 0) return signalOne(m, processByNumber(m, pid) ?? refuse("ESRCH"), signal)
  const group = pid === 0 ? m.self.group : pid === -1 ? undefined : processByNumber(m, -pid)?.pid ?? refuse("ESRCH")
  const targets = m.processes.values().filter((process) =>
    process.numbers.has(m.self.ns.pid) &&
    (group === undefined ? process.pid !== m.pid && process.numbers.get(m.self.ns.pid) !== 1 : process.group === group)
  )
  const allowed = targets.filter((target) => maySignal(m, target, signal))
  // EPERM only if none could be signalled (kill(2))
  if (targets.length === 0) refuse("ESRCH")
  if (allowed.length === 0) refuse("EPERM")
  for (const target of allowed.toSorted((a) => a.pid === m.pid ? 1 : -1)) signalOne(m, target, signal)
}

export const setDisposition = (m: Machine, { disposition, signal }: Arguments<"rt_sigaction">): void => {
  // EINVAL: no such signal, or SIGKILL or SIGSTOP (sigaction(2))
  if (signal < 1 || signal > 64 || ((signal === SIG.KILL || signal === SIG.STOP) && disposition !== "SIG_DFL")) {
    refuse("EINVAL")
  }
  const dispositions = new Map(m.self.dispositions)
  if (disposition === "SIG_IGN") dispositions.set(signal, "SIG_IGN")
  else dispositions.delete(signal)
  m.change({ dispositions })
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
  const freed = m.self.pending.filter((signal) => !next.includes(signal))
  if (freed.length > 0) {
    m.change({ pending: m.self.pending.filter((signal) => next.includes(signal)) })
    for (const signal of freed) kill(m, m.pid, signal, false)
    if (m.self.status !== "running") throw new Gone()
  }
  return old
}

// ── ids ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const getpid = (m: Machine): number => m.self.numbers.get(m.self.ns.pid)!

/** 0 where the parent is in a pid namespace outside of ours (getppid(2)). */
export const getppid = (m: Machine): number => m.processes.get(m.self.parent)?.numbers.get(m.self.ns.pid) ?? 0

export const setsid = (m: Machine): number => {
  // EPERM: a leader of a process group makes no session (setsid(2))
  if (m.self.group === m.pid) refuse("EPERM")
  const { terminal: _, ...without } = m.self
  m.processes.set(m.pid, { ...without, group: m.pid, session: m.pid })
  return getpid(m)
}

export const pidfdOpen = (m: Machine, { flags, pid }: Arguments<"pidfd_open">): number => {
  if (pid <= 0 || (flags & ~O.NONBLOCK) !== 0) refuse("EINVAL")
  const target = processByNumber(m, pid) ?? refuse("ESRCH")
  return Descriptors.open(m, { _tag: "Pid", pid: target.pid }, O.RDWR | flags | O.CLOEXEC, "anon_inode:[pidfd]")
}

/** The process of a pidfd. EBADF for any other descriptor, ESRCH once it is gone. */
const ofPidfd = (m: Machine, fd: number): Process => {
  const { kind } = Descriptors.fileOf(m, fd)
  return kind._tag === "Pid" ? m.processes.get(kind.pid) ?? refuse("ESRCH") : refuse("EBADF")
}

export const pidfdGetfd = (m: Machine, { flags, pidfd, targetfd }: Arguments<"pidfd_getfd">): number => {
  if (flags !== 0) refuse("EINVAL")
  const target = ofPidfd(m, pidfd)
  if (target.status === "zombie") refuse("ESRCH")
  // EPERM: PTRACE_MODE_ATTACH_REALCREDS (pidfd_getfd(2))
  if (!mayTrace(m, target)) refuse("EPERM")
  const entry = target.descriptors.get(targetfd) ?? refuse("EBADF")
  return Descriptors.enter(m, entry.file, true)
}

export const pidfdSendSignal = (m: Machine, { pidfd, signal }: Arguments<"pidfd_send_signal">): void => {
  if (signal < 0 || signal > 64) refuse("EINVAL")
  const target = ofPidfd(m, pidfd)
  // EINVAL: a process that this pid namespace does not see (access_pidfd_pidns)
  if (!target.numbers.has(m.self.ns.pid)) refuse("EINVAL")
  signalOne(m, target, signal)
}

// ── exec ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const execve = (m: Machine, args: Arguments<"execve">): never =>
  execveat(m, { dirfd: AT.FDCWD, path: args.path, argv: args.argv, envp: args.envp, flags: 0 })

export const execveat = (m: Machine, args: Arguments<"execveat">): never => {
  const image = replaceProgram(m, args)
  const inner = image === undefined ? undefined : trampolineOf(image)
  if (inner === undefined) m.executed = [...m.executed, snapshot(m, args)]
  else runTrampoline(m, inner, args)
  throw new Gone()
}

/** What the machine code of `native/trampoline.ts` does, the one program that the model can run. */
const runTrampoline = (
  m: Machine,
  { channel, filter, path }: Trampoline,
  { argv, envp }: Arguments<"execveat">
): void => {
  try {
    Descriptors.fcntl(m, { fd: channel, command: F.SETFD, argument: FD.CLOEXEC })
    if (filter !== undefined) seccomp(m, { ...filter, operation: SECCOMP.SET_MODE_FILTER })
    const args = { dirfd: AT.FDCWD, path, argv, envp, flags: 0 }
    replaceProgram(m, args)
    m.executed = [...m.executed, snapshot(m, args)]
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    const record = new Uint8Array(5)
    record[0] = 0x45
    new DataView(record.buffer).setUint32(1, numberOf(error.code), true)
    try {
      write(m, { fd: channel, data: record })
    } catch {
      // nobody is left to tell
    }
    end(m, m.pid, CLD.EXITED, error.code === "ENOENT" ? 127 : 126)
  }
}

/** Puts another program in the place of the caller's; gives the file's content where it is one in memory. */
const replaceProgram = (
  m: Machine,
  { argv, dirfd, envp, flags, path }: Arguments<"execveat">
): Uint8Array | undefined => {
  if ((flags & ~(AT.EMPTY_PATH | AT.SYMLINK_NOFOLLOW)) !== 0) refuse("EINVAL")
  const location = existing(m, dirfd, path, {
    follow: (flags & AT.SYMLINK_NOFOLLOW) === 0,
    emptyPath: (flags & AT.EMPTY_PATH) !== 0
  })
  const node = at(m, location)
  const mount = m.mounts.get(location.mount)
  if (node.type === "l") refuse("ELOOP")
  // EACCES: not a regular file, no execute permission, or a noexec mount (execve(2))
  if (node.type !== "f" || !Nodes.permitted(m, node, Nodes.X) || ((mount?.flags ?? 0) & MS.NOEXEC) !== 0) {
    refuse("EACCES")
  }
  // ETXTBSY: open for writing
  if (
    m.files.values().some((file) =>
      file.kind._tag === "Node" && file.kind.location.node === node.id && file.kind.memfd === undefined &&
      (file.flags & 3) !== O.RDONLY &&
      (file.flags & O.PATH) === 0
    )
  ) refuse("ETXTBSY")
  const foreign = toUser(m, m.self.ns.user, "uid", node.uid) === undefined
  const nosuid = ((mount?.flags ?? 0) & MS.NOSUID) !== 0 || foreign
  const old = m.self.creds
  const creds = afterExec(m, { mode: node.mode, uid: node.uid, gid: node.gid, nosuid })
  const setid = creds.euid !== old.euid || creds.egid !== old.egid
  // a file that may be run but not read hides the process (would_dump)
  const readable = Nodes.permitted(m, node, Nodes.R)

  Descriptors.closeAll(m, m.pid, (_, entry) => entry.cloexec)
  const file = pathOf(m, location, m.self.root).path
  const time = m.self.ns.timeForChildren
  m.change({
    creds,
    comm: (path.split("/").at(-1) ?? path).slice(0, 15),
    exe: file,
    argv,
    envp,
    executed: true,
    // signals that are ignored stay so, handlers are gone (execve(2))
    dumpable: setid || creds.uid !== creds.euid || creds.gid !== creds.egid || !readable ? 0 : 1,
    ...setid ? { parentDeathSignal: 0 } : {},
    // a time namespace for children takes the process in at exec (time_namespaces(7))
    ns: { ...m.self.ns, time },
    attributes: new Map([...m.self.attributes].filter(([name]) => !name.endsWith("exec")))
  })
  return location.mount === 0 ? node.read?.() : undefined
}

/** The process as a program starts with it. */
const snapshot = (m: Machine, { argv, envp, path }: Arguments<"execveat">): Executed => {
  const uts = m.namespace("uts", m.self.ns.uts)
  const cwd = pathOf(m, m.self.cwd, m.self.root)
  return {
    pid: m.pid,
    path,
    file: m.self.exe,
    argv,
    envp,
    process: m.self,
    hostname: uts.nodename,
    domainname: uts.domainname,
    mountinfo: mountinfo(m, m.self),
    descriptors: new Map([...m.self.descriptors].map(([fd, entry]) => [fd, fileText(m, entry.file)])),
    cwd: cwd.reachable ? cwd.path : `(unreachable)${cwd.path}`
  }
}
