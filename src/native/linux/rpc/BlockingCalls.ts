/**
 * Calls that wait, in a process that has one thread of JavaScript for its own calls and for those of its children.
 *
 * Nothing here stands still. A call of a child is made by its server: its fiber is parked until the server has answered. A call
 * of this process is first made so that it can't wait; if it would have to, its fiber is parked until the descriptor is ready,
 * and the call is tried again. What is parked can be interrupted, and timed out. A child that is interrupted in a call is still
 * in it: its next call is made after that.
 *
 * Calls that are answered at once are made at once, as long as the event loop has its turn: see LoopBudget.ts.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { performance } from "node:perf_hooks"
import { rowOf } from "../../calls.ts"
import { nothingMore } from "../../Fork.ts"
import type { Call, Result, SyscallError } from "../../Kernel.ts"
import { Refused } from "../../Refused.ts"
import { gone, pending, secondCall } from "./Client.ts"
import type { LoopBudget } from "./LoopBudget.ts"
import { atOnce, late, limitOf, type Make, type TimeLimit, type Wait, waitOf } from "./ownWaits.ts"
import type { Server } from "./ServerGroup.ts"
import type { Awaited } from "./ServerPool.ts"
import type { Watched } from "./Watcher.ts"

/** First attempt of a call; first attempt of one that is known to wait; resumption of a call that has been answered. */
export type Phase = "starts" | "waits" | "resumes"

/**
 * Makes a call in a process, or, without one, in this. Throws {@link gone}, and {@link pending} if there is no answer yet; then
 * it is resumed.
 */
export type Attempt = <C extends Call>(
  call: C,
  server: Server | undefined,
  phase?: Phase
) => Exit.Exit<Result<C>, SyscallError>

/** Waits for something as one of a process's calls, or of this process itself; it can't be cancelled. */
export type Come = <A>(
  server: Server | undefined,
  next: () => Exit.Exit<A, SyscallError> | Awaited
) => Effect.Effect<A, SyscallError>

/** What waiting needs. */
export interface Callers {
  readonly attempt: Attempt
  /** How long the event loop has to wait for its turn. */
  readonly budget: LoopBudget
  /** Calls back, once, when what is awaited is there. Returns what cancels it. */
  readonly when: (awaited: Awaited, go: () => void) => () => void
  /**
   * Calls back, once, when one of some descriptors is ready; this process stays for it, or not. Throws {@link Refused} if
   * that can't be watched.
   */
  readonly whenReady: (watched: ReadonlyArray<Watched>, go: () => void, keepsAlive: boolean) => () => void
  /** For how long a socket lets a call wait. */
  readonly timeLimit: TimeLimit
  /** A server was found gone. */
  readonly release: (server: Server) => void
  /** A server makes no calls any more, whether it has ended or not. */
  readonly lose: (server: Server) => void
}

/** How long to wait before a call is tried again whose end nothing reports, in milliseconds: longer each time. */
const rounds = { first: 1, most: 10 } as const

/** The longest time that a timer of Node's can have, in milliseconds. */
const longestTimer = 0x7fff_ffff

/**
 * Parks a fiber until `look` finds something.
 *
 * @param awaits waits until it is worth another look; returns what ends that
 * @param done what the fiber continues with
 */
const park = <A, B>(
  look: () => A | typeof pending,
  awaits: (go: () => void) => () => void,
  done: (result: () => A) => Effect.Effect<B, SyscallError>
): Effect.Effect<B, SyscallError> =>
  Effect.callback<B, SyscallError>((resume) => {
    let cancel: () => void
    const again = (): void => {
      let result: () => A
      try {
        const found = look()
        if (found === pending) return void (cancel = awaits(again))
        result = () => found
      } catch (cause) {
        // an error belongs to this fiber, and not to the event that has woken it
        result = () => {
          throw cause
        }
      }
      resume(done(result))
    }
    cancel = awaits(again)
    return Effect.sync(() => cancel())
  })

/** Makes the calls of all processes of a kernel. */
export class BlockingCalls {
  readonly #callers: Callers

  constructor(callers: Callers) {
    this.#callers = callers
  }

  /**
   * Makes a call of a process; of this one if none is given.
   *
   * @param canWait whether its fiber may continue later, which one that is run to its end at once may not
   * @param keepsAlive whether this process stays for a call of its own that waits
   */
  invoke<C extends Call>(
    call: C,
    server: Server | undefined,
    canWait: boolean,
    keepsAlive: boolean
  ): Effect.Effect<Result<C>, SyscallError> {
    const { budget } = this.#callers
    const make = () => server === undefined ? this.#here(call, keepsAlive) : this.#inChild(call, server)
    if (!budget.isSpent || !canWait) return make()
    return Effect.callback((resume) => {
      const cancel = budget.defer(() => resume(Effect.suspend(make)))
      return Effect.sync(cancel)
    })
  }

  /** Waits for something that can't be cancelled. */
  come<A>(
    server: Server | undefined,
    next: () => Exit.Exit<A, SyscallError> | Awaited
  ): Effect.Effect<A, SyscallError> {
    let awaited: Awaited = {}
    const look = (): Exit.Exit<A, SyscallError> | typeof pending => {
      const found = next()
      if (Exit.isExit(found)) return found
      awaited = found
      return pending
    }
    const done = (result: () => Exit.Exit<A, SyscallError>) => this.#answered(server, result)
    const first = unlessPending(look)
    if (first !== undefined) return done(first)
    return Effect.uninterruptible(park(look, (go) => this.#when(awaited, go), done))
  }

  /** A server has ended, or its effect has. */
  end(server: Server): void {
    this.#callers.release(server)
  }

  /** A server gets no further request: the answer that its fiber waits for does not come. */
  forget(server: Server): void {
    this.#callers.lose(server)
    this.#callers.release(server)
  }

  /** Makes a call of a child, whose fiber is parked until it is answered. */
  #inChild<C extends Call>(call: C, server: Server): Effect.Effect<Result<C>, SyscallError> {
    const { attempt } = this.#callers
    const { slot } = server
    const awaits = (go: () => void) => this.#when({ slot }, go)
    if (slot.server.current === server) {
      if (slot.waiter !== undefined) throw secondCall()
      if (slot.client.isBusy) {
        // an earlier call was interrupted, but not in the child
        const wait = park(() => slot.client.isBusy ? pending : undefined, awaits, () => Effect.void)
        return Effect.andThen(wait, Effect.suspend(() => this.#inChild(call, server)))
      }
    }
    const done = (result: () => Exit.Exit<Result<C>, SyscallError>) => this.#answered(server, result)
    const tried = (phase: Phase) => (): Exit.Exit<Result<C>, SyscallError> | typeof pending => {
      try {
        return attempt(call, server, phase)
      } catch (cause) {
        if (cause === pending) return pending
        throw cause
      }
    }
    const first = unlessPending(tried(rowOf(call._tag).waits === "only" ? "waits" : "starts"))
    return first === undefined ? park(tried("resumes"), awaits, done) : done(first)
  }

  /** Calls back, once, when what is awaited is there, and the event loop has time for it. */
  #when(awaited: Awaited, go: () => void): () => void {
    const { budget, when } = this.#callers
    let cancel = when(awaited, () => {
      if (budget.isSpent) cancel = budget.defer(go)
      else go()
    })
    return () => cancel()
  }

  /** What a look at a server finds. */
  #answered<A>(server: Server | undefined, result: () => Exit.Exit<A, SyscallError>): Effect.Effect<A, SyscallError> {
    try {
      return result()
    } catch (cause) {
      if (cause !== gone || server === undefined) throw cause
      this.#callers.release(server)
      return nothingMore
    }
  }

  /** Makes a call of this process. */
  #here<C extends Call>(call: C, keepsAlive: boolean): Effect.Effect<Result<C>, SyscallError> {
    const make: Make = (one) => this.#callers.attempt(one, undefined)
    const exit = atOnce(make, call)
    if (exit !== undefined) return exit
    return Effect.suspend(() => {
      const until = performance.now() + limitOf(call, this.#callers.timeLimit)
      let round: number = rounds.first
      const look = (): Exit.Exit<Result<C>, SyscallError> | typeof pending => {
        const found = atOnce(make, call)
        if (found !== undefined) return found
        round = Math.min(round * 2, rounds.most)
        return performance.now() < until ? pending : late(make, call)
      }
      const awaits = (go: () => void) => this.#whenPossible(waitOf(make, call), { until, round, keepsAlive }, go)
      return park(look, awaits, (result) => result())
    })
  }

  /** Calls back, once, when what a call of this process waits for may be there. Returns what cancels it. */
  #whenPossible(
    { close, watched }: Wait,
    { keepsAlive, round, until }: { readonly until: number; readonly round: number; readonly keepsAlive: boolean },
    go: () => void
  ): () => void {
    const { when, whenReady } = this.#callers
    const cancels: Array<() => void> = close === undefined ? [] : [close]
    const cancel = () => cancels.splice(0).forEach((one) => one())
    const first = () => {
      cancel()
      go()
    }
    const timed = (milliseconds: number) => cancels.push(when({ milliseconds }, first))
    if (until !== Infinity) timed(Math.min(Math.max(Math.ceil(until - performance.now()), 0), longestTimer))
    try {
      if (watched === undefined) timed(round)
      else if (watched.length > 0) cancels.push(whenReady(watched, first, keepsAlive))
    } catch (cause) {
      if (!(cause instanceof Refused)) throw cause
      timed(round)
    }
    return cancel
  }
}

/** What a look finds; nothing if there is no answer yet. */
const unlessPending = <A>(look: () => A | typeof pending): (() => A) | undefined => {
  try {
    const found = look()
    return found === pending ? undefined : () => found
  } catch (cause) {
    return () => {
      throw cause
    }
  }
}
