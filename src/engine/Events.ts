/**
 * Events that a running pipeline reports to the listener in its context. By default there is no listener.
 *
 * @category events
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { CallName } from "../native/Kernel.ts"

/** One event. `milliseconds` is the time that the step, or its compensation, took. */
export type Event =
  | { readonly _tag: "Started"; readonly pipeline: string; readonly step: string }
  | { readonly _tag: "Completed"; readonly pipeline: string; readonly step: string; readonly milliseconds: number }
  | { readonly _tag: "Failed"; readonly pipeline: string; readonly step: string; readonly milliseconds: number }
  | { readonly _tag: "Undone"; readonly pipeline: string; readonly step: string; readonly milliseconds: number }
  | { readonly _tag: "UndoFailed"; readonly pipeline: string; readonly step: string; readonly milliseconds: number }

/**
 * The listener that there is by default: it hears nothing.
 *
 * @internal
 * @since 0.2.0
 */
export const deaf = (_event: Event): Effect.Effect<void> => Effect.void

/** The listener in the context of a run. */
export const Events = Context.Reference<(event: Event) => Effect.Effect<void>>("runfx/Events", {
  defaultValue: () => deaf
})

/** The step that is running, or whose work is being undone. A recorder of calls reads it. */
export interface Current {
  readonly pipeline: string
  readonly step: string
  readonly undoing: boolean
  /** The calls that the step's header declares; absent while the step runs code of others, see `withoutHeader`. */
  readonly calls?: ReadonlyArray<CallName>
}

/** What is running; `undefined` outside of a step. */
export const CurrentStep = Context.Reference<Current | undefined>("runfx/CurrentStep", {
  defaultValue: () => undefined
})

/** The context of a running step, for the compensation of what it did. */
export const undoing = <R>(context: Context.Context<R>): Context.Context<R> => {
  const current = Context.get(context, CurrentStep)
  return current === undefined ? context : Context.add(context, CurrentStep, { ...current, undoing: true })
}
