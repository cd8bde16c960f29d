/** Containers as a service, over the functions of this room, so that an application can swap it in its tests. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Fork } from "../native/Fork.ts"
import { Kernel } from "../native/Kernel.ts"
import type { Setns } from "../pipelines/setns.ts"
import type { Standard } from "../pipelines/standard.ts"
import type { Userns } from "../pipelines/userns.ts"
import { create } from "./create.ts"
import { exec, start } from "./exec.ts"
import { kill } from "./kill.ts"
import { list } from "./list.ts"
import { prune } from "./prune.ts"
import { remove } from "./removing.ts"
import { run } from "./run.ts"

/** The pipelines of an init, if an option names none of its own. */
type Created = Standard | Userns

/** A function that needs nothing of the kernel any more: what its effect succeeds and fails with stays. */
type Provided<F> = F extends (...args: infer Args) => Effect.Effect<infer A, infer E, infer _>
  ? (...args: Args) => Effect.Effect<A, E>
  : never

/** The functions, for callers whose `onRunning` neither fails nor needs anything. */
type Functions = {
  readonly create: Provided<typeof create<Created, never, never>>
  readonly run: Provided<typeof run<Created, never, never>>
  readonly exec: Provided<typeof exec<Setns, never, never>>
  readonly start: Provided<typeof start<Setns, never, never>>
  readonly kill: Provided<typeof kill>
  readonly remove: Provided<typeof remove>
  readonly list: Provided<typeof list>
  readonly prune: Provided<typeof prune>
}

/**
 * Starts, lists, signals and removes containers. `Containers.layer` takes a kernel, as `Linux.layer` is; on the kernel of
 * `runfx/testing` it is a model of this machine.
 *
 * **Example** (An application, and a test of it that starts nothing)
 *
 * ```ts
 * const names = Effect.gen(function*() {
 *   const containers = yield* Containers
 *   return (yield* containers.list()).map(({ id }) => id)
 * })
 * Effect.provide(names, Layer.provide(Containers.layer, Linux.layer))
 * Effect.provide(names, Layer.mock(Containers)({ list: () => Effect.succeed([]) }))
 * ```
 */
export class Containers extends Context.Service<Containers, Functions>()("runfx/Containers") {
  /** The live service. */
  static readonly layer: Layer.Layer<Containers, never, Kernel | Fork> = /* @__PURE__ */ Layer.effect(
    Containers,
    /* @__PURE__ */ Effect.gen(function*() {
      const context = Context.make(Kernel, yield* Kernel).pipe(Context.add(Fork, yield* Fork))
      const provided =
        <Args extends ReadonlyArray<unknown>, A, E>(call: (...args: Args) => Effect.Effect<A, E, Kernel | Fork>) =>
        (...args: Args): Effect.Effect<A, E> => Effect.provideContext(call(...args), context)
      return {
        create: provided(create<Created, never, never>),
        run: provided(run<Created, never, never>),
        exec: provided(exec<Setns, never, never>),
        start: provided(start<Setns, never, never>),
        kill: provided(kill),
        remove: provided(remove),
        list: provided(list),
        prune: provided(prune)
      }
    })
  )
}
