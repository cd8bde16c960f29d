/** What is to be seen of a start: its progress, the times of its steps, and a trace. */
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

/** Which of it is asked for. */
interface Asked {
  readonly timings?: boolean
  readonly trace?: string
}

/** The columns of the terminal that standard error is. */
const columns = (): number | undefined => isTerminal("stderr") ? process.stderr.columns : undefined

/** With it comes the format of traces. */
const tracing = Effect.promise(() => import("./trace.ts"))

type Around = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R | Kernel | Fork>

/** What a command does around a start. */
interface Watching {
  readonly around: Around
  /** If one is asked for. */
  readonly writeTrace: ReturnType<WriteFile>
  /** Prints them, if they are asked for. */
  readonly times: (events: ReadonlyArray<Event>) => Effect.Effect<void, StreamError>
}

/** What is to be seen of a start. A file that can't be written is known before anything is started. */
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
