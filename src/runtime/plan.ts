/**
 * What a command would do: the same pipelines, run on a model of this machine. Nothing is done; what would fail here
 * fails there.
 *
 * Not loaded by the commands that do something: the model is as large as the rest.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Container } from "../config/Container.ts"
import type * as Pipeline from "../engine/Pipeline.ts"
import * as Plan from "../engine/Plan.ts"
import { Fork } from "../native/Fork.ts"
import { Kernel } from "../native/Kernel.ts"
import { create } from "../pipelines/create.ts"
import { exec } from "../pipelines/exec.ts"
import { kill } from "../pipelines/kill.ts"
import { remove } from "../pipelines/remove.ts"
import * as Faults from "../testing/Faults.ts"
import * as ModelKernel from "../testing/ModelKernel.ts"
import * as Recorder from "../testing/Recorder.ts"
import { fromHost } from "../testing/Seed.ts"
import * as Runtime from "./Runtime.ts"

/** Where a container that is already there is rebuilt in the model, away from the state directory that it really has. */
const modelRoot = "/run/runfx-model"

interface Act {
  /** What has happened before; not in the plan. */
  readonly before?: Effect.Effect<unknown, unknown, Kernel | Fork>
  readonly act: Effect.Effect<unknown, unknown, Kernel | Fork>
}

interface Performed {
  readonly record: ReadonlyArray<Recorder.Entry>
  readonly exit: Exit.Exit<unknown, unknown>
}

/** Runs an act on a fresh model; `failExec` makes the last call of all fail. */
const perform = ({ act, before }: Act, failExec: boolean): Effect.Effect<Performed, unknown> =>
  Effect.gen(function*() {
    const model = ModelKernel.make(fromHost())
    if (before !== undefined) yield* Effect.provide(before, model.layer)
    const faults = Faults.make(
      Faults.failWhen(({ _tag }) => failExec && (_tag === "execve" || _tag === "execveat"), "EACCES")
    )
    const recorder = Recorder.make()
    const context = Context.make(Kernel, recorder.kernel(faults.kernel(model.kernel))).pipe(
      Context.add(Fork, recorder.fork(faults.fork(model.fork)))
    )
    const exit = yield* Effect.exit(Effect.provideContext(act, context))
    // what a command asks before its first step (who it is, what the state file says) changes nothing
    return { record: recorder.entries().filter(({ step }) => step !== ""), exit }
  })

const planOf = (title: string, act: Act, pipelines: ReadonlyArray<Pipeline.Any>): Effect.Effect<Plan.Plan, unknown> =>
  Effect.gen(function*() {
    const { exit, record } = yield* perform(act, false)
    const failed = Exit.isFailure(exit)
    // an error before the first step is an error of the command line, not of the plan
    if (failed && record.length === 0) return yield* Effect.failCause(exit.cause)
    const rollback = failed ? [] : (yield* perform(act, true)).record
    return Plan.make({
      title,
      record,
      rollback,
      pipelines,
      ...(failed ? { error: Cause.squash(exit.cause) } : {})
    })
  })

/** What {@link Runtime.create} would do, with the options that it would get. */
export const planRun = (options: Runtime.RunOptions): Effect.Effect<Plan.Plan, unknown> =>
  Effect.gen(function*() {
    const model = ModelKernel.make(fromHost())
    const { init, sideCar } = yield* Effect.provide(Runtime.launchOf(options), model.layer)
    const act = Runtime.create(options)
    return yield* planOf(`run ${options.container.process.args.join(" ")}`, { act }, [
      create,
      init,
      ...(sideCar === undefined ? [] : [sideCar])
    ])
  })

/** A container as it is, started anew in the model. */
const existing = (id: string, container: Container, bundle: string | undefined) =>
  Runtime.create({
    id,
    container: { ...container, process: { ...container.process, terminal: false } },
    stateRoot: modelRoot,
    ...(bundle === undefined ? {} : { bundle })
  })

/** What {@link Runtime.start} would do in a container that runs. */
export const planExec = (
  container: Container,
  bundle: string | undefined,
  options: Runtime.ExecOptions
): Effect.Effect<Plan.Plan, unknown> =>
  Effect.gen(function*() {
    const act = Runtime.start({ ...options, stateRoot: modelRoot })
    const init = yield* options.flow === undefined
      ? Effect.succeed(Runtime.setnsPreset)
      : options.flow(Runtime.setnsPreset)
    return yield* planOf(`exec ${options.id} ${options.process.args.join(" ")}`, {
      before: existing(options.id, container, bundle),
      act
    }, [exec, init])
  })

/** What {@link Runtime.kill} would do to a container that runs. */
export const planKill = (
  id: string,
  container: Container,
  bundle: string | undefined,
  signal: number
): Effect.Effect<Plan.Plan, unknown> =>
  planOf(`kill ${id}`, {
    before: existing(id, container, bundle),
    act: Runtime.kill(id, signal, { stateRoot: modelRoot })
  }, [kill, remove])
