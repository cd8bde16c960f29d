/**
 * A kernel in memory that follows Linux's rules: for tests without root, and for plans that touch nothing.
 *
 * Processes run as fibers. What one process changes, the others see at once; a call that has to wait (an empty socket, a
 * child that lives) lets the others go on, in a fixed order, so that a run always takes the same course. Time passes only
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
import { PreventSchedulerYield, type SchedulerDispatcher } from "effect/Scheduler"
import { CLD, P, W } from "../native/constants.ts"
import { Fork } from "../native/Fork.ts"
import { type Call, Kernel, render, type Result, SyscallError } from "../native/Kernel.ts"
import { UnmodelledError } from "./Machine.ts"
import * as Processes from "./Processes.ts"
import { type Options, seed } from "./Seed.ts"
import type { Executed, State } from "./State.ts"
import { apply, transition } from "./transitions.ts"

/** Which process of the model a fiber is; absent for the first one. */
const CurrentProcess = Context.Reference<{ pid: number } | undefined>("runfx/testing/CurrentProcess", {
  defaultValue: () => undefined
})

/** What a program does that took the place of a process; the model runs no programs, it only lets them end. */
export interface Program {
  /** Exit status; 0. */
  readonly exit?: number
  /** Nanoseconds of the model's time until it ends by itself; one minute. `"never"`: only a signal ends it. */
  readonly after?: bigint | "never"
}

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
    /** `CLD_*` and status, as waitid(2) tells them. */
    readonly code: number
    readonly status: number
    readonly exit: Exit.Exit<unknown, unknown> | undefined
  }

/** Everybody waits, and nothing will happen. */
export class DeadlockError extends Error {
  override readonly name = "DeadlockError"
  constructor(waiting: State["waiting"]) {
    super(
      `every process of the model waits, and nothing will wake one:\n${
        waiting.map(({ call, pid, why }) => `  process ${pid}: ${render(call)} waits for ${why}`).join("\n")
      }`
    )
  }
}

/** A model machine. */
export interface ModelKernel {
  readonly kernel: Kernel["Service"]
  readonly fork: Fork["Service"]
  readonly layer: Layer.Layer<Kernel | Fork>
  /** The machine as it is now; immutable, so that a test can keep it and compare. */
  readonly state: () => State
  /** The pid of the first process, the one outside of all that `spawn` started. */
  readonly pid: number
  /** Programs that were executed, in order. */
  readonly executed: () => ReadonlyArray<Executed>
  /** How the Effects of child processes came out, by pid, where they came to an end by themselves. */
  readonly exits: () => ReadonlyMap<number, Exit.Exit<unknown, unknown>>
  /** Runs an Effect as a child process, and waits until it executes a program or ends. */
  readonly run: <A, E, R>(child: Effect.Effect<A, E, R>, flags?: number) => Effect.Effect<Ended, SyscallError, R>
  /** Puts another state in place: what happens on the machine beside the processes under test. */
  readonly set: (change: (state: State) => State) => void
}

interface Cell {
  pid: number
}

/** A call, or a test, that waits. */
interface Waiter {
  readonly id: number
  readonly cell: Cell
  readonly deadline: bigint | undefined
  /** Tries again; `undefined` while there is still nothing. */
  readonly retry: (timedOut: boolean) => Effect.Effect<unknown, SyscallError> | undefined
  readonly resume: (effect: Effect.Effect<unknown, SyscallError>) => void
}

const minute = 60_000_000_000n

/** Makes a model machine, from a state (`seed`, `fromHost`) or from a short description. */
export const make = (from: State | Options = {}, settings: Settings = {}): ModelKernel => {
  let current: State = "processes" in from ? from : seed(from)
  const first = [...current.processes.keys()].at(-1)!
  const root: Cell = { pid: first }
  /** Processes whose Effects run, or will. */
  const fibers = new Set([first])
  const exits = new Map<number, Exit.Exit<unknown, unknown>>()
  const programs = new Map<number, { readonly at: bigint | undefined; readonly status: number }>()
  const waiters: Array<Waiter> = []
  /** What broke in a child; told to everybody from then on. */
  let broken: Cause.Cause<never> | undefined
  let dispatcher: SchedulerDispatcher | undefined
  let nextWaiter = 1
  /** Counts whatever happens, so that a check can tell whether something did since. */
  let progress = 0
  let sweeping = false
  let checking = false

  const alive = (pid: number): boolean => {
    const process = current.processes.get(pid)
    return process !== undefined && process.status === "running" && !process.executed
  }

  const schedule = (task: () => void): void => dispatcher?.scheduleTask(task, 0)

  const forget = (waiter: Waiter): void => {
    const index = waiters.indexOf(waiter)
    if (index >= 0) waiters.splice(index, 1)
    current = { ...current, waiting: current.waiting.filter(({ id }) => id !== waiter.id) }
  }

  /** Lets those who wait look again, after whoever runs now has stopped. */
  const wake = (): void => {
    progress++
    if (sweeping || waiters.length === 0) return
    sweeping = true
    schedule(() => {
      sweeping = false
      for (const waiter of waiters.slice()) {
        if (!waiters.includes(waiter)) continue
        if (!alive(waiter.cell.pid)) {
          forget(waiter)
          continue
        }
        const effect = waiter.retry(waiter.deadline !== undefined && waiter.deadline <= current.time)
        if (effect === undefined) continue
        forget(waiter)
        waiter.resume(effect)
      }
      check()
    })
  }

  /** Once nobody can go on: time passes, else a program ends, else it is a deadlock. */
  const check = (): void => {
    if (checking || waiters.length === 0) return
    checking = true
    const seen = progress
    schedule(() => {
      checking = false
      if (waiters.length === 0) return
      if (progress !== seen || sweeping) return check()
      for (const pid of fibers) if (!alive(pid)) fibers.delete(pid)
      // somebody goes on outside of the model; its next call brings us back
      if ([...fibers].some((pid) => !waiters.some(({ cell }) => cell.pid === pid))) return
      const times = [
        ...waiters.flatMap(({ deadline }) => deadline ?? []),
        ...[...programs.values()].flatMap(({ at }) => at ?? [])
      ]
      if (times.length === 0) {
        const error = Effect.die(new DeadlockError(current.waiting))
        const own = waiters.filter(({ cell }) => cell === root)
        for (const waiter of own.length > 0 ? own : [...waiters]) {
          forget(waiter)
          waiter.resume(error)
        }
        return
      }
      const next = times.reduce((a, b) => a < b ? a : b)
      current = { ...current, time: next > current.time ? next : current.time }
      for (const [pid, { at, status }] of programs) {
        if (at === undefined || at > current.time) continue
        programs.delete(pid)
        if (current.processes.get(pid)?.status === "running") {
          current = apply(current, pid, (m) => Processes.end(m, pid, CLD.EXITED, status))
        }
      }
      wake()
    })
  }

  const isWaiting = (why: string): { readonly why: string; readonly timeout: bigint | undefined } => ({
    why,
    timeout: undefined
  })

  /** Waits until `retry` gives something. */
  const wait = <A>(
    cell: Cell,
    call: Call,
    { timeout, why }: { readonly why: string; readonly timeout: bigint | undefined },
    retry: (timedOut: boolean) => Effect.Effect<A, SyscallError> | undefined
  ): Effect.Effect<A, SyscallError> =>
    Effect.callback<A, SyscallError>((resume) => {
      const deadline = timeout === undefined ? undefined : current.time + timeout
      const waiter: Waiter = { id: nextWaiter++, cell, deadline, retry, resume: resume as Waiter["resume"] }
      waiters.push(waiter)
      current = {
        ...current,
        waiting: [...current.waiting, {
          id: waiter.id,
          pid: cell.pid,
          call,
          why,
          ...deadline === undefined ? {} : { deadline }
        }]
      }
      progress++
      check()
      return Effect.sync(() => forget(waiter))
    })

  const startProgram = (pid: number): void => {
    const executed = current.executed.findLast((one) => one.pid === pid)
    if (executed === undefined) return
    const { after = minute, exit = 0 } = settings.programs?.[executed.path] ?? {}
    programs.set(pid, { at: after === "never" ? undefined : current.time + after, status: exit })
  }

  /** Makes a call; a description of the wait if it can't go on. */
  const attempt = (cell: Cell, call: Call, timedOut: boolean): Effect.Effect<never, SyscallError> | {
    readonly why: string
    readonly timeout: bigint | undefined
  } => {
    const outcome = transition(current, cell.pid, call, timedOut)
    switch (outcome._tag) {
      case "Blocked":
        return outcome
      case "Returned":
        current = outcome.state
        if (outcome.pid !== cell.pid) {
          fibers.add(outcome.pid)
          cell.pid = outcome.pid
        }
        wake()
        return Effect.succeed(outcome.result) as Effect.Effect<never>
      case "Refused":
        if (current !== outcome.state) wake()
        current = outcome.state
        return Effect.fail(
          new SyscallError({
            call,
            code: outcome.code,
            ...outcome.detail === undefined ? {} : { detail: outcome.detail }
          })
        )
      case "Gone":
        current = outcome.state
        startProgram(cell.pid)
        wake()
        // the fiber is left where it is: nothing of it runs any more, no finalizer either, as on the real kernel
        return Effect.never
    }
  }

  const perform = (fiber: Fiber.Fiber<unknown, unknown>, call: Call): Effect.Effect<never, SyscallError> => {
    const cell: Cell = fiber.getRef(CurrentProcess) ?? root
    if (cell === root || dispatcher === undefined) dispatcher = fiber.currentDispatcher
    if (broken !== undefined) return Effect.failCause(broken)
    // killed while it was running
    if (!alive(cell.pid)) return Effect.never
    try {
      const result = attempt(cell, call, false)
      if (Effect.isEffect(result)) return result
      return wait(cell, call, result, (timedOut) => {
        try {
          const again = attempt(cell, call, timedOut)
          return Effect.isEffect(again) ? again : undefined
        } catch (error) {
          return Effect.die(error)
        }
      })
    } catch (error) {
      return Effect.die(error)
    }
  }

  const invoke = <C extends Call>(call: C): Effect.Effect<Result<C>, SyscallError> =>
    Effect.withFiber((fiber) =>
      call._tag === "clone"
        ? Effect.die(new UnmodelledError(call, "a bare clone, which returns twice: use the Fork service"))
        : perform(fiber, call)
    )

  const finish = (cell: Cell, exit: Exit.Exit<unknown, unknown>): void => {
    exits.set(cell.pid, exit)
    if (alive(cell.pid)) current = apply(current, cell.pid, (m) => Processes.end(m, cell.pid, CLD.EXITED, 255))
    if (Exit.isFailure(exit)) {
      const defect = exit.cause.reasons.filter(Cause.isDieReason).find(({ defect }) =>
        defect instanceof UnmodelledError
      )
      if (defect !== undefined) {
        broken = Cause.die(defect.defect)
        for (const waiter of waiters.slice()) {
          forget(waiter)
          waiter.resume(Effect.failCause(broken))
        }
      }
    }
    wake()
  }

  const spawn = <R>(flags: number, child: Effect.Effect<unknown, unknown, R>): Effect.Effect<number, SyscallError, R> =>
    Effect.contextWith((context: Context.Context<R>) =>
      Effect.withFiber((fiber) => {
        const parent: Cell = fiber.getRef(CurrentProcess) ?? root
        return Effect.map(perform(fiber, { _tag: "clone", flags }), (number: number) => {
          const pidNs = current.processes.get(parent.pid)!.ns.pid
          const process = [...current.processes.values()].find(({ numbers }) => numbers.get(pidNs) === number)!
          const cell: Cell = { pid: process.pid }
          // the caller's own children are a program that makes their calls, and copies of it
          if (parent === root) {
            current = {
              ...current,
              processes: new Map(current.processes).set(cell.pid, { ...process, comm: "runfx-init" })
            }
          }
          fibers.add(cell.pid)
          schedule(() => {
            progress++
            if (!alive(cell.pid)) return
            const inside = context.pipe(
              Context.add(CurrentProcess, cell),
              Context.add(PreventSchedulerYield, true)
            ) as Context.Context<R>
            Effect.runForkWith(inside)(child).addObserver((exit) => finish(cell, exit))
          })
          return number
        })
      })
    )

  const ended = (pid: number): Ended | undefined => {
    const executed = current.executed.findLast((one) => one.pid === pid)
    if (executed !== undefined) return { _tag: "Executed", pid, executed }
    const process = current.processes.get(pid)
    if (process?.status === "running") return undefined
    const { code, status } = process?.ended ?? { code: CLD.EXITED, status: 0 }
    return { _tag: "Ended", pid, code, status, exit: exits.get(pid) }
  }

  const run = <A, E, R>(child: Effect.Effect<A, E, R>, flags = 0): Effect.Effect<Ended, SyscallError, R> =>
    Effect.flatMap(spawn(flags, child), (number) =>
      Effect.suspend(() => {
        const pidNs = current.processes.get(root.pid)!.ns.pid
        const { pid } = [...current.processes.values()].find(({ numbers }) => numbers.get(pidNs) === number)!
        // a reclone goes on in a sibling: follow it
        const followed = (): Ended | undefined => {
          const found = ended(pid)
          if (found === undefined || found._tag === "Executed") return found
          const moved = [...fibers].filter((other) => other > pid && current.processes.get(other)?.parent === root.pid)
          const heir = moved.at(-1)
          return found.code === CLD.EXITED && found.status === 0 && heir !== undefined && !exits.has(pid)
            ? ended(heir)
            : found
        }
        const retry = (): Effect.Effect<Ended> | undefined => {
          const found = followed()
          return found === undefined ? undefined : Effect.succeed(found)
        }
        return retry() ??
          wait(
            root,
            { _tag: "waitid", idtype: P.PID, id: number, options: W.EXITED },
            isWaiting(`process ${pid}`),
            retry
          )
      }))

  const kernel = { invoke }
  const fork = { spawn }
  return {
    kernel,
    fork,
    layer: Layer.mergeAll(Layer.succeed(Kernel, kernel), Layer.succeed(Fork, fork)),
    state: () => current,
    pid: first,
    executed: () => current.executed,
    exits: () => exits,
    run,
    set: (change) => {
      current = change(current)
      wake()
    }
  }
}
