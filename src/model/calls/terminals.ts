/** The calls about terminals. @see ioctl_tty(2), pty(7) */
import { LFLAG, O, SIG, TIOC } from "../../native/constants.ts"
import type { Arguments } from "../../native/Kernel.ts"
import type { TerminalModes } from "../../native/results.ts"
import { CAP, capable } from "../Credentials.ts"
import * as Descriptors from "../Descriptors.ts"
import { clearSession, leaveTerminal, sessionOf } from "../ending.ts"
import { Gone, type Machine, refuse } from "../Machine.ts"
import type { Pty } from "../State.ts"
import { freshModes, give, openSlave, terminalOf } from "../Terminals.ts"

export const ioctl = (m: Machine, { argument, fd, request }: Arguments<"ioctl">): number => {
  switch (request) {
    case TIOC.SCTTY:
      return setControlling(m, fd, argument)
    case TIOC.NOTTY:
      return giveUpControlling(m, fd)
    case TIOC.GPTPEER:
      return openPeer(m, fd, argument)
    default:
      return m.unmodelled(`ioctl ${request}`)
  }
}

/** Opens the slave of a master. EIO: not a master, or the slave is locked (ptm_open_peer, pty_open). */
const openPeer = (m: Machine, fd: number, flags: number): number => {
  const { location, pty, side } = terminalOf(m, fd)
  const known = m.ptys.need(pty)
  if (side !== "master" || known.locked) return refuse("EIO")
  // the mount of the instance: that of the ptmx, or the one next to it (devpts_mntget)
  const mount = m.mounts.get(location.mount)?.fs === known.fs
    ? location.mount
    : m.mounts.values().findLast(({ fs, parent }) => fs === known.fs && parent === location.mount)?.id
  if (mount === undefined) return m.unmodelled("a terminal whose instance is mounted nowhere")
  return openSlave(m, known, { mount, node: known.node }, flags, `/dev/pts/${known.number}`)
}

const setControlling = (m: Machine, fd: number, argument: number): number => {
  // for a master, the slave is meant (tty_pair_get_tty)
  const { hungUp, pty } = terminalOf(m, fd)
  if (hungUp === true) refuse("EIO")
  const { self } = m
  if (self.session === self.pid && self.terminal === pty) return 0
  // EPERM: the caller is not a session leader without a terminal; another session has the terminal, which only root of the
  // machine can take; or it is open for writing only (tiocsctty)
  if (self.session !== self.pid || self.terminal !== undefined) refuse("EPERM")
  const isTaken = sessionOf(m, pty).length > 0
  const mighty = capable(m, CAP.SYS_ADMIN)
  if (isTaken && (argument !== 1 || !mighty)) refuse("EPERM")
  if ((Descriptors.fileOf(m, fd).flags & 3) === O.WRONLY && !mighty) refuse("EPERM")
  if (isTaken) clearSession(m, pty)
  give(m, pty)
  return 0
}

/**
 * Gives up the controlling terminal. If the caller is the session leader, the foreground gets SIGHUP and SIGCONT
 * (disassociate_ctty).
 */
const giveUpControlling = (m: Machine, fd: number): number => {
  const { pty, side } = terminalOf(m, fd)
  const { terminal, ...without } = m.self
  if (terminal !== pty || side === "master") refuse("ENOTTY")
  if (m.self.session === m.pid) leaveTerminal(m, m.self, [SIG.HUP, SIG.CONT])
  else m.processes.set(m.pid, without)
  if (m.self.status !== "running") throw new Gone()
  return 0
}

/** EIO: a slave that was hung up (hung_up_tty_ioctl). */
const liveTerminal = (m: Machine, fd: number): Pty => {
  const { hungUp, pty } = terminalOf(m, fd)
  return hungUp === true ? refuse("EIO") : m.ptys.need(pty)
}

export const ptyNumber = (m: Machine, fd: number): number => {
  const pty = liveTerminal(m, fd)
  return terminalOf(m, fd).side === "master" ? pty.number : refuse("ENOTTY")
}

export const lockPty = (m: Machine, fd: number, locked: boolean): void => {
  const pty = liveTerminal(m, fd)
  if (terminalOf(m, fd).side !== "master") refuse("ENOTTY")
  m.ptys.set(pty.id, { ...pty, locked })
}

export const windowSize = (m: Machine, fd: number): { readonly rows: number; readonly columns: number } => {
  const { columns, rows } = liveTerminal(m, fd)
  return { rows, columns }
}

export const setWindowSize = (m: Machine, fd: number, rows: number, columns: number): void =>
  m.ptys.set(liveTerminal(m, fd).id, { ...liveTerminal(m, fd), rows: rows & 0xffff, columns: columns & 0xffff })

export const terminalModes = (m: Machine, fd: number): TerminalModes => liveTerminal(m, fd).modes ?? freshModes

export const setTerminalModes = (m: Machine, fd: number, modes: TerminalModes): void => {
  const pty = liveTerminal(m, fd)
  const isRaw = (modes.local & LFLAG.ICANON) === 0
  // in non-canonical mode, the line that is being edited becomes readable (n_tty_set_termios)
  const edited = isRaw && pty.editing.length > 0
  m.ptys.set(pty.id, {
    ...pty,
    modes,
    ...edited ? { lines: [...pty.lines, pty.editing], editing: new Uint8Array() } : {}
  })
}
