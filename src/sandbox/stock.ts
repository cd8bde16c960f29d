/**
 * The sandboxes of a pool that wait: as many as it is to have, made in the background, and each given away once.
 *
 * @category pools
 * @since 0.2.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Fork } from "../native/Fork.ts"
import type { Kernel } from "../native/Kernel.ts"
import type { ContainerId } from "../steps/state/ContainerId.ts"
import { failureOf } from "./failure.ts"
import { type SandboxError, SandboxFailed } from "./SandboxError.ts"
import type { Waiting } from "./waiting.ts"

/** What a pool reports of its sandboxes. */
export type PoolEvent =
  /** One waits from now on, and this is how long it took, in milliseconds. */
  | { readonly _tag: "Ready"; readonly id: ContainerId; readonly milliseconds: number }
  /** One that waited can't be used any more: it has died, was killed or frozen. Another one takes its place. */
  | { readonly _tag: "Broken"; readonly id: ContainerId; readonly error: SandboxError }
  /** One could not be made; the next try is after so many milliseconds. */
  | { readonly _tag: "Failed"; readonly error: SandboxError; readonly retryAfter: number }

/** A sandbox that waits, with its scope, which its owner closes. */
export interface Item {
  readonly waiting: Waiting
  readonly scope: Scope.Closeable
}

/** Somebody who has asked for one. */
interface Taker {
  readonly take: (item: Item) => void
  readonly fail: (error: SandboxError) => void
}

/** Somebody who waits until there are so many. */
interface Hopeful {
  readonly count: number
  readonly done: () => void
  readonly fail: (error: SandboxError) => void
}

/** What a stock is made with. */
export interface StockOptions {
  readonly size: number
  /** How many are made at the same time. */
  readonly concurrency: number
  readonly make: Effect.Effect<Waiting, SandboxError, Kernel | Fork | Scope.Scope>
  readonly tell: (event: PoolEvent) => Effect.Effect<void>
}

/** The pause after a failure, in milliseconds: longer each time. */
const pause = { first: 100, most: 10_000 } as const

/** If one breaks within so many milliseconds, the next one is made after a pause, as if it could not be made. */
const infancy = 1000

/** The error of a request to a pool that is closed. */
export const poolClosed = (): SandboxFailed =>
  new SandboxFailed({
    step: "",
    code: "PoolClosed",
    problem: "the pool is closed",
    advice: "keep the pool open for as long as sandboxes are asked of it",
    cause: undefined
  })

/** Sandboxes that wait. */
export class Stock {
  readonly #options: StockOptions
  readonly #scope: Scope.Closeable
  readonly #run: (effect: Effect.Effect<unknown, never, Kernel | Fork>) => void
  readonly #idle = new Set<Item>()
  /** Those that were taken, and do not run their programs yet. */
  readonly #handedOut = new Set<Item>()
  readonly #takers = new Set<Taker>()
  readonly #hopeful = new Set<Hopeful>()
  #starting = 0
  #failures = 0
  #isClosed = false
  /** Ends the pause of those that wait to be tried again. */
  readonly #hurry = new Set<() => void>()

  /**
   * @param scope of all sandboxes that it makes
   * @param run runs an effect in the background, as long as the scope is open
   */
  constructor(
    options: StockOptions,
    scope: Scope.Closeable,
    run: (effect: Effect.Effect<unknown, never, Kernel | Fork>) => void
  ) {
    this.#options = options
    this.#scope = scope
    this.#run = run
  }

  /** How many wait now. */
  get waiting(): number {
    return this.#idle.size
  }

  /**
   * Begins to make those that are missing. One that was taken is replaced only when its program runs: until then, the making of
   * another one would take processors from it.
   */
  fill(): void {
    const { concurrency, size } = this.#options
    const wanted = Math.max(size - this.#handedOut.size, 0) + this.#takers.size
    while (!this.#isClosed && this.#starting < concurrency && this.#idle.size + this.#starting < wanted) {
      this.#starting++
      this.#run(this.#start(0))
    }
  }

  /** Done when so many wait; fails if one can't be made until then. */
  has(count: number): Effect.Effect<void, SandboxError> {
    return Effect.callback((resume) => {
      if (this.#idle.size >= count) return resume(Effect.void)
      if (this.#isClosed) return resume(Effect.fail(poolClosed()))
      const one: Hopeful = {
        count,
        done: () => resume(Effect.void),
        fail: (error) => resume(Effect.fail(error))
      }
      this.#hopeful.add(one)
      for (const go of this.#hurry) go()
      return Effect.sync(() => void this.#hopeful.delete(one))
    })
  }

  /**
   * Takes the one that has waited longest, or the next that will wait. Fails with what the making of that one fails with.
   *
   * @param told is called at once: an interruption may come before the effect has ended. Who is told of an item says later that
   * it is served, or given up
   */
  take(told: (item: Item) => void): Effect.Effect<Item, SandboxError> {
    const taken = (item: Item) => {
      this.#handedOut.add(item)
      told(item)
    }
    return Effect.callback((resume) => {
      if (this.#isClosed) return resume(Effect.fail(poolClosed()))
      const [item] = this.#idle
      if (item !== undefined) {
        this.#idle.delete(item)
        taken(item)
        return resume(Effect.succeed(item))
      }
      const taker: Taker = {
        take: (item) => {
          this.#takers.delete(taker)
          taken(item)
          resume(Effect.succeed(item))
        },
        fail: (error) => {
          this.#takers.delete(taker)
          resume(Effect.fail(error))
        }
      }
      this.#takers.add(taker)
      this.fill()
      for (const go of this.#hurry) go()
      return Effect.sync(() => void this.#takers.delete(taker))
    })
  }

  /** The program of one that was taken runs. */
  served(item: Item): void {
    this.#failures = 0
    this.givenUp(item)
  }

  /** One that was taken will not run a program, if it does not yet. */
  givenUp(item: Item): void {
    if (this.#handedOut.delete(item)) this.fill()
  }

  /** One that was taken was broken. */
  broken(item: Item, error: SandboxError): Effect.Effect<void> {
    return this.#options.tell({ _tag: "Broken", id: item.waiting.id, error })
  }

  /** From now on nobody gets one, and none is made. */
  close(): void {
    this.#isClosed = true
    this.#idle.clear()
    const error = poolClosed()
    for (const one of [...this.#takers, ...this.#hopeful]) one.fail(error)
    this.#hopeful.clear()
  }

  /** A pause, which ends as soon as somebody waits. */
  #rest(milliseconds: number): Effect.Effect<void> {
    if (milliseconds === 0 || this.#takers.size + this.#hopeful.size > 0) return Effect.void
    return Effect.callback((resume) => {
      const done = () => {
        clearTimeout(timer)
        this.#hurry.delete(done)
        resume(Effect.void)
      }
      // nobody waits for it: the application may end meanwhile
      const timer = setTimeout(done, milliseconds).unref()
      this.#hurry.add(done)
      return Effect.sync(done)
    })
  }

  #nextPause(): number {
    return Math.min(pause.first * 2 ** this.#failures++, pause.most)
  }

  /** Makes one, after a pause; its place among those that are being made is taken already. */
  #start(after: number): Effect.Effect<void, never, Kernel | Fork> {
    const { make, tell } = this.#options
    return Effect.gen({ self: this }, function*() {
      yield* this.#rest(after)
      const asked = performance.now()
      const scope = yield* Scope.fork(this.#scope)
      const exit = yield* Effect.exit(Scope.provide(make, scope))
      if (Exit.isSuccess(exit)) {
        const item: Item = { waiting: exit.value, scope }
        yield* tell({ _tag: "Ready", id: item.waiting.id, milliseconds: performance.now() - asked })
        this.#starting--
        this.#offer(item)
        return
      }
      yield* Scope.close(scope, exit)
      // by a signal that ends this process: it is not to begin again
      if (Cause.hasInterruptsOnly(exit.cause)) return this.close()
      const error = failureOf(exit.cause)
      const retryAfter = this.#nextPause()
      yield* tell({ _tag: "Failed", error, retryAfter })
      const [taker] = this.#takers
      taker?.fail(error)
      for (const one of this.#hopeful) one.fail(error)
      this.#hopeful.clear()
      yield* this.#start(retryAfter)
    })
  }

  #offer(item: Item): void {
    if (this.#isClosed) return
    const [taker] = this.#takers
    // it was made for somebody who does not want it any more, and the pool has enough
    if (taker === undefined && this.#idle.size >= this.#options.size) {
      return this.#run(Scope.close(item.scope, Exit.void))
    }
    this.#run(this.#watch(item, performance.now()))
    if (taker !== undefined) taker.take(item)
    else this.#idle.add(item)
    for (const one of this.#hopeful) {
      if (this.#idle.size < one.count) continue
      this.#hopeful.delete(one)
      one.done()
    }
    this.fill()
  }

  /** Replaces one that breaks while it waits. One that was given away is its owner's. */
  #watch(item: Item, since: number): Effect.Effect<void, never, Kernel | Fork> {
    return Effect.gen({ self: this }, function*() {
      const exit = yield* Effect.exit(item.waiting.ends)
      if (Exit.isSuccess(exit) || !this.#idle.delete(item)) return
      if (Cause.hasInterruptsOnly(exit.cause)) return this.close()
      // the next one may break as soon as this one did: it is made after a pause
      const after = performance.now() - since < infancy ? this.#nextPause() : 0
      yield* Scope.close(item.scope, exit)
      yield* this.broken(item, failureOf(exit.cause))
      if (after === 0) return this.fill()
      yield* this.#rest(after)
      this.fill()
    })
  }
}
