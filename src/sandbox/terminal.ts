/**
 * The terminal of a program in a sandbox: this process has its master, by which it is read, written, resized and hung up.
 *
 * It is read by read(2) and not by libuv, which takes a hang-up for the end although there is more: a terminal returns at
 * most 4 KiB at a time, and EIO when nobody has it open.
 *
 * @see pty(7), ioctl_tty(2)
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Readable, Writable } from "node:stream"
import { struct, whole } from "../config/shape/Shape.ts"
import { POLL, SOCK } from "../native/constants.ts"
import type { AnyFd } from "../native/Handle.ts"
import { type Kernel, orOn, sys, SyscallError } from "../native/Kernel.ts"
import { closing } from "../runtime/lent.ts"
import { notBlocking, receiveMaster, typist, type WhileOpen } from "../runtime/terminal.ts"
import { problemsOf } from "./check.ts"
import { InvalidSandbox, SandboxFailed } from "./SandboxError.ts"

/** The size of a terminal, in characters. */
export interface Size {
  readonly rows: number
  readonly columns: number
}

/** This process's side of a program's terminal. */
export interface Terminal {
  /** What is typed. Its end is the character that ends the input, as ^D does. */
  readonly input: Writable
  /** What the program, and the terminal itself, have written. If it is closed before its end, the terminal hangs up. */
  readonly output: Readable
  readonly resize: (size: Size) => Effect.Effect<void, InvalidSandbox | SyscallError, Kernel>
  /**
   * Ends the output after what is there. The program has ended, but others that it has started may have the terminal open, and
   * continue to write.
   */
  readonly finish: Effect.Effect<void>
}

/** A terminal before there is a program: the socket that its master comes over, and the way to take it. */
export interface Console {
  readonly consoleSocket: number
  /** @param isOver whether the program, and all of its sandbox, has ended */
  readonly receive: (
    isOver: () => boolean
  ) => Effect.Effect<Terminal, SandboxFailed | SyscallError, Kernel | Scope.Scope>
}

const size = whole(1, 65_535)

/** Refuses what is no size. */
export const checkSize = (value: Size, name: string): Effect.Effect<void, InvalidSandbox> => {
  const problems = problemsOf(struct<Size>({ rows: size, columns: size }), value, name)
  return problems.length === 0 ? Effect.void : Effect.fail(new InvalidSandbox({ problems }))
}

/** Makes what a terminal comes over. */
export const makeConsole: Effect.Effect<Console, SyscallError, Kernel | Scope.Scope> = Effect.uninterruptible(
  Effect.gen(function*() {
    const [receiver, sender] = yield* sys.socketpair({ type: SOCK.STREAM | SOCK.CLOEXEC })
    for (const fd of [receiver, sender]) {
      const close = closing(fd)
      yield* Effect.addFinalizer(() => close)
    }
    return {
      consoleSocket: sender,
      receive: (isOver) =>
        Effect.uninterruptible(Effect.gen(function*() {
          const master = yield* receiveMaster(receiver)
          if (master !== undefined) {
            yield* notBlocking(master)
            return yield* terminalOf(master, isOver)
          }
          const problem = "the init has sent no terminal"
          return yield* new SandboxFailed({ step: "", code: "NoTerminal", problem, cause: undefined })
        }))
    }
  })
)

/** How long a terminal is left alone if nobody has it open while its program runs, in milliseconds. */
const pause = 20

/** How much is read at once, in bytes. */
const most = 64 * 1024

const terminalOf = (
  master: AnyFd,
  isOver: () => boolean
): Effect.Effect<Terminal, never, Kernel | Scope.Scope> =>
  Effect.gen(function*() {
    const run = Effect.runPromiseWith(yield* Effect.context<Kernel>())
    const hungUp = Deferred.makeUnsafe<void>()
    const close = closing(master)
    const hangUp = Effect.andThen(Deferred.succeed(hungUp, undefined), close)
    const whileOpen: WhileOpen = (use, none) =>
      Effect.suspend(() =>
        Deferred.isDoneUnsafe(hungUp)
          ? Effect.succeed(none)
          : Effect.raceFirst(use, Effect.as(Deferred.await(hungUp), none))
      )
    const finished = Deferred.makeUnsafe<void>()
    const nothing = new Uint8Array()
    const once = sys.read({ fd: master, count: most }).pipe(orOn(["EIO", "EAGAIN"], nothing))
    const ready = (timeout: number) =>
      Effect.map(sys.poll({ fds: [master], events: POLL.IN, timeout }), ([events = 0]) => events !== 0)
    const read: Effect.Effect<Uint8Array, SyscallError, Kernel> = Effect.suspend(() => {
      const ends = Deferred.isDoneUnsafe(finished)
      const last = ends || isOver()
      // a wait that is broken off has taken nothing, which a read may have
      const waited = ends ? ready(0) : Effect.raceFirst(ready(-1), Effect.as(Deferred.await(finished), false))
      return Effect.flatMap(whileOpen(waited, false), (isReady) => {
        const over = last || Deferred.isDoneUnsafe(hungUp)
        if (!isReady) return over ? Effect.succeed(nothing) : read
        return Effect.flatMap(whileOpen(once, nothing), (chunk) => {
          if (chunk.length > 0 || over) return Effect.succeed(chunk)
          // nobody has it open just now; the program may open it again
          return Effect.delay(read, pause)
        })
      })
    })
    const typing = typist(master, whileOpen)
    const output = new Readable({
      read() {
        run(read).then((chunk) => this.push(chunk.length === 0 ? null : chunk), (error) => this.destroy(error))
      },
      destroy(error, done) {
        run(hangUp).then(() => done(error), done)
      }
    })
    const input = new Writable({
      decodeStrings: true,
      write(chunk: Buffer, _, done) {
        run(typing.write(chunk)).then(() => done(), done)
      },
      final(done) {
        run(Effect.ignore(typing.end)).then(() => done(), done)
      }
    })
    // reported to the user of the stream; without a listener, an error would end the application
    for (const stream of [output, input]) stream.on("error", () => {})
    yield* Effect.addFinalizer(() =>
      Effect.andThen(
        hangUp,
        Effect.sync(() => {
          // what was read already can still be taken
          if (!output.readableEnded && output.readableLength === 0) output.destroy()
          input.destroy()
        })
      )
    )
    return {
      input,
      output,
      finish: Effect.asVoid(Deferred.succeed(finished, undefined)),
      resize: (size) =>
        Effect.andThen(checkSize(size, "size"), whileOpen(sys.ioctl_swinsz({ fd: master, ...size }), undefined))
    }
  })
