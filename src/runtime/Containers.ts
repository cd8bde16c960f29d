/**
 * Containers as a service, over the functions of this room, so that an application can swap it in its tests.
 *
 * @category services
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Pipeline from "../engine/Pipeline.ts"
import type { Fork } from "../native/Fork.ts"
import type { Kernel } from "../native/Kernel.ts"
import type { Setns } from "../pipelines/setns.ts"
import type { Standard } from "../pipelines/standard.ts"
import type { Userns } from "../pipelines/userns.ts"
import { create, type CreateError } from "./create.ts"
import { surroundings } from "./defaults.ts"
import { exec, type ExecError, start, type StartError } from "./exec.ts"
import type { Sound } from "./flow.ts"
import { kill } from "./kill.ts"
import { list } from "./list.ts"
import type { ExecOptions, RunOptions } from "./options.ts"
import type { Ended, RunningContainer, RunningProcess } from "./program.ts"
import { prune } from "./prune.ts"
import { remove } from "./removing.ts"
import { run, type RunError } from "./run.ts"
import { type ContainerHandle, spawn } from "./spawn.ts"

/** The pipelines of an init, if no flow changes them. */
type Created = Standard | Userns

/** A function whose effect needs no kernel any more, and succeeds and fails as before. */
type Provided<F> = F extends (...args: infer Args) => Effect.Effect<infer A, infer E, infer _>
  ? (...args: Args) => Effect.Effect<A, E>
  : never

/** Is called when a program runs. */
type OnRunning<E, R, Up = RunningProcess> = (running: Up) => Effect.Effect<void, E, R>

/** The functions. Those that start a program accept a flow, and have the errors of its steps in their type. */
type Functions = {
  readonly create: <P extends Pipeline.Any = Created, E = never, R = never>(
    options: Sound<P> & RunOptions<P>,
    onRunning?: OnRunning<E, R, RunningContainer>
  ) => Effect.Effect<RunningContainer, CreateError<P> | E, R>
  readonly run: <P extends Pipeline.Any = Created, E = never, R = never>(
    options: Sound<P> & RunOptions<P>,
    onRunning?: OnRunning<E, R, RunningContainer>
  ) => Effect.Effect<Ended, RunError<P> | E, R>
  readonly spawn: <P extends Pipeline.Any = Created>(
    options: Sound<P> & RunOptions<P>
  ) => Effect.Effect<ContainerHandle<RunError<P>>, RunError<P>, Scope.Scope>
  readonly exec: <P extends Pipeline.Any = Setns, E = never, R = never>(
    options: Sound<P> & ExecOptions<P>,
    onRunning?: OnRunning<E, R>
  ) => Effect.Effect<Ended, ExecError<P> | E, R>
  readonly start: <P extends Pipeline.Any = Setns, E = never, R = never>(
    options: Sound<P> & ExecOptions<P>,
    onRunning?: OnRunning<E, R>
  ) => Effect.Effect<RunningProcess, StartError<P> | E, R>
  readonly kill: Provided<typeof kill>
  readonly remove: Provided<typeof remove>
  readonly list: Provided<typeof list>
  readonly prune: Provided<typeof prune>
}

/**
 * Starts, lists, signals and removes containers. `Containers.layer` needs a kernel: `Linux.layer`, or the model kernel of
 * `runfx/testing`.
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
      const within = yield* surroundings
      const provided =
        <Args extends ReadonlyArray<unknown>, A, E>(call: (...args: Args) => Effect.Effect<A, E, Kernel | Fork>) =>
        (...args: Args): Effect.Effect<A, E> => within(call(...args))
      // the compiler can't tell the kernel from what a caller's own effect needs, which stays required
      return {
        create: (options, onRunning) => within(create(options, onRunning)) as never,
        run: (options, onRunning) => within(run(options, onRunning)) as never,
        spawn: (options) => within(spawn(options)),
        exec: (options, onRunning) => within(exec(options, onRunning)) as never,
        start: (options, onRunning) => within(start(options, onRunning)) as never,
        kill: provided(kill),
        remove: provided(remove),
        list: provided(list),
        prune: provided(prune)
      }
    })
  )
}
