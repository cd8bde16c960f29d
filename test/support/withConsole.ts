import * as Effect from "effect/Effect"
import { SOCK } from "../../src/native/constants.ts"
import { sys } from "../../src/native/Kernel.ts"

/** Gives a run somewhere to send its terminal to, and throws away what comes there. */
export const withConsole = <A, E, R>(use: (socket: number) => Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    sys.socketpair({ type: SOCK.STREAM | SOCK.CLOEXEC }),
    ([, sender]) => use(sender),
    (ends) => Effect.forEach(ends, (fd) => sys.close({ fd }), { discard: true })
  )
