/** Exchanges with rtnetlink(7). */
import * as c from "../constants.ts"
import * as Netlink from "../netlink/messages.ts"
import { invalid, Refused, refused } from "../Refused.ts"
import type { Answer, Request } from "../Rtnetlink.ts"
import { sockaddr_nl, timeval } from "./structs.ts"
import { attempted, type Handlers, type Syscalls } from "./Syscalls.ts"

/** The largest datagram that the kernel makes (`netlink_recvmsg`). */
const datagramSize = 0x8000
/** How many datagrams of other senders may come in between. */
const strangers = 64
/** How long to wait for an answer. Normally the kernel answers within the call that sends. */
const patienceSeconds = 10n
/** How often a list is requested again that changed while it was read. */
const listAttempts = 8

/** Opens a socket on which the kernel answers. */
const open = ({ call, memory, numbers }: Syscalls): number => {
  const socket = call(numbers.socket, c.AF.NETLINK, c.SOCK.RAW | c.SOCK.CLOEXEC, c.NETLINK.ROUTE)
  const on = memory.ints([1])
  const patience = memory.zeroed(timeval.size)
  patience.set(timeval.fields.tv_sec, patienceSeconds)
  call(numbers.setsockopt, socket, c.SOL.SOCKET, c.SO.RCVTIMEO, patience.address, timeval.size)
  // both only make errors more precise; a kernel without them still answers
  for (const option of [c.NETLINK.EXT_ACK, c.NETLINK.CAP_ACK]) {
    attempted(() => call(numbers.setsockopt, socket, c.SOL.NETLINK, option, on, 4))
  }
  return socket
}

/** The next datagram of the kernel. */
const receive = ({ memory, numbers, retry }: Syscalls, socket: number): Uint8Array => {
  for (let left = strangers; left > 0; left--) {
    // new memory each time: see rpc/Client.ts
    const sender = memory.zeroed(sockaddr_nl.size)
    const senderSize = memory.block(4)
    const datagram = memory.block(datagramSize)
    senderSize.setU32(0, sockaddr_nl.size)
    const size = retry(
      numbers.recvfrom,
      socket,
      datagram.address,
      datagramSize,
      c.MSG.TRUNC,
      sender.address,
      senderSize.address
    )
    if (size > datagramSize) throw new Refused("EMSGSIZE", `an answer of ${size} bytes`)
    // other processes may send to this socket too: only the kernel has port 0
    if (sender.get(sockaddr_nl.fields.nl_pid) === 0) return datagram.copy(0, size)
  }
  throw new Refused("EIO", "another process answers in place of the kernel")
}

/** Sends requests on a socket, and collects the answers. */
const exchangeOn = (syscalls: Syscalls, socket: number) => {
  const { memory, numbers, retry } = syscalls
  const kernel = memory.zeroed(sockaddr_nl.size)
  kernel.set(sockaddr_nl.fields.nl_family, c.AF.NETLINK)
  let sequence = 0

  const exchange = (request: Request): ReadonlyArray<Answer> => {
    const problem = Netlink.problem(request)
    if (problem !== undefined) throw invalid(problem)
    const seq = ++sequence
    const message = Netlink.encode(request, seq)
    retry(numbers.sendto, socket, memory.bytes(message), message.length, 0, kernel.address, sockaddr_nl.size)
    const answers: Array<Answer> = []
    for (;;) {
      const decoded = Netlink.decode(receive(syscalls, socket), seq, request)
      answers.push(...decoded.answers)
      if (decoded.error !== undefined) throw refused(decoded.error.errno, decoded.error.detail)
      if (decoded.done) return answers
    }
  }

  return (request: Request): ReadonlyArray<Answer> => {
    try {
      return exchange(request)
    } catch (cause) {
      if (cause instanceof Refused && cause.code === "EAGAIN") {
        throw new Refused("ETIMEDOUT", `no answer within ${patienceSeconds} s`)
      }
      throw cause
    }
  }
}

/** Replaces the name of a link by its index, since addresses and routes take indexes only. */
const resolved = (request: Request, exchange: (request: Request) => ReadonlyArray<Answer>): Request => {
  const link = Netlink.needsIndex(request)
  if (link === undefined) return request
  const found = exchange({ _tag: "LinkGet", link }).find((answer) => answer._tag === "Link")
  if (found === undefined) throw new Refused("ENODEV", `there is no link "${link}"`)
  return Netlink.withIndex(request, found.index)
}

const once = (syscalls: Syscalls, request: Request): ReadonlyArray<Answer> => {
  const socket = open(syscalls)
  try {
    const exchange = exchangeOn(syscalls, socket)
    return exchange(resolved(request, exchange))
  } finally {
    attempted(() => syscalls.call(syscalls.numbers.close, socket))
  }
}

/** The handlers of the calls about rtnetlink(7). */
export const network = (syscalls: Syscalls) => {
  return {
    rtnetlink: ({ request }) => {
      for (let left = listAttempts;; left--) {
        try {
          return once(syscalls, request)
        } catch (cause) {
          // request it again on a new socket: this one still has the rest of the old list
          if (!(cause instanceof Refused) || cause.code !== "EINTR" || left <= 1) throw cause
        }
      }
    }
  } satisfies Partial<Handlers>
}
