/**
 * Calls that block, in a process with one thread of JavaScript for its own calls and those of its children.
 *
 * The thread never blocks. A child's server makes the child's calls, and the fiber is parked until the server has answered.
 * A call of this process is first made without blocking. If it would block, the fiber is parked until the descriptor is
 * ready, and the call is repeated. A parked fiber can be interrupted, or time out. If a child's fiber is interrupted in a
 * call, the child is still in that call, and makes the next one after it.
 *
 * A call that is answered at once does not park its fiber, unless it is the event loop's turn: see LoopBudget.ts.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { rowOf } from "../../calls.ts"
import { nothingMore } from "../../Fork.ts"
import type { Call, Result, SyscallError } from "../../Kernel.ts"
import { monotonic } from "../../monotonic.ts"
import { Refused } from "../../Refused.ts"
import { gone, pending, secondCall } from "./Client.ts"
import type { LoopBudget } from "./LoopBudget.ts"
import { OwnFiles } from "./OwnFiles.ts"
import { atOnce, late, limitOf, type Make, type TimeLimit, type Wait, waitOf } from "./ownWaits.ts"
import type { Server, Slot } from "./ServerGroup.ts"
import type { Awaited } from "./ServerPool.ts"
import type { Watched } from "./Watcher.ts"

/** First attempt of a call; first attempt of one that is known to wait; resumption of a call that has been answered. */
export type Phase = "starts" | "waits" | "resumes"

/**
 * Makes a call in a server, or in this process if there is none. Throws {@link gone} if the server has gone, and
 * {@link pending} if there is no answer yet; then the call is resumed later.
 */
export type Attempt = <C extends Call>(
  call: C,
  server: Server | undefined,
  phase?: Phase
) => Exit.Exit<Result<C>, SyscallError>

/** Waits for something in place of a call, of a server or of this process. It can't be cancelled. */
export type Come = <A>(
  server: Server | undefined,
  next: () => Exit.Exit<A, SyscallError> | Awaited
) => Effect.Effect<A, SyscallError>

/** The functions that waiting needs. */
export interface Callers {
  readonly attempt: Attempt
  /** How long fibers may run before the event loop gets its turn. */
  readonly budget: LoopBudget
  /** Calls `go` once, when what is awaited has come. Returns a function that cancels it. */
  readonly when: (awaited: Awaited, go: () => void) => () => void
  /**
   * Calls `go` once, when one of some descriptors is ready. `keepsAlive`: whether the wait keeps this process alive. Throws
   * {@link Refused} if a descriptor can't be watched.
   */
  readonly whenReady: (watched: ReadonlyArray<Watched>, go: () => void, keepsAlive: boolean) => () => void
  /** How long a socket lets a call wait. */
  readonly timeLimit: TimeLimit
  /** Called when a server turns out to have gone. */
  readonly release: (server: Server) => void
  /** Called when a server is not asked any more, whether it has ended or not. */
  readonly lose: (server: Server) => void
}

/** How long to wait before a call is repeated whose readiness nothing reports, in milliseconds; the intervals grow. */
const rounds = { first: 1, most: 10 } as const

/** The longest time of a Node timer, in milliseconds. */
const longestTimer = 0x7fff_ffff

/**
 * Parks a fiber until `look` finds something.
 *
 * @param awaits arranges for the next look, and returns a function that cancels it
 * @param done maps what was found to the Effect with which the fiber continues
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
        // an error belongs to this fiber, not to the event that has woken it
        result = () => {
          throw cause
        }
      }
      // `done` may throw as well
      resume(Effect.suspend(() => done(result)))
    }
    cancel = awaits(again)
    return Effect.sync(() => cancel())
  })

/** Keeps a slot for a fiber whose answer has come, and whose turn has not: no other server may have it, and no other call. */
const occupied = (slot: Slot | undefined): () => void => {
  if (slot === undefined) return () => {}
  const stays = () => {}
  slot.waiter = stays
  return () => {
    if (slot.waiter === stays) slot.waiter = undefined
  }
}

/** Makes the calls of all processes of a kernel. */
export class BlockingCalls {
  readonly #callers: Callers
  readonly #files: OwnFiles

  constructor(callers: Callers) {
    this.#callers = callers
    this.#files = new OwnFiles(callers.budget)
  }

  /**
   * Makes a call in a server, or in this process if none is given.
   *
   * @param canWait whether the fiber may continue later; a fiber that runs synchronously may not
   * @param keepsAlive whether a call of this process that waits keeps it alive
   */
  invoke<C extends Call>(
    call: C,
    server: Server | undefined,
    canWait: boolean,
    keepsAlive: boolean
  ): Effect.Effect<Result<C>, SyscallError> {
    const make = () => server === undefined ? this.#here(call, keepsAlive) : this.#inChild(call, server)
    return canWait ? this.inTurn(make) : make()
  }

  /** Does something now, or if this turn of the event loop is spent, in a later one. */
  inTurn<A>(make: () => Effect.Effect<A, SyscallError>): Effect.Effect<A, SyscallError> {
    const { budget } = this.#callers
    if (!budget.isSpent) return make()
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

  /** Lets the fiber of a server continue with an answer that has come, before the event loop says that it has. */
  catchUp(server: Server): Effect.Effect<void> {
    const { budget } = this.#callers
    return Effect.callback<void>((resume) => {
      const { slot } = server
      if (slot.server.current === server && !slot.mailbox.isAsked) slot.waiter?.()
      // that fiber may wait for the event loop's turn: it comes first
      const cancel = budget.queue(() => resume(Effect.void))
      return Effect.sync(cancel)
    })
  }

  /** A new process may have got descriptors of this one. */
  passed(): void {
    this.#files.forget()
  }

  /** A server gets no further request, and the answer that its fiber waits for will not come. */
  forget(server: Server): void {
    this.#callers.lose(server)
    this.#callers.release(server)
  }

  /** Makes a call in a child. The fiber is parked until it is answered. */
  #inChild<C extends Call>(call: C, server: Server): Effect.Effect<Result<C>, SyscallError> {
    const { attempt } = this.#callers
    const { slot } = server
    const awaits = (go: () => void) => this.#when({ slot }, go)
    if (slot.server.current === server) {
      if (slot.waiter !== undefined) throw secondCall()
      if (slot.client.isBusy) {
        // the fiber of an earlier call was interrupted, but the child is still in that call
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

  /** Calls `go` once, when what is awaited has come and the event loop has had its turn. */
  #when(awaited: Awaited, go: () => void): () => void {
    const { budget, when } = this.#callers
    let cancel = when(awaited, () => {
      if (!budget.isSpent) return go()
      const free = occupied(awaited.slot)
      const stop = budget.defer(() => {
        free()
        go()
      })
      cancel = () => {
        free()
        stop()
      }
    })
    return () => cancel()
  }

  /** The Effect for what a look at a server has found. */
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
    const { attempt } = this.#callers
    const files = this.#files
    const make: Make = (one) => {
      const exit = attempt(one, undefined)
      files.seen(one, exit)
      return exit
    }
    const exit = atOnce(make, call, files)
    if (exit !== undefined) return exit
    return Effect.suspend(() => {
      const until = monotonic() + limitOf(call, this.#callers.timeLimit)
      let round: number = rounds.first
      const look = (): Exit.Exit<Result<C>, SyscallError> | typeof pending => {
        const found = atOnce(make, call, files)
        if (found !== undefined) return found
        round = Math.min(round * 2, rounds.most)
        return monotonic() < until ? pending : late(make, call)
      }
      const awaits = (go: () => void) => this.#whenPossible(waitOf(make, call), { until, round, keepsAlive }, go)
      return park(look, awaits, (result) => result())
    })
  }

  /** Calls `go` once, when a call of this process may succeed. Returns a function that cancels it. */
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
    if (until !== Infinity) timed(Math.min(Math.max(Math.ceil(until - monotonic()), 0), longestTimer))
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

/** What a look finds; `undefined` if there is no answer yet. */
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
