/** What is done with the sockets of both sides, each of which a stranger may never read, never write, and never close. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Socket } from "node:net"

/** How long a connection may be silent in both directions, in milliseconds. */
export const silence = 600_000

/** How long a farewell may take. */
const farewell = 2000

/** Waits until a socket is closed. */
const closed = (socket: Socket): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const done = () => resume(Effect.void)
    if (socket.closed) return done()
    socket.once("close", done)
    return Effect.sync(() => void socket.off("close", done))
  })

/** Exactly so many bytes, and none of those that follow; fails if they do not come. */
export const take = (socket: Socket, count: number): Effect.Effect<Buffer, "ended"> =>
  Effect.callback((resume) => {
    const stop = () => void socket.off("readable", look).off("end", look).off("close", look)
    const look = () => {
      const chunk: Buffer | null = socket.closed ? null : socket.read(count) as Buffer | null
      if (chunk?.length === count) {
        stop()
        resume(Effect.succeed(chunk))
      } else if (chunk !== null || socket.readableEnded || socket.closed) {
        stop()
        resume(Effect.fail("ended"))
      }
    }
    socket.on("readable", look).on("end", look).on("close", look)
    look()
    return Effect.sync(stop)
  })

/** Says a last word, and waits until it has been read, or for a moment. What still comes is not looked at. */
export const part = (socket: Socket, word: string | Uint8Array): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (socket.destroyed) return Effect.void
    socket.end(word)
    socket.resume()
    return Effect.ignore(Effect.timeoutOption(closed(socket), farewell))
  })

/** Breaks a connection off, so that the other side does not take its end for the end of what was sent. */
const breakOff = (socket: Socket): void => {
  if (!socket.destroyed) socket.resetAndDestroy()
}

/**
 * Both directions of a connection, until both have ended: each side is read no faster than the other one takes it, and an
 * end of one is passed on. What breaks off on one side, or is silent for too long, breaks off on the other.
 */
export const relay = (one: Socket, other: Socket): Effect.Effect<void> =>
  Effect.gen(function*() {
    for (const [from, to] of [[one, other], [other, one]] as const) {
      from.setTimeout(silence, () => breakOff(from))
      from.once("close", () => {
        if (!from.readableEnded || from.errored !== null) breakOff(to)
      })
      from.pipe(to)
    }
    yield* Effect.all([closed(one), closed(other)], { discard: true })
  })

/** A socket that is closed with the scope, whatever it does. */
export const owned = (socket: Socket): Effect.Effect<Socket, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      // the reader or writer gets it; without a listener, an error would end the application
      return socket.unref().on("error", () => {})
    }),
    () => Effect.sync(() => void socket.destroy())
  )
