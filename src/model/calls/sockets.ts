/** The calls about pipes and sockets. @see pipe(2), unix(7), poll(2) */
import { AF, AT, MSG, O, POLL, SHUT, SO, SOCK } from "../../native/constants.ts"
import type { Arguments } from "../../native/Kernel.ts"
import type { Message } from "../../native/results.ts"
import { noId, shown } from "../Credentials.ts"
import * as Descriptors from "../Descriptors.ts"
import { release } from "../ending.ts"
import { block, LateRefusal, type Machine, refuse } from "../Machine.ts"
import * as Nodes from "../Nodes.ts"
import { buffered, hasRoom, pipeEnds } from "../Pipes.ts"
import * as Processes from "../Processes.ts"
import { at, existing } from "../Resolve.ts"
import {
  families,
  makeSocket,
  nothing,
  openSocket,
  send,
  sendBuffer,
  socketOf,
  take,
  tellError,
  typeOf,
  used,
  waitsFor
} from "../Sockets.ts"
import type { OpenFile, Socket } from "../State.ts"
import { terminalEvents } from "../Terminals.ts"
import * as Tree from "../Tree.ts"
import { inetSocket } from "./inetSockets.ts"

export const socket = (m: Machine, { domain, protocol, type }: Arguments<"socket">): number => {
  if ((type & ~(0xf | SOCK.CLOEXEC | SOCK.NONBLOCK)) !== 0) refuse("EINVAL")
  if (domain < 0 || domain >= families || domain === 0) refuse("EAFNOSUPPORT")
  if (domain === AF.INET) return inetSocket(m, type, protocol)
  if (domain !== AF.UNIX) m.unmodelled(`sockets of family ${domain}; rtnetlink has a call of its own`)
  // EPROTONOSUPPORT: the only protocol of a family has its number (unix_create)
  if ((type & 0xf) <= 10 && protocol !== 0 && protocol !== AF.UNIX) refuse("EPROTONOSUPPORT")
  return openSocket(m, makeSocket(m, domain, typeOf(type)), type)
}

const O_DIRECT = 0o40000

export const pipe2 = (m: Machine, { flags }: Arguments<"pipe2">): readonly [number, number] => {
  // EINVAL: other flags than O_CLOEXEC, O_NONBLOCK, O_DIRECT (pipe(2))
  if ((flags & ~(O.CLOEXEC | O.NONBLOCK | O_DIRECT)) !== 0) refuse("EINVAL")
  const node = Tree.anonymous(m, 0, 0o600, { _tag: "Fifo", data: new Uint8Array() })
  const location = { mount: 0, node }
  const path = `pipe:[${node}]`
  return [
    // only the write end has O_DIRECT (create_pipe_files)
    Descriptors.open(m, { _tag: "Node", location }, O.RDONLY | flags & ~O_DIRECT, path),
    Descriptors.open(m, { _tag: "Node", location }, O.WRONLY | flags, path)
  ]
}

export const socketpair = (m: Machine, { type }: Arguments<"socketpair">): readonly [number, number] => {
  const only = typeOf(type)
  const a = makeSocket(m, AF.UNIX, only)
  const b = makeSocket(m, AF.UNIX, only, { peer: a })
  m.sockets.update(a, (old) => ({ ...old, peer: b }))
  return [openSocket(m, a, type), openSocket(m, b, type)]
}

/** A unix socket. Other sockets can only be made in the model. */
const unixSocketOf = (m: Machine, fd: number): { readonly file: OpenFile; readonly socket: Socket } => {
  const found = socketOf(m, fd)
  return found.socket.domain === AF.UNIX ? found : m.unmodelled("what is sent over a socket of IPv4")
}

export const connect = (m: Machine, { fd, path }: Arguments<"connect">): void => {
  const { socket: own } = unixSocketOf(m, fd)
  // sun_path holds 108 bytes (unix(7)); the live kernel's handler refuses longer paths itself
  if (new TextEncoder().encode(path).length >= 108) refuse("ENAMETOOLONG")
  // an empty path is an abstract name, which no socket has
  if (path === "") refuse("ECONNREFUSED")
  const node = at(m, existing(m, AT.FDCWD, path, { follow: true }))
  if (!Nodes.permitted(m, node, Nodes.W)) refuse("EACCES")
  // ECONNREFUSED: not a socket, or not listening (unix_find_bsd)
  if (node.stored?.content._tag !== "Socket" || !node.stored.content.listening) return refuse("ECONNREFUSED")
  if (own.peer !== undefined) refuse("EISCONN")
  const far = makeSocket(m, AF.UNIX, own.type, { peer: own.id, external: path })
  m.sockets.set(own.id, { ...own, peer: far })
}

export const shutdown = (m: Machine, { fd, how }: Arguments<"shutdown">): void => {
  const { socket: own } = unixSocketOf(m, fd)
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

/** The number after the last `SOL_SOCKET` option. */
const lastOption = 100

export const setsockopt = (m: Machine, { fd, option, value }: Arguments<"setsockopt">): void => {
  const { socket: own } = unixSocketOf(m, fd)
  switch (option) {
    case SO.PASSCRED:
      return m.sockets.set(own.id, { ...own, passCredentials: value !== 0 })
    case SO.PASSRIGHTS:
      return m.sockets.set(own.id, { ...own, passRights: value !== 0 })
    case SO.RCVTIMEO:
      // in the table of calls the unit is milliseconds
      return m.sockets.set(own.id, { ...own, receiveTimeout: value })
    case SO.SNDTIMEO:
      return
    default:
      return option > lastOption ? refuse("ENOPROTOOPT") : m.unmodelled(`socket option ${option}`)
  }
}

export const sendmsg = (m: Machine, { data, fd, fds, flags }: Arguments<"sendmsg">): number => {
  const { file, socket: own } = unixSocketOf(m, fd)
  // SCM_MAX_FD (unix(7))
  if (fds.length > 253) refuse("EINVAL")
  return send(m, file, own.id, data, fds.map((passed) => Descriptors.fileOf(m, passed).id), flags)
}

export const recvmsg = (m: Machine, { fd, flags, size }: Arguments<"recvmsg">): Message => {
  const { file, socket: own } = unixSocketOf(m, fd)
  // for messages, an error comes before the data; for a stream, after it
  if (own.type !== SOCK.STREAM) tellError(m, own)
  if (own.queue.length === 0) {
    // also for size 0: at least one byte is waited for (sock_rcvlowat)
    return { data: nothing(m, own, waitsFor(file, flags)), fds: [], credentials: null }
  }
  const { data, files, rest, sender } = take(own, size)
  const isPeek = (flags & MSG.PEEK) !== 0
  if (!isPeek) m.sockets.set(own.id, { ...own, queue: rest })
  // as the live kernel's handler does for MSG_TRUNC: the message is lost, unless it was peeked at, and its descriptors are
  // closed
  const isCut = own.type !== SOCK.STREAM && own.queue[0]!.data.length > size
  if (isCut && (flags & MSG.TRUNC) === 0) {
    if (!isPeek) { for (const held of files) release(m, held) }
    throw new LateRefusal("EMSGSIZE")
  }
  const fds = files.map((held) => Descriptors.enter(m, held, true))
  if (!isPeek) { for (const held of files) release(m, held) }
  return {
    data,
    fds,
    credentials: own.passCredentials
      ? {
        // 0 for a sender that this pid namespace does not see, or without credentials
        pid: sender?.numbers.get(m.self.ns.pid) ?? 0,
        uid: shown(m, "uid", sender?.uid ?? noId),
        gid: shown(m, "gid", sender?.gid ?? noId)
      }
      : null
  }
}

// -- poll -------------------------------------------------------------------------------------------------------------

/** unix_poll, unix_dgram_poll */
const socketEvents = (m: Machine, own: Socket): number => {
  // nobody connects in the model (inet_csk_listen_poll)
  if (own.listening === true) return 0
  const isDatagram = own.type === SOCK.DGRAM
  const readable = own.queue.length > 0 || own.shutdownRead
  const hung = own.shutdownRead && own.shutdownWrite || !isDatagram && own.peer === undefined
  // writable while at most a quarter of the buffer is in flight
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
