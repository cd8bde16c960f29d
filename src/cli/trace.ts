/** `--trace`: what a start does, in a file for a viewer of traces, even if the start fails. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import process from "node:process"
import { render } from "../engine/PipelineError.ts"
import * as Trace from "../engine/Trace.ts"
import type { Fork } from "../native/Fork.ts"
import type { Kernel } from "../native/Kernel.ts"
import type { WriteFile } from "./outputFile.ts"

/** A trace, and the file that it goes to. */
export interface Traced {
  /** Runs an effect; if it fails before the trace is written, the trace is written then. */
  readonly around: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R | Kernel | Fork>
  /** Writes what was recorded until now. */
  readonly write: ReturnType<WriteFile>
}

const failureOf = (cause: Cause.Cause<unknown>): string =>
  Cause.hasInterruptsOnly(cause) ? "interrupted" : render(Cause.squash(cause))

/** Makes a trace that goes to a file. */
export const traced = (title: string, writeFile: WriteFile): Traced => {
  const trace = Trace.make({ pid: process.pid })
  let isWritten = false
  const write = (about: Readonly<Record<string, string>>) =>
    Effect.suspend(() => {
      isWritten = true
      return writeFile(trace.toText(about))
    })
  return {
    write: write({ title }),
    around: (self) =>
      Effect.onExit(trace.record(self), (exit) =>
        Exit.isSuccess(exit) || isWritten
          ? Effect.void
          // the failure of the effect itself is reported elsewhere
          : Effect.catch(write({ title, failure: failureOf(exit.cause) }), ({ message }) => Effect.logWarning(message)))
  }
}
