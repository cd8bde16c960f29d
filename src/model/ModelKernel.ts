/**
 * A kernel in memory that follows Linux's rules: for tests without root, and for plans that touch nothing.
 *
 * Processes run as fibers. What one process changes, the others see at once; a call that has to wait (an empty socket, a
 * child that lives) lets the others continue, in a fixed order, so that a run always takes the same course. Time passes only
 * when everybody waits. A machine in which everybody waits for nothing is a defect that says who waits for what.
 *
 * What the model does not know is a defect too, an `UnmodelledError`: it never guesses.
 *
 * **Example** (What a program would be started with)
 *
 * ```ts
 * const model = ModelKernel.make({ uid: 0 })
 * const ended = Effect.runSync(model.run(init))
 * if (ended._tag === "Executed") ended.executed.process.creds.effective
 * ```
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { PreventSchedulerYield } from "effect/Scheduler"
import { CLD, P, W } from "../native/constants.ts"
import { Fork, make as makeFork, nothingMore, type Started } from "../native/Fork.ts"
import { type Call, Kernel, type Result, SyscallError } from "../native/Kernel.ts"
import { type Cell, Course, type Program, type Wait } from "./Course.ts"
import { closeAll, end } from "./ending.ts"
import { UnmodelledError } from "./Machine.ts"
import { type Options, seed } from "./Seed.ts"
import type { Executed, State } from "./State.ts"
import { apply, transition } from "./transitions.ts"

export { DeadlockError, type Program } from "./Course.ts"

/** Which process of the model a fiber is; absent for the first one. */
const CurrentProcess = Context.Reference<Cell | undefined>("runfx/testing/CurrentProcess", {
  defaultValue: () => undefined
})

/** How the model runs. */
export interface Settings {
  /** By path as given to execve(2); others end with 0 after a minute. */
  readonly programs?: Readonly<Record<string, Program>>
}

/** How a process that {@link ModelKernel.run} started came out. */
export type Ended =
  | { readonly _tag: "Executed"; readonly pid: number; readonly executed: Executed }
  /** `exit` is the Effect's own, where it came to an end. */
  | {
    readonly _tag: "Ended"
    readonly pid: number
    /** `CLD_*` and status, as waitid(2) reports them. */
    readonly code: number
    readonly status: number
    readonly exit: Exit.Exit<unknown, unknown> | undefined
  }

/** A model machine. */
export interface ModelKernel {
  readonly kernel: Kernel["Service"]
  readonly fork: Fork["Service"]
  readonly layer: Layer.Layer<Kernel | Fork>
  /** The machine as it is now; immutable, so that a test can keep it and compare. */
  readonly state: () => State
  /** The pid of the first process, the one outside of all that `start` started. */
  readonly pid: number
  /** Programs that were executed, in order. */
  readonly executed: () => ReadonlyArray<Executed>
  /** How the Effects of child processes came out, by pid, where they came to an end by themselves. */
  readonly exits: () => ReadonlyMap<number, Exit.Exit<unknown, unknown>>
  /** Runs an Effect as a child process, and waits until it executes a program or ends. */
  readonly run: <A, E, R>(child: Effect.Effect<A, E, R>, flags?: number) => Effect.Effect<Ended, SyscallError, R>
  /** Replaces the state: for what happens on the machine besides the processes under test. */
  readonly set: (change: (state: State) => State) => void
}

/** The processes of one model, whose effects are fibers. */
class Processes {
  readonly course: Course
  /** Those of which nothing is asked any more. */
  readonly #left = new Set<Cell>()
  /** How their effects came out, by pid. */
  readonly exits = new Map<number, Exit.Exit<unknown, unknown>>()
  /** What broke in a child; told to everybody from then on. */
  #broken: Cause.Cause<never> | undefined

  constructor(course: Course) {
    this.course = course
  }

  /** Makes a call; a description of the wait if it can't continue. */
  #attempt(cell: Cell, call: Call, timedOut: boolean): Effect.Effect<never, SyscallError> | Wait {
    const { course } = this
    const outcome = transition(course.state, cell.pid, call, timedOut)
    switch (outcome._tag) {
      case "Blocked":
        return outcome
      case "Returned":
        course.state = outcome.state
        if (outcome.pid !== cell.pid) {
          course.fibers.add(outcome.pid)
          cell.pid = outcome.pid
        }
        course.wake()
        return Effect.succeed(outcome.result) as Effect.Effect<never>
      case "Refused":
        if (course.state !== outcome.state) course.wake()
        course.state = outcome.state
        return Effect.fail(
          new SyscallError({
            call,
            code: outcome.code,
            ...outcome.detail === undefined ? {} : { detail: outcome.detail }
          })
        )
      case "Gone":
        course.state = outcome.state
        course.startProgram(cell.pid)
        course.wake()
        // the fiber is left where it is, as on the real kernel, until somebody interrupts it
        return nothingMore
    }
  }

  /** Makes a call of a fiber, which waits if the call does. */
  perform(fiber: Fiber.Fiber<unknown, unknown>, call: Call): Effect.Effect<never, SyscallError> {
    const { course } = this
    const cell: Cell = fiber.getRef(CurrentProcess) ?? course.root
    course.follow(cell, fiber)
    if (this.#broken !== undefined) return Effect.failCause(this.#broken)
    // killed while it was running
    if (!course.isAlive(cell.pid) || this.#left.has(cell)) return nothingMore
    try {
      const result = this.#attempt(cell, call, false)
      if (Effect.isEffect(result)) return result
      return course.wait(cell, call, result, (timedOut) => {
        try {
          const again = this.#attempt(cell, call, timedOut)
          return Effect.isEffect(again) ? again : undefined
        } catch (error) {
          return Effect.die(error)
        }
      })
    } catch (error) {
      return Effect.die(error)
    }
  }

  /** Starts a process, which makes the calls of an effect. */
  start<R>(
    flags: number,
    child: Effect.Effect<unknown, unknown, R>,
    descriptors?: ReadonlyArray<number>
  ): Effect.Effect<Started, SyscallError, R> {
    return Effect.contextWith((context: Context.Context<R>) =>
      Effect.withFiber((fiber) => {
        const parent: Cell = fiber.getRef(CurrentProcess) ?? this.course.root
        return Effect.map(this.perform(fiber, { _tag: "clone", flags }), (number: number) => {
          const cell = this.#made(parent, number, descriptors)
          const inside = context.pipe(
            Context.add(CurrentProcess, cell),
            Context.add(PreventSchedulerYield, true)
          ) as Context.Context<R>
          const started = Effect.runForkWith(inside)(Effect.andThen(this.course.turnOf(cell), child))
          started.addObserver((exit) => this.#finish(cell, exit))
          return { pid: number, fiber: started, forget: Effect.sync(() => this.#leave(cell, started)) }
        })
      })
    )
  }

  /** The process that has a number in its parent's namespace. */
  pidOf(parent: Cell, number: number): number {
    const { processes } = this.course.state
    const pidNs = processes.get(parent.pid)!.ns.pid
    return [...processes.values()].find(({ numbers }) => numbers.get(pidNs) === number)!.pid
  }

  #made(parent: Cell, number: number, descriptors: ReadonlyArray<number> | undefined): Cell {
    const { course } = this
    const cell: Cell = { pid: this.pidOf(parent, number) }
    // the caller's own children are a program that makes their calls, and copies of it
    if (parent === course.root) {
      const { processes } = course.state
      const process = { ...processes.get(cell.pid)!, comm: "runfx-init" }
      course.state = { ...course.state, processes: new Map(processes).set(cell.pid, process) }
    }
    if (descriptors !== undefined) {
      const kept = new Set([0, 1, 2, ...descriptors])
      course.state = apply(course.state, cell.pid, (m) => closeAll(m, cell.pid, (fd) => !kept.has(fd)))
    }
    course.fibers.add(cell.pid)
    return cell
  }

  /** The effect of a process has come to an end, and so does the process. */
  #finish(cell: Cell, exit: Exit.Exit<unknown, unknown>): void {
    const { course } = this
    this.exits.set(cell.pid, exit)
    if (course.isAlive(cell.pid)) {
      course.state = apply(course.state, cell.pid, (m) => end(m, cell.pid, CLD.EXITED, 255))
    }
    if (Exit.isFailure(exit)) {
      const defect = exit.cause.reasons.filter(Cause.isDieReason).find(({ defect }) =>
        defect instanceof UnmodelledError
      )
      if (defect !== undefined) {
        this.#broken = Cause.die(defect.defect)
        course.resume(() => true, Effect.failCause(this.#broken))
      }
    }
    course.wake()
  }

  /** Interrupts what is left of the effect of a process that is of no interest any more. */
  #leave(cell: Cell, fiber: Fiber.Fiber<unknown, unknown>): void {
    this.course.resume((one) => one === cell, nothingMore)
    this.#left.add(cell)
    fiber.interruptUnsafe()
  }

  #ended(pid: number): Ended | undefined {
    const { executed: all, processes } = this.course.state
    const executed = all.findLast((one) => one.pid === pid)
    if (executed !== undefined) return { _tag: "Executed", pid, executed }
    const process = processes.get(pid)
    if (process?.status === "running") return undefined
    const { code, status } = process?.ended ?? { code: CLD.EXITED, status: 0 }
    return { _tag: "Ended", pid, code, status, exit: this.exits.get(pid) }
  }

  /** How a process has come out; reclone(2) continues it in a sibling, which is followed. */
  endedOrMoved(pid: number): Ended | undefined {
    const { fibers, root, state } = this.course
    const found = this.#ended(pid)
    if (found === undefined || found._tag === "Executed") return found
    const moved = [...fibers].filter((other) => other > pid && state.processes.get(other)?.parent === root.pid)
    const heir = moved.at(-1)
    return found.code === CLD.EXITED && found.status === 0 && heir !== undefined && !this.exits.has(pid)
      ? this.#ended(heir)
      : found
  }
}

/** Makes a model machine, from a state (`seed`, `fromHost`) or from a short description. */
export const make = (from: State | Options = {}, settings: Settings = {}): ModelKernel => {
  const course = new Course("processes" in from ? from : seed(from), settings.programs ?? {})
  const { root } = course
  const first = root.pid
  const processes = new Processes(course)

  const invoke = <C extends Call>(call: C): Effect.Effect<Result<C>, SyscallError> =>
    Effect.withFiber((fiber) =>
      call._tag === "clone"
        ? Effect.die(new UnmodelledError(call, "a bare clone, which returns twice: use the Fork service"))
        : processes.perform(fiber, call)
    )

  const run = <A, E, R>(child: Effect.Effect<A, E, R>, flags = 0): Effect.Effect<Ended, SyscallError, R> =>
    Effect.flatMap(processes.start(flags, child), ({ pid: number }) =>
      Effect.suspend(() => {
        const pid = processes.pidOf(root, number)
        const retry = (): Effect.Effect<Ended> | undefined => {
          const found = processes.endedOrMoved(pid)
          return found === undefined ? undefined : Effect.succeed(found)
        }
        const call: Call = { _tag: "waitid", idtype: P.PID, id: number, options: W.EXITED }
        return retry() ?? course.wait(root, call, { why: `process ${pid}`, timeout: undefined }, retry)
      }))

  const kernel = { invoke }
  const fork = makeFork((flags, child, descriptors) => processes.start(flags, child, descriptors))
  return {
    kernel,
    fork,
    layer: Layer.mergeAll(Layer.succeed(Kernel, kernel), Layer.succeed(Fork, fork)),
    state: () => course.state,
    pid: first,
    executed: () => course.state.executed,
    exits: () => processes.exits,
    run,
    set: (change) => {
      course.state = change(course.state)
      course.wake()
    }
  }
}
