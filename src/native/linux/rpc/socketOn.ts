/** A descriptor of a pipe or a stream socket, watched by libuv: what is read goes to a buffer of the caller's. */
import type { OnReadOpts, Socket, SocketConstructorOpts } from "node:net"
import process from "node:process"

/** The types of Node 20 know of `onread` for connections only. */
interface Options extends SocketConstructorOpts {
  readonly onread: OnReadOpts
}

/**
 * Reads from a descriptor, which belongs to the socket from now on. It does not keep this process from its end.
 *
 * @param heard is given the number of bytes that were read; whether to go on reading
 */
export const socketOn = (fd: number, buffer: Uint8Array, heard: (count: number) => boolean): Socket => {
  // a command that starts nothing does not load it, which takes 2 ms
  const net = process.getBuiltinModule("node:net")
  const options: Options = { fd, readable: true, writable: false, onread: { buffer, callback: heard } }
  const socket = new net.Socket(options)
  socket.read(0)
  socket.unref()
  return socket
}
