/**
 * The turns of all fibers of a run, in one queue, so that their order is the same in every run.
 *
 * A model lets time pass only if nobody can continue. It asks for that look with a priority of its own, which is taken only
 * once nothing else is queued; and, on the event loop, once nothing has been queued in a whole turn of it, since Node's
 * streams and promises continue without a word to a scheduler.
 */
import type { Scheduler, SchedulerDispatcher } from "effect/Scheduler"
import { setImmediate } from "node:timers"
import { whenIdle } from "../model/Course.ts"

/** A scheduler with one queue. */
export class Turns implements Scheduler, SchedulerDispatcher {
  readonly executionMode: "sync" | "async"
  /** By priority, the lowest first. */
  readonly #tasks = new Map<number, Array<() => void>>()
  #looks: Array<() => void> = []
  #isDue = false

  /** @param executionMode whether the queue is run by `flush` alone, or by turns of the event loop */
  constructor(executionMode: "sync" | "async") {
    this.executionMode = executionMode
  }

  /** How many operations something takes does not decide who goes first. */
  shouldYield(): boolean {
    return false
  }

  makeDispatcher(): SchedulerDispatcher {
    return this
  }

  scheduleTask(task: () => void, priority: number): void {
    if (priority === whenIdle) this.#looks.push(task)
    else {
      const same = this.#tasks.get(priority)
      if (same === undefined) this.#tasks.set(priority, [task])
      else same.push(task)
    }
    if (this.executionMode === "async") this.#turnSoon()
  }

  /** Runs all that is queued, and what that queues. */
  flush(): void {
    do this.#runTasks()
    while (this.#runLooks())
  }

  #turnSoon(): void {
    if (this.#isDue) return
    this.#isDue = true
    setImmediate(() => {
      this.#isDue = false
      const wasIdle = this.#tasks.size === 0
      this.#runTasks()
      if (wasIdle) this.#runLooks()
      if (this.#tasks.size > 0 || this.#looks.length > 0) this.#turnSoon()
    })
  }

  #runTasks(): void {
    for (let next = this.#first(); next !== undefined; next = this.#first()) next()
  }

  #first(): (() => void) | undefined {
    if (this.#tasks.size === 0) return undefined
    const priority = Math.min(...this.#tasks.keys())
    const same = this.#tasks.get(priority)!
    const task = same.shift()
    if (same.length === 0) this.#tasks.delete(priority)
    return task
  }

  #runLooks(): boolean {
    const looks = this.#looks
    this.#looks = []
    for (const look of looks) look()
    return looks.length > 0
  }
}
