/** A program's terminal whose master this process takes itself. */
import * as Effect from "effect/Effect"
import { SOCK } from "../native/constants.ts"
import type { AnyFd } from "../native/Handle.ts"
import { type Kernel, sys, type SyscallError } from "../native/Kernel.ts"
import { orElseEnd } from "./endings.ts"
import { receiveMaster } from "./terminal.ts"

/**
 * Passes one end of a socket pair to `use`, if `wanted`: if the program gets a terminal, and the caller has no console socket.
 * The terminal's master arrives at the other end.
 *
 * @param end undoes what `use` has started, if the master does not arrive
 */
export const withOwnConsole = <A extends object, E, R, E2, R2>(
  wanted: boolean,
  use: (socket: AnyFd | undefined) => Effect.Effect<A, E, R>,
  end: (started: A) => Effect.Effect<unknown, E2, R2>
): Effect.Effect<A & { readonly master?: AnyFd }, E | E2 | SyscallError, R | R2 | Kernel> =>
  wanted
    ? Effect.acquireUseRelease(
      sys.socketpair({ type: SOCK.STREAM | SOCK.CLOEXEC }),
      ([receiver, sender]) =>
        Effect.gen(function*() {
          const result = yield* use(sender)
          const master = yield* orElseEnd(receiveMaster(receiver), end(result))
          return master === undefined ? result : { ...result, master }
        }),
      // close(2) releases the descriptor even when it reports an error, and that must not fail a running container
      (ends) => Effect.forEach(ends, (fd) => Effect.ignore(sys.close({ fd })), { discard: true })
    )
    : use(undefined)

/** Closes the master of a terminal, if there is one. */
export const closing = (master: AnyFd | undefined) => master === undefined ? [] : [sys.close({ fd: master })]
