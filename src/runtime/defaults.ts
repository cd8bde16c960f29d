/**
 * What options default to, set once for all that an application starts: references of Effect, which a layer or
 * `Effect.provideService` sets.
 *
 * **Example** (An application with states of its own)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import { Linux, Runtime } from "runfx"
 *
 * const runtime = Layer.mergeAll(Linux.layer, Layer.succeed(Runtime.StateRoot, "/run/agents"))
 * Effect.provide(Runtime.run({ id: "web", container }), runtime)
 * ```
 *
 * @category options
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Time } from "../config/shape/quantity.ts"
import { Fork } from "../native/Fork.ts"
import { Kernel } from "../native/Kernel.ts"

/**
 * The directory of the state directories, if no option names one. Undefined if nobody sets it: then it is `/run/runfx` for root, and
 * for anybody else `$XDG_RUNTIME_DIR/runfx`, or what replaces that.
 */
export const StateRoot = /* @__PURE__ */ Context.Reference<string | undefined>("runfx/runtime/StateRoot", {
  defaultValue: () => undefined
})

/** How long a start may take, if no option says so; 60 s if nobody sets it. */
export const Patience = /* @__PURE__ */ Context.Reference<Time | undefined>("runfx/runtime/Patience", {
  defaultValue: () => undefined
})

/**
 * How many containers may be on their way to their program at a time, of those that this thread of JavaScript starts; 4 if nobody
 * sets it. Further ones wait until it is their turn, in the order in which they came, before anything of them is made. More at a
 * time are not faster, since one thread makes all steps, and take more memory unless the machine is full: if 32 were asked for at a
 * time, the process had 121 to 139 MiB at most, and without a bound 153 to 174 (96 to 500 containers, Node 20).
 *
 * A start that takes longer than 200 ms does not count any more. So if your own steps wait for something for long, set it higher.
 */
export const StartsAtOnce = /* @__PURE__ */ Context.Reference<number | undefined>("runfx/runtime/StartsAtOnce", {
  defaultValue: () => undefined
})

/** Provides effects with a kernel, and with defaults if they have none of their own. */
export type Provided = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, Exclude<R, Kernel | Fork>>

/** The kernel and the defaults of the effect that makes a service, for the effects of that service. */
export const surroundings: Effect.Effect<Provided, never, Kernel | Fork> = /* @__PURE__ */ Effect.gen(function*() {
  const context = Context.make(Kernel, yield* Kernel).pipe(Context.add(Fork, yield* Fork))
  const root = yield* StateRoot
  const patience = yield* Patience
  const atOnce = yield* StartsAtOnce
  return (self) =>
    self.pipe(
      Effect.updateService(StateRoot, (nearer) => nearer ?? root),
      Effect.updateService(Patience, (nearer) => nearer ?? patience),
      Effect.updateService(StartsAtOnce, (nearer) => nearer ?? atOnce),
      Effect.provideContext(context)
    )
})
