/**
 * A kernel in memory that follows Linux's rules: for tests without root, and for plans that change nothing.
 *
 * Processes run as fibers. What one process changes, the others see at once. A call that must wait (for an empty socket,
 * for a child) lets the others continue, in a fixed order, so that each run takes the same course. Time passes only when
 * all processes wait. A deadlock is a defect that lists which process waits for what.
 *
 * The model never guesses: what it does not know is a defect, an `UnmodelledError`.
 *
 * **Example** (What a program would be started with)
 *
 * ```ts
 * const model = ModelKernel.make({ uid: 0 })
 * const ended = Effect.runSync(model.run(init))
 * if (ended._tag === "Executed") ended.executed.process.creds.effective
 * ```
 *
 * @category models
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { P, W } from "../native/constants.ts"
import type { Fork } from "../native/Fork.ts"
import type { Call, Kernel, SyscallError } from "../native/Kernel.ts"
import { Course } from "./Course.ts"
import { type Ended, Fibers, type Settings } from "./Fibers.ts"
import { type Options, seed } from "./Seed.ts"
import type { Executed, State } from "./State.ts"

export { DeadlockError } from "./Course.ts"
export type { Ended, Settings } from "./Fibers.ts"
export type { Ends, Program, Script } from "./Program.ts"

/** A model machine. */
export interface ModelKernel {
  readonly kernel: Kernel["Service"]
  readonly fork: Fork["Service"]
  /** Its time: a sleep ends when no other process can continue, and takes no real time. */
  readonly clock: Clock.Clock
  /** Both services, with the machine's clock and environment instead of this process's. */
  readonly layer: Layer.Layer<Kernel | Fork>
  /** The machine as it is now; immutable, so that a test can keep it and compare. */
  readonly state: () => State
  /** The pid of the first process, which `start` has not started. */
  readonly pid: number
  /** Programs that were executed, in order. */
  readonly executed: () => ReadonlyArray<Executed>
  /** The machine at the moment when a program was executed. */
  readonly at: (executed: Executed) => State
  /** The results of the Effects of child processes, by pid, if they ended by themselves. */
  readonly exits: () => ReadonlyMap<number, Exit.Exit<unknown, unknown>>
  /** Runs an Effect as a child process, and waits until it executes a program or ends. */
  readonly run: <A, E, R>(child: Effect.Effect<A, E, R>, flags?: number) => Effect.Effect<Ended, SyscallError, R>
  /**
   * The process that a fiber runs as, by its pid in the machine's own pid namespace.
   *
   * @since 0.2.0
   */
  readonly processOf: (fiber: Fiber.Fiber<unknown, unknown>) => number
  /** Replaces the state, to simulate what other processes do on the machine. */
  readonly set: (change: (state: State) => State) => void
}

/** Makes a model machine, from a state (`seed`, `fromHost`) or from a short description. */
export const make = (from: State | Options = {}, settings: Settings = {}): ModelKernel => {
  const course = new Course("processes" in from ? from : seed(from))
  const { root } = course
  const first = root.pid
  const processes = new Fibers(course, settings)

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

  const { clock, fork, kernel } = processes
  return {
    kernel,
    fork,
    clock,
    layer: Layer.succeedContext(processes.services()),
    state: () => course.state,
    pid: first,
    executed: () => course.state.executed,
    at: (executed) => processes.moments.get(executed) ?? course.state,
    exits: () => processes.exits,
    run,
    processOf: (fiber) => processes.processOf(fiber),
    set: (change) => {
      course.state = change(course.state)
      course.wake()
    }
  }
}
