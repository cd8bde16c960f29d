/**
 * A scheduler with one queue for all fibers of a run, so that their order is the same in every run.
 *
 * A model lets time pass only if no fiber can continue. It queues that check with a priority of its own, which runs when
 * nothing else is queued. On the event loop, nothing may have been queued for a whole turn either, since Node's streams and
 * promises continue without the scheduler.
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

  /** @param executionMode whether only `flush` runs the queue, or the event loop does */
  constructor(executionMode: "sync" | "async") {
    this.executionMode = executionMode
  }

  /** A fiber never yields because of its number of operations: that would make the order depend on it. */
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

  /** Runs everything that is queued, and what that queues in turn. */
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
