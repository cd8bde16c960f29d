/** What a start shows: its progress, the times of its steps, and a trace. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import process from "node:process"
import type { Event } from "../engine/Events.ts"
import { observe } from "../engine/Observer.ts"
import type { Fork } from "../native/Fork.ts"
import type { Kernel } from "../native/Kernel.ts"
import { isTerminal, printError, type StreamError } from "../runtime/streams.ts"
import { outputFile, type WriteFile } from "./outputFile.ts"
import { progress } from "./progress.ts"
import { timings } from "./timings.ts"

/** The options that ask for it. */
interface Asked {
  readonly timings?: boolean
  readonly trace?: string
}

/** The columns of standard error, if that is a terminal. */
const columns = (): number | undefined => isTerminal("stderr") ? process.stderr.columns : undefined

/** It loads the format of traces. */
const tracing = Effect.promise(() => import("./trace.ts"))

type Around = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R | Kernel | Fork>

/** What a command does around a start. */
interface Watching {
  readonly around: Around
  /** Writes the trace, if one is asked for. */
  readonly writeTrace: ReturnType<WriteFile>
  /** Prints the times, if they are asked for. */
  readonly times: (events: ReadonlyArray<Event>) => Effect.Effect<void, StreamError>
}

/** Prepares what a start shows. If a file can't be written, this fails before anything is started. */
export const watched = (
  asked: Asked,
  title: string
): Effect.Effect<Watching, Effect.Error<ReturnType<WriteFile>>, Kernel | Scope.Scope> =>
  Effect.gen(function*() {
    const writeFile = yield* outputFile("--trace", asked.trace)
    const trace = asked.trace === undefined ? undefined : (yield* tracing).traced(title, writeFile)
    const shown = yield* progress
    const seen: Around = shown === undefined ? (self) => self : observe(shown)
    const around: Around = (self) => seen(trace === undefined ? self : trace.around(self))
    return {
      around,
      writeTrace: trace?.write ?? Effect.void,
      times: (events: ReadonlyArray<Event>) =>
        asked.timings === true ? printError(timings(events, columns())) : Effect.void
    }
  })
