/**
 * Pass on the signals that this process gets to the program that runs in the foreground.
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import process from "node:process"
import { type Kernel, sys } from "../native/Kernel.ts"

/** All that can be passed on: not those that can't be caught, that this process has uses of its own for, or that a fault sends. */
const passed: ReadonlyArray<NodeJS.Signals> = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGTERM",
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
  "SIGCONT",
  "SIGTSTP",
  "SIGTTIN",
  "SIGTTOU",
  "SIGIO",
  "SIGPWR"
]

/** Passes signals on to a process until the scope ends. */
export const passSignals = (pidfd: number): Effect.Effect<void, never, Kernel | Scope.Scope> =>
  Effect.gen(function*() {
    const context = yield* Effect.context<Kernel>()
    const pass = (_: NodeJS.Signals, signal: number) =>
      // one that has ended takes no signal any more
      void Effect.runSyncExitWith(context)(sys.pidfd_send_signal({ pidfd, signal }))
    yield* Effect.acquireRelease(
      Effect.sync(() => passed.forEach((name) => process.on(name, pass))),
      () => Effect.sync(() => passed.forEach((name) => process.off(name, pass)))
    )
  })
