/** The way from a sandbox that starts to the proxy that answers it. */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { F, MSG, SOCK } from "../../native/constants.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, sys, type SyscallError } from "../../native/Kernel.ts"
import { Surroundings } from "../../native/Surroundings.ts"
import type { Port } from "../../steps/init/Init.ts"
import { answerBy } from "./answer.ts"
import { type Options, serve } from "./Proxy.ts"

/** The port of a sandbox's loopback interface, which is its own: so one number does for all. */
const number = 3128

const address = `http://127.0.0.1:${number}`

/** The variables that point programs to the proxy; those of Node ask for one more word. */
export const proxyVariables: ReadonlyArray<readonly [string, string]> = [
  ...["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].flatMap((name) =>
    [name, name.toLowerCase()].map((one) => [one, address] as const)
  ),
  ...["NO_PROXY", "no_proxy"].map((name) => [name, "localhost,127.0.0.1,::1"] as const),
  ["NODE_USE_ENV_PROXY", "1"]
]

/** A proxy to be. */
export interface Door {
  /** For the start of the sandbox. */
  readonly port: Port
  /** Answers from now on, until the scope is closed in which the door was made; the sandbox runs. */
  readonly open: Effect.Effect<void, SyscallError | Error, Kernel>
}

const above2 = (fd: AnyFd): Effect.Effect<number, SyscallError, Kernel> =>
  fd > 2
    ? Effect.succeed(fd)
    : Effect.ensuring(sys.fcntl({ fd, command: F.DUPFD_CLOEXEC, argument: 3 }), Effect.ignore(sys.close({ fd })))

/** A descriptor that is closed with the scope. */
const held = (fd: AnyFd): Effect.Effect<void, never, Kernel | Scope.Scope> =>
  Effect.addFinalizer(() => Effect.ignore(sys.close({ fd })))

/** Makes the way; nothing answers yet. */
export const makeDoor = (options: Options): Effect.Effect<Door, SyscallError, Kernel | Scope.Scope> =>
  Effect.uninterruptible(Effect.gen(function*() {
    const scope = yield* Effect.scope
    const [ours, other] = yield* sys.socketpair({ type: SOCK.SEQPACKET | SOCK.CLOEXEC })
    yield* held(ours)
    const theirs = yield* above2(other)
    yield* held(theirs)
    const open = Effect.gen(function*() {
      // it was sent before the program ran
      const { fds } = yield* sys.recvmsg({ fd: ours, size: 16, flags: MSG.DONTWAIT })
      const [listener] = fds
      if (listener === undefined) return yield* Effect.fail(new Error("the sandbox has handed over no socket"))
      const { answer } = yield* Surroundings
      if (answer === undefined) {
        return yield* Effect.onError(serve(listener, options), () => Effect.ignore(sys.close({ fd: listener })))
      }
      yield* held(listener)
      yield* answer(listener, answerBy(options))
    })
    return { port: { number, socket: theirs }, open: Scope.provide(open, scope) }
  }))
