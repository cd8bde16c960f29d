/**
 * The end of a process, and everything that it causes.
 *
 * A process that ends closes its descriptors. The last descriptor of a terminal hangs it up. A hangup sends signals, and a
 * signal ends processes. Also, closing a socket closes the descriptors in its queue. These functions are mutually
 * recursive, so they are in one file. No other file of the model is part of the recursion.
 *
 * @see kernel/exit.c (`do_exit`), kernel/signal.c (`complete_signal`), drivers/tty/tty_io.c (`__tty_hangup`)
 */
import { CLD, O, RLIMIT, SIG, SOCK } from "../native/constants.ts"
import { isFrozen, isFrozenHard } from "./cgroupFreezer.ts"
import { share } from "./Descriptors.ts"
import type { Machine } from "./Machine.ts"
import { dissolve } from "./Mounts.ts"
import * as Namespaces from "./Namespaces.ts"
import * as Nodes from "./Nodes.ts"
import { initOf } from "./Processes.ts"
import { dropUnused } from "./Propagation.ts"
import type { Descriptor, NodeId, Process } from "./State.ts"
import type { Terminal } from "./Terminals.ts"
import * as Tree from "./Tree.ts"

/** Drops a reference. With the last one, the description ends, and so does its socket. */
export const release = (m: Machine, id: number): void => {
  const file = m.files.need(id)
  if (file.refs > 1) {
    m.files.set(id, { ...file, refs: file.refs - 1 })
    return
  }
  m.files.delete(id)
  if (file.kind._tag === "Socket") closeSocket(m, file.kind.socket)
  if (file.kind._tag === "Pty") closeTerminal(m, file.kind)
  if (file.kind._tag === "Node") emptyFifo(m, file.kind.location.node)
  if (file.kind._tag === "Node" && file.kind.tree === true) dissolve(m, file.kind.location.mount)
  // a file system that was made but never mounted; those of cgroups and sysfs are shared with other mounts
  const made = file.kind._tag === "FsContext" ? file.kind.fs : undefined
  if (made !== undefined && !m.mounts.values().some(({ fs }) => fs === made)) m.fileSystems.delete(made)
}

/** Discards the data of a fifo with its last user (fifo(7)). */
const emptyFifo = (m: Machine, id: NodeId): void => {
  const node = typeof id === "number" ? m.nodes.get(id) : undefined
  if (node?.content._tag !== "Fifo" || node.content.data.length === 0) return
  const isUsed = m.files.values().some(({ flags, kind }) =>
    kind._tag === "Node" && kind.location.node === id && (flags & O.PATH) === 0
  )
  const isAwaited = (node.content.met ?? []).some((pid) => m.processes.get(pid)?.status === "running")
  if (!isUsed && !isAwaited) m.nodes.set(node.id, { ...node, content: { _tag: "Fifo", data: new Uint8Array() } })
}

/** Closes descriptors of a process. */
export const closeAll = (m: Machine, pid: number, which: (fd: number, entry: Descriptor) => boolean): void => {
  const process = m.processes.need(pid)
  const closed = [...process.descriptors].filter(([fd, entry]) => which(fd, entry))
  const kept = new Map(process.descriptors)
  for (const [fd] of closed) kept.delete(fd)
  m.processes.set(pid, { ...process, descriptors: kept })
  for (const [, { file }] of closed) release(m, file)
}

/** Leaves a process some of its descriptors, each under its number in the new table, and closes the others. */
export const keepOnly = (m: Machine, pid: number, kept: ReadonlyArray<readonly [number: number, fd: number]>): void => {
  const { descriptors } = m.processes.need(pid)
  const open = kept.flatMap(([number, fd]) => {
    const entry = descriptors.get(fd)
    return entry === undefined ? [] : [[number, entry] as const]
  })
  const table = new Map(open)
  share(m, table)
  closeAll(m, pid, () => true)
  m.processes.set(pid, { ...m.processes.need(pid), descriptors: table })
}

// -- the end ----------------------------------------------------------------------------------------------------------

/** Whether a dead process is reaped automatically, because its parent ignores SIGCHLD (waitid(2), NOTES). */
const unheard = (parent: Process | undefined): boolean =>
  parent === undefined || parent.status !== "running" || parent.dispositions.get(SIG.CHLD) === "SIG_IGN" ||
  // the host's init reaps its children
  parent.pid === 1

/** Ends a process (`do_exit`). */
export const end = (m: Machine, pid: number, code: number, status: number): void => {
  const process = m.processes.need(pid)
  if (process.status !== "running") return
  // it is dead before its descriptors are closed, so that a hangup does not affect it
  m.processes.set(pid, { ...process, status: "zombie", ended: { code, status } })
  closeAll(m, pid, () => true)
  leaderEnded(m, m.processes.need(pid))
  const { directories: _, untold: _untold, ...rest } = m.processes.need(pid)
  m.processes.set(pid, { ...rest, status: "zombie", ended: { code, status }, pending: [], stopped: false })

  // children are reparented to the nearest subreaper, otherwise to the init of the pid namespace (prctl(2),
  // PR_SET_CHILD_SUBREAPER)
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
  // when the init of a pid namespace ends, all its members are killed (pid_namespaces(7))
  if (process.numbers.get(process.ns.pid) === 1 && m.namespace("pid", process.ns.pid).level > 0) {
    for (const member of m.processes.values()) {
      if (member.pid === pid || !member.numbers.has(process.ns.pid)) continue
      // it may have ended together with another
      if (m.processes.get(member.pid)?.status === "running") end(m, member.pid, CLD.KILLED, SIG.KILL)
    }
    for (const member of m.processes.values()) {
      // the dying init reaps zombies whose parent is in the namespace
      if (
        member.pid !== pid && member.numbers.has(process.ns.pid) &&
        m.processes.get(member.parent)?.ns.pid === process.ns.pid
      ) {
        m.processes.delete(member.pid)
      }
    }
  }
  dropUnused(m)
  Namespaces.collect(m)
  tellParent(m, process.parent)
  if (unheard(m.processes.get(process.parent))) m.processes.delete(pid)
}

/** A process 1 of runfx's own waits for all that have ended, and ends as its program does (`native/reaper.h`). */
const reapAll = (m: Machine, reaper: Process): void => {
  for (const child of m.processes.values()) {
    if (child.parent !== reaper.pid || child.status !== "zombie") continue
    m.processes.delete(child.pid)
    if (child.pid !== reaper.reaps) continue
    const { code, status } = child.ended!
    return end(m, reaper.pid, CLD.EXITED, code === CLD.EXITED ? status : 128 + status)
  }
}

/** Sends SIGCHLD to the parent, unless the parent ignores it (`do_notify_parent`). A blocked one stays pending. */
const tellParent = (m: Machine, pid: number): void => {
  const parent = m.processes.get(pid)
  if (parent?.status === "running" && parent.reaps !== undefined && !isHeld(m, parent)) return reapAll(m, parent)
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

const ignoredByDefault: ReadonlySet<number> = new Set([SIG.CHLD, SIG.CONT, SIG.URG, SIG.WINCH])

const stops: ReadonlySet<number> = new Set([SIG.STOP, SIG.TSTP, SIG.TTIN, SIG.TTOU])

/** Signals whose default action dumps core (signal(7), "Standard signals"). */
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

export const without = (process: Process, which: (signal: number) => boolean): Process => ({
  ...process,
  pending: process.pending.filter((signal) => !which(signal))
})

/** Whether a signal has no effect, even if it is not blocked (`sig_task_ignored`). */
export const isIgnored = ({ dispositions }: Process, signal: number): boolean =>
  dispositions.get(signal) === "SIG_IGN" || ignoredByDefault.has(signal)

/**
 * Whether a process group is orphaned: no member has a parent in another group of the same session. A terminal's stop
 * signals then have no effect (`is_current_pgrp_orphaned`; setpgid(2), "orphaned process group").
 */
const isOrphaned = (m: Machine, group: number): boolean =>
  !m.processes.values().some((member) => {
    const parent = member.group === group && member.status === "running" && member.parent !== 1
      ? m.processes.get(member.parent)
      : undefined
    return parent !== undefined && parent.group !== group && parent.session === member.session
  })

/** Sends a signal, without checks of permission. */
export const kill = (m: Machine, pid: number, signal: number, fromOutside = true): void => {
  const target = m.processes.need(pid)
  if (target.status === "zombie" || signal === 0) return
  const forced = signal === SIG.KILL || signal === SIG.STOP
  // a stop signal removes a pending SIGCONT, and SIGCONT all pending stop signals (prepare_signal)
  if (stops.has(signal)) m.processes.set(pid, without(target, (other) => other === SIG.CONT))
  if (signal === SIG.CONT) {
    const rest = without(target, (other) => stops.has(other))
    // it continues, whether the signal is blocked or ignored (signal(7))
    m.processes.set(
      pid,
      target.stopped ? { ...rest, stopped: false, untold: { code: CLD.CONTINUED, status: SIG.CONT } } : rest
    )
    deliverPending(m, pid)
    if (m.processes.get(pid)?.status !== "running") return
  }
  const now = m.processes.need(pid)
  if (now.reaps !== undefined && !forced && !isHeld(m, now)) {
    if (signal === SIG.CHLD) reapAll(m, now)
    // it is gone if it has ended of another one
    else if (m.processes.has(now.reaps)) kill(m, now.reaps, signal, false)
    return
  }
  // the init of a pid namespace gets signals from its members only if it has a handler; from outside, only SIGKILL and
  // SIGSTOP are forced (pid_namespaces(7), sig_task_ignored)
  const isInit = now.numbers.get(now.ns.pid) === 1
  // an ignored signal is dropped, unless it is blocked (sig_ignored)
  const blocked = !forced && now.blocked.includes(signal)
  if (isInit && !blocked && !(fromOutside && forced && now.pid !== 1)) return
  if (!forced && !blocked && isIgnored(now, signal)) return
  // a blocked signal stays pending, and so does each one but SIGKILL for a stopped process. A signal that kills without a
  // core ends a process that version 2 has frozen at once (complete_signal); version 1 delivers it after the thaw
  const ends = signal === SIG.KILL || (!stops.has(signal) && !dumps.has(signal))
  const waits = blocked || (signal !== SIG.KILL && now.stopped) ||
    (ends ? isFrozenHard(m, now) : isFrozen(m, now))
  if (waits) {
    m.processes.set(pid, { ...now, pending: [...new Set([...now.pending, signal])] })
    return
  }
  if (!stops.has(signal)) return end(m, pid, codeOf(m, now, signal), signal)
  if (signal !== SIG.STOP && isOrphaned(m, now.group)) return
  m.processes.set(pid, { ...now, stopped: true, untold: { code: CLD.STOPPED, status: signal } })
}

/** The code for waitid(2). A core is dumped only if RLIMIT_CORE allows a page (core(5)); its content is not modelled. */
const codeOf = (m: Machine, { limits }: Process, signal: number): number =>
  dumps.has(signal) && (limits.get(RLIMIT.CORE)?.soft ?? 0n) >= 4096n ? m.unmodelled("a core dump") : CLD.KILLED

/** Ends a process by a signal of the kernel, even if it blocks or ignores the signal or is an init (`force_sig_info`). */
export const force = (m: Machine, pid: number, signal: number): void =>
  end(m, pid, codeOf(m, m.processes.need(pid), signal), signal)

/** Whether a process does nothing at present. */
const isHeld = (m: Machine, process: Process): boolean => process.stopped || isFrozen(m, process)

/**
 * Delivers pending signals after a thaw, a continuation or an unblocking: SIGKILL first, then the lowest number
 * (`next_signal`).
 */
export const deliverPending = (m: Machine, pid: number): void => {
  const { blocked, pending, reaps } = m.processes.need(pid)
  // it takes them although they are blocked (sigtimedwait(2))
  const ready = pending.filter((signal) => reaps !== undefined || !blocked.includes(signal))
  if (ready.length === 0) return
  m.processes.update(pid, (old) => without(old, (signal) => ready.includes(signal)))
  for (const signal of ready.toSorted((a, b) => a === SIG.KILL ? -1 : b === SIG.KILL ? 1 : a - b)) {
    if (m.processes.get(pid)?.status === "running") kill(m, pid, signal, signal === SIG.KILL)
  }
}

/** The last descriptor of a socket is closed (unix_release_sock). */
const closeSocket = (m: Machine, id: number): void => {
  const socket = m.sockets.need(id)
  m.sockets.delete(id)
  const peer = socket.peer === undefined || socket.type === SOCK.DGRAM ? undefined : m.sockets.get(socket.peer)
  if (peer !== undefined) {
    m.sockets.set(peer.id, {
      ...peer,
      shutdownRead: true,
      shutdownWrite: true,
      // ECONNRESET: the closed end had unread data
      ...socket.queue.length > 0 ? { error: "ECONNRESET" } : {}
    })
  }
  for (const message of socket.queue) for (const held of message.files) release(m, held)
}

// -- closing ----------------------------------------------------------------------------------------------------------

/**
 * The last descriptor of an end is closed. With the master, the name is removed; with both ends, the number is freed
 * (pty_close).
 */
const closeTerminal = (m: Machine, { pty: id, side }: Terminal): void => {
  const isOpen = (which: Terminal["side"]): boolean =>
    m.files.values().some(({ kind }) => kind._tag === "Pty" && kind.pty === id && kind.side === which)
  if (side === "master") {
    const pty = m.ptys.need(id)
    Tree.leave(m, Nodes.view(m, Nodes.view(m, pty.node).parent), String(pty.number))
    m.ptys.set(id, { ...pty, masterClosed: true })
    hangUp(m, id)
  } else if (!isOpen("slave")) m.ptys.update(id, (pty) => ({ ...pty, slavesClosed: true }))
  if (m.ptys.need(id).masterClosed === true && !isOpen("slave")) m.ptys.delete(id)
}

/** Hangs a terminal up: open slaves are dead, and the session loses its terminal (__tty_hangup). */
const hangUp = (m: Machine, id: number): void => {
  for (const file of m.files.values()) {
    const { kind } = file
    if (kind._tag !== "Pty" || kind.pty !== id || kind.side !== "slave") continue
    m.files.set(file.id, { ...file, kind: { ...kind, hungUp: true } })
  }
  const members = sessionOf(m, id)
  clearSession(m, id)
  for (const { pid, session } of members) {
    if (pid !== session) continue
    kill(m, pid, SIG.HUP)
    kill(m, pid, SIG.CONT)
  }
}

// -- sessions ---------------------------------------------------------------------------------------------------------

/** The processes with this controlling terminal. */
export const sessionOf = (m: Machine, pty: number): ReadonlyArray<Process> =>
  m.processes.values().filter(({ status, terminal }) => terminal === pty && status === "running")

export const clearSession = (m: Machine, pty: number): void => {
  for (const process of sessionOf(m, pty)) {
    const { terminal: _, ...without } = process
    m.processes.set(process.pid, without)
  }
  const known = m.ptys.get(pty)
  if (known === undefined) return
  const { foreground: _, ...free } = known
  m.ptys.set(pty, free)
}

export const leaveTerminal = (m: Machine, leader: Process, signals: ReadonlyArray<number>): void => {
  const pty = leader.terminal!
  const foreground = m.ptys.get(pty)?.foreground
  if (foreground === undefined) return
  const group = m.processes.values().filter((process) => process.group === foreground && process.status === "running")
  clearSession(m, pty)
  for (const signal of signals) for (const { pid } of group) kill(m, pid, signal)
}

/** A session leader has ended: the foreground of its terminal gets SIGHUP, and the terminal has no session any more. */
const leaderEnded = (m: Machine, process: Process): void => {
  if (process.session === process.pid && process.terminal !== undefined) leaveTerminal(m, process, [SIG.HUP])
}
