/** Descriptors that are closed once, and that nobody uses from then on: the number may be another one's. */
import * as Effect from "effect/Effect"
import type { AnyFd, AnyPidfd } from "../native/Handle.ts"
import { type Kernel, sys } from "../native/Kernel.ts"

/** A descriptor that is closed once: its number may be another one's later. */
export const closing = (fd: AnyFd | AnyPidfd): Effect.Effect<void, never, Kernel> => {
  let open = true
  return Effect.suspend(() => {
    if (!open) return Effect.void
    open = false
    return Effect.ignore(sys.close({ fd }))
  })
}

/** A descriptor that is used by many, each for a moment, and let go by one. */
export interface Lent<Fd> {
  /** Uses it; returns `none` if it was let go: its number may be another one's. */
  readonly use: <A, E>(use: (fd: Fd) => Effect.Effect<A, E, Kernel>, none: A) => Effect.Effect<A, E, Kernel>
  /** Nobody uses it from now on. It is closed at the end of the last use that has begun. */
  readonly letGo: Effect.Effect<void, never, Kernel>
}

/** Lends a descriptor. */
export const lent = <Fd extends AnyFd | AnyPidfd>(fd: Fd): Lent<Fd> => {
  let isHeld = true
  let uses = 0
  const close = closing(fd)
  const closeIfUnused = Effect.suspend(() => isHeld || uses > 0 ? Effect.void : close)
  const begin = Effect.sync(() => {
    if (isHeld) uses++
    return isHeld
  })
  const end = Effect.suspend(() => {
    uses--
    return closeIfUnused
  })
  return {
    use: (use, none) =>
      Effect.acquireUseRelease(
        begin,
        (isOurs) => isOurs ? use(fd) : Effect.succeed(none),
        (isOurs) => isOurs ? end : Effect.void
      ),
    letGo: Effect.suspend(() => {
      isHeld = false
      return closeIfUnused
    })
  }
}
