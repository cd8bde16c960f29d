/**
 * Runs an Effect on the model kernel with every call on record. A check gives a text for each rule that is broken, none if all
 * is well; {@link verdict} makes one message of them, with the calls that led there.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import { CurrentStep } from "../../../src/engine/Events.ts"
import { transition } from "../../../src/model/transitions.ts"
import type { Errno } from "../../../src/native/Errno.ts"
import { Fork, make as makeFork } from "../../../src/native/Fork.ts"
import { type Call, Kernel, render, type Result, SyscallError } from "../../../src/native/Kernel.ts"
import { ModelKernel, Recorder, type State } from "../../../src/testing/Testing.ts"
import "./seed.ts"

/** How many cases a property takes: what it says, times `RUNFX_RUNS`. */
export const runs = (usual: number): number => Math.max(1, Math.round(usual * Number(process.env["RUNFX_RUNS"] ?? 1)))

/** Tells what a property has been tried with. */
export const report = (text: string): void => {
  process.stdout.write(`flows: ${text}\n`)
}

/** A call as it was made. */
export interface Seen {
  /** From 1 on, over all processes. */
  readonly number: number
  readonly side: string
  readonly pipeline: string
  readonly step: string
  readonly undoing: boolean
  readonly call: Call
}

/** What a run is subjected to. */
export interface Hooks {
  /** Makes a call fail. */
  readonly rule?: (seen: Seen) => Errno | undefined
  /** The call after which, or at which, the run is interrupted. */
  readonly interruptAt?: number
  /** How many operations a fiber makes before others have a turn; it goes on until it waits if absent. */
  readonly opsBeforeYield?: number
  /** The turn of a fiber, from 1 on, before which the run is interrupted. */
  readonly interruptAtTick?: number
  /** Before each call: what happens on the machine meanwhile. */
  readonly before?: (seen: Seen, model: ModelKernel.ModelKernel) => void
}

/** How a run came out. */
export interface Ran<A, E> {
  readonly exit: Exit.Exit<A, E>
  readonly model: ModelKernel.ModelKernel
  readonly seen: ReadonlyArray<Seen>
  /** Calls that were made to fail. */
  readonly failed: ReadonlyArray<Seen>
  /** Calls before which the run was interrupted. */
  readonly interrupted: ReadonlyArray<Seen>
  /** How many turns fibers had. */
  readonly ticks: number
  /** The machine at the moment of the last execve(2) or execveat(2), before it. */
  readonly atExec: State.State | undefined
}

/** What the programs of the model do: they go on until they are killed. */
export const programs = {
  "/bin/neighbour": { after: "never" },
  "/bin/server": { after: "never" },
  "/bin/tool": { after: "never" }
} as const

/** Runs an Effect on a machine. */
export const perform = <A, E>(
  state: State.State,
  act: Effect.Effect<A, E, Kernel | Fork>,
  hooks: Hooks = {}
): Ran<A, E> => {
  const model = ModelKernel.make(state, { programs })
  const seen: Array<Seen> = []
  const failed: Array<Seen> = []
  const interrupted: Array<Seen> = []
  let atExec: State.State | undefined
  let running: Fiber.Fiber<A, E> | undefined
  let children = 0
  const watched = <B, E2, R>(call: Call, effect: Effect.Effect<B, E2, R>): Effect.Effect<B, E2 | SyscallError, R> =>
    Effect.withFiber((fiber): Effect.Effect<B, E2 | SyscallError, R> => {
      const where = fiber.getRef(CurrentStep)
      const entry: Seen = {
        number: seen.length + 1,
        side: fiber.getRef(Recorder.Side),
        pipeline: where?.pipeline ?? "",
        step: where?.step ?? "",
        undoing: where?.undoing ?? false,
        call
      }
      seen.push(entry)
      hooks.before?.(entry, model)
      if (hooks.interruptAt === entry.number) {
        interrupted.push(entry)
        running?.interruptUnsafe()
      }
      const code = hooks.rule?.(entry)
      if (code !== undefined) {
        failed.push(entry)
        const refusal = Effect.fail(new SyscallError({ call, code }))
        // a descriptor is closed, whatever close(2) tells
        return call._tag === "close" ? Effect.andThen(Effect.exit(effect), refusal) : refusal
      }
      if (call._tag === "execve" || call._tag === "execveat") atExec = model.state()
      return effect
    })
  const kernel: Kernel["Service"] = {
    invoke: <C extends Call>(call: C): Effect.Effect<Result<C>, SyscallError> =>
      watched(call, model.kernel.invoke(call))
  }
  const fork = makeFork((flags, child, descriptors) =>
    Effect.suspend(() => {
      const side = ++children === 1 ? "init" : `init ${children}`
      return watched(
        { _tag: "clone", flags },
        model.fork.start(flags, Effect.provideService(child, Recorder.Side, side), descriptors)
      )
    }), model.fork.guard)
  const context = Context.make(Kernel, kernel).pipe(Context.add(Fork, fork))
  // one queue of tasks for all fibers, which is run here to its end: nothing is left to the event loop
  const sync = new Scheduler.MixedScheduler("sync")
  const tasks = sync.makeDispatcher()
  let ticks = 0
  const dispatcher: Scheduler.SchedulerDispatcher = {
    scheduleTask: (task, priority) =>
      tasks.scheduleTask(() => {
        if (++ticks === hooks.interruptAtTick) running?.interruptUnsafe()
        task()
      }, priority),
    flush: () => tasks.flush()
  }
  const { opsBeforeYield } = hooks
  const scheduler: Scheduler.Scheduler = {
    executionMode: "sync",
    // whoever goes first does so because the others wait, and not because of how many operations something takes
    shouldYield: (fiber) => opsBeforeYield !== undefined && fiber.currentOpCount >= opsBeforeYield,
    makeDispatcher: () => dispatcher
  }
  const fiber = Effect.runFork(Effect.andThen(Effect.yieldNow, Effect.provideContext(act, context)), { scheduler })
  running = fiber
  dispatcher.flush()
  const exit = fiber.pollUnsafe()
  if (exit === undefined) throw new Error(`the run does not end\n${trail({ failed, interrupted, seen })}`)
  return { exit, model, seen, failed, interrupted, ticks, atExec }
}

/** The last calls of a run, as text. */
const trail = (
  { failed, interrupted, seen }: Pick<Ran<unknown, unknown>, "failed" | "interrupted" | "seen">
): string => {
  const line = ({ call, number, pipeline, side, step, undoing }: Seen): string =>
    `  ${String(number).padStart(4)} ${side} ${pipeline}/${step}${undoing ? " (undo)" : ""}: ${
      render(call).slice(0, 180)
    }${
      failed.some((one) => one.number === number)
        ? "   ← made to fail"
        : interrupted.some((one) => one.number === number)
        ? "   ← interrupted here"
        : ""
    }`
  const at = [...failed, ...interrupted][0]?.number ?? seen.length
  const shown = seen.filter(({ number }) => number > at - 12 && number <= at + 28)
  return [...shown.map(line), ...(at + 28 < seen.length ? [`  … ${seen.length} calls in all`] : [])].join("\n")
}

/** Throws where something is wrong, with all of it and the calls that led there. */
export const verdict = (wrong: ReadonlyArray<string>, ran: Ran<unknown, unknown>): void => {
  if (wrong.length === 0) return
  const outcome = Exit.isSuccess(ran.exit) ? "it succeeded" : Cause.pretty(ran.exit.cause).split("\n    at ")[0]
  throw new Error(`${wrong.join("\n")}\n\noutcome: ${outcome}\ncalls:\n${trail(ran)}`)
}

/** Asks the machine as a process of it would. */
export const ask = <C extends Call>(state: State.State, pid: number, call: C): Result<C> | Errno => {
  const outcome = transition(state, pid, call)
  if (outcome._tag === "Returned") return outcome.result as Result<C>
  if (outcome._tag === "Refused") return outcome.code
  throw new Error(`${render(call)} did not return: ${outcome._tag}`)
}
