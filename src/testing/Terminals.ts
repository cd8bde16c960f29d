/**
 * Terminals. @see pty(7), pts(4), ioctl_tty(2), credentials(7)
 */
import type { TerminalModes } from "../native/calls.ts"
import { IFLAG, LFLAG, O, OFLAG, POLL } from "../native/constants.ts"
import { CAP, capableHere } from "./Credentials.ts"
import * as Descriptors from "./Descriptors.ts"
import { block, concat, type Machine, refuse } from "./Machine.ts"
import * as Nodes from "./Nodes.ts"
import type { View } from "./Nodes.ts"
import type { Location, OpenFile, Pty } from "./State.ts"

/** Opens /dev/ptmx, /dev/pts/N or /dev/tty; `undefined` for any other device. */
export const openTerminal = (
  m: Machine,
  node: View,
  location: Location,
  flags: number,
  path: string
): number | undefined => {
  const { device } = node
  if (device?.major === 5 && device.minor === 2) {
    // the instance whose ptmx it is, or the one mounted at pts beside it (devpts_acquire)
    const own = Nodes.fileSystemOf(m, node)
    const fs = own?.type === "devpts" ? own : beside(m, location)
    if (fs === undefined) return refuse("ENODEV")
    const taken = new Set(m.ptys.values().filter((pty) => pty.fs === fs.id).map((pty) => pty.number))
    let number = 0
    while (taken.has(number)) number++
    const option = (name: string): number | undefined => {
      const found = fs.options.find((text) => text.startsWith(`${name}=`))
      return found === undefined ? undefined : Number.parseInt(found.slice(name.length + 1), name === "mode" ? 8 : 10)
    }
    const id = m.fresh()
    const root = Nodes.view(m, fs.root)
    const slave = Nodes.create(m, root, String(number), {
      mode: option("mode") ?? 0o600,
      uid: m.self.creds.euid,
      gid: option("gid") ?? m.self.creds.egid,
      content: { _tag: "Device", type: "c", major: 136, minor: number }
    })
    m.ptys.set(id, {
      id,
      number,
      fs: fs.id,
      node: slave,
      locked: true,
      rows: 0,
      columns: 0,
      toMaster: new Uint8Array(),
      toSlave: new Uint8Array()
    })
    const kept = flags & ~(O.CREAT | O.NOCTTY) | Descriptors.largeFile
    return Descriptors.open(m, { _tag: "Pty", pty: id, side: "master" }, kept, path)
  }
  if (device?.major === 136) {
    const pty = m.ptys.values().find((known) => known.node === node.id) ?? refuse("EIO")
    // EIO: still locked (TIOCSPTLCK)
    if (pty.locked) refuse("EIO")
    return openSlave(m, pty, flags, path)
  }
  if (device?.major === 5 && device.minor === 0) {
    const { terminal } = m.self
    return terminal === undefined ? refuse("ENXIO") : openSlave(m, m.ptys.need(terminal), flags, path)
  }
  return undefined
}

const beside = (m: Machine, location: Location) => {
  const parent = Nodes.view(m, Nodes.view(m, location.node).parent)
  const pts = parent.lookup?.("pts")
  const mount = m.mounts.values().findLast((other) => other.parent === location.mount && other.mountpoint === pts)
  const fs = mount === undefined ? undefined : m.fileSystems.need(mount.fs)
  return fs?.type === "devpts" ? fs : undefined
}

const openSlave = (m: Machine, pty: Pty, flags: number, path: string): number => {
  const fd = Descriptors.open(m, { _tag: "Pty", pty: pty.id, side: "slave" }, flags & ~(O.CREAT | O.NOCTTY), path)
  // a session leader without a terminal gets the one that it opens (open(2), O_NOCTTY)
  const leads = m.self.session === m.pid && m.self.terminal === undefined
  if (leads && (flags & O.NOCTTY) === 0) m.change({ terminal: pty.id })
  return fd
}

type Terminal = Extract<OpenFile["kind"], { readonly _tag: "Pty" }>

export const readTerminal = (m: Machine, file: OpenFile, { pty: id, side }: Terminal, count: number): Uint8Array => {
  const pty = m.ptys.need(id)
  const data = side === "master" ? pty.toMaster : pty.toSlave
  if (data.length === 0) {
    const slaves = m.files.values().some(({ kind }) => kind._tag === "Pty" && kind.pty === id && kind.side === "slave")
    // EIO: the master reads after the last slave is closed
    if (side === "master" && !slaves) return refuse("EIO")
    if ((file.flags & O.NONBLOCK) !== 0) refuse("EAGAIN")
    return block("data from a terminal")
  }
  const rest = data.slice(count)
  m.ptys.set(id, side === "master" ? { ...pty, toMaster: rest } : { ...pty, toSlave: rest })
  return data.slice(0, count)
}

export const writeTerminal = (m: Machine, { pty: id, side }: Terminal, data: Uint8Array): number => {
  const pty = m.ptys.need(id)
  m.ptys.set(
    id,
    side === "master"
      ? { ...pty, toSlave: concat(pty.toSlave, data) }
      : { ...pty, toMaster: concat(pty.toMaster, data) }
  )
  return data.length
}

const terminalOf = (m: Machine, fd: number): Terminal => {
  const { kind } = Descriptors.usable(m, fd)
  return kind._tag === "Pty" ? kind : refuse("ENOTTY")
}

export const setControlling = (m: Machine, fd: number, argument: number): number => {
  const { pty, side } = terminalOf(m, fd)
  if (side !== "slave") m.unmodelled("a pty master as controlling terminal")
  const { self } = m
  if (self.session === self.pid && self.terminal === pty) return 0
  // EPERM: only a session leader without a terminal (ioctl_tty(2), TIOCSCTTY)
  if (self.session !== self.pid || self.terminal !== undefined) refuse("EPERM")
  const other = m.processes.values().filter(({ terminal }) => terminal === pty)
  if (other.length > 0) {
    if (argument !== 1 || !capableHere(m, CAP.SYS_ADMIN)) refuse("EPERM")
    for (const process of other) {
      const { terminal: _, ...without } = process
      m.processes.set(process.pid, without)
    }
  }
  m.change({ terminal: pty })
  return 0
}

export const giveUpControlling = (m: Machine, fd: number): number => {
  const { pty } = terminalOf(m, fd)
  const { terminal, ...without } = m.self
  if (terminal !== pty) refuse("ENOTTY")
  m.processes.set(m.pid, without)
  return 0
}

export const openPeer = (m: Machine, fd: number, flags: number): number => {
  const { pty, side } = terminalOf(m, fd)
  if (side !== "master") refuse("EIO")
  const known = m.ptys.need(pty)
  return openSlave(m, known, flags, `/dev/pts/${known.number}`)
}

export const ptyNumber = (m: Machine, fd: number): number => {
  const { pty, side } = terminalOf(m, fd)
  return side === "master" ? m.ptys.need(pty).number : refuse("ENOTTY")
}

export const lockPty = (m: Machine, fd: number, locked: boolean): void => {
  const { pty, side } = terminalOf(m, fd)
  if (side !== "master") refuse("ENOTTY")
  m.ptys.update(pty, (old) => ({ ...old, locked }))
}

export const windowSize = (m: Machine, fd: number): { readonly rows: number; readonly columns: number } => {
  const { columns, rows } = m.ptys.need(terminalOf(m, fd).pty)
  return { rows, columns }
}

export const setWindowSize = (m: Machine, fd: number, rows: number, columns: number): void =>
  m.ptys.update(terminalOf(m, fd).pty, (old) => ({ ...old, rows, columns }))

/** The modes that the kernel gives a new terminal. */
const freshModes: TerminalModes = {
  input: IFLAG.ICRNL | IFLAG.IXON,
  output: OFLAG.OPOST | 0o4,
  control: 0o277,
  local: LFLAG.ISIG | LFLAG.ICANON | LFLAG.ECHO | LFLAG.IEXTEN | 0o5060,
  line: 0,
  characters: Uint8Array.of(3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0)
}

export const terminalModes = (m: Machine, fd: number): TerminalModes =>
  m.ptys.need(terminalOf(m, fd).pty).modes ?? freshModes

export const setTerminalModes = (m: Machine, fd: number, modes: TerminalModes): void =>
  m.ptys.update(terminalOf(m, fd).pty, (old) => ({ ...old, modes }))

/** What poll(2) finds. */
export const terminalEvents = (m: Machine, { pty: id, side }: Terminal): number => {
  const pty = m.ptys.need(id)
  const data = side === "master" ? pty.toMaster : pty.toSlave
  return (data.length > 0 ? POLL.IN : 0) | POLL.OUT
}
