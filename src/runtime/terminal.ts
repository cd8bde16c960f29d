/**
 * Connect the caller's terminal, or whatever its standard streams are, to the master of a container's terminal.
 */
import * as Effect from "effect/Effect"
import process from "node:process"
import tty from "node:tty"
import { MSG } from "../native/constants.ts"
import { type Kernel, sys, type SyscallError } from "../native/Kernel.ts"

/**
 * The size of the terminal of the caller, where standard input or output is one.
 */
export const ownSize = (): { readonly rows: number; readonly columns: number } | undefined =>
  process.stdout.isTTY ? { rows: process.stdout.rows, columns: process.stdout.columns } : undefined

/**
 * Takes the master that the init sends over its console socket, as the OCI console socket protocol has it: one message
 * with one descriptor.
 */
export const receiveMaster = (socket: number): Effect.Effect<number | undefined, SyscallError, Kernel> =>
  Effect.map(sys.recvmsg({ fd: socket, size: 4096, flags: MSG.CMSG_CLOEXEC | MSG.DONTWAIT }), ({ fds }) => fds[0])

/**
 * Relays between the standard streams and the master until the effect ends: raw mode and window size while it lasts, the
 * former mode afterwards. What the program wrote last is still delivered.
 *
 * @param master owned by the relay, which closes it
 */
export const withTerminal = <A, E, R>(
  master: number,
  use: Effect.Effect<A, E, R>
): Effect.Effect<A, E | SyscallError, R | Kernel> =>
  Effect.gen(function*() {
    const context = yield* Effect.context<Kernel>()
    const stream = new tty.ReadStream(master)
    const drained = new Promise<void>((resolve) => {
      stream.once("end", resolve)
      // the last process of the terminal is gone: the kernel says EIO, not end of file
      stream.once("error", () => resolve())
    })
    const resize = () => {
      const size = ownSize()
      if (size === undefined || stream.destroyed) return
      Effect.runSyncExitWith(context)(sys.ioctl_swinsz({ fd: master, ...size }))
    }
    const write = (chunk: Uint8Array) => void (stream.destroyed || stream.write(chunk))
    const raw = process.stdin.isTTY

    const open = Effect.sync(() => {
      resize()
      if (raw) process.stdin.setRawMode(true)
      process.stdin.on("data", write)
      process.on("SIGWINCH", resize)
      stream.pipe(process.stdout, { end: false })
    })
    const close = Effect.promise(async () => {
      await drained
      process.stdin.off("data", write)
      process.stdin.pause()
      process.off("SIGWINCH", resize)
      if (raw) process.stdin.setRawMode(false)
      stream.destroy()
    })
    return yield* Effect.acquireUseRelease(open, () => use, () => close)
  })
