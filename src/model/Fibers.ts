/**
 * The processes of one model that run as fibers: the runtime under test, the inits, and scripted programs.
 *
 * @category models
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { PreventSchedulerYield, Scheduler } from "effect/Scheduler"
import { CLD } from "../native/constants.ts"
import { Fork, make as makeFork, nothingMore, type Passed, type Started } from "../native/Fork.ts"
import { type Call, Kernel, type Result, sys, SyscallError } from "../native/Kernel.ts"
import { Surroundings } from "../native/Surroundings.ts"
import { Acts, makeActs } from "./Acts.ts"
import { clockOf } from "./clock.ts"
import type { Cell, Course, Wait } from "./Course.ts"
import { end, keepOnly } from "./ending.ts"
import { encode, UnmodelledError } from "./Machine.ts"
import type { Program, Script } from "./Program.ts"
import type { Executed, State } from "./State.ts"
import { apply, transition } from "./transitions.ts"

/** The process of the model that a fiber runs as; absent for the first process. */
const CurrentProcess = Context.Reference<Cell | undefined>("runfx/testing/CurrentProcess", {
  defaultValue: () => undefined
})

/** Settings of a model's programs and environment. */
export interface Settings {
  /** Programs by the path as given to execve(2). */
  readonly programs?: Readonly<Record<string, Program>>
  /** What all other programs do. If absent, they exit with 0 after a minute. */
  readonly otherwise?: Program
  /** The environment variables that a runtime sees in the first process; none if absent. */
  readonly env?: Readonly<Record<string, string>>
}

/**
 * How a process that `run` started has ended.
 *
 * @since 0.2.0
 */
export type Ended =
  | { readonly _tag: "Executed"; readonly pid: number; readonly executed: Executed }
  /** `exit` is that of the Effect, if the Effect has ended. */
  | {
    readonly _tag: "Ended"
    readonly pid: number
    /** `CLD_*` and status, as waitid(2) reports them. */
    readonly code: number
    readonly status: number
    readonly exit: Exit.Exit<unknown, unknown> | undefined
  }

/** A script of a test, as the Effect that its process runs. */
const scriptOf = (script: Script, executed: Executed): Effect.Effect<unknown, unknown, Kernel> =>
  Effect.suspend((): Effect.Effect<number | void, unknown, Kernel | Fork> => {
    const done = script(executed)
    return Effect.isEffect(done) ? done : Effect.succeed(done)
  }).pipe(
    Effect.catch((error) =>
      Effect.as(Effect.ignore(sys.write({ fd: 2, data: encode(`${executed.path}: ${textOf(error)}\n`) })), 1)
    ),
    Effect.flatMap((status) => sys.exit_group({ status: status ?? 0 }))
  ) as Effect.Effect<unknown, unknown, Kernel>

const textOf = (error: unknown): string => error instanceof Error ? error.message : String(error)

/** The processes of one model. */
export class Fibers {
  readonly course: Course
  /** Processes that were left. */
  readonly #left = new Set<Cell>()
  /** The exits of their effects, by pid. */
  readonly exits = new Map<number, Exit.Exit<unknown, unknown>>()
  /** The machine when a program was executed. */
  readonly moments = new WeakMap<Executed, State>()
  readonly #settings: Settings
  readonly #surroundings: Surroundings
  /** The error that broke a child; every call fails with it from then on. */
  #broken: Cause.Cause<never> | undefined

  readonly #acts: Acts

  constructor(course: Course, settings: Settings) {
    this.course = course
    this.#settings = settings
    const { acts, answer } = makeActs({
      course,
      cellOf: (fiber) => this.#follow(fiber),
      unlessOver: (cell, effect) => Effect.suspend(() => this.#isOver(cell) ? nothingMore : effect)
    })
    this.#acts = acts
    this.#surroundings = { env: settings.env ?? {}, live: false, answer }
  }

  readonly kernel: Kernel["Service"] = {
    invoke: <C extends Call>(call: C): Effect.Effect<Result<C>, SyscallError> =>
      Effect.withFiber((fiber) =>
        call._tag === "clone"
          ? Effect.die(new UnmodelledError(call, "a bare clone, which returns twice: use the Fork service"))
          : this.perform(fiber, call)
      )
  }

  readonly fork: Fork["Service"] = makeFork(
    (flags, child, descriptors) => this.start(flags, child, descriptors),
    // the model kills nobody's runtime
    () => Effect.void
  )

  readonly clock: Clock.Clock = clockOf(
    () => this.course.state.time,
    (nanoseconds) =>
      Effect.withFiber((fiber) => {
        const cell = this.#follow(fiber)
        if (this.#broken !== undefined) return Effect.failCause(this.#broken)
        return this.#isOver(cell) ? nothingMore : this.course.sleep(cell, nanoseconds)
      })
  )

  /** The services that an effect needs on this machine. */
  services(): Context.Context<Kernel | Fork> {
    return Context.make(Kernel, this.kernel).pipe(
      Context.add(Fork, this.fork),
      Context.add(Clock.Clock, this.clock),
      Context.add(Surroundings, this.#surroundings)
    )
  }

  /** The pid of the process that a fiber runs as, in the machine's own pid namespace. */
  processOf(fiber: Fiber.Fiber<unknown, unknown>): number {
    return (fiber.getRef(CurrentProcess) ?? this.course.root).pid
  }

  /** The process that a fiber runs as; it is woken when that process changes. */
  #follow(fiber: Fiber.Fiber<unknown, unknown>): Cell {
    const cell = fiber.getRef(CurrentProcess) ?? this.course.root
    this.course.follow(cell, fiber)
    return cell
  }

  /** Whether the effect of a process is obsolete: the process was killed, became a program, or is not needed any more. */
  #isOver(cell: Cell): boolean {
    return cell.replaced === true || !this.course.isAlive(cell.pid) || this.#left.has(cell)
  }

  /** Makes a call; returns a description of the wait if it can't continue. */
  #attempt(cell: Cell, call: Call, timedOut: boolean, scheduler: Scheduler): Effect.Effect<never, SyscallError> | Wait {
    const { course } = this
    const before = course.state.executed.length
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
        if (course.state.executed.length > before) this.#execute(cell, course.state.executed.at(-1)!, scheduler)
        course.wake()
        // the fiber stays where it is until it is interrupted, as on the real kernel
        return nothingMore
    }
  }

  /** Makes a call of a fiber, which waits if the call does. */
  perform(fiber: Fiber.Fiber<unknown, unknown>, call: Call): Effect.Effect<never, SyscallError> {
    const { course } = this
    const cell = this.#follow(fiber)
    if (this.#broken !== undefined) return Effect.failCause(this.#broken)
    // it was killed while it was running
    if (this.#isOver(cell)) return nothingMore
    const scheduler = fiber.getRef(Scheduler)
    try {
      const result = this.#attempt(cell, call, false, scheduler)
      if (Effect.isEffect(result)) return result
      return course.wait(cell, call, result, (timedOut) => {
        try {
          const again = this.#attempt(cell, call, timedOut, scheduler)
          return Effect.isEffect(again) ? again : undefined
        } catch (error) {
          return Effect.die(error)
        }
      })
    } catch (error) {
      return Effect.die(error)
    }
  }

  /** Replaces what a process did before by a program. */
  #execute(cell: Cell, executed: Executed, scheduler: Scheduler): void {
    const { course } = this
    const { otherwise = {}, programs = {} } = this.#settings
    this.moments.set(executed, course.state)
    cell.replaced = true
    course.resume((one) => one === cell, nothingMore)
    const program = programs[executed.path] ?? otherwise
    if (typeof program !== "function") return course.letEnd(executed.pid, program)
    course.letRun(executed.pid)
    const own: Cell = { pid: executed.pid }
    const inside = this.services().pipe(
      Context.add(CurrentProcess, own),
      Context.add(Acts, this.#acts),
      Context.add(Scheduler, scheduler),
      Context.add(PreventSchedulerYield, true)
    )
    const started = Effect.runForkWith(inside)(Effect.andThen(course.turnOf(own), scriptOf(program, executed)))
    started.addObserver((exit) => this.#close(own, exit, Cause.isDieReason))
  }

  /** Starts a process, which makes the calls of an effect. */
  start<R>(
    flags: number,
    child: Effect.Effect<unknown, unknown, R>,
    descriptors?: ReadonlyArray<Passed>
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
          return {
            pid: number,
            fiber: started,
            catchUp: Effect.void,
            forget: Effect.sync(() => this.#leave(cell, started))
          }
        })
      })
    )
  }

  /** The process with a number in its parent's pid namespace. */
  pidOf(parent: Cell, number: number): number {
    const { processes } = this.course.state
    const pidNs = processes.get(parent.pid)!.ns.pid
    return [...processes.values()].find(({ numbers }) => numbers.get(pidNs) === number)!.pid
  }

  #made(parent: Cell, number: number, descriptors: ReadonlyArray<Passed> | undefined): Cell {
    const { course } = this
    const cell: Cell = { pid: this.pidOf(parent, number) }
    // on Linux the caller's children are servers that have executed a program, and copies of these
    if (parent === course.root) {
      const { processes } = course.state
      const process = { ...processes.get(cell.pid)!, comm: "runfx-init" }
      course.state = { ...course.state, processes: new Map(processes).set(cell.pid, process) }
    }
    if (descriptors !== undefined) {
      course.state = apply(
        course.state,
        cell.pid,
        (m) => keepOnly(m, cell.pid, [[0, 0], [1, 1], [2, 2], ...descriptors])
      )
    }
    course.fibers.add(cell.pid)
    return cell
  }

  /** Ends a process whose effect has ended. */
  #finish(cell: Cell, exit: Exit.Exit<unknown, unknown>): void {
    this.exits.set(cell.pid, exit)
    this.#close(
      cell,
      exit,
      (reason): reason is Cause.Die => Cause.isDieReason(reason) && reason.defect instanceof UnmodelledError
    )
  }

  /** Ends a process whose effect has ended. A defect of the effect breaks the whole machine. */
  #close(
    cell: Cell,
    exit: Exit.Exit<unknown, unknown>,
    breaks: (reason: Cause.Reason<unknown>) => reason is Cause.Die
  ): void {
    const { course } = this
    if (cell.replaced !== true && course.isAlive(cell.pid)) {
      course.state = apply(course.state, cell.pid, (m) => end(m, cell.pid, CLD.EXITED, 255))
    }
    const broken = Exit.isFailure(exit) ? exit.cause.reasons.find(breaks) : undefined
    if (broken !== undefined) {
      this.#broken = Cause.die(broken.defect)
      course.resume(() => true, Effect.failCause(this.#broken))
    }
    course.wake()
  }

  /** Interrupts what is left of the effect of a process that is not needed any more. */
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

  /** How a process has ended. If `reclone` has continued it in a sibling, how the sibling has ended. */
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
