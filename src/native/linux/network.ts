/** Exchanges with rtnetlink(7). */
import * as c from "../constants.ts"
import * as Netlink from "../netlink.ts"
import type { Answer, Request } from "../Rtnetlink.ts"
import { sockaddr_nl, timeval } from "../structs.ts"
import { attempted, type Handlers, type Machine } from "./Machine.ts"
import { invalid, Refused, refused } from "./Refused.ts"

/** The kernel makes no larger datagrams. */
const datagramSize = 0x10000
/** The kernel answers within the call that sends; this long only if it is in trouble. */
const patienceSeconds = 10n
/** How often a list that changed while it was read is asked for again. */
const listAttempts = 8

/** The handlers of the calls about rtnetlink(7). */
export const network = ({ call, memory, numbers, retry }: Machine) => {
  const open = (): number => {
    const socket = call(numbers.socket, c.AF.NETLINK, c.SOCK.RAW | c.SOCK.CLOEXEC, c.NETLINK.ROUTE)
    const on = memory.ints([1])
    const patience = memory.zeroed(timeval.size)
    patience.set(timeval.fields.tv_sec, patienceSeconds)
    call(numbers.setsockopt, socket, c.SOL.SOCKET, c.SO.RCVTIMEO, patience.address, timeval.size)
    // both only make errors tell more; a kernel without them still answers
    for (const option of [c.NETLINK.EXT_ACK, c.NETLINK.CAP_ACK]) {
      attempted(() => call(numbers.setsockopt, socket, c.SOL.NETLINK, option, on, 4))
    }
    return socket
  }

  const exchangeOn = (socket: number) => {
    const kernel = memory.zeroed(sockaddr_nl.size)
    kernel.set(sockaddr_nl.fields.nl_family, c.AF.NETLINK)
    const sender = memory.zeroed(sockaddr_nl.size)
    const senderSize = memory.block(4)
    const datagram = memory.block(datagramSize)
    let sequence = 0

    const receive = (): Uint8Array => {
      for (;;) {
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
    }

    const exchange = (request: Request): ReadonlyArray<Answer> => {
      const problem = Netlink.problem(request)
      if (problem !== undefined) throw invalid(problem)
      const seq = ++sequence
      const message = Netlink.encode(request, seq)
      retry(numbers.sendto, socket, memory.bytes(message), message.length, 0, kernel.address, sockaddr_nl.size)
      const answers: Array<Answer> = []
      for (;;) {
        const decoded = Netlink.decode(receive(), seq, request)
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

  /** Addresses and routes name their link by index only. */
  const resolved = (request: Request, exchange: (request: Request) => ReadonlyArray<Answer>): Request => {
    const link = Netlink.needsIndex(request)
    if (link === undefined) return request
    const found = exchange({ _tag: "LinkGet", link }).find((answer) => answer._tag === "Link")
    if (found === undefined) throw new Refused("ENODEV", `there is no link "${link}"`)
    return Netlink.withIndex(request, found.index)
  }

  const once = (request: Request): ReadonlyArray<Answer> => {
    const socket = open()
    try {
      const exchange = exchangeOn(socket)
      return exchange(resolved(request, exchange))
    } finally {
      attempted(() => call(numbers.close, socket))
    }
  }

  return {
    rtnetlink: ({ request }) => {
      for (let left = listAttempts;; left--) {
        try {
          return once(request)
        } catch (cause) {
          // asked again on a new socket: on this one the rest of the old list is still to come
          if (!(cause instanceof Refused) || cause.code !== "EINTR" || left <= 1) throw cause
        }
      }
    }
  } satisfies Partial<Handlers>
}
