/** Pipes and sockets. */
import * as c from "../constants.ts"
import { parseAddress } from "../inet.ts"
import { invalid, Refused } from "../Refused.ts"
import type { Block } from "./Block.ts"
import { pollfd, sockaddr_in, sockaddr_un, timespec, timeval } from "./structs.ts"
import { attempted, type Handlers, type Syscalls } from "./Syscalls.ts"

/**
 * How long a socket of this process lets a call wait, in milliseconds; `Infinity` without a limit, and for a descriptor
 * that is not a socket.
 */
export const timeLimitOf = ({ call, memory, numbers }: Syscalls) => (fd: number, option: number): number => {
  memory.reset()
  const time = memory.zeroed(timeval.size)
  const size = memory.ints([timeval.size])
  if (attempted(() => call(numbers.getsockopt, fd, c.SOL.SOCKET, option, time.address, size)) === undefined) {
    return Infinity
  }
  const limit = Number(time.get(timeval.fields.tv_sec)) * 1000 + Number(time.get(timeval.fields.tv_usec)) / 1000
  return limit === 0 ? Infinity : limit
}

/** The handlers of the calls about pipes and sockets, except messages. */
export const sockets = ({ call, memory, numbers, retry }: Syscalls) => {
  const pair = (block: Block): readonly [number, number] => [block.i32(0), block.i32(4)]

  return {
    pipe2: ({ flags }) => {
      const ends = memory.zeroed(8)
      call(numbers.pipe2, ends.address, flags)
      return pair(ends)
    },
    socket: ({ domain, type, protocol }) => call(numbers.socket, domain, type, protocol),
    socketpair: ({ type }) => {
      const ends = memory.zeroed(8)
      call(numbers.socketpair, c.AF.UNIX, type, 0, ends.address)
      return pair(ends)
    },
    connect: ({ fd, path }) => {
      const pathAt = sockaddr_un.fields.sun_path.at
      const room = sockaddr_un.size - pathAt
      if (Buffer.byteLength(path) >= room) {
        throw new Refused("ENAMETOOLONG", `the path of a unix socket is limited to ${room - 1} bytes`)
      }
      const address = memory.zeroed(pathAt + path.length * 3 + 1)
      address.set(sockaddr_un.fields.sun_family, c.AF.UNIX)
      const length = address.setText(pathAt, path)
      retry(numbers.connect, fd, address.address, pathAt + length + 1)
    },
    bind: ({ address, fd, port }) => {
      const parsed = parseAddress(address)
      if (parsed?.family !== 4) throw invalid(`${address} is no IPv4 address`)
      if (!(Number.isInteger(port) && port >= 0 && port <= 0xffff)) throw invalid(`${port} is no port`)
      const name = memory.zeroed(sockaddr_in.size)
      const { sin_addr, sin_family, sin_port } = sockaddr_in.fields
      name.set(sin_family, c.AF.INET)
      name.setBytes(sin_port.at, Uint8Array.of(port >> 8, port & 0xff))
      name.setBytes(sin_addr.at, parsed.bytes)
      call(numbers.bind, fd, name.address, sockaddr_in.size)
    },
    listen: ({ backlog, fd }) => void call(numbers.listen, fd, backlog),
    shutdown: ({ fd, how }) => void call(numbers.shutdown, fd, how),
    setsockopt: ({ fd, option, value }) => {
      if (option === c.SO.RCVTIMEO || option === c.SO.SNDTIMEO) {
        const time = memory.zeroed(timeval.size)
        time.set(timeval.fields.tv_sec, BigInt(Math.floor(value / 1000)))
        time.set(timeval.fields.tv_usec, BigInt(value % 1000 * 1000))
        call(numbers.setsockopt, fd, c.SOL.SOCKET, option, time.address, timeval.size)
      } else call(numbers.setsockopt, fd, c.SOL.SOCKET, option, memory.ints([value]), 4)
    },
    poll: ({ fds, events, timeout }) => {
      const vector = memory.zeroed(fds.length * pollfd.size)
      fds.forEach((descriptor, index) => {
        vector.set(pollfd.fields.fd, descriptor, index * pollfd.size)
        vector.set(pollfd.fields.events, events, index * pollfd.size)
      })
      let time = 0
      if (timeout >= 0) {
        const left = memory.zeroed(timespec.size)
        left.set(timespec.fields.tv_sec, BigInt(Math.floor(timeout / 1000)))
        left.set(timespec.fields.tv_nsec, BigInt(timeout % 1000 * 1_000_000))
        time = left.address
      }
      // the kernel writes the remaining time to the same place, so an interrupted call continues with that
      retry(numbers.ppoll, vector.address, fds.length, time, 0, 0)
      return fds.map((_, index) => vector.get(pollfd.fields.revents, index * pollfd.size))
    }
  } satisfies Partial<Handlers>
}
