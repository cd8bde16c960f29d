/**
 * Records every call of a pipeline, of all its processes, in the order of time.
 *
 * It wraps any kernel, model or live. In both, JavaScript of the parent asks for the calls of a child, so the calls of
 * every process are seen. The calls of the exec trampoline, which is machine code, are read from its image.
 *
 * @category records
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { CurrentStep } from "../engine/Events.ts"
import { given } from "../engine/given.ts"
import { type Images, images } from "../model/trampolineCalls.ts"
import type { Errno } from "../native/Errno.ts"
import { type Fork, make as makeFork, type Passed } from "../native/Fork.ts"
import { type Call, Handled, type Kernel, type Result, SyscallError } from "../native/Kernel.ts"
import { layerOf } from "./layer.ts"

/** The outcome of a call; `Pending` if it has not returned: it waits, or it will never return (execve, exit_group). */
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
  /** Whether the call undoes what the step did. */
  readonly undoing: boolean
  readonly call: Call
  readonly outcome: Outcome
  /** For a clone: the process that it made. */
  readonly child?: string
  /** For a clone: the descriptors that it passes, if these are not all. */
  readonly passed?: ReadonlyArray<Passed>
  /** The errnos that the step handles. They are noted in plans only. */
  readonly handled?: ReadonlyArray<Errno>
}

/**
 * A step that has begun; it may make no call.
 *
 * @since 0.2.0
 */
export interface Begun extends Pick<Entry, "pipeline" | "side" | "step"> {
  /** How many calls were made before it. */
  readonly after: number
}

/** The name of the process that a fiber runs for. A consumer may set it around an Effect. */
export const Side = Context.Reference<string>("runfx/testing/Side", { defaultValue: () => "parent" })

/** A recorder. */
export interface Recorder {
  /** The same kernel, recorded. */
  readonly kernel: (kernel: Kernel["Service"]) => Kernel["Service"]
  readonly fork: (fork: Fork["Service"]) => Fork["Service"]
  /** Both, from what is in the context. */
  readonly layer: Layer.Layer<Kernel | Fork, never, Kernel | Fork>
  readonly entries: () => ReadonlyArray<Entry>
  /** Records that a step has begun. */
  readonly begin: (step: Pick<Begun, "pipeline" | "side" | "step">) => void
  readonly begun: () => ReadonlyArray<Begun>
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
  const begun: Array<Begun> = []
  const programs: Images = images()
  let children = 0

  const record = <A, R>(
    call: Call,
    effect: Effect.Effect<A, SyscallError, R>,
    resultOf: (value: A) => unknown = (value) => value,
    born: { readonly child?: string; readonly passed?: ReadonlyArray<Passed> } = {}
  ): Effect.Effect<A, SyscallError, R> =>
    Effect.withFiber((fiber) => {
      const where = fiber.getRef(CurrentStep)
      const note = fiber.getRef(Handled)
      const handled = note?.codes ?? []
      // a note is for one call
      if (note !== undefined) note.codes = []
      const entry: Entry = {
        side: fiber.getRef(Side),
        pipeline: where?.pipeline ?? "",
        step: where?.step ?? "",
        undoing: where?.undoing ?? false,
        call,
        outcome: { _tag: "Pending" },
        ...born,
        ...handled.length === 0 ? {} : { handled }
      }
      entries.push(entry)
      // the calls of the trampoline follow an execve that does not return
      const inside = programs.callsOf(entry.side, call).map((call, index, all): Entry => ({
        ...entry,
        handled: [],
        call,
        outcome: index === all.length - 1 ? { _tag: "Pending" } : { _tag: "Returned", result: 0 }
      }))
      entries.push(...inside)
      // search from the end: few calls, if any, were made since
      const set = (outcome: Outcome): void => {
        const at = entries.lastIndexOf(entry)
        entries[at] = { ...entry, outcome }
        if (outcome._tag === "Failed" && inside.length > 0) entries.splice(at + 1, inside.length)
        if (outcome._tag === "Returned") programs.learn(entry.side, call, outcome.result)
      }
      return Effect.tapError(
        Effect.tap(effect, (value) => Effect.sync(() => set({ _tag: "Returned", result: resultOf(value) }))),
        (error) => Effect.sync(() => set({ _tag: "Failed", error }))
      )
    })

  const kernel: Recorder["kernel"] = (inner) => ({
    invoke: <C extends Call>(call: C): Effect.Effect<Result<C>, SyscallError> => record(call, inner.invoke(call))
  })
  const fork: Recorder["fork"] = (inner) =>
    makeFork((flags, child, passed) =>
      Effect.suspend(() => {
        children++
        const side = children === 1 ? "init" : `init ${children}`
        const inside = Effect.provideService(child, Side, side)
        return record({ _tag: "clone", flags }, inner.start(flags, inside, passed), ({ pid }) => pid, {
          child: side,
          ...given({ passed })
        })
      }), inner.guard)
  return {
    kernel,
    fork,
    layer: layerOf(kernel, fork),
    entries: () => entries,
    begin: (step) => void begun.push({ ...step, after: entries.length }),
    begun: () => begun
  }
}
