/**
 * Connects the caller's terminal, or its other standard streams, to the master of a container's terminal.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import process from "node:process"
import type { ReadStream } from "node:tty"
import { CC, CFLAG, F, IFLAG, LFLAG, MSG, O, OFLAG, POLL } from "../native/constants.ts"
import { explain } from "../native/Files.ts"
import type { AnyFd } from "../native/Handle.ts"
import { type Kernel, onErrno, orOn, sys, type SyscallError } from "../native/Kernel.ts"
import type { TerminalModes } from "../native/results.ts"
import { Surroundings } from "../native/Surroundings.ts"
import { catchSignals, isEnding } from "./caught.ts"
import { input, inputError, type StreamError, write } from "./streams.ts"

/** The size of a terminal, in characters. */
export interface Size {
  readonly rows: number
  readonly columns: number
}

/** Standard input, output and error. */
const stdio = [0, 1, 2]

/** Asks the kernel: the size of the first of standard input, output and error that is a terminal and has a size. */
export const lookUpSize: Effect.Effect<Size | undefined, never, Kernel> = Effect.gen(function*() {
  for (const fd of stdio) {
    const size = yield* Effect.orElseSucceed(sys.ioctl_gwinsz({ fd }), () => undefined)
    if (size !== undefined && size.rows > 0 && size.columns > 0) return size
  }
  return undefined
})

/**
 * How the size of the caller's terminal is found. The command provides the live kernel: the size is that of this process's
 * terminal, even if the rest runs on a model.
 */
export const OwnSize = Context.Reference<Effect.Effect<Size | undefined, never, Kernel>>("runfx/OwnSize", {
  defaultValue: () => lookUpSize
})

/** The size of the caller's terminal; `undefined` if it has none. */
export const ownSize: Effect.Effect<Size | undefined, never, Kernel> = Effect.flatten(OwnSize)

/** Asks the kernel: the modes of those of standard input, output and error that are terminals. */
export const lookUpModes: Effect.Effect<ReadonlyMap<number, TerminalModes>, never, Kernel> = Effect.gen(function*() {
  const modes = new Map<number, TerminalModes>()
  for (const fd of stdio) {
    const found = yield* Effect.orElseSucceed(sys.ioctl_tcgets({ fd }), () => undefined)
    if (found !== undefined) modes.set(fd, found)
  }
  return modes
})

/** The terminals that a plan's machine has from the start. The command provides its own; a library has none. */
export const OwnModes = Context.Reference<Effect.Effect<ReadonlyMap<number, TerminalModes>>>("runfx/OwnModes", {
  defaultValue: () => Effect.succeed(new Map())
})

/** Sets the size of a terminal to the caller's. */
const resizeTo = (master: AnyFd): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.flatMap(ownSize, (size) => size === undefined ? Effect.void : sys.ioctl_swinsz({ fd: master, ...size }))

/**
 * Receives the master that the init sends over its console socket, by the protocol of OCI's console sockets: one message
 * with one descriptor. A process that may trace that of an `exec` can send anything in its name.
 */
export const receiveMaster = (socket: AnyFd): Effect.Effect<number | undefined, SyscallError, Kernel> =>
  Effect.gen(function*() {
    const { fds } = yield* sys.recvmsg({ fd: socket, size: 4096, flags: MSG.CMSG_CLOEXEC | MSG.DONTWAIT })
    const [master, ...others] = fds
    yield* Effect.forEach(others, (fd) => sys.close({ fd }), { discard: true })
    if (master === undefined) return undefined
    return yield* sys.ioctl_tcgets({ fd: master }).pipe(
      Effect.as(master),
      Effect.mapError((error) => explain(error, "what came over the console socket is not a terminal")),
      Effect.onError(() => Effect.ignore(sys.close({ fd: master })))
    )
  })

/** The modes of a terminal that passes every byte on as it is, in both directions. @see cfmakeraw(3) */
const rawModes = (modes: TerminalModes): TerminalModes => ({
  ...modes,
  input: modes.input &
    ~(IFLAG.IGNBRK | IFLAG.BRKINT | IFLAG.PARMRK | IFLAG.ISTRIP | IFLAG.INLCR | IFLAG.IGNCR | IFLAG.ICRNL | IFLAG.IXON),
  // Node's own raw mode leaves OPOST set. The program's terminal has made \r\n of each newline, and this one would add a \r
  output: modes.output & ~OFLAG.OPOST,
  control: modes.control & ~(CFLAG.CSIZE | CFLAG.PARENB) | CFLAG.CS8,
  local: modes.local & ~(LFLAG.ECHO | LFLAG.ECHONL | LFLAG.ICANON | LFLAG.ISIG | LFLAG.IEXTEN),
  characters: modes.characters.map((character, index) => index === CC.MIN ? 1 : index === CC.TIME ? 0 : character)
})

/** A terminal that has hung up can't be read either. The user can act on that error, so it is reported. */
const hungUp = onErrno(["EIO"], (error: SyscallError) => Effect.fail(inputError(error)))

/**
 * Puts a terminal into raw mode while an effect lasts, and again when this process continues after a stop, since a shell has
 * set its own modes meanwhile. Does nothing if the descriptor is no terminal.
 */
const withRaw = <A, E, R>(fd: AnyFd, use: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.gen(function*() {
      const context = yield* Effect.context<Kernel>()
      const modes = yield* sys.ioctl_tcgets({ fd }).pipe(orOn(["ENOTTY"], undefined), hungUp)
      if (modes === undefined) return undefined
      const raw = sys.ioctl_tcsetsw({ fd, modes: rawModes(modes) })
      yield* hungUp(raw)
      const again = () => void Effect.runSyncExitWith(context)(raw)
      process.on("SIGCONT", again)
      return { modes, again }
    }),
    () => use,
    // a terminal that has hung up needs no modes
    (acquired) => {
      if (acquired === undefined) return Effect.void
      process.off("SIGCONT", acquired.again)
      return sys.ioctl_tcsetsw({ fd, modes: acquired.modes }).pipe(orOn(["EIO"], undefined))
    }
  )

/** Relays while an effect lasts; see {@link withTerminal}. */
export type TerminalRelay = <A, E, R>(
  master: AnyFd,
  use: Effect.Effect<A, E, R>
) => Effect.Effect<A, E | SyscallError | StreamError, R | Kernel>

/** How a terminal is relayed. A model, as of a plan, has no streams: there only the calls of a relay are made. */
export const TerminalRelay = Context.Reference<TerminalRelay>("runfx/TerminalRelay", {
  defaultValue: (): TerminalRelay => (master, use) =>
    Effect.flatMap(Surroundings, ({ live }) => (live ? liveRelay : relayOnPaper)(master, use))
})

/** Makes the calls of a relay, but relays nothing: what the program will write is not known. */
export const relayOnPaper: TerminalRelay = (master, use) => {
  const closing = Effect.ensuring(use, Effect.ignore(sys.close({ fd: master })))
  return Effect.andThen(notBlocking(master), withRaw(0, Effect.andThen(Effect.exit(resizeTo(master)), closing)))
}

/** How long a terminal must have been silent after its program's end, in milliseconds. */
const silence = 50

/**
 * Waits for the last output of a program that has ended: up to the end of the stream, or, if other processes still
 * hold the terminal, until nothing has come for two ticks. Between two ticks the event loop has read what there was.
 *
 * The reader of our own output may never read it. So a signal that would end this process ends the wait: the program, for
 * which it could be, has ended.
 */
const drained = (stream: ReadStream, ended: Promise<void>): Effect.Effect<void> =>
  Effect.callback((resume) => {
    let heard = true
    const hear = () => void (heard = true)
    const cleanUp = () => {
      stop()
      clearInterval(timer)
      stream.off("data", hear)
    }
    const finish = () => {
      cleanUp()
      resume(Effect.void)
    }
    stream.on("data", hear)
    const timer = setInterval(() => {
      // a paused stream waits for the reader of our own output
      if (!heard && !stream.isPaused()) finish()
      heard = false
    }, silence)
    const stop = catchSignals((signal) => {
      if (!isEnding(signal)) return false
      finish()
      return true
    })
    void ended.then(finish)
    return Effect.sync(cleanUp)
  })

/** More bytes than the kernel buffers for a terminal. */
const held = 128 * 1024

/**
 * Passes on what libuv leaves unread. libuv takes a hang-up for the end as soon as a read returns less than asked for, but a
 * terminal returns at most 4 KiB. Never waits, and reads no more than the kernel buffers: the terminal may be open again.
 *
 * Fails as poll(2) or read(2) of `master` fail, except with EIO, which is the end.
 */
export const readOn = Effect.fnUntraced(function*(master: AnyFd, pass: (chunk: Uint8Array) => void) {
  for (let left = held; left > 0;) {
    const [events = 0] = yield* sys.poll({ fds: [master], events: POLL.IN, timeout: 0 })
    if ((events & POLL.IN) === 0) return
    // EIO: there is nothing left, and no process that could write more
    const chunk = yield* sys.read({ fd: master, count: left }).pipe(orOn(["EIO"], new Uint8Array()))
    if (chunk.length === 0) return
    pass(chunk)
    left -= chunk.length
  }
})

const newline = 10

/**
 * The characters that end the input of a terminal's program, as ^D does. There is no other way, since the master stays open for
 * the output. After an unfinished line, the first character only ends that line.
 */
const endOfInput = (master: AnyFd, last: number | undefined): Effect.Effect<Uint8Array, never, Kernel> =>
  Effect.map(Effect.orElseSucceed(sys.ioctl_tcgets({ fd: master }), () => undefined), (modes) => {
    const character = modes?.characters[CC.EOF] ?? 0
    // 0: the program has switched it off
    if (character === 0) return new Uint8Array()
    return Uint8Array.of(character, ...(last === undefined || last === newline ? [] : [character]))
  })

/** Makes the master non-blocking: poll(2) promises room for one byte only, and a blocking write waits until all is written. */
export const notBlocking = (master: AnyFd): Effect.Effect<number, SyscallError, Kernel> =>
  sys.fcntl({ fd: master, command: F.SETFL, argument: O.NONBLOCK })

/** Uses the master unless it is closed: its number may be another descriptor's by then. */
export type WhileOpen = <A, E>(use: Effect.Effect<A, E, Kernel>, none: A) => Effect.Effect<A, E, Kernel>

/** Writes input and its end to a terminal. While the terminal is full, only the writer waits. */
export const typist = (master: AnyFd, whileOpen: WhileOpen) => {
  let before: number | undefined
  const some = (data: Uint8Array) =>
    sys.write({ fd: master, data }).pipe(
      onErrno(["EAGAIN"], () => Effect.as(sys.poll({ fds: [master], events: POLL.OUT, timeout: -1 }), 0))
    )
  const write = (data: Uint8Array): Effect.Effect<void, SyscallError, Kernel> =>
    Effect.flatMap(whileOpen(some(data), data.length), (count) => {
      before = data[count - 1] ?? before
      return count < data.length ? write(data.subarray(count)) : Effect.void
    })
  const end = Effect.suspend(() => Effect.flatMap(whileOpen(endOfInput(master, before), new Uint8Array()), write))
  return { write, end }
}

/**
 * Relays between the standard streams and the master until the effect ends. It sets raw mode and the window size, and always
 * restores the former mode. The program's last output is still delivered, unless the effect has failed or was interrupted. If
 * a standard stream fails, so does this.
 *
 * @param master owned by the relay, which closes it
 */
export const withTerminal = <A, E, R>(
  master: AnyFd,
  use: Effect.Effect<A, E, R>
): Effect.Effect<A, E | SyscallError | StreamError, R | Kernel> =>
  Effect.flatMap(TerminalRelay, (relay) => relay(master, use))

const liveRelay: TerminalRelay = (master, use) =>
  Effect.gen(function*() {
    const context = yield* Effect.context<Kernel>()
    const broken = yield* Deferred.make<never, StreamError>()
    const fail = (error: StreamError) => void Deferred.doneUnsafe(broken, Effect.fail(error))
    yield* notBlocking(master)
    // a command without a terminal does not load it
    const stream = new (process.getBuiltinModule("node:tty").ReadStream)(master)
    const pass = (chunk: Uint8Array) => {
      const more = write("stdout", chunk, (error) => {
        if (error !== undefined) fail(error)
        else stream.resume()
      })
      if (!more) stream.pause()
    }
    /** The outcome of reading after the end of the stream. */
    let rest: Exit.Exit<void, SyscallError> = Exit.void
    const ended = new Promise<void>((resolve) => {
      stream.once("end", () => {
        rest = Effect.runSyncExitWith(context)(readOn(master, pass))
        resolve()
      })
      // the last process of the terminal is gone: the kernel reports EIO, not end of file
      stream.once("error", () => {
        // what was read while the stream was paused
        for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) pass(chunk)
        resolve()
      })
    })
    const resize = () => {
      if (stream.destroyed) return
      Effect.runSyncExitWith(context)(resizeTo(master))
    }
    const stdin = input()
    const over = Deferred.makeUnsafe<void>()
    const typing = typist(master, (use, none) =>
      stream.destroyed ? Effect.succeed(none) : Effect.raceFirst(use, Effect.as(Deferred.await(over), none)))
    // not by libuv, whose writes to a master block
    const type = (chunk: Uint8Array) => {
      stdin.pause()
      Effect.runForkWith(context)(Effect.exit(typing.write(chunk))).addObserver(() => {
        if (!stream.destroyed) {
          stdin.resume()
        }
      })
    }
    const typed = () =>
      void Effect.runForkWith(context)(Effect.exit(typing.end))
    const unreadable = (error: unknown) =>
      fail(inputError(error))

    const open = Effect.sync(() => {
      resize()
      stdin.on("data", type).on("end", typed).on("error", unreadable)
      process.on("SIGWINCH", resize)
      stream.on("data", pass)
    })
    const close = Effect.sync(() => {
      stdin.off("data", type).off("end", typed).off("error", unreadable)
      // a read that has begun may still fail
      stdin.on("error", () => {})
      stdin.pause()
      process.off("SIGWINCH", resize)
      Deferred.doneUnsafe(over, Effect.void)
      stream.destroy()
    })
    const delivered = Effect.andThen(drained(stream, ended), Effect.suspend(() => rest))
    const relayed = Effect.raceFirst(Effect.tap(use, delivered), Deferred.await(broken))
    return yield* withRaw(0, Effect.acquireUseRelease(open, () => relayed, () => close))
  })
