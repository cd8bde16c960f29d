/**
 * Pipes, unix sockets and terminals. @see pipe(7), fifo(7), unix(7), recvmsg(2), pty(7), ioctl_tty(2)
 */
import type { Message, TerminalModes } from "../native/calls.ts"
import { AF, AT, IFLAG, LFLAG, MSG, O, OFLAG, POLL, SIG, SO, SOCK } from "../native/constants.ts"
import type { Arguments } from "../native/Kernel.ts"
import { CAP, capableHere, shown } from "./Credentials.ts"
import * as Descriptors from "./Descriptors.ts"
import { block, concat, KilledBySignal, type Machine, refuse, RefusedAfter } from "./Machine.ts"
import * as Nodes from "./Nodes.ts"
import type { View } from "./Nodes.ts"
import * as Processes from "./Processes.ts"
import { at, existing } from "./Resolve.ts"
import type { Location, NodeId, OpenFile, Pty, Queued, Socket } from "./State.ts"

/** pipe(7): the capacity, and below which size writes are atomic. */
const capacity = 65536

// ── pipes ────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const pipe2 = (m: Machine, { flags }: Arguments<"pipe2">): readonly [number, number] => {
  if ((flags & ~(O.CLOEXEC | O.NONBLOCK | 0o40000)) !== 0) refuse("EINVAL")
  const node = Nodes.anonymous(m, 0, 0o600, { _tag: "Fifo", data: new Uint8Array() })
  const location = { mount: 0, node }
  const path = `pipe:[${node}]`
  return [
    Descriptors.open(m, { _tag: "Node", location }, O.RDONLY | flags, path),
    Descriptors.open(m, { _tag: "Node", location }, O.WRONLY | flags, path)
  ]
}

/** How many descriptions can read from and write to a pipe. */
export const pipeEnds = (m: Machine, node: NodeId): { readonly readers: number; readonly writers: number } => {
  const open = m.files.values().filter(({ flags, kind }) =>
    kind._tag === "Node" && kind.location.node === node && (flags & O.PATH) === 0
  )
  return {
    readers: open.filter(({ flags }) => (flags & 3) !== O.WRONLY).length,
    writers: open.filter(({ flags }) => (flags & 3) !== O.RDONLY).length
  }
}

const buffered = ({ stored }: View): Uint8Array =>
  stored?.content._tag === "Fifo" ? stored.content.data : new Uint8Array()

const setBuffer = (m: Machine, node: View, data: Uint8Array): void =>
  m.nodes.update(node.stored!.id, (old) => ({ ...old, content: { _tag: "Fifo", data } }))

export const readPipe = (m: Machine, file: OpenFile, node: View, count: number): Uint8Array => {
  const data = buffered(node)
  if (data.length === 0) {
    // end of file once nobody can write any more (pipe(7))
    if (pipeEnds(m, node.id).writers === 0 || count === 0) return data
    if ((file.flags & O.NONBLOCK) !== 0) refuse("EAGAIN")
    return block("data in a pipe, or its last writer to close")
  }
  setBuffer(m, node, data.slice(count))
  return data.slice(0, count)
}

export const writePipe = (m: Machine, file: OpenFile, node: View, data: Uint8Array): number => {
  if (pipeEnds(m, node.id).readers === 0) return broken(m)
  const old = buffered(node)
  const room = capacity - old.length
  // up to PIPE_BUF (4096) all or nothing
  const fits = data.length <= 4096 ? data.length <= room : room > 0
  if (!fits) {
    if ((file.flags & O.NONBLOCK) !== 0) refuse("EAGAIN")
    return block("room in a pipe")
  }
  const part = data.slice(0, room)
  setBuffer(m, node, concat(old, part))
  return part.length
}

/** EPIPE, with SIGPIPE to whoever does not ignore it. */
const broken = (m: Machine, quiet = false): never => {
  const { blocked, dispositions } = m.self
  if (!quiet && dispositions.get(SIG.PIPE) !== "SIG_IGN" && !blocked.includes(SIG.PIPE)) {
    throw new KilledBySignal(SIG.PIPE)
  }
  return refuse("EPIPE")
}

// ── sockets ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const makeSocket = (m: Machine, domain: number, type: number, fields: Partial<Socket> = {}): number => {
  const id = m.fresh()
  m.sockets.set(id, {
    id,
    domain,
    type,
    queue: [],
    shutdownRead: false,
    shutdownWrite: false,
    passCredentials: false,
    receiveTimeout: 0,
    ...fields
  })
  return id
}

const openSocket = (m: Machine, socket: number, type: number): number =>
  Descriptors.open(
    m,
    { _tag: "Socket", socket },
    O.RDWR | ((type & SOCK.CLOEXEC) !== 0 ? O.CLOEXEC : 0) | ((type & SOCK.NONBLOCK) !== 0 ? O.NONBLOCK : 0),
    `socket:[${socket}]`
  )

const typeOnly = (type: number): number => type & ~(SOCK.CLOEXEC | SOCK.NONBLOCK)

export const socket = (m: Machine, { domain, type }: Arguments<"socket">): number => {
  // ESOCKTNOSUPPORT and EAFNOSUPPORT (socket(2)); raw sockets take CAP_NET_RAW
  if (![AF.UNIX, AF.INET, AF.INET6, AF.NETLINK].some((known) => known === domain)) refuse("EAFNOSUPPORT")
  if (domain !== AF.UNIX) m.unmodelled(`sockets of family ${domain}; rtnetlink has a call of its own`)
  if (![SOCK.STREAM, SOCK.DGRAM, SOCK.SEQPACKET].some((known) => known === typeOnly(type))) refuse("ESOCKTNOSUPPORT")
  return openSocket(m, makeSocket(m, domain, typeOnly(type)), type)
}

export const socketpair = (m: Machine, { type }: Arguments<"socketpair">): readonly [number, number] => {
  if (![SOCK.STREAM, SOCK.DGRAM, SOCK.SEQPACKET].some((known) => known === typeOnly(type))) refuse("ESOCKTNOSUPPORT")
  const a = makeSocket(m, AF.UNIX, typeOnly(type))
  const b = makeSocket(m, AF.UNIX, typeOnly(type), { peer: a })
  m.sockets.update(a, (old) => ({ ...old, peer: b }))
  return [openSocket(m, a, type), openSocket(m, b, type)]
}

const socketOf = (m: Machine, fd: number): { readonly file: OpenFile; readonly socket: Socket } => {
  const file = Descriptors.usable(m, fd)
  return file.kind._tag === "Socket"
    ? { file, socket: m.sockets.need(file.kind.socket) }
    : refuse("ENOTSOCK")
}

export const connect = (m: Machine, { fd, path }: Arguments<"connect">): void => {
  const { socket: own } = socketOf(m, fd)
  if (own.peer !== undefined) refuse("EISCONN")
  // sun_path holds 108 bytes (unix(7)); the live layer does not ask the kernel about more
  if (path.length >= 108) refuse("ENAMETOOLONG")
  const node = at(m, existing(m, AT.FDCWD, path, { follow: true }))
  if (!Nodes.permitted(m, node, Nodes.W)) refuse("EACCES")
  // ECONNREFUSED: not a socket, or nobody listens (unix_find_bsd)
  if (node.stored?.content._tag !== "Socket" || !node.stored.content.listening) return refuse("ECONNREFUSED")
  const far = makeSocket(m, AF.UNIX, own.type, { peer: own.id, external: path })
  m.sockets.set(own.id, { ...own, peer: far })
}

export const shutdown = (m: Machine, { fd, how }: Arguments<"shutdown">): void => {
  const { socket: own } = socketOf(m, fd)
  if (how < 0 || how > 2) refuse("EINVAL")
  if (own.peer === undefined) refuse("ENOTCONN")
  const [read, write] = [how !== 1, how !== 0]
  m.sockets.set(own.id, {
    ...own,
    shutdownRead: own.shutdownRead || read,
    shutdownWrite: own.shutdownWrite || write
  })
  const peer = m.sockets.get(own.peer!)
  if (peer !== undefined) {
    m.sockets.set(peer.id, {
      ...peer,
      shutdownRead: peer.shutdownRead || write,
      shutdownWrite: peer.shutdownWrite || read
    })
  }
}

export const setsockopt = (m: Machine, { fd, option, value }: Arguments<"setsockopt">): void => {
  const { socket: own } = socketOf(m, fd)
  switch (option) {
    case SO.PASSCRED:
      return m.sockets.set(own.id, { ...own, passCredentials: value !== 0 })
    case SO.RCVTIMEO:
      // the unit that the call table gives is milliseconds
      return m.sockets.set(own.id, { ...own, receiveTimeout: value })
    case SO.SNDTIMEO:
      return
    default:
      return m.unmodelled(`socket option ${option}`)
  }
}

export const send = (
  m: Machine,
  file: OpenFile,
  id: number,
  data: Uint8Array,
  files: ReadonlyArray<number>,
  flags: number
): number => {
  const own = m.sockets.need(id)
  if (own.peer === undefined) return refuse("ENOTCONN")
  const peer = m.sockets.get(own.peer)
  if (own.shutdownWrite || peer === undefined || peer.shutdownRead) {
    // datagrams to a peer that is gone: ECONNREFUSED (unix_dgram_sendmsg); connections break
    if (own.type === SOCK.DGRAM) return refuse("ECONNREFUSED")
    return broken(m, (flags & MSG.NOSIGNAL) !== 0)
  }
  // what a message may hold (net.core.wmem_default)
  if (own.type !== SOCK.STREAM && data.length > 212992 - 32) refuse("EMSGSIZE")
  const waitingBytes = peer.queue.reduce((sum, message) => sum + message.data.length, 0)
  if (waitingBytes + data.length > 212992 && peer.queue.length > 0 && peer.external === undefined) {
    if ((file.flags & O.NONBLOCK) !== 0 || (flags & MSG.DONTWAIT) !== 0) refuse("EAGAIN")
    return block("room in a socket's queue")
  }
  if (own.type === SOCK.STREAM && data.length === 0) return 0
  for (const held of files) m.files.update(held, (old) => ({ ...old, refs: old.refs + 1 }))
  const message: Queued = { data, files, pid: m.pid, uid: m.self.creds.euid, gid: m.self.creds.egid }
  m.sockets.set(peer.id, { ...peer, queue: [...peer.queue, message] })
  return data.length
}

export const sendmsg = (m: Machine, { data, fd, fds, flags }: Arguments<"sendmsg">): number => {
  const { file, socket: own } = socketOf(m, fd)
  // SCM_MAX_FD (unix(7))
  if (fds.length > 253) refuse("EINVAL")
  return send(m, file, own.id, data, fds.map((passed) => Descriptors.fileOf(m, passed).id), flags)
}

export const receive = (m: Machine, file: OpenFile, id: number, size: number, flags: number): Message => {
  const own = m.sockets.need(id)
  const [first, ...rest] = own.queue
  // a datagram socket tells a pending error before its data, a stream after it
  if (own.error !== undefined && (own.type !== SOCK.STREAM || first === undefined)) {
    const { error, ...healed } = own
    // the error is told once
    m.sockets.set(id, healed)
    throw new RefusedAfter(error)
  }
  if (first === undefined) {
    // recvmsg(2) says ENOTCONN, unix_stream_read_generic EINVAL
    if (own.peer === undefined && own.type === SOCK.STREAM) return refuse("EINVAL")
    if (own.peer === undefined && own.type === SOCK.SEQPACKET) return refuse("ENOTCONN")
    const over = own.shutdownRead || (own.peer !== undefined && !m.sockets.has(own.peer) && own.type !== SOCK.DGRAM)
    if (over || (own.type === SOCK.STREAM && size === 0)) return { data: new Uint8Array(), fds: [], credentials: null }
    if ((file.flags & O.NONBLOCK) !== 0 || (flags & MSG.DONTWAIT) !== 0 || m.timedOut) refuse("EAGAIN")
    return block(
      "a message, or the peer to close",
      own.receiveTimeout === 0 ? undefined : BigInt(own.receiveTimeout) * 1_000_000n
    )
  }
  const peek = (flags & MSG.PEEK) !== 0
  const data = first.data.slice(0, size)
  const left = first.data.slice(size)
  if (!peek) {
    // a stream keeps the rest, the others lose it (MSG_TRUNC)
    const keep = own.type === SOCK.STREAM && left.length > 0 ? [{ ...first, data: left, files: [] }, ...rest] : rest
    m.sockets.set(id, { ...own, queue: keep })
  }
  const fds = first.files.map((held) => Descriptors.enter(m, held, true))
  if (!peek) { for (const held of first.files) Descriptors.release(m, held) }
  const sender = m.processes.get(first.pid)
  return {
    data,
    fds,
    credentials: own.passCredentials
      ? {
        // 0 for a sender that this pid namespace does not see
        pid: sender?.numbers.get(m.self.ns.pid) ?? 0,
        uid: shown(m, "uid", first.uid),
        gid: shown(m, "gid", first.gid)
      }
      : null
  }
}

export const recvmsg = (m: Machine, { fd, flags, size }: Arguments<"recvmsg">): Message => {
  const { file, socket: own } = socketOf(m, fd)
  const message = own.queue[0]
  // what the live layer makes of MSG_TRUNC: the message is gone, and its descriptors are closed
  const tooLong = message !== undefined && own.type !== SOCK.STREAM && message.data.length > size
  if (tooLong && own.error === undefined && (flags & (MSG.TRUNC | MSG.PEEK)) === 0) {
    m.sockets.set(own.id, { ...own, queue: own.queue.slice(1) })
    for (const held of message.files) Descriptors.release(m, held)
    throw new RefusedAfter("EMSGSIZE")
  }
  return receive(m, file, own.id, size, flags)
}

// ── poll ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

const eventsOf = (m: Machine, fd: number): number => {
  const entry = m.self.descriptors.get(fd)
  if (fd < 0) return 0
  if (entry === undefined) return POLL.NVAL
  const file = m.files.need(entry.file)
  const { kind } = file
  if ((file.flags & O.PATH) !== 0) return POLL.NVAL
  switch (kind._tag) {
    case "Socket": {
      const own = m.sockets.need(kind.socket)
      const peer = own.peer === undefined ? undefined : m.sockets.get(own.peer)
      const gone = own.peer !== undefined && peer === undefined
      const readable = own.queue.length > 0 || gone || own.shutdownRead || own.error !== undefined
      const hung = gone && own.type !== SOCK.DGRAM || (own.shutdownRead && own.shutdownWrite)
      return (readable ? POLL.IN : 0) | POLL.OUT | (hung ? POLL.HUP : 0) | (own.error === undefined ? 0 : POLL.ERR)
    }
    case "Pid": {
      const target = m.processes.get(kind.pid)
      return target === undefined || Processes.isWaitable(m, target)
        ? POLL.IN | (target === undefined ? POLL.HUP : 0)
        : 0
    }
    case "Node": {
      const node = at(m, kind.location)
      if (node.type !== "p") return POLL.IN | POLL.OUT
      const ends = pipeEnds(m, node.id)
      const reads = (file.flags & 3) !== O.WRONLY
      const writes = (file.flags & 3) !== O.RDONLY
      return (reads && buffered(node).length > 0 ? POLL.IN : 0) | (reads && ends.writers === 0 ? POLL.HUP : 0) |
        (writes && buffered(node).length < capacity ? POLL.OUT : 0) | (writes && ends.readers === 0 ? POLL.ERR : 0)
    }
    case "Pty": {
      const pty = m.ptys.need(kind.pty)
      const data = kind.side === "master" ? pty.toMaster : pty.toSlave
      return (data.length > 0 ? POLL.IN : 0) | POLL.OUT
    }
    default:
      return 0
  }
}

export const poll = (m: Machine, { events, fds, timeout }: Arguments<"poll">): ReadonlyArray<number> => {
  const ready = fds.map((fd) => eventsOf(m, fd) & (events | POLL.ERR | POLL.HUP | POLL.NVAL))
  if (ready.some((found) => found !== 0) || timeout === 0 || m.timedOut) return ready
  return block("an event on a descriptor", timeout < 0 ? undefined : BigInt(timeout) * 1_000_000n)
}

// ── terminals ────────────────────────────────────────────────────────────────────────────────────────────────────────

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
    return Descriptors.open(m, { _tag: "Pty", pty: id, side: "master" }, flags & ~(O.CREAT | O.NOCTTY), path)
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
