/**
 * The parent's side of the channel: bounded waits that leave the event loop its turn, so that signals and interruption
 * get through.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { PipelineError } from "../../engine/PipelineError.ts"
import * as c from "../../native/constants.ts"
import { type Kernel, orOn, sys, SyscallError } from "../../native/Kernel.ts"
import { failureOf as execFailure } from "../../native/trampoline.ts"
import { type Message, receive, receiveCalls, type Received } from "../channel.ts"
import { classes } from "../errorClasses.ts"
import { ExecRefused } from "../errors.ts"
import { exec } from "../exec.ts"
import { ChannelGarbled, InitDied, InitStuck } from "./errors.ts"

/** The far end: the channel, and the process behind it. */
export interface Peer {
  readonly channel: number
  readonly pidfd: number
  readonly patience: number
}

/** An init that ends with a message of ours unread resets the channel; what it has said itself is still there. */
const receiveAny = ({ channel }: Peer): Effect.Effect<Received, SyscallError, Kernel> =>
  Effect.catchIf(
    receive(channel, classes),
    ({ code }) => code === "ECONNRESET",
    () => receive(channel, classes)
  )

/** How long one look at the channel lasts, in milliseconds; data ends it at once. */
const glance = 20

/** The next thing on the channel. Fails with {@link InitStuck} when nothing came in time. */
const next = Effect.fnUntraced(function*(peer: Peer, waitingFor: string) {
  const deadline = (yield* Clock.currentTimeMillis) + peer.patience
  while (true) {
    const [events] = yield* sys.poll({ fds: [peer.channel], events: c.POLL.IN, timeout: glance })
    if (events !== 0) return yield* receiveAny(peer)
    if ((yield* Clock.currentTimeMillis) > deadline) {
      return yield* new InitStuck({ waitingFor, milliseconds: peer.patience })
    }
    yield* Effect.yieldNow
  }
})

/** The calls that {@link whileInitWaits} makes; for the headers of steps. */
export const peerCalls = ["poll", ...receiveCalls, "waitid"] as const

/**
 * Does the parent's part while the init waits for it. Where that fails and the init has ended meanwhile, or has reported a
 * failure, then that is the result: the other one only follows from it (`ESRCH`, `EPIPE`).
 */
export const whileInitWaits = <A, E, R>(
  peer: Peer,
  part: Effect.Effect<A, E, R>
): Effect.Effect<A, E | Failure, R | Kernel> =>
  Effect.catch(part, (error) =>
    Effect.gen(function*() {
      // the kernel forgets a process that ends a moment before it closes what that had open
      const timeout = error instanceof SyscallError && error.code === "ESRCH" ? 1000 : 0
      const [events] = yield* sys.poll({ fds: [peer.channel], events: c.POLL.IN, timeout })
      if (events === 0) return yield* Effect.fail(error)
      const received = yield* receiveAny(peer)
      return yield* Effect.flatMap(failureOf(peer, received, "the parent to do its part"), Effect.fail)
    }))

/** Reaps a process through its pidfd, in bounded time, in milliseconds; `null` where it lives on or is not ours. */
export const reap = Effect.fnUntraced(function*(pidfd: number, milliseconds: number) {
  for (let left = milliseconds;; left -= glance) {
    const [events] = yield* sys.poll({ fds: [pidfd], events: c.POLL.IN, timeout: Math.min(left, glance) })
    if (events !== 0 || left <= glance) break
    yield* Effect.yieldNow
  }
  return yield* sys.waitid({ idtype: c.P.PIDFD, id: pidfd, options: c.W.EXITED | c.W.NOHANG }).pipe(
    orOn(["ECHILD"], null)
  )
})

type Failure = PipelineError | SyscallError | InitDied | InitStuck | ChannelGarbled

/** Waits for one message; the init's own failure becomes this side's failure, as it was. */
export const await_ = (
  peer: Peer,
  tag: Message["_tag"]
): Effect.Effect<{ readonly message: Message; readonly pid: number | undefined }, Failure, Kernel> =>
  Effect.flatMap(next(peer, `its word "${tag}"`), (received) => {
    if (received._tag === "Message" && received.message._tag === tag) return Effect.succeed(received)
    return Effect.flatMap(failureOf(peer, received, `its word "${tag}"`), Effect.fail)
  })

/**
 * Waits for the end of file that tells that exec has closed the channel.
 *
 * The exec trampoline, which can't write JSON, reports a failed execve(2) as `E` and the errno in four bytes. That is the
 * failure of the init's last step, and is told as such.
 */
export const awaitExec = (
  peer: Peer,
  pipeline: string,
  execve: SyscallError["call"]
): Effect.Effect<void, Failure, Kernel> =>
  Effect.flatMap(next(peer, "the exec of the program"), (received) => {
    if (received._tag === "Closed") return Effect.void
    const code = received._tag === "Raw" ? execFailure(received.data) : undefined
    if (code === undefined) return Effect.flatMap(failureOf(peer, received, "the exec of the program"), Effect.fail)
    return Effect.fail(
      new PipelineError({
        pipeline,
        step: exec.name,
        reason: new ExecRefused({ reason: new SyscallError({ call: execve, code }) }),
        advice: exec.advice[code],
        undone: [],
        residue: [],
        rollback: []
      })
    )
  })

const failureOf = (
  peer: Peer,
  received: Received,
  waitingFor: string
): Effect.Effect<Failure, SyscallError, Kernel> => {
  if (received._tag === "Closed") {
    return Effect.map(reap(peer.pidfd, 1000), (status) => new InitDied({ waitingFor, status }))
  }
  if (received._tag === "Raw") {
    return Effect.succeed(new ChannelGarbled({ waitingFor, got: `${received.data.length} bytes that are no message` }))
  }
  if (received.message._tag === "Failed") return Effect.succeed(received.message.error as PipelineError)
  return Effect.succeed(new ChannelGarbled({ waitingFor, got: `"${received.message._tag}"` }))
}
