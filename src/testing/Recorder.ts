/**
 * Writes down every call of a pipeline, over all its processes in the order of time.
 *
 * It wraps any kernel. With the model kernel that is a plan or a test's log; with the live kernel it sees this process
 * only, since a forked child has its own memory.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { CurrentStep } from "../engine/Events.ts"
import { Fork } from "../native/Fork.ts"
import { type Call, Kernel, type Result, SyscallError } from "../native/Kernel.ts"

/** What a call came to; `Pending` for one that has not returned: it waits, or it never will (execve, exit_group). */
export type Outcome =
  | { readonly _tag: "Returned"; readonly result: unknown }
  | { readonly _tag: "Failed"; readonly error: SyscallError }
  | { readonly _tag: "Pending" }

/** One call. */
export interface Entry {
  /** Which process: `parent`, and `init`, `init 2`, … in the order in which they were started. */
  readonly side: string
  /** The pipeline and step that were running; empty outside of one. */
  readonly pipeline: string
  readonly step: string
  /** Whether the call takes back what the step did. */
  readonly undoing: boolean
  readonly call: Call
  readonly outcome: Outcome
}

/** The name of the process that a fiber is. A consumer may set it around an Effect. */
export const Side = Context.Reference<string>("runfx/testing/Side", { defaultValue: () => "parent" })

/** A recorder. */
export interface Recorder {
  /** The same kernel, recorded. */
  readonly kernel: (kernel: Kernel["Service"]) => Kernel["Service"]
  readonly fork: (fork: Fork["Service"]) => Fork["Service"]
  /** Both, from what is in the context. */
  readonly layer: Layer.Layer<Kernel | Fork, never, Kernel | Fork>
  readonly entries: () => ReadonlyArray<Entry>
}

/**
 * Makes a recorder.
 *
 * **Example** (Which step makes which call)
 *
 * ```ts
 * const recorder = Recorder.make()
 * Effect.runSync(Effect.provide(program, Layer.provide(recorder.layer, ModelKernel.make().layer)))
 * recorder.entries().map(({ call, side, step }) => `${side} ${step}: ${call._tag}`)
 * ```
 */
export const make = (): Recorder => {
  const entries: Array<Entry> = []
  let children = 0

  const record = <A, R>(call: Call, effect: Effect.Effect<A, SyscallError, R>): Effect.Effect<A, SyscallError, R> =>
    Effect.withFiber((fiber) => {
      const where = fiber.getRef(CurrentStep)
      const entry: Entry = {
        side: fiber.getRef(Side),
        pipeline: where?.pipeline ?? "",
        step: where?.step ?? "",
        undoing: where?.undoing ?? false,
        call,
        outcome: { _tag: "Pending" }
      }
      entries.push(entry)
      // from the end: few calls, if any, were made since
      const set = (outcome: Outcome): void => void (entries[entries.lastIndexOf(entry)] = { ...entry, outcome })
      return Effect.tapError(
        Effect.tap(effect, (result) => Effect.sync(() => set({ _tag: "Returned", result }))),
        (error) => Effect.sync(() => set({ _tag: "Failed", error }))
      )
    })

  const kernel: Recorder["kernel"] = (inner) => ({
    invoke: <C extends Call>(call: C): Effect.Effect<Result<C>, SyscallError> => record(call, inner.invoke(call))
  })
  const fork: Recorder["fork"] = (inner) => ({
    spawn: (flags, child) =>
      Effect.suspend(() => {
        children++
        const side = children === 1 ? "init" : `init ${children}`
        return record({ _tag: "clone", flags }, inner.spawn(flags, Effect.provideService(child, Side, side)))
      })
  })
  return {
    kernel,
    fork,
    layer: Layer.mergeAll(
      Layer.effect(Kernel, Effect.map(Kernel, kernel)),
      Layer.effect(Fork, Effect.map(Fork, fork))
    ),
    entries: () => entries
  }
}
