/**
 * Unix sockets, and poll(2). The rules are those of `net/unix/af_unix.c` of the kernel. @see unix(7), socket(2), recvmsg(2)
 */
import type { Message } from "../native/calls.ts"
import { AF, AT, MSG, O, POLL, SHUT, SO, SOCK } from "../native/constants.ts"
import type { Arguments } from "../native/Kernel.ts"
import { overflow, shown } from "./Credentials.ts"
import * as Descriptors from "./Descriptors.ts"
import { block, concat, type Machine, refuse, RefusedAfter } from "./Machine.ts"
import * as Nodes from "./Nodes.ts"
import { broken, buffered, hasRoom, pipeEnds } from "./Pipes.ts"
import * as Processes from "./Processes.ts"
import { at, existing } from "./Resolve.ts"
import type { OpenFile, Queued, Socket } from "./State.ts"
import { terminalEvents } from "./Terminals.ts"

// ── making ───────────────────────────────────────────────────────────────────────────────────────────────────────────

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

/** The type of a unix socket without its flags; a raw one is one of datagrams (unix_create). */
const typeOf = (given: number): number => {
  // EINVAL: unknown flags, and no type at all (__sys_socket); ESOCKTNOSUPPORT: a type that unix sockets do not have
  if ((given & ~(0xf | SOCK.CLOEXEC | SOCK.NONBLOCK)) !== 0) refuse("EINVAL")
  const type = given & 0xf
  if (type > 10) refuse("EINVAL")
  if (type === SOCK.RAW) return SOCK.DGRAM
  return [SOCK.STREAM, SOCK.DGRAM, SOCK.SEQPACKET].some((known) => known === type) ? type : refuse("ESOCKTNOSUPPORT")
}

/** The families that Linux numbers. */
const families = 46

export const socket = (m: Machine, { domain, protocol, type }: Arguments<"socket">): number => {
  if ((type & ~(0xf | SOCK.CLOEXEC | SOCK.NONBLOCK)) !== 0) refuse("EINVAL")
  if (domain < 0 || domain >= families || domain === 0) refuse("EAFNOSUPPORT")
  if (domain !== AF.UNIX) m.unmodelled(`sockets of family ${domain}; rtnetlink has a call of its own`)
  // EPROTONOSUPPORT: the only protocol of a family has its number (unix_create)
  if ((type & 0xf) <= 10 && protocol !== 0 && protocol !== AF.UNIX) refuse("EPROTONOSUPPORT")
  return openSocket(m, makeSocket(m, domain, typeOf(type)), type)
}

export const socketpair = (m: Machine, { type }: Arguments<"socketpair">): readonly [number, number] => {
  const only = typeOf(type)
  const a = makeSocket(m, AF.UNIX, only)
  const b = makeSocket(m, AF.UNIX, only, { peer: a })
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
  // sun_path holds 108 bytes (unix(7)); the live layer does not ask the kernel about more
  if (new TextEncoder().encode(path).length >= 108) refuse("ENAMETOOLONG")
  // an empty path is an abstract name, which nobody has
  if (path === "") refuse("ECONNREFUSED")
  const node = at(m, existing(m, AT.FDCWD, path, { follow: true }))
  if (!Nodes.permitted(m, node, Nodes.W)) refuse("EACCES")
  // ECONNREFUSED: not a socket, or nobody listens (unix_find_bsd)
  if (node.stored?.content._tag !== "Socket" || !node.stored.content.listening) return refuse("ECONNREFUSED")
  if (own.peer !== undefined) refuse("EISCONN")
  const far = makeSocket(m, AF.UNIX, own.type, { peer: own.id, external: path })
  m.sockets.set(own.id, { ...own, peer: far })
}

export const shutdown = (m: Machine, { fd, how }: Arguments<"shutdown">): void => {
  const { socket: own } = socketOf(m, fd)
  if (how < 0 || how > 2) refuse("EINVAL")
  const [read, write] = [how !== SHUT.WR, how !== SHUT.RD]
  m.sockets.set(own.id, {
    ...own,
    shutdownRead: own.shutdownRead || read,
    shutdownWrite: own.shutdownWrite || write
  })
  const peer = own.peer === undefined || own.type === SOCK.DGRAM ? undefined : m.sockets.get(own.peer)
  if (peer !== undefined) {
    m.sockets.set(peer.id, {
      ...peer,
      shutdownRead: peer.shutdownRead || write,
      shutdownWrite: peer.shutdownWrite || read
    })
  }
}

/** Options of `SOL_SOCKET` end here. */
const lastOption = 100

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
      return option > lastOption ? refuse("ENOPROTOOPT") : m.unmodelled(`socket option ${option}`)
  }
}

/** The last descriptor of a socket is closed (unix_release_sock). */
export const end = (m: Machine, id: number): void => {
  const socket = m.sockets.need(id)
  m.sockets.delete(id)
  const peer = socket.peer === undefined || socket.type === SOCK.DGRAM ? undefined : m.sockets.get(socket.peer)
  if (peer !== undefined) {
    m.sockets.set(peer.id, {
      ...peer,
      shutdownRead: true,
      shutdownWrite: true,
      // ECONNRESET: it had not read everything
      ...socket.queue.length > 0 ? { error: "ECONNRESET" } : {}
    })
  }
  for (const message of socket.queue) for (const held of message.files) Descriptors.release(m, held)
}

// ── buffers ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** `net.core.wmem_default`, which a socket's messages on their way may take. */
const sendBuffer = 212992
const page = 4096

/** What a message of the kernel takes (`SKB_TRUESIZE`): a head of at most `head` bytes, the rest in whole pages. */
const charge = (size: number, head: number): number => {
  const paged = Math.max(0, size - head)
  const inPages = Math.min(size, Math.ceil(paged / page) * page)
  const linear = size - inPages
  // the head and what describes it come from the allocator's sizes, the smallest of which has a cache of its own
  const wanted = Math.ceil(linear / 64) * 64 + 320
  const allocated = wanted <= 640 ? 640 : 2 ** Math.ceil(Math.log2(wanted))
  return allocated + 256 + Math.ceil(inPages / page) * page
}

const streamHead = 3776
const streamPart = streamHead + 32768
const messageHead = 16064

const used = (m: Machine, { id, peer }: Socket): number =>
  (peer === undefined ? undefined : m.sockets.get(peer))?.queue.filter(({ from }) => from === id).reduce(
    (sum, message) => sum + message.charge,
    0
  ) ?? 0

// ── sending ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The error of a socket, which is told once (sock_error). */
const tellError = (m: Machine, socket: Socket): void => {
  if (socket.error === undefined) return
  const { error, ...healed } = socket
  m.sockets.set(socket.id, healed)
  throw new RefusedAfter(error)
}

/** Checks that there is somebody to get a message; ENOTCONN, EPIPE, ECONNREFUSED. */
const receiverOf = (m: Machine, own: Socket, quiet: boolean): Socket => {
  if (own.type === SOCK.STREAM) {
    if (own.peer === undefined) return refuse("ENOTCONN")
    const peer = m.sockets.get(own.peer)
    return own.shutdownWrite || peer === undefined || peer.shutdownRead ? broken(m, quiet) : peer
  }
  if (own.type === SOCK.SEQPACKET) {
    tellError(m, own)
    if (own.peer === undefined) return refuse("ENOTCONN")
  }
  // no SIGPIPE: only streams send it (unix_stream_sendmsg)
  if (own.peer === undefined) return refuse("ENOTCONN")
  if (own.shutdownWrite) return refuse("EPIPE")
  const peer = m.sockets.get(own.peer)
  if (peer === undefined) {
    // a datagram to a peer that is gone also ends the connection (unix_dgram_sendmsg)
    const { peer: _, ...alone } = own
    m.sockets.set(own.id, alone)
    throw new RefusedAfter("ECONNREFUSED")
  }
  return peer.shutdownRead ? refuse("EPIPE") : peer
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
  const isStream = own.type === SOCK.STREAM
  // EMSGSIZE: more than the buffer holds (unix_dgram_sendmsg)
  const isLong = !isStream && data.length > sendBuffer - 32
  if (isLong && own.peer !== undefined && own.error === undefined) refuse("EMSGSIZE")
  const peer = receiverOf(m, own, (flags & MSG.NOSIGNAL) !== 0)
  const { creds, numbers } = m.self
  const sender = own.passCredentials || peer.passCredentials ? { numbers, uid: creds.uid, gid: creds.gid } : undefined
  const parts: Array<Queued> = []
  let room = peer.external === undefined ? sendBuffer - used(m, own) : Infinity
  let sent = 0
  // a stream goes in parts, of which the first carries the descriptors; a message is a message even if it is empty
  const isOver = (): boolean => sent === data.length && (parts.length > 0 || isStream)
  while (room > 0 && !isOver()) {
    const part = data.slice(sent, isStream ? sent + streamPart : undefined)
    const takes = charge(part.length, isStream ? streamHead : messageHead)
    parts.push({
      data: part,
      files: parts.length === 0 ? files : [],
      from: id,
      charge: takes,
      ...sender === undefined ? {} : { sender }
    })
    room -= takes
    sent += part.length
  }
  if (!isOver() && (file.flags & O.NONBLOCK) === 0 && (flags & MSG.DONTWAIT) === 0) {
    if (parts.length > 0) m.unmodelled("a write to a socket that waits in its middle")
    return block("room in a socket's queue")
  }
  if (!isOver() && parts.length === 0) refuse("EAGAIN")
  for (const held of parts.flatMap((part) => part.files)) {
    m.files.update(held, (old) => ({ ...old, refs: old.refs + 1 }))
  }
  m.sockets.update(peer.id, (old) => ({ ...old, queue: [...old.queue, ...parts] }))
  return sent
}

export const sendmsg = (m: Machine, { data, fd, fds, flags }: Arguments<"sendmsg">): number => {
  const { file, socket: own } = socketOf(m, fd)
  // SCM_MAX_FD (unix(7))
  if (fds.length > 253) refuse("EINVAL")
  return send(m, file, own.id, data, fds.map((passed) => Descriptors.fileOf(m, passed).id), flags)
}

// ── receiving ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Nothing to receive: an error, the end, or a wait. */
const nothing = (m: Machine, own: Socket, waits: boolean): Uint8Array => {
  tellError(m, own)
  // a stream that is not connected says EINVAL, against recvmsg(2) (unix_stream_read_generic)
  if (own.peer === undefined && own.type === SOCK.STREAM) return refuse("EINVAL")
  if (own.peer === undefined && own.type === SOCK.SEQPACKET) return refuse("ENOTCONN")
  // the end; of datagrams, only for who would wait (unix_dgram_recvmsg)
  if (own.shutdownRead && (own.type !== SOCK.DGRAM || waits)) return new Uint8Array()
  if (!waits || m.timedOut) refuse("EAGAIN")
  return block(
    "a message, or the peer to close",
    own.receiveTimeout === 0 ? undefined : BigInt(own.receiveTimeout) * 1_000_000n
  )
}

/** What a receive takes: whole messages of a stream are glued until one with descriptors, or of somebody else. */
interface Taken {
  readonly data: Uint8Array
  readonly files: ReadonlyArray<number>
  readonly sender: Queued["sender"]
  readonly rest: ReadonlyArray<Queued>
}

const takeMessage = ([first, ...rest]: ReadonlyArray<Queued>, size: number): Taken => ({
  data: first!.data.slice(0, size),
  files: first!.files,
  sender: first!.sender,
  rest
})

const isSame = (a: Queued["sender"], b: Queued["sender"]): boolean =>
  a?.numbers === b?.numbers && a?.uid === b?.uid && a?.gid === b?.gid

const takeStream = (queue: ReadonlyArray<Queued>, size: number, asksWho: boolean): Taken => {
  let data = new Uint8Array()
  let files: ReadonlyArray<number> = []
  const sender = queue[0]!.sender
  let taken = 0
  for (const message of queue) {
    if (data.length === size || (asksWho && !isSame(sender, message.sender))) break
    const part = message.data.slice(0, size - data.length)
    data = Uint8Array.from(concat(data, part))
    files = message.files
    if (part.length < message.data.length) {
      const left = { ...message, data: message.data.slice(part.length), files: [] }
      return { data, files, sender, rest: [left, ...queue.slice(taken + 1)] }
    }
    taken++
    if (message.files.length > 0) break
  }
  return { data, files, sender, rest: queue.slice(taken) }
}

const take = (own: Socket, size: number): Taken =>
  own.type === SOCK.STREAM ? takeStream(own.queue, size, own.passCredentials) : takeMessage(own.queue, size)

const waitsFor = (file: OpenFile, flags: number): boolean =>
  (file.flags & O.NONBLOCK) === 0 && (flags & MSG.DONTWAIT) === 0

/** read(2): descriptors that came along are closed. */
export const read = (m: Machine, file: OpenFile, id: number, size: number): Uint8Array => {
  const own = m.sockets.need(id)
  // sock_read_iter
  if (size === 0) return new Uint8Array()
  if (own.type !== SOCK.STREAM) tellError(m, own)
  if (own.queue.length === 0) return nothing(m, own, waitsFor(file, 0))
  const { data, files, rest } = take(own, size)
  m.sockets.set(id, { ...own, queue: rest })
  for (const held of files) Descriptors.release(m, held)
  return data
}

export const recvmsg = (m: Machine, { fd, flags, size }: Arguments<"recvmsg">): Message => {
  const { file, socket: own } = socketOf(m, fd)
  // messages: an error comes before what is there; a stream: after it
  if (own.type !== SOCK.STREAM) tellError(m, own)
  if (own.queue.length === 0) {
    // also where nothing was asked for: at least one byte is waited for (sock_rcvlowat)
    return { data: nothing(m, own, waitsFor(file, flags)), fds: [], credentials: null }
  }
  const { data, files, rest, sender } = take(own, size)
  const isPeek = (flags & MSG.PEEK) !== 0
  if (!isPeek) m.sockets.set(own.id, { ...own, queue: rest })
  // what the live layer makes of MSG_TRUNC: the message is gone, unless it was only looked at, and its descriptors are
  // closed
  const isCut = own.type !== SOCK.STREAM && own.queue[0]!.data.length > size
  if (isCut && (flags & MSG.TRUNC) === 0) {
    if (!isPeek) { for (const held of files) Descriptors.release(m, held) }
    throw new RefusedAfter("EMSGSIZE")
  }
  const fds = files.map((held) => Descriptors.enter(m, held, true))
  if (!isPeek) { for (const held of files) Descriptors.release(m, held) }
  return {
    data,
    fds,
    credentials: own.passCredentials
      ? {
        // 0 for a sender that this pid namespace does not see, or who did not say
        pid: sender?.numbers.get(m.self.ns.pid) ?? 0,
        uid: sender === undefined ? overflow : shown(m, "uid", sender.uid),
        gid: sender === undefined ? overflow : shown(m, "gid", sender.gid)
      }
      : null
  }
}

// ── poll ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** unix_poll, unix_dgram_poll */
const socketEvents = (m: Machine, own: Socket): number => {
  const isDatagram = own.type === SOCK.DGRAM
  const readable = own.queue.length > 0 || own.shutdownRead
  const hung = own.shutdownRead && own.shutdownWrite || !isDatagram && own.peer === undefined
  // writable while at most a quarter of the buffer is on its way
  const writable = used(m, own) * 4 <= sendBuffer
  return (readable ? POLL.IN : 0) | (writable ? POLL.OUT : 0) | (hung ? POLL.HUP : 0) |
    (own.error === undefined ? 0 : POLL.ERR)
}

const eventsOf = (m: Machine, fd: number): number => {
  const entry = m.self.descriptors.get(fd)
  if (fd < 0) return 0
  if (entry === undefined) return POLL.NVAL
  const file = m.files.need(entry.file)
  const { kind } = file
  if ((file.flags & O.PATH) !== 0) return POLL.NVAL
  switch (kind._tag) {
    case "Socket":
      return socketEvents(m, m.sockets.need(kind.socket))
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
        (writes && hasRoom(node) ? POLL.OUT : 0) | (writes && ends.readers === 0 ? POLL.ERR : 0)
    }
    case "Pty":
      return terminalEvents(m, kind)
    default:
      return 0
  }
}

export const poll = (m: Machine, { events, fds, timeout }: Arguments<"poll">): ReadonlyArray<number> => {
  const ready = fds.map((fd) => eventsOf(m, fd) & (events | POLL.ERR | POLL.HUP | POLL.NVAL))
  if (ready.some((found) => found !== 0) || timeout === 0 || m.timedOut) return ready
  return block("an event on a descriptor", timeout < 0 ? undefined : BigInt(timeout) * 1_000_000n)
}
