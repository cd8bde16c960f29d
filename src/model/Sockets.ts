/**
 * Unix sockets, and poll(2). The rules are those of `net/unix/af_unix.c` of the kernel. @see unix(7), socket(2), recvmsg(2)
 */
import { MSG, O, SOCK } from "../native/constants.ts"
import * as Descriptors from "./Descriptors.ts"
import { release } from "./ending.ts"
import { block, concat, LateRefusal, type Machine, refuse } from "./Machine.ts"
import { broken } from "./Pipes.ts"
import type { OpenFile, Queued, Socket } from "./State.ts"

// -- making -----------------------------------------------------------------------------------------------------------
export const makeSocket = (m: Machine, domain: number, type: number, fields: Partial<Socket> = {}): number => {
  const id = m.fresh()
  m.sockets.set(id, {
    id,
    domain,
    type,
    queue: [],
    shutdownRead: false,
    shutdownWrite: false,
    passCredentials: false,
    passRights: true,
    receiveTimeout: 0,
    ...fields
  })
  return id
}

export const openSocket = (m: Machine, socket: number, type: number): number =>
  Descriptors.open(
    m,
    { _tag: "Socket", socket },
    O.RDWR | ((type & SOCK.CLOEXEC) !== 0 ? O.CLOEXEC : 0) | ((type & SOCK.NONBLOCK) !== 0 ? O.NONBLOCK : 0),
    `socket:[${socket}]`
  )

/** The socket of a descriptor, and its open file. */
export const socketOf = (m: Machine, fd: number): { readonly file: OpenFile; readonly socket: Socket } => {
  const file = Descriptors.usable(m, fd)
  return file.kind._tag === "Socket"
    ? { file, socket: m.sockets.need(file.kind.socket) }
    : refuse("ENOTSOCK")
}

/** The type of a unix socket without its flags; a raw one is one of datagrams (unix_create). */
export const typeOf = (given: number): number => {
  // EINVAL: unknown flags, or no such type (__sys_socket); ESOCKTNOSUPPORT: a type that unix sockets do not have
  if ((given & ~(0xf | SOCK.CLOEXEC | SOCK.NONBLOCK)) !== 0) refuse("EINVAL")
  const type = given & 0xf
  if (type > 10) refuse("EINVAL")
  if (type === SOCK.RAW) return SOCK.DGRAM
  return [SOCK.STREAM, SOCK.DGRAM, SOCK.SEQPACKET].some((known) => known === type) ? type : refuse("ESOCKTNOSUPPORT")
}

/** The number of address families that Linux knows. */
export const families = 46

// -- buffers ----------------------------------------------------------------------------------------------------------

/** `net.core.wmem_default`: how much of a socket's messages may be in flight. */
export const sendBuffer = 212992

const page = 4096

/**
 * The memory that the kernel charges for a message (`SKB_TRUESIZE`): a head of at most `head` bytes, the rest in whole
 * pages.
 */
const charge = (size: number, head: number): number => {
  const paged = Math.max(0, size - head)
  const inPages = Math.min(size, Math.ceil(paged / page) * page)
  const linear = size - inPages
  // the head and its descriptor are rounded up to the allocator's sizes; the smallest size has its own cache
  const wanted = Math.ceil(linear / 64) * 64 + 320
  const allocated = wanted <= 640 ? 640 : 2 ** Math.ceil(Math.log2(wanted))
  return allocated + 256 + Math.ceil(inPages / page) * page
}

const streamHead = 3776

const streamPart = streamHead + 32768

const messageHead = 16064

export const used = (m: Machine, { id, peer }: Socket): number =>
  (peer === undefined ? undefined : m.sockets.get(peer))?.queue.filter(({ from }) => from === id).reduce(
    (sum, message) => sum + message.charge,
    0
  ) ?? 0

// -- sending ----------------------------------------------------------------------------------------------------------

/** The error of a socket, which is reported once (sock_error). */
export const tellError = (m: Machine, socket: Socket): void => {
  if (socket.error === undefined) return
  const { error, ...healed } = socket
  m.sockets.set(socket.id, healed)
  throw new LateRefusal(error)
}

/** The receiver of a message. ENOTCONN, EPIPE or ECONNREFUSED if there is none. */
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
    // a datagram to a closed peer also ends the connection (unix_dgram_sendmsg)
    const { peer: _, ...alone } = own
    m.sockets.set(own.id, alone)
    throw new LateRefusal("ECONNREFUSED")
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
  if (files.length > 0 && !peer.passRights) refuse("EPERM")
  const { creds, numbers } = m.self
  const sender = own.passCredentials || peer.passCredentials ? { numbers, uid: creds.uid, gid: creds.gid } : undefined
  const parts: Array<Queued> = []
  let room = peer.external === undefined ? sendBuffer - used(m, own) : Infinity
  let sent = 0
  // a stream is sent in parts, of which the first carries the descriptors; other types send even an empty message
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

// -- receiving --------------------------------------------------------------------------------------------------------

/** There is nothing to receive: an error, end of file, or a wait. */
export const nothing = (m: Machine, own: Socket, waits: boolean): Uint8Array => {
  tellError(m, own)
  // a stream that is not connected returns EINVAL, unlike recvmsg(2) says (unix_stream_read_generic)
  if (own.peer === undefined && own.type === SOCK.STREAM) return refuse("EINVAL")
  if (own.peer === undefined && own.type === SOCK.SEQPACKET) return refuse("ENOTCONN")
  // end of file; for datagrams, only if the call would block (unix_dgram_recvmsg)
  if (own.shutdownRead && (own.type !== SOCK.DGRAM || waits)) return new Uint8Array()
  if (!waits || m.timedOut) refuse("EAGAIN")
  return block(
    "a message, or the peer to close",
    own.receiveTimeout === 0 ? undefined : BigInt(own.receiveTimeout) * 1_000_000n
  )
}

/** What a receive takes. Messages of a stream are joined, up to one with descriptors or of another sender. */
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

export const take = (own: Socket, size: number): Taken =>
  own.type === SOCK.STREAM ? takeStream(own.queue, size, own.passCredentials) : takeMessage(own.queue, size)

export const waitsFor = (file: OpenFile, flags: number): boolean =>
  (file.flags & O.NONBLOCK) === 0 && (flags & MSG.DONTWAIT) === 0

/** As read(2): descriptors that were sent along are closed. */
export const read = (m: Machine, file: OpenFile, id: number, size: number): Uint8Array => {
  const own = m.sockets.need(id)
  // sock_read_iter
  if (size === 0) return new Uint8Array()
  if (own.type !== SOCK.STREAM) tellError(m, own)
  if (own.queue.length === 0) return nothing(m, own, waitsFor(file, 0))
  const { data, files, rest } = take(own, size)
  m.sockets.set(id, { ...own, queue: rest })
  for (const held of files) release(m, held)
  return data
}
