/**
 * Standard input, output and error of a program as pipes, whose other ends are on this process's event loop.
 *
 * They are pipes and no sockets, since a program may open /dev/stdout again, and each end is a file description of its own,
 * so that making ours non-blocking is not felt by the program. Node reads and writes them as it does with those of
 * child_process: by epoll(7), without a thread, however many there are.
 *
 * @see pipe(7)
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { Socket } from "node:net"
import { Duplex, type Readable, type Writable } from "node:stream"
import { AT, F, O, POLL } from "../native/constants.ts"
import type { AnyFd } from "../native/Handle.ts"
import { type Kernel, sys, type SyscallError } from "../native/Kernel.ts"
import { Surroundings } from "../native/Surroundings.ts"
import { closing } from "../runtime/lent.ts"
import type { Stdio } from "../steps/init/Init.ts"
import { type End, endByCalls } from "./byCalls.ts"
import { SandboxStreamError } from "./SandboxError.ts"

/** Both sides of the three pipes. */
export interface Pipes {
  /** The program's ends. */
  readonly stdio: Stdio
  /** Closes this process's copies of the program's ends, once: until then no end of a stream would be seen. */
  readonly closeTheirs: Effect.Effect<void, never, Kernel>
  readonly stdin: End
  readonly stdout: End
  readonly stderr: End
}

/** An application may have closed its own standard streams: what becomes a program's must not have their numbers. */
const above2 = (fd: AnyFd): Effect.Effect<number, SyscallError, Kernel> =>
  fd > 2
    ? Effect.succeed(fd)
    : Effect.ensuring(sys.fcntl({ fd, command: F.DUPFD_CLOEXEC, argument: 3 }), Effect.ignore(sys.close({ fd })))

const onEventLoop = (fd: AnyFd, direction: "reads" | "writes"): End =>
  Object.assign(new Socket({ fd, readable: direction === "reads", writable: direction === "writes" }), { fd })

const endOf = (fd: AnyFd, direction: "reads" | "writes"): Effect.Effect<End, never, Kernel> =>
  Effect.gen(function*() {
    const { live } = yield* Surroundings
    const end = live ? onEventLoop(fd, direction) : yield* endByCalls(fd, direction)
    // reported to the user of the stream; without a listener, an error would end the application
    return end.on("error", () => {})
  })

/** One pipe: a stream for this process, and the program's end. */
export interface Pipe {
  readonly socket: End
  readonly theirs: number
  readonly close: Effect.Effect<void, never, Kernel>
}

/** Makes a pipe, from which this process reads, or to which it writes; what is open of it is closed with the scope. */
export const pipe = (direction: "reads" | "writes"): Effect.Effect<Pipe, SyscallError, Kernel | Scope.Scope> =>
  Effect.uninterruptible(Effect.gen(function*() {
    const [read, write] = yield* sys.pipe2({ flags: O.CLOEXEC })
    const [ours, other] = direction === "reads" ? [read, write] : [write, read]
    const theirs = yield* above2(other)
    const close = closing(theirs)
    yield* Effect.addFinalizer(() => close)
    const socket = yield* endOf(ours, direction)
    yield* Effect.addFinalizer(() => Effect.sync(() => void socket.destroy()))
    return { socket, theirs, close }
  }))

/** Streams of a program that nobody writes or reads here. */
export type Unused = ReadonlyArray<"stdin" | "stdout" | "stderr">

/** A stream that has ended. */
const noEnd = (): End => {
  const stream: Duplex = new Duplex().on("error", () => {}).destroy()
  return Object.assign(stream, { fd: -1, ref: () => stream, unref: () => stream })
}

/**
 * The null device in place of a pipe. An empty pipe is not the same: what may search either its input or a directory, as
 * rg(1), takes a pipe for its input, and finds nothing. The program gets the container's own device: see `reopenDevNull`.
 */
const nothing: Effect.Effect<Pipe, SyscallError, Kernel | Scope.Scope> = Effect.uninterruptible(
  Effect.gen(function*() {
    const how = { dirfd: AT.FDCWD, path: "/dev/null", flags: O.RDWR | O.CLOEXEC, mode: 0 }
    const theirs = yield* above2(yield* sys.openat(how))
    const close = closing(theirs)
    yield* Effect.addFinalizer(() => close)
    return { socket: noEnd(), theirs, close }
  })
)

/** Makes the pipes; what is still open of them is closed with the scope. */
export const makePipes = (unused: Unused = []): Effect.Effect<Pipes, SyscallError, Kernel | Scope.Scope> => {
  const make = (name: Unused[number], direction: "reads" | "writes") =>
    unused.includes(name) ? nothing : pipe(direction)
  return Effect.uninterruptible(Effect.gen(function*() {
    const input = yield* make("stdin", "writes")
    const output = yield* make("stdout", "reads")
    const error = yield* make("stderr", "reads")
    return {
      stdio: [input.theirs, output.theirs, error.theirs] as const,
      closeTheirs: Effect.all([input.close, output.close, error.close], { discard: true }),
      stdin: input.socket,
      stdout: output.socket,
      stderr: error.socket
    }
  }))
}

const codeOf = (error: unknown): string => {
  const code = error instanceof Error && "code" in error ? String(error.code) : String(error)
  // Node's words for a pipe that was closed meanwhile
  return code === "ERR_STREAM_DESTROYED" || code === "ERR_STREAM_WRITE_AFTER_END" ? "EPIPE" : code
}

/** Writes all of a chunk; done when the pipe has taken it. */
export const write = (
  socket: Writable,
  chunk: Uint8Array,
  stream: SandboxStreamError["stream"] = "stdin"
): Effect.Effect<void, SandboxStreamError> =>
  Effect.callback((resume) => {
    socket.write(chunk, (error) =>
      resume(error == null ? Effect.void : Effect.fail(new SandboxStreamError({ stream, code: codeOf(error) }))))
  })

/** What is written to the sink is what the program reads. Its end ends the program's input, unless `endOnDone` is false. */
export const sinkOf = (
  socket: Writable,
  stream: SandboxStreamError["stream"] = "stdin",
  endOnDone = true
): Sink.Sink<void, Uint8Array, never, SandboxStreamError> => {
  const sink = Sink.forEach((chunk: Uint8Array) => write(socket, chunk, stream))
  return endOnDone ? Sink.ensuring(sink, Effect.sync(() => void socket.end())) : sink
}

/** What the program writes, read no faster than it is asked for. If the reader stops early, the pipe is closed. */
export const streamOf = (
  socket: Readable,
  stream: SandboxStreamError["stream"]
): Stream.Stream<Uint8Array, SandboxStreamError> =>
  Stream.fromAsyncIterable<Uint8Array, SandboxStreamError>(
    socket,
    (error) => new SandboxStreamError({ stream, code: codeOf(error) })
  )

/** Waits until nobody can write to a pipe any more, and all of it was read. */
export const ended = (socket: Readable): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const done = () => resume(Effect.void)
    if (socket.closed || socket.readableEnded) return done()
    socket.once("end", done).once("close", done)
    return Effect.sync(() => void socket.off("end", done).off("close", done))
  })

/**
 * Waits until all that is in a pipe now was read. Its program has ended, and what it wrote is there; but others that it has
 * started may hold the other end, and continue to write.
 */
export const drained = (output: End): Effect.Effect<void, never, Kernel> =>
  Effect.gen(function*() {
    // its number is another one's as soon as it is destroyed, before it says that it is closed
    while (!output.destroyed && !output.readableEnded) {
      const [events = 0] = yield* Effect.orElseSucceed(
        sys.poll({ fds: [output.fd], events: POLL.IN, timeout: 0 }),
        () => []
      )
      if ((events & (POLL.IN | POLL.HUP)) === 0 && output.readableLength === 0) return
      // the event loop reads it meanwhile
      yield* Effect.sleep(1)
    }
  })
