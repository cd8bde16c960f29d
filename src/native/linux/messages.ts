/** Messages on unix sockets, with descriptors and credentials. @see unix(7), cmsg(3) */
import * as c from "../constants.ts"
import { invalid, Refused } from "../Refused.ts"
import type { Message } from "../results.ts"
import type { Block } from "./Block.ts"
import type { Scratch } from "./Scratch.ts"
import { cmsghdr, iovec, msghdr, ucred } from "./structs.ts"
import { attempted, type Handlers, type Syscalls } from "./Syscalls.ts"

/** Room for the 253 descriptors that a message can carry (`SCM_MAX_FD`), and for credentials. */
const controlSize = 2048

const padded = (size: number): number => size + 7 & ~7

/** What came with a message: descriptors, and the credentials of its sender. */
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

/** Where the kernel writes the bytes of a message that is received, and the length of what comes with it. */
export const placesOf = (
  memory: Scratch,
  header: number
): { readonly data: number; readonly controlLength: number } => {
  const word = (address: number) => Number(memory.bytesAt(address, 8).readBigUInt64LE())
  const vector = word(header + msghdr.fields.msg_iov.at)
  return { data: word(vector + iovec.fields.iov_base.at), controlLength: header + msghdr.fields.msg_controllen.at }
}

/** The handlers of the calls about messages. */
export const messages = ({ call, memory, numbers, retry }: Syscalls) => {
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

  /** Fails if a message did not arrive whole, and keeps nothing of it. */
  const broken = (fds: ReadonlyArray<number>, failure: Refused): never => {
    for (const fd of fds) attempted(() => call(numbers.close, fd))
    throw failure
  }

  return {
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
      // a process of a container may have written another length
      const controls = controlsOf(control, Math.min(header.get(msghdr.fields.msg_controllen), controlSize))
      if ((came & c.MSG.CTRUNC) !== 0) {
        // the buffer has room for everything that a message can carry, so the process's table of descriptors was full
        return broken(controls.fds, new Refused("EMFILE", "descriptors that came with a message were lost"))
      }
      if ((came & c.MSG.TRUNC) !== 0 && (flags & c.MSG.TRUNC) === 0) {
        return broken(controls.fds, new Refused("EMSGSIZE", `a message was longer than ${size} bytes`))
      }
      return { data: data.copy(0, Math.min(length, size)), ...controls }
    }
  } satisfies Partial<Handlers>
}
