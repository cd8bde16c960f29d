/**
 * Pseudoterminals: masters and slaves, lines, sizes, controlling terminals. The rules are those of `drivers/tty/pty.c`,
 * `n_tty.c`, `tty_io.c`, `tty_jobctrl.c` and `fs/devpts` of the kernel. @see pty(7), pts(4), ioctl_tty(2), termios(3)
 */
import { CC, IFLAG, LFLAG, O, OFLAG, POLL, SIG } from "../native/constants.ts"
import type { TerminalModes } from "../native/results.ts"
import { toKernel } from "./Credentials.ts"
import * as Descriptors from "./Descriptors.ts"
import { kill, sessionOf } from "./ending.ts"
import { block, concat, encode, Gone, type Machine, refuse } from "./Machine.ts"
import { numberOf } from "./mountData.ts"
import * as Nodes from "./Nodes.ts"
import type { View } from "./Nodes.ts"
import type { FileSystem, Location, OpenFile, Pty } from "./State.ts"
import * as Tree from "./Tree.ts"

export type Terminal = Extract<OpenFile["kind"], { readonly _tag: "Pty" }>

// -- opening ----------------------------------------------------------------------------------------------------------

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
    // ENODEV: neither in an instance, nor next to one that is mounted at pts (devpts_mntget)
    const own = Nodes.fileSystemOf(m, node)
    return openMaster(
      m,
      (own?.type === "devpts" ? own : beside(m, location)) ?? refuse("ENODEV"),
      location,
      flags,
      path
    )
  }
  if (device?.major === 136) {
    // EIO: the terminal does not exist, or is still locked (pty_open, TIOCSPTLCK)
    const pty = m.ptys.values().find((known) => known.node === node.id && known.masterClosed !== true)
    return pty === undefined || pty.locked ? refuse("EIO") : openSlave(m, pty, location, flags, path)
  }
  if (device?.major === 5 && device.minor === 0) {
    const { terminal } = m.self
    return terminal === undefined ? refuse("ENXIO") : openSlave(m, m.ptys.need(terminal), location, flags, path)
  }
  return undefined
}

const openMaster = (m: Machine, fs: FileSystem, location: Location, flags: number, path: string): number => {
  const owned = (kind: "uid" | "gid"): number | undefined => {
    const id = numberOf(fs.options, kind)
    return id === undefined ? undefined : toKernel(m, fs.owner, kind, id)
  }
  const taken = new Set(m.ptys.values().filter((pty) => pty.fs === fs.id).map((pty) => pty.number))
  let number = 0
  while (taken.has(number)) number++
  const most = numberOf(fs.options, "max") ?? Infinity
  // ENOSPC: the instance's limit (devpts_new_index)
  if (number >= most) refuse("ENOSPC")
  const id = m.fresh()
  const node = Tree.create(m, Nodes.view(m, fs.root), String(number), {
    mode: (numberOf(fs.options, "mode", 8) ?? 0o600) & 0o7777,
    uid: owned("uid") ?? m.self.creds.euid,
    gid: owned("gid") ?? m.self.creds.egid,
    content: { _tag: "Device", type: "c", major: 136, minor: number }
  })
  m.ptys.set(id, {
    id,
    number,
    fs: fs.id,
    node,
    locked: true,
    rows: 0,
    columns: 0,
    toMaster: new Uint8Array(),
    lines: [],
    editing: new Uint8Array()
  })
  const kept = flags & ~(O.CREAT | O.NOCTTY) | Descriptors.largeFile
  return Descriptors.open(m, { _tag: "Pty", pty: id, side: "master", location }, kept, path)
}

/** The instance that is mounted at pts next to a ptmx. */
const beside = (m: Machine, location: Location): FileSystem | undefined => {
  const parent = Nodes.view(m, Nodes.view(m, location.node).parent)
  const pts = parent.lookup?.("pts")
  const mount = m.mounts.values().findLast((other) => other.parent === location.mount && other.mountpoint === pts)
  const fs = mount === undefined ? undefined : m.fileSystems.need(mount.fs)
  return fs?.type === "devpts" ? fs : undefined
}

export const openSlave = (m: Machine, pty: Pty, location: Location, flags: number, path: string): number => {
  const kept = flags & ~(O.CREAT | O.NOCTTY) | Descriptors.largeFile
  const fd = Descriptors.open(m, { _tag: "Pty", pty: pty.id, side: "slave", location }, kept, path)
  const { slavesClosed: _, ...open } = pty
  m.ptys.set(pty.id, open)
  // a session leader without a terminal gets the one that it opens for reading, if no session has it (open(2), O_NOCTTY)
  const leads = m.self.session === m.pid && m.self.terminal === undefined
  const reads = (flags & 3) !== O.WRONLY
  if (leads && reads && (flags & O.NOCTTY) === 0 && sessionOf(m, pty.id).length === 0) give(m, pty.id)
  return fd
}

/** Makes it the caller's; the caller's group is in the foreground (__proc_set_tty). */
export const give = (m: Machine, pty: number): void => {
  m.change({ terminal: pty })
  m.ptys.update(pty, (old) => ({ ...old, foreground: m.self.group }))
}

// -- modes, sizes, numbers --------------------------------------------------------------------------------------------
export const terminalOf = (m: Machine, fd: number): Terminal => {
  const { kind } = Descriptors.usable(m, fd)
  return kind._tag === "Pty" ? kind : refuse("ENOTTY")
}

/** The modes of a new terminal (`tty_std_termios`). A master's modes have no effect and are not kept. */
export const freshModes: TerminalModes = {
  input: IFLAG.ICRNL | IFLAG.IXON,
  output: OFLAG.OPOST | 0o4,
  control: 0o277,
  local: LFLAG.ISIG | LFLAG.ICANON | LFLAG.ECHO | LFLAG.IEXTEN | 0o5060,
  line: 0,
  characters: Uint8Array.of(3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0)
}

// -- bytes ------------------------------------------------------------------------------------------------------------
const newline = 10

const carriageReturn = 13

const deleted = 127

/** Processes a program's output on its way to the master: a newline gets a carriage return (do_output_char). */
const processed = (m: Machine, { output }: TerminalModes, data: Uint8Array): Uint8Array => {
  if ((output & OFLAG.OPOST) === 0) return data
  if ((output & ~(OFLAG.OPOST | 0o4)) !== 0) m.unmodelled("output modes beside OPOST and ONLCR")
  return (output & 0o4) === 0
    ? data
    : Uint8Array.from([...data].flatMap((byte) => byte === newline ? [carriageReturn, newline] : [byte]))
}

const flag = { ECHOE: 0o20, ECHOK: 0o40, ECHOCTL: 0o1000, ECHOKE: 0o4000, NOFLSH: 0o200 }

const special = {
  INTR: 0,
  QUIT: 1,
  ERASE: 2,
  KILL: 3,
  EOF: 4,
  START: 8,
  STOP: 9,
  SUSP: 10,
  REPRINT: 12,
  WERASE: 14,
  LNEXT: 15
}

/** How a byte is echoed: control characters as ^X. */
const shown = (byte: number, { local }: TerminalModes): ReadonlyArray<number> =>
  (local & flag.ECHOCTL) !== 0 && (byte < 32 || byte === deleted) && byte !== 9 && byte !== newline
    ? [...encode("^"), byte ^ 64]
    : [byte]

/** Passes the bytes typed at the master through the line discipline, one after the other (n_tty_receive_char). */
const typed = (m: Machine, id: number, data: Uint8Array): void => {
  for (const byte of data) type(m, m.ptys.need(id), byte)
}

const echo = (m: Machine, id: number, modes: TerminalModes, bytes: ReadonlyArray<number>): void => {
  if ((modes.local & LFLAG.ECHO) === 0) return
  const out = processed(m, modes, Uint8Array.from(bytes))
  m.ptys.update(id, (pty) => ({ ...pty, toMaster: concat(pty.toMaster, out) }))
}

const signalsOf: ReadonlyArray<readonly [number, number]> = [
  [special.INTR, SIG.INT],
  [special.QUIT, SIG.QUIT],
  [special.SUSP, SIG.TSTP]
]

const type = (m: Machine, pty: Pty, given: number): void => {
  const modes = pty.modes ?? freshModes
  const { characters, input, local } = modes
  const is = (name: number): boolean => characters[name] !== 0 && characters[name] === given
  if ((input & ~(IFLAG.ICRNL | IFLAG.INLCR | IFLAG.IGNCR | IFLAG.IXON)) !== 0) {
    m.unmodelled("input modes beside those of newlines")
  }
  if ((input & IFLAG.IXON) !== 0 && (is(special.START) || is(special.STOP))) m.unmodelled("a stopped terminal")
  const signal = (local & LFLAG.ISIG) === 0 ? undefined : signalsOf.find(([name]) => is(name))?.[1]
  if (signal !== undefined) return interrupt(m, pty, modes, given, signal)
  if (given === carriageReturn && (input & IFLAG.IGNCR) !== 0) return
  const byte = given === carriageReturn && (input & IFLAG.ICRNL) !== 0
    ? newline
    : given === newline && (input & IFLAG.INLCR) !== 0
    ? carriageReturn
    : given
  if ((local & LFLAG.ICANON) === 0) {
    m.ptys.set(pty.id, { ...pty, lines: [...pty.lines, Uint8Array.of(byte)] })
    return echo(m, pty.id, modes, shown(byte, modes))
  }
  if ((local & LFLAG.IEXTEN) !== 0 && [special.REPRINT, special.WERASE, special.LNEXT].some(is)) {
    m.unmodelled("the editing of words")
  }
  if (is(special.ERASE) || is(special.KILL)) return erase(m, pty, modes, is(special.KILL))
  // end of file ends the line without a newline, and is not echoed
  const isEnd = is(special.EOF)
  if (byte !== newline && !isEnd) {
    m.ptys.set(pty.id, { ...pty, editing: concat(pty.editing, Uint8Array.of(byte)) })
    return echo(m, pty.id, modes, shown(byte, modes))
  }
  const line = isEnd ? pty.editing : concat(pty.editing, Uint8Array.of(newline))
  m.ptys.set(pty.id, { ...pty, lines: [...pty.lines, line], editing: new Uint8Array() })
  if (!isEnd) echo(m, pty.id, modes, [newline])
}

/** Erases the last character of the line, or all of them (eraser). */
const erase = (m: Machine, pty: Pty, modes: TerminalModes, all: boolean): void => {
  const gone = all ? pty.editing : pty.editing.slice(-1)
  m.ptys.set(pty.id, { ...pty, editing: pty.editing.slice(0, pty.editing.length - gone.length) })
  const visible = all ? flag.ECHOE | flag.ECHOK | flag.ECHOKE : flag.ECHOE
  if ((modes.local & visible) !== visible && gone.length > 0) m.unmodelled("another echo of erased letters")
  if ([...gone].some((byte) => byte >= 128 || byte === 9)) m.unmodelled("the erasing of wide letters and tabs")
  const width = [...gone].reduce((sum, byte) => sum + shown(byte, modes).length, 0)
  echo(m, pty.id, modes, Array.from({ length: width }, () => [8, 32, 8]).flat())
}

/** Sends a signal to the foreground. Pending input and output are lost (isig, n_tty_receive_signal_char). */
const interrupt = (m: Machine, pty: Pty, modes: TerminalModes, byte: number, signal: number): void => {
  if ((modes.local & flag.NOFLSH) === 0) {
    m.ptys.set(pty.id, { ...pty, lines: [], editing: new Uint8Array(), toMaster: new Uint8Array() })
  }
  echo(m, pty.id, modes, shown(byte, modes))
  if (pty.foreground === undefined) return
  for (const { group, pid, status } of m.processes.values()) {
    if (group === pty.foreground && status === "running") kill(m, pid, signal)
  }
}

/** Sends a signal to a background process that reads or writes (tty_check_change). */
const checkForeground = (m: Machine, { foreground, id }: Pty): void => {
  if (m.self.terminal === id && foreground !== m.self.group) m.unmodelled("job control")
}

export const readTerminal = (m: Machine, file: OpenFile, kind: Terminal, count: number): Uint8Array => {
  if (kind.hungUp === true || count === 0) return new Uint8Array()
  const pty = m.ptys.need(kind.pty)
  return kind.side === "master" ? readMaster(m, file, pty, count) : readSlave(m, file, pty, count)
}

const wait = (file: OpenFile): never => {
  if ((file.flags & O.NONBLOCK) !== 0) refuse("EAGAIN")
  return block("data from a terminal")
}

const readMaster = (m: Machine, file: OpenFile, pty: Pty, count: number): Uint8Array => {
  if (pty.toMaster.length === 0) {
    // EIO: the last slave is closed. Before the first slave is opened, a master waits (n_tty_read, TTY_OTHER_CLOSED)
    return pty.slavesClosed === true ? refuse("EIO") : wait(file)
  }
  m.ptys.set(pty.id, { ...pty, toMaster: pty.toMaster.slice(count) })
  return pty.toMaster.slice(0, count)
}

const readSlave = (m: Machine, file: OpenFile, pty: Pty, count: number): Uint8Array => {
  checkForeground(m, pty)
  const { characters, local } = pty.modes ?? freshModes
  const [first, ...rest] = pty.lines
  if (first === undefined) {
    if ((local & LFLAG.ICANON) === 0 && characters[CC.MIN] === 0) m.unmodelled("a terminal that does not wait")
    return wait(file)
  }
  if ((local & LFLAG.ICANON) !== 0) {
    // one line at most; end of file alone reads as no data
    m.ptys.set(pty.id, { ...pty, lines: first.length > count ? [first.slice(count), ...rest] : rest })
    return first.slice(0, count)
  }
  const all = pty.lines.reduce(concat, new Uint8Array())
  m.ptys.set(pty.id, { ...pty, lines: all.length > count ? [all.slice(count)] : [] })
  return all.slice(0, count)
}

export const writeTerminal = (m: Machine, kind: Terminal, data: Uint8Array): number => {
  // EIO: hung up (hung_up_tty_write)
  if (kind.hungUp === true) return refuse("EIO")
  const pty = m.ptys.need(kind.pty)
  if (kind.side === "master") {
    typed(m, pty.id, data)
    if (m.self.status !== "running") throw new Gone()
    return data.length
  }
  const out = processed(m, pty.modes ?? freshModes, data)
  m.ptys.set(pty.id, { ...pty, toMaster: concat(pty.toMaster, out) })
  return data.length
}

/** The events of a terminal for poll(2). */
export const terminalEvents = (m: Machine, { hungUp, pty: id, side }: Terminal): number => {
  if (hungUp === true) return POLL.IN | POLL.OUT | POLL.ERR | POLL.HUP
  const pty = m.ptys.need(id)
  const hasData = side === "master" ? pty.toMaster.length > 0 : pty.lines.length > 0
  const isOver = side === "master" && pty.slavesClosed === true
  return (hasData || isOver ? POLL.IN : 0) | POLL.OUT | (isOver ? POLL.HUP : 0)
}
