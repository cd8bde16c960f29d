/**
 * Runs an Effect on a model machine, records every call, and uses the machine's time.
 *
 * @category checks
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { Headers } from "../engine/Headers.ts"
import * as ModelKernel from "../model/ModelKernel.ts"
import type { Options as Seed } from "../model/Seed.ts"
import type { Executed, State } from "../model/State.ts"
import type { Fork } from "../native/Fork.ts"
import type { Kernel } from "../native/Kernel.ts"
import * as Faults from "./Faults.ts"
import * as Recorder from "./Recorder.ts"
import type { Trailed } from "./trail.ts"
import { Turns } from "./Turns.ts"

/** Options of a run. */
export interface Options {
  /** The machine at the start: a short description, a state (`seed`, `fromHost`), or the machine of an earlier run. */
  readonly machine?: Seed | State | ModelKernel.ModelKernel
  /** What executed programs do, by the path as given to execve(2). */
  readonly programs?: Readonly<Record<string, ModelKernel.Program>>
  /** What all other programs do. If absent, they exit with 0 once no other process can continue. */
  readonly otherwise?: ModelKernel.Program
  /** Variables of the runtime's own environment, which it may pass on to a sandbox by name; none if absent. */
  readonly env?: Readonly<Record<string, string>>
  /** Which calls fail; see `Faults`. */
  readonly faults?: Faults.Rule
  /** How many calls the text of a failed check shows; 12 if absent. */
  readonly shown?: number
}

/** The outcome of a run. */
export interface Checked<out A, out E> extends Trailed {
  readonly exit: Exit.Exit<A, E>
  /** The machine before and after. */
  readonly before: State
  readonly after: State
  /** Programs that were executed, in order. */
  readonly executed: ReadonlyArray<Executed>
  /** How many calls were made to fail. */
  readonly faults: number
  /** The machine itself, for a further run. */
  readonly model: ModelKernel.ModelKernel
}

/** A run that has begun. */
interface Begun<A, E> {
  readonly fiber: Fiber.Fiber<A, E>
  readonly checked: (exit: Exit.Exit<A, E>) => Checked<A, E>
}

const begin = <A, E>(
  effect: Effect.Effect<A, E, Kernel | Fork>,
  { faults: rule = Faults.never, machine = {}, otherwise = { after: 0n }, shown = 12, ...settings }: Options,
  turns: Turns
): Begun<A, E> => {
  const model = "kernel" in machine ? machine : ModelKernel.make(machine, { otherwise, ...settings })
  const started = model.executed().length
  const before = model.state()
  const recorder = Recorder.make()
  const faults = Faults.make(rule)
  // the recorder is outermost, so that it also sees calls that are made to fail
  const layer = Layer.provideMerge(recorder.layer, Layer.provideMerge(faults.layer, model.layer))
  return {
    // a call that a step's header lacks is a mistake, whatever its result
    fiber: Effect.runFork(Effect.provideService(Effect.provide(effect, layer), Headers, "checked"), {
      scheduler: turns
    }),
    checked: (exit) => ({
      exit,
      before,
      after: model.state(),
      calls: recorder.entries(),
      executed: model.executed().slice(started),
      faults: faults.injected().length,
      model,
      shown
    })
  }
}

/** A synchronous run waits for something outside of the model machine. */
class WaitsOutside extends Error {
  override readonly name = "WaitsOutside"
  constructor() {
    super("it waits for something outside of the model, a promise or a stream of Node's: use Check.runPromise")
  }
}

/**
 * Runs an Effect on a model machine and records every call. It never throws; the checks do.
 *
 * Time is the model's, and passes once no fiber can continue: a sleep, a retry or a time-out of an hour takes no real time.
 * So the whole life of a container can be run, from `Runtime.create` to `Runtime.remove`.
 *
 * **Example** (Two runs on one machine)
 *
 * ```ts
 * const first = Check.run(start, { machine: { cgroup: "v2" } })
 * Check.succeeded(first)
 * const second = Check.run(remove, { machine: first.model })
 * Check.succeeded(second)
 * ```
 *
 * **Example** (A life)
 *
 * ```ts
 * const checked = Check.run(
 *   Effect.gen(function*() {
 *     yield* Runtime.create({ id: "web", container })
 *     yield* Effect.sleep("1 hour")
 *     yield* Runtime.kill("web", SIG.KILL)
 *     yield* Effect.retry(Runtime.remove("web"), { schedule: Schedule.spaced("1 second"), times: 10 })
 *   }),
 *   { machine, programs: { "/bin/server": { after: "never" } } }
 * )
 * Check.succeeded(checked)
 * Check.unchanged(checked, ["cgroups", "files", "links", "mounts", "processes"])
 * ```
 */
export const run = <A, E>(effect: Effect.Effect<A, E, Kernel | Fork>, options: Options = {}): Checked<A, E> => {
  const turns = new Turns("sync")
  const { checked, fiber } = begin(effect, options, turns)
  turns.flush()
  return checked(fiber.pollUnsafe() ?? Exit.die(new WaitsOutside()))
}

/**
 * As {@link run}, for Effects that also need the event loop: sandboxes, whose pipes are Node's streams, and promises. It
 * never rejects.
 *
 * The model's time passes once nothing has happened in a whole turn of the event loop. So an Effect must not wait for
 * anything real, such as a file or a timer of Node, while another part of it waits on the model: the model's time would run
 * out meanwhile.
 *
 * **Example** (A sandbox whose time is over at once)
 *
 * ```ts
 * const checked = await Check.runPromise(
 *   Sandbox.run(Sandbox.make({ limits: { time: "10 minutes" } }), ["/bin/agent"]),
 *   { machine: { files: { "/bin/agent": { mode: 0o755 } } }, programs: { "/bin/agent": { after: "never" } } }
 * )
 * expect(Check.succeeded(checked).timedOut).toBe(true)
 * ```
 */
export const runPromise = <A, E>(
  effect: Effect.Effect<A, E, Kernel | Fork>,
  options: Options = {}
): Promise<Checked<A, E>> =>
  new Promise((resolve) => {
    const { checked, fiber } = begin(effect, options, new Turns("async"))
    fiber.addObserver((exit) => resolve(checked(exit)))
  })
