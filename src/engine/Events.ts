/**
 * What a running pipeline tells while it runs: an ambient listener that by default hears nothing.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/** One event. `milliseconds` is the time that the step, or its compensation, took. */
export type Event =
  | { readonly _tag: "Started"; readonly pipeline: string; readonly step: string }
  | { readonly _tag: "Completed"; readonly pipeline: string; readonly step: string; readonly milliseconds: number }
  | { readonly _tag: "Failed"; readonly pipeline: string; readonly step: string; readonly milliseconds: number }
  | { readonly _tag: "Undone"; readonly pipeline: string; readonly step: string; readonly milliseconds: number }
  | { readonly _tag: "UndoFailed"; readonly pipeline: string; readonly step: string; readonly milliseconds: number }

/** The listener. */
export const Events = Context.Reference<(event: Event) => Effect.Effect<void>>("runfx/Events", {
  defaultValue: () => () => Effect.void
})

/** The step that is running, as `pipeline/step`; empty outside of a step. A recorder of calls reads it. */
export const CurrentStep = Context.Reference<{ readonly pipeline: string; readonly step: string } | undefined>(
  "runfx/CurrentStep",
  { defaultValue: () => undefined }
)
