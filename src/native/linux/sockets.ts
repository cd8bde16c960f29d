/** Pipes, sockets, terminals. */
import type { Message } from "../calls.ts"
import * as c from "../constants.ts"
import { cmsghdr, iovec, msghdr, pollfd, sockaddr_un, termios, timespec, timeval, ucred, winsize } from "../structs.ts"
import { attempted, type Handlers, type Machine } from "./Machine.ts"
import { invalid, Refused } from "./Refused.ts"
import type { Block } from "./Scratch.ts"

/** Room for the 253 descriptors that a message can carry (`SCM_MAX_FD`), and for credentials. */
const controlSize = 2048

const padded = (size: number): number => size + 7 & ~7

/** Connected unix sockets only have a path: what else a socket address could be is not used. */
const controlsOf = (control: Block, length: number): Pick<Message, "fds" | "credentials"> => {
  const fds: Array<number> = []
  let credentials: Message["credentials"] = null
  const { cmsg_len, cmsg_level, cmsg_type } = cmsghdr.fields
  for (let at = 0; at + cmsghdr.size <= length;) {
    const end = at + control.get(cmsg_len, at)
    const data = at + cmsghdr.size
    if (end < data || end > length) break
    if (control.get(cmsg_level, at) === c.SOL.SOCKET) {
      const type = control.get(cmsg_type, at)
      if (type === c.SCM.RIGHTS) { for (let fd = data; fd + 4 <= end; fd += 4) fds.push(control.i32(fd)) }
      if (type === c.SCM.CREDENTIALS) {
        const { pid, uid, gid } = ucred.fields
        credentials = { pid: control.get(pid, data), uid: control.get(uid, data), gid: control.get(gid, data) }
      }
    }
    at = padded(end)
  }
  return { fds, credentials }
}

/** The handlers of the calls about pipes, sockets and terminals. */
export const sockets = ({ call, memory, numbers, retry }: Machine) => {
  const pair = (block: Block): readonly [number, number] => [block.i32(0), block.i32(4)]

  const message = (data: number, size: number, control: number, controlLength: number): Block => {
    const vector = memory.zeroed(iovec.size)
    vector.set(iovec.fields.iov_base, data)
    vector.set(iovec.fields.iov_len, size)
    const header = memory.zeroed(msghdr.size)
    header.set(msghdr.fields.msg_iov, vector.address)
    header.set(msghdr.fields.msg_iovlen, 1)
    header.set(msghdr.fields.msg_control, control)
    header.set(msghdr.fields.msg_controllen, controlLength)
    return header
  }

  /** Fails for a message that did not come whole, and keeps nothing of it. */
  const broken = (fds: ReadonlyArray<number>, failure: Refused): never => {
    for (const fd of fds) attempted(() => call(numbers.close, fd))
    throw failure
  }

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
    shutdown: ({ fd, how }) => void call(numbers.shutdown, fd, how),
    setsockopt: ({ fd, option, value }) => {
      if (option === c.SO.RCVTIMEO || option === c.SO.SNDTIMEO) {
        const time = memory.zeroed(timeval.size)
        time.set(timeval.fields.tv_sec, BigInt(Math.floor(value / 1000)))
        time.set(timeval.fields.tv_usec, BigInt(value % 1000 * 1000))
        call(numbers.setsockopt, fd, c.SOL.SOCKET, option, time.address, timeval.size)
      } else call(numbers.setsockopt, fd, c.SOL.SOCKET, option, memory.ints([value]), 4)
    },
    sendmsg: ({ fd, data, fds, flags }) => {
      const length = cmsghdr.size + fds.length * 4
      const control = memory.zeroed(padded(length))
      control.set(cmsghdr.fields.cmsg_len, length)
      control.set(cmsghdr.fields.cmsg_level, c.SOL.SOCKET)
      control.set(cmsghdr.fields.cmsg_type, c.SCM.RIGHTS)
      fds.forEach((descriptor, index) => control.setI32(cmsghdr.size + index * 4, descriptor))
      const header = fds.length === 0
        ? message(memory.bytes(data), data.length, 0, 0)
        : message(memory.bytes(data), data.length, control.address, control.size)
      return retry(numbers.sendmsg, fd, header.address, flags)
    },
    recvmsg: ({ fd, size, flags }) => {
      if (!(size >= 0)) throw invalid("a size is negative")
      const data = memory.block(size)
      const control = memory.block(controlSize)
      const header = message(data.address, size, control.address, controlSize)
      const length = retry(numbers.recvmsg, fd, header.address, flags | c.MSG.CMSG_CLOEXEC)
      const came = header.get(msghdr.fields.msg_flags)
      const controls = controlsOf(control, header.get(msghdr.fields.msg_controllen))
      if ((came & c.MSG.CTRUNC) !== 0) {
        // there is room for all that a message can carry; so it was the process's table of descriptors that was full
        return broken(controls.fds, new Refused("EMFILE", "descriptors that came with a message were lost"))
      }
      if ((came & c.MSG.TRUNC) !== 0 && (flags & c.MSG.TRUNC) === 0) {
        return broken(controls.fds, new Refused("EMSGSIZE", `a message was longer than ${size} bytes`))
      }
      return { data: data.copy(0, Math.min(length, size)), ...controls }
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
      // the kernel leaves the time that remains in its place: interrupted, the call goes on with that
      retry(numbers.ppoll, vector.address, fds.length, time, 0, 0)
      return fds.map((_, index) => vector.get(pollfd.fields.revents, index * pollfd.size))
    },
    ioctl: ({ fd, request, argument }) => call(numbers.ioctl, fd, request, argument),
    ioctl_gptn: ({ fd }) => {
      const number = memory.zeroed(4)
      call(numbers.ioctl, fd, c.TIOC.GPTN, number.address)
      return number.u32(0)
    },
    ioctl_sptlck: ({ fd, locked }) => void call(numbers.ioctl, fd, c.TIOC.SPTLCK, memory.ints([locked])),
    ioctl_gwinsz: ({ fd }) => {
      const size = memory.zeroed(winsize.size)
      call(numbers.ioctl, fd, c.TIOC.GWINSZ, size.address)
      return { rows: size.get(winsize.fields.ws_row), columns: size.get(winsize.fields.ws_col) }
    },
    ioctl_swinsz: ({ fd, rows, columns }) => {
      const size = memory.zeroed(winsize.size)
      size.set(winsize.fields.ws_row, rows)
      size.set(winsize.fields.ws_col, columns)
      call(numbers.ioctl, fd, c.TIOC.SWINSZ, size.address)
    },
    ioctl_tcgets: ({ fd }) => {
      const modes = memory.zeroed(termios.size)
      call(numbers.ioctl, fd, c.TC.GETS, modes.address)
      const { c_cc, c_cflag, c_iflag, c_lflag, c_line, c_oflag } = termios.fields
      return {
        input: modes.get(c_iflag),
        output: modes.get(c_oflag),
        control: modes.get(c_cflag),
        local: modes.get(c_lflag),
        line: modes.get(c_line),
        characters: modes.copy(c_cc.at, c_cc.at + c_cc.size)
      }
    },
    ioctl_tcsetsw: ({ fd, modes: { characters, control, input, line, local, output } }) => {
      const { c_cc, c_cflag, c_iflag, c_lflag, c_line, c_oflag } = termios.fields
      if (characters.length !== c_cc.size) throw invalid(`a terminal has ${c_cc.size} special characters`)
      const modes = memory.zeroed(termios.size)
      modes.set(c_iflag, input)
      modes.set(c_oflag, output)
      modes.set(c_cflag, control)
      modes.set(c_lflag, local)
      modes.set(c_line, line)
      modes.setBytes(c_cc.at, characters)
      call(numbers.ioctl, fd, c.TC.SETSW, modes.address)
    }
  } satisfies Partial<Handlers>
}
