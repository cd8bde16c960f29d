/**
 * What `run` and `exec` do around their program: they write its pid to a file, make its input safe, pass signals on, print and
 * write times, and exit with its exit code.
 */
import * as Effect from "effect/Effect"
import type { Container, Process } from "../config/Container.ts"
import { Events } from "../engine/Events.ts"
import type { Fork } from "../native/Fork.ts"
import type { Kernel } from "../native/Kernel.ts"
import { guardInput } from "../runtime/guardedInput.ts"
import type * as Runtime from "../runtime/Runtime.ts"
import { relaySignals } from "../runtime/signals.ts"
import { print } from "../runtime/streams.ts"
import { onLinux } from "./edge.ts"
import { outputFile } from "./outputFile.ts"
import { consoleSocket, journal, refuseUnheldTerminal, tellEnd } from "./support.ts"
import { watched } from "./watched.ts"

/** The options of a command that starts a program. */
export interface ForegroundCommand {
  readonly detach?: boolean
  readonly pidFile?: string
  readonly timings?: boolean
  readonly trace?: string
  readonly consoleSocket?: string
}

/** Starts a program, and calls back once it runs. */
type Start<O, A> = (
  options: O,
  onRunning: (running: Runtime.RunningProcess) => Effect.Effect<void, unknown, Kernel>
) => Effect.Effect<A, unknown, Kernel | Fork>

/** Starts the program of a command, and waits for its end unless it is detached. The exit code is the program's. */
export const foreground = <O extends Runtime.ProcessHandles & { readonly id: string }>(
  command: ForegroundCommand,
  { announce = () => "", before = () => Effect.void, detached, options, processOf, run, seccompOf = () => undefined }: {
    readonly options: Effect.Effect<O, unknown, Kernel>
    readonly processOf: (options: O) => Process
    readonly seccompOf?: (options: O) => Container["seccomp"]
    /** What happens before anything is started. */
    readonly before?: (options: O) => Effect.Effect<void, unknown, Kernel>
    /** What is printed on standard output for a detached program. */
    readonly announce?: (options: O) => string
    readonly detached: Start<O, unknown>
    readonly run: Start<O, Runtime.Ended>
  }
): Promise<void> => {
  const { events, listen } = journal()
  return onLinux(
    Effect.gen(function*() {
      const asked = yield* options
      const given = { ...asked, ...(yield* consoleSocket(command.consoleSocket, processOf(asked))) }
      yield* before(given)
      const writePid = yield* outputFile("--pid-file", command.pidFile)
      const { around, times, writeTrace } = yield* watched(command, given.id)
      if (!processOf(given).terminal) yield* guardInput
      if (command.detach === true) {
        yield* refuseUnheldTerminal(processOf(given), given)
        // if its id can't be printed, the start fails: the caller would not know about the program
        yield* around(detached(given, (running) =>
          Effect.gen(function*() {
            yield* writePid(String(running.pid))
            yield* writeTrace
            yield* print(announce(given))
            yield* times([...events, ...running.events])
          })))
        return 0
      }
      const relay = yield* relaySignals
      const ended = yield* around(run(
        given,
        (running) => Effect.andThen(writePid(String(running.pid)), relay.to(running.pidfd))
      )).pipe(
        Effect.ensuring(relay.over),
        Effect.provideService(Events, (event) => Effect.andThen(listen(event), relay.listen(event)))
      )
      yield* writeTrace
      yield* times([...events, ...ended.events])
      yield* tellEnd(given.id, ended, seccompOf(given))
      return ended.code
    }).pipe(Effect.scoped, Effect.provideService(Events, listen))
  )
}
