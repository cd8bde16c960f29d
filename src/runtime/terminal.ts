/**
 * Connect the caller's terminal, or whatever its standard streams are, to the master of a container's terminal.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import process from "node:process"
import tty from "node:tty"
import type { TerminalModes } from "../native/calls.ts"
import { CC, CFLAG, IFLAG, LFLAG, MSG, OFLAG, POLL } from "../native/constants.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../native/Kernel.ts"

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
  Effect.flatMap(
    sys.recvmsg({ fd: socket, size: 4096, flags: MSG.CMSG_CLOEXEC | MSG.DONTWAIT }),
    ({ fds: [master, ...others] }) =>
      Effect.as(Effect.forEach(others, (fd) => sys.close({ fd }), { discard: true }), master)
  )

/** The modes of a terminal that passes every byte on as it is, in both directions. @see cfmakeraw(3) */
export const rawModes = (modes: TerminalModes): TerminalModes => ({
  ...modes,
  input: modes.input &
    ~(IFLAG.IGNBRK | IFLAG.BRKINT | IFLAG.PARMRK | IFLAG.ISTRIP | IFLAG.INLCR | IFLAG.IGNCR | IFLAG.ICRNL | IFLAG.IXON),
  // Node's own raw mode leaves it, and every line of the program, whose terminal has made \r\n of it, would get one more \r
  output: modes.output & ~OFLAG.OPOST,
  control: modes.control & ~(CFLAG.CSIZE | CFLAG.PARENB) | CFLAG.CS8,
  local: modes.local & ~(LFLAG.ECHO | LFLAG.ECHONL | LFLAG.ICANON | LFLAG.ISIG | LFLAG.IEXTEN),
  characters: modes.characters.map((character, index) => index === CC.MIN ? 1 : index === CC.TIME ? 0 : character)
})

/** Puts the terminal that a descriptor is into raw mode while an effect lasts; leaves alone what is no terminal. */
const withRaw = <A, E, R>(fd: number, use: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.gen(function*() {
      const modes = yield* sys.ioctl_tcgets({ fd }).pipe(orOn(["ENOTTY"], undefined))
      if (modes !== undefined) yield* sys.ioctl_tcsetsw({ fd, modes: rawModes(modes) })
      return modes
    }),
    () => use,
    // a terminal that has hung up needs no modes
    (modes) =>
      modes === undefined
        ? Effect.void
        : Effect.catchIf(sys.ioctl_tcsetsw({ fd, modes }), ({ code }) => code === "EIO", () => Effect.void)
  )

/** How long a terminal must have been silent after its program's end, in milliseconds. */
const silence = 50

/**
 * Waits for the last output of a program that has ended: up to the end of the stream, or, where other processes still
 * hold the terminal, until nothing has come for two ticks. Between two ticks the event loop has read what there was.
 */
const drained = (stream: tty.ReadStream, ended: Promise<void>): Promise<void> => {
  let heard = true
  const hear = () => void (heard = true)
  stream.on("data", hear)
  return new Promise((resolve) => {
    const finish = () => {
      clearInterval(timer)
      stream.off("data", hear)
      resolve()
    }
    const timer = setInterval(() => {
      // output that our own reader does not take yet holds the stream up
      if (!heard && !process.stdout.writableNeedDrain) finish()
      heard = false
    }, silence)
    void ended.then(finish)
  })
}

/** More than the kernel holds of what was written to a terminal, in bytes. */
const held = 128 * 1024

/**
 * Passes on what libuv leaves: it takes a hang-up for the end as soon as a read gives less than it has room for, but a
 * terminal gives 4 KiB at most. Never waits, and takes no more than there can be: somebody may have opened the terminal anew.
 *
 * Fails with what poll(2) or read(2) of `master` fail with, but for EIO, which is the end.
 */
export const readOn = Effect.fnUntraced(function*(master: number, pass: (chunk: Uint8Array) => void) {
  for (let left = held; left > 0;) {
    const [events = 0] = yield* sys.poll({ fds: [master], events: POLL.IN, timeout: 0 })
    if ((events & POLL.IN) === 0) return
    // EIO: there is nothing left, and nobody who could write more
    const chunk = yield* sys.read({ fd: master, count: left }).pipe(orOn(["EIO"], new Uint8Array()))
    if (chunk.length === 0) return
    pass(chunk)
    left -= chunk.length
  }
})

/**
 * Relays between the standard streams and the master until the effect ends: raw mode and window size while it lasts, the
 * former mode afterwards, whatever happens. What the program wrote last is still delivered.
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
    /** What reading on behind the end of the stream came to. */
    let rest: Exit.Exit<void, SyscallError> = Exit.void
    const ended = new Promise<void>((resolve) => {
      stream.once("end", () => {
        rest = Effect.runSyncExitWith(context)(readOn(master, (chunk) => void process.stdout.write(chunk)))
        resolve()
      })
      // the last process of the terminal is gone: the kernel says EIO, not end of file
      stream.once("error", () => {
        // what was read while nobody took it
        for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) process.stdout.write(chunk)
        resolve()
      })
    })
    const resize = () => {
      const size = ownSize()
      if (size === undefined || stream.destroyed) return
      Effect.runSyncExitWith(context)(sys.ioctl_swinsz({ fd: master, ...size }))
    }
    const write = (chunk: Uint8Array) => void (stream.destroyed || stream.write(chunk))

    const open = Effect.sync(() => {
      resize()
      process.stdin.on("data", write)
      process.on("SIGWINCH", resize)
      stream.pipe(process.stdout, { end: false })
    })
    const close = Effect.flatMap(
      Effect.promise(async () => {
        await drained(stream, ended)
        process.stdin.off("data", write)
        process.stdin.pause()
        process.off("SIGWINCH", resize)
        stream.destroy()
      }),
      () => rest
    )
    return yield* withRaw(process.stdin.fd, Effect.acquireUseRelease(open, () => use, () => close))
  })
