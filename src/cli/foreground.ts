/**
 * What `run` and `exec` do around their program: its pid in a file, its input made safe, signals passed on, times printed,
 * and its exit code in the end.
 */
import * as Effect from "effect/Effect"
import type { Container, Process } from "../config/Container.ts"
import { type Event, Events } from "../engine/Events.ts"
import type { Fork } from "../native/Fork.ts"
import type { Kernel } from "../native/Kernel.ts"
import { guardInput } from "../runtime/guardedInput.ts"
import type * as Runtime from "../runtime/Runtime.ts"
import { relaySignals } from "../runtime/signals.ts"
import { print, printError } from "../runtime/streams.ts"
import { onLinux } from "./edge.ts"
import { pidFile } from "./pidFile.ts"
import { consoleSocket, held, journal, tellEnd, timings } from "./support.ts"

/** The options of a command that starts a program. */
export interface ForegroundCommand {
  readonly detach?: boolean
  readonly pidFile?: string
  readonly timings?: boolean
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
      const given = { ...(yield* options), ...(yield* consoleSocket(command.consoleSocket)) }
      yield* before(given)
      const writePid = yield* pidFile(command.pidFile)
      if (!processOf(given).terminal) yield* guardInput
      const times = (more: ReadonlyArray<Event>) =>
        command.timings === true ? printError(timings([...events, ...more])) : Effect.void
      if (command.detach === true) {
        yield* held(processOf(given), given)
        // if its id can't be printed, the start has failed: the caller would not know of the program
        yield* detached(given, (running) =>
          Effect.gen(function*() {
            yield* writePid(running.pid)
            yield* print(announce(given))
            yield* times(running.events)
          }))
        return 0
      }
      const relay = yield* relaySignals
      const ended = yield* run(
        given,
        (running) => Effect.andThen(writePid(running.pid), relay.to(running.pidfd))
      ).pipe(
        Effect.provideService(Events, (event) => Effect.andThen(listen(event), relay.listen(event)))
      )
      yield* times(ended.events)
      yield* tellEnd(given.id, ended, seccompOf(given))
      return ended.code
    }).pipe(Effect.scoped, Effect.provideService(Events, listen))
  )
}
