/**
 * An end of a pipe as a stream of Node's that reads and writes by calls. It is for a kernel in memory: the event loop can't watch
 * its descriptors, since this process does not have them.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { Duplex } from "node:stream"
import type { AnyFd } from "../native/Handle.ts"
import { type Kernel, sys, type SyscallError } from "../native/Kernel.ts"
import { closing } from "../runtime/lent.ts"

/** An end of a pipe that is this process's, with the number of its descriptor. */
export interface End extends Duplex {
  readonly fd: AnyFd
  /** Whether the open end keeps this process alive. */
  readonly ref: () => unknown
  readonly unref: () => unknown
}

/** How much is read at once, in bytes. */
const most = 64 * 1024

/** Makes the stream of a descriptor, which it closes at its end. */
export const endByCalls = (fd: AnyFd, direction: "reads" | "writes"): Effect.Effect<End, never, Kernel> =>
  Effect.contextWith((context) => {
    const fork = Effect.runForkWith(context)
    const close = closing(fd)
    /** What is under way: a read that waits, or a write. */
    let call: Fiber.Fiber<unknown, SyscallError> | undefined
    const make = <A>(
      effect: Effect.Effect<A, SyscallError, Kernel>,
      done: (exit: Exit.Exit<A, SyscallError>) => void
    ) => {
      const fiber = fork(effect)
      call = fiber
      fiber.addObserver((exit) => {
        call = undefined
        done(exit)
      })
    }
    const write = (data: Uint8Array): Effect.Effect<void, SyscallError, Kernel> =>
      Effect.flatMap(
        sys.write({ fd, data }),
        (count) => count < data.length ? write(data.subarray(count)) : Effect.void
      )
    const errorOf = (exit: Exit.Exit<unknown, SyscallError>): Error | null =>
      Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause) ? null : Cause.squash(exit.cause) as Error
    // Node's types do not know them
    const sides = { readable: direction === "reads", writable: direction === "writes" }
    const stream = new Duplex({
      ...sides,
      read() {
        make(sys.read({ fd, count: most }), (exit) => {
          if (Exit.isSuccess(exit)) this.push(exit.value.length === 0 ? null : exit.value)
          else this.destroy(errorOf(exit) ?? undefined)
        })
      },
      write(chunk: Uint8Array, _, done) {
        make(write(chunk), (exit) => done(errorOf(exit)))
      },
      final(done) {
        make(close, () => done())
      },
      destroy(error, done) {
        call?.interruptUnsafe()
        fork(close).addObserver(() => done(error))
      }
    })
    return Effect.succeed(Object.assign(stream, { fd, ref: () => stream, unref: () => stream }))
  })
