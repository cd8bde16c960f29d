/** Reads a pipe or a stream socket through libuv, into a buffer of the caller. */
import type { OnReadOpts, Socket, SocketConstructorOpts } from "node:net"
import process from "node:process"

/** Node 20's types have `onread` for connections only. */
interface Options extends SocketConstructorOpts {
  readonly onread: OnReadOpts
}

/**
 * Reads from a descriptor, which the socket owns from now on. It does not keep this process alive.
 *
 * @param heard is called with the number of bytes that were read; returns whether to continue
 */
export const socketOn = (fd: number, buffer: Uint8Array, heard: (count: number) => boolean): Socket => {
  // loaded here, because it takes 2 ms and a command that starts nothing does not need it
  const net = process.getBuiltinModule("node:net")
  // Node copies the options and adds to the copy: with a prototype it would have a hidden class of its own each time
  const options = {
    __proto__: null,
    fd,
    readable: true,
    writable: false,
    onread: { buffer, callback: heard }
  } as Options
  const socket = new net.Socket(options)
  socket.read(0)
  socket.unref()
  return socket
}

/**
 * Destroys a socket. Node then compares it with `process.stderr`, by which it would make that stream: it takes a millisecond or
 * two, and if it is a pipe, all who share it find it in non-blocking mode.
 */
export const destroy = (socket: Socket): void => {
  const stderr = Object.getOwnPropertyDescriptor(process, "stderr")
  if (stderr?.configurable !== true) return void socket.destroy()
  Object.defineProperty(process, "stderr", { configurable: true, value: undefined })
  try {
    socket.destroy()
  } finally {
    Object.defineProperty(process, "stderr", stderr)
  }
}
