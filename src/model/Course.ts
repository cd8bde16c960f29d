/**
 * The course of a model machine: its current state, which process waits for what, and the time. Time passes only if all
 * processes wait.
 *
 * After a change, once the running fiber has stopped, all waiting processes retry. If none can continue, time passes to the
 * next deadline, or a program ends. If there is neither, the machine is in a deadlock.
 *
 * @category models
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { SchedulerDispatcher } from "effect/Scheduler"
import { CLD } from "../native/constants.ts"
import { nothingMore } from "../native/Fork.ts"
import { type Call, render, type SyscallError } from "../native/Kernel.ts"
import { infinity } from "./Descriptors.ts"
import { end } from "./ending.ts"
import type { Ends } from "./Program.ts"
import type { State } from "./State.ts"
import { apply } from "./transitions.ts"

/** All processes wait, and nothing will happen. */
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

/** A process that makes calls; reclone(2) changes its number. */
export interface Cell {
  pid: number
  /** It has become a program: another effect makes its calls. */
  replaced?: true
}

/** What a call waits for, and for how many nanoseconds at most. */
export interface Wait {
  readonly why: string
  readonly timeout: bigint | undefined
}

/** A call, or a test, that waits. */
interface Waiter {
  readonly id: number
  readonly cell: Cell
  readonly deadline: bigint | undefined
  /** Tries again; `undefined` while it must still wait. */
  readonly retry: (timedOut: boolean) => Effect.Effect<unknown, SyscallError> | undefined
  readonly resume: (effect: Effect.Effect<unknown, SyscallError>) => void
}

const minute = 60_000_000_000n

/**
 * The priority of the check whether no process can continue. A scheduler of Effect takes smaller numbers first; that of
 * `Check` takes this one only if nothing else is queued.
 */
export const whenIdle = Number.MAX_SAFE_INTEGER

/** One machine in motion. */
export class Course {
  /** The machine as it is now. */
  state: State
  /** The first process, which starts all others. */
  readonly root: Cell
  /** Processes whose effects run, or are about to. */
  readonly fibers: Set<number>
  /** Processes whose program is a script of the test. */
  readonly #scripted = new Set<number>()
  readonly #programs = new Map<number, { readonly at: bigint | undefined; readonly status: number }>()
  readonly #waiters: Array<Waiter> = []
  #dispatcher: SchedulerDispatcher | undefined
  #nextWaiter = 1
  /** Counts changes, so that a check can tell whether there was one since. */
  #progress = 0
  #isSweeping = false
  #isChecking = false

  constructor(state: State) {
    const first = [...state.processes.keys()].at(-1)!
    this.state = state
    this.root = { pid: first }
    this.fibers = new Set([first])
  }

  /** Whether a process still makes calls. */
  isAlive(pid: number): boolean {
    const process = this.state.processes.get(pid)
    return process?.status === "running" && (!process.executed || this.#scripted.has(pid))
  }

  /** Takes the order of events from the fiber of the first process. */
  follow(cell: Cell, fiber: Fiber.Fiber<unknown, unknown>): void {
    if (cell === this.root || this.#dispatcher === undefined) this.#dispatcher = fiber.currentDispatcher
  }

  #schedule(task: () => void, priority = 0): void {
    this.#dispatcher?.scheduleTask(task, priority)
  }

  /** Waits for the first turn of a process: after the running fiber has stopped. */
  turnOf(cell: Cell): Effect.Effect<void> {
    return Effect.callback<void>((resume) =>
      this.#schedule(() => {
        this.#progress++
        if (this.isAlive(cell.pid)) resume(Effect.void)
      })
    )
  }

  #forget(waiter: Waiter): void {
    const index = this.#waiters.indexOf(waiter)
    if (index >= 0) this.#waiters.splice(index, 1)
    this.state = { ...this.state, waiting: this.state.waiting.filter(({ id }) => id !== waiter.id) }
  }

  /** Ends the waits of some processes. */
  resume(isMeant: (cell: Cell) => boolean, effect: Effect.Effect<never, SyscallError>): void {
    for (const waiter of this.#waiters.filter(({ cell }) => isMeant(cell))) {
      this.#forget(waiter)
      waiter.resume(effect)
    }
  }

  /** Has all waiting processes retry, once the running fiber has stopped. */
  wake(): void {
    this.#progress++
    if (this.#isSweeping || this.#waiters.length === 0) return
    this.#isSweeping = true
    this.#schedule(() => {
      this.#isSweeping = false
      for (const waiter of this.#waiters.slice()) {
        if (!this.#waiters.includes(waiter)) continue
        if (!this.isAlive(waiter.cell.pid)) {
          this.#forget(waiter)
          waiter.resume(nothingMore)
          continue
        }
        const effect = waiter.retry(waiter.deadline !== undefined && waiter.deadline <= this.state.time)
        if (effect === undefined) continue
        this.#forget(waiter)
        waiter.resume(effect)
      }
      this.#check()
    })
  }

  /** If no process can continue: time passes, otherwise a program ends, otherwise it is a deadlock. */
  #check(): void {
    if (this.#isChecking || this.#waiters.length === 0) return
    this.#isChecking = true
    const seen = this.#progress
    this.#schedule(() => {
      this.#isChecking = false
      if (this.#waiters.length === 0) return
      if (this.#progress !== seen || this.#isSweeping) return this.#check()
      for (const pid of this.fibers) if (!this.isAlive(pid)) this.fibers.delete(pid)
      // a fiber is busy outside of the model; its next call leads here again
      if ([...this.fibers].some((pid) => !this.#waiters.some(({ cell }) => cell.pid === pid))) return
      this.#pass()
    }, whenIdle)
  }

  /** Lets time pass to the next deadline. */
  #pass(): void {
    const times = [
      ...this.#waiters.flatMap(({ deadline }) => deadline ?? []),
      ...[...this.#programs.values()].flatMap(({ at }) => at ?? [])
    ]
    if (times.length === 0) {
      const error = Effect.die(new DeadlockError(this.state.waiting))
      const isRoot = (cell: Cell): boolean => cell === this.root
      return this.resume(this.#waiters.some(({ cell }) => isRoot(cell)) ? isRoot : () => true, error)
    }
    const next = times.reduce((a, b) => a < b ? a : b)
    this.state = { ...this.state, time: next > this.state.time ? next : this.state.time }
    for (const [pid, { at, status }] of this.#programs) {
      if (at === undefined || at > this.state.time) continue
      this.#programs.delete(pid)
      if (this.state.processes.get(pid)?.status === "running") {
        this.state = apply(this.state, pid, (m) => end(m, pid, CLD.EXITED, status))
      }
    }
    this.wake()
  }

  /** Waits until `retry` returns something. */
  wait<A>(
    cell: Cell,
    call: Call,
    { timeout, why }: Wait,
    retry: (timedOut: boolean) => Effect.Effect<A, SyscallError> | undefined
  ): Effect.Effect<A, SyscallError> {
    return Effect.callback<A, SyscallError>((resume) => {
      const deadline = timeout === undefined ? undefined : this.state.time + timeout
      const id = this.#nextWaiter++
      const waiter: Waiter = { id, cell, deadline, retry, resume: resume as Waiter["resume"] }
      this.#waiters.push(waiter)
      const waiting = { id, pid: cell.pid, call, why, ...deadline === undefined ? {} : { deadline } }
      this.state = { ...this.state, waiting: [...this.state.waiting, waiting] }
      this.#progress++
      this.#check()
      return Effect.sync(() => this.#forget(waiter))
    })
  }

  /** Waits for some of the model's time, in nanoseconds, or forever. */
  sleep(cell: Cell, nanoseconds: bigint | undefined): Effect.Effect<void> {
    const call: Call = { _tag: "nanosleep", nanoseconds: nanoseconds ?? infinity }
    const wait = this.wait(
      cell,
      call,
      { why: "time to pass", timeout: nanoseconds },
      (timedOut) => timedOut ? Effect.void : undefined
    )
    return wait as Effect.Effect<void>
  }

  /** Sets that the program of a process ends by itself, or never. */
  letEnd(pid: number, { after = minute, exit = 0 }: Ends): void {
    this.#scripted.delete(pid)
    this.#programs.set(pid, { at: after === "never" ? undefined : this.state.time + after, status: exit })
  }

  /** Sets that the program of a process is a script. */
  letRun(pid: number): void {
    this.#programs.delete(pid)
    this.#scripted.add(pid)
    this.fibers.add(pid)
  }
}
