/**
 * The parent's side of the channel. Its waits are bounded and let the event loop run, so that signals and interruptions are
 * handled.
 *
 * @category parent
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Process } from "../../config/Container.ts"
import { given } from "../../engine/given.ts"
import { PipelineError } from "../../engine/PipelineError.ts"
import * as c from "../../native/constants.ts"
import type { AnyFd, AnyPid, AnyPidfd } from "../../native/Handle.ts"
import { KeepsAlive } from "../../native/KeepsAlive.ts"
import { type Kernel, onErrno, orOn, sys, SyscallError } from "../../native/Kernel.ts"
import { failureOf as execFailure } from "../../native/trampoline.ts"
import { type Message, receive, receiveCalls, type Received } from "../channel/channel.ts"
import { ExecRefused, execStep } from "../init/execRefused.ts"
import type { Report } from "../init/initMain.ts"
import { filterStep, kernelNames } from "../seccomp/needed.ts"
import { ChannelGarbled, forbiddenExecAdvice, InitDied, InitStuck, seccompAdvice } from "./errors.ts"
import type { WhyDied } from "./whyDied.ts"

/**
 * The far end: the channel, and the process behind it.
 *
 * @since 0.2.0
 */
export interface FarEnd {
  readonly channel: AnyFd
  readonly pidfd: AnyPidfd
  /** What its steps report without the channel. */
  readonly report: Report
  /** Finds out why the process has died without a message. */
  readonly why?: Effect.Effect<WhyDied, never, Kernel>
}

/** A far end from which messages are expected. */
export interface Peer extends FarEnd {
  /**
   * How long the whole start may take, in milliseconds. It is one limit for all messages, so that a process that holds the
   * channel cannot extend it by sending more of them.
   */
  readonly patience: number
  /** When that time is over, by the clock. */
  readonly deadline: number
  /** The process is the one that becomes the program: if it ends, no other process can send a message. */
  readonly isLast?: true
  /** Whether the configuration's seccomp filter refuses execve(2), whatever its arguments are. */
  readonly refusesExec?: boolean
}

/** An init that ends before it has read our message resets the channel. What it has sent itself can still be read. */
const receiveAny = ({ channel }: FarEnd): Effect.Effect<Received, SyscallError, Kernel> =>
  receive(channel).pipe(onErrno(["ECONNRESET"], () => receive(channel)))

/**
 * How long one poll of the channel lasts, in milliseconds; data ends it at once. After each poll, the clock decides whether
 * the start has taken too long. Each poll registers its descriptors first, which costs more than the wait.
 */
const glance = 100

/** The next message on the channel. Fails with {@link InitStuck} if none has come in time. */
const next = Effect.fnUntraced(function*(peer: Peer, waitingFor: string) {
  const fds = peer.isLast === true ? [peer.channel, peer.pidfd] : [peer.channel]
  let hasEnded = false
  while (true) {
    const left = peer.deadline - (yield* Clock.currentTimeMillis)
    const timeout = Math.max(1, Math.min(Math.ceil(left) + 1, glance))
    const [events, end = 0] = yield* sys.poll({ fds, events: c.POLL.IN, timeout })
    if (events !== 0) return yield* receiveAny(peer)
    // a process closes the channel before its end is reported. But the channel has no end of file while another process in
    // the container holds it
    if (hasEnded) return { _tag: "Closed" } as const
    hasEnded = end !== 0
    if ((yield* Clock.currentTimeMillis) > peer.deadline) {
      return yield* new InitStuck({ waitingFor, milliseconds: peer.patience })
    }
    yield* Effect.yieldNow
  }
})

/** The calls that {@link whileInitWaits} makes; for the headers of steps. */
export const peerCalls = ["poll", ...receiveCalls, "waitid"] as const

/**
 * Does the parent's part while the init waits for it. If that fails, and the init has ended or has reported a failure, the
 * result is the init's failure, since the parent's only follows from it (`ESRCH`, `EPIPE`).
 */
export const whileInitWaits = <A, E, R>(
  peer: FarEnd,
  part: Effect.Effect<A, E, R>
): Effect.Effect<A, E | Failure, R | Kernel> =>
  Effect.catch(part, (error) =>
    Effect.gen(function*() {
      // when a process ends, the kernel removes it first, and closes its descriptors a moment later
      const timeout = error instanceof SyscallError && error.code === "ESRCH" ? 1000 : 0
      const [events] = yield* sys.poll({ fds: [peer.channel], events: c.POLL.IN, timeout })
      if (events === 0) return yield* Effect.fail(error)
      const received = yield* receiveAny(peer)
      return yield* failBy(peer, received, "the parent to do its part")
    }))

/** Reaps a process through its pidfd, within so many milliseconds; `null` if it still lives or is no child of ours. */
export const reapWithin = Effect.fnUntraced(function*(pidfd: AnyPidfd, milliseconds: number) {
  const deadline = (yield* Clock.currentTimeMillis) + milliseconds
  for (let left = milliseconds;; left -= glance) {
    const [events] = yield* sys.poll({ fds: [pidfd], events: c.POLL.IN, timeout: Math.min(left, glance) })
    // on a busy machine, a poll takes longer than its limit
    if (events !== 0 || left <= glance || (yield* Clock.currentTimeMillis) > deadline) break
    yield* Effect.yieldNow
  }
  return yield* sys.waitid({ idtype: c.P.PIDFD, id: pidfd, options: c.W.EXITED | c.W.NOHANG }).pipe(
    orOn(["ECHILD"], null)
  )
})

/**
 * The failure of an init, unchanged. The caller who chose the init's pipeline knows which errors its steps can fail with,
 * and adds them to the type.
 *
 * @since 0.2.0
 */
export type InitFailed = PipelineError<never>

type Failure = InitFailed | SyscallError | InitDied | InitStuck | ChannelGarbled

/** Waits for one message. If the init has failed, fails with the same error. */
export const await_ = (
  peer: Peer,
  tag: Message["_tag"]
): Effect.Effect<{ readonly message: Message; readonly pid: AnyPid | undefined }, Failure, Kernel> =>
  Effect.flatMap(next(peer, `its word "${tag}"`), (received) => {
    if (received._tag === "Message" && received.message._tag === tag) return Effect.succeed(received)
    return failBy(peer, received, `its word "${tag}"`)
  })

/**
 * Waits without a bound until the init ends or sends something; both are a failure. This wait does not keep the process
 * alive.
 *
 * @since 0.2.0
 */
export const untilItFails = (peer: FarEnd, waitingFor: string): Effect.Effect<never, Failure, Kernel> =>
  Effect.gen(function*() {
    const wait = sys.poll({ fds: [peer.channel, peer.pidfd], events: c.POLL.IN, timeout: -1 })
    const [events = 0] = yield* Effect.provideService(wait, KeepsAlive, false)
    const received: Received = events === 0 ? { _tag: "Closed" } : yield* receiveAny(peer)
    return yield* failBy(peer, received, waitingFor)
  })

const theExec = "the exec of the program"

/**
 * Waits for the end of file: exec has closed the channel.
 *
 * The exec trampoline, which can't write JSON, reports a failed execve(2) as `E` and the errno in four bytes. That is the
 * failure of the init's last step, and is reported as such. A filter can refuse even those bytes: if it lets no program be
 * started, the end of file means that the trampoline has died.
 */
const awaitExec = (
  peer: Peer,
  pipeline: string,
  execve: SyscallError["call"]
): Effect.Effect<void, Failure, Kernel> =>
  Effect.flatMap(next(peer, theExec), (received): Effect.Effect<void, Failure, Kernel> => {
    const { pidfd, refusesExec = false } = peer
    if (received._tag === "Closed") {
      if (!refusesExec) return Effect.void
      return Effect.flatMap(
        reapWithin(pidfd, 1000),
        (status) => Effect.fail(new InitDied({ waitingFor: theExec, status, refusesExec }))
      )
    }
    const code = received._tag === "Raw" ? execFailure(received.data) : undefined
    if (code === undefined) return failBy(peer, received, theExec)
    const reason = new ExecRefused({ reason: new SyscallError({ call: execve, code }) })
    return Effect.fail(
      new PipelineError({
        pipeline,
        step: execStep,
        reason,
        advice: refusesExec ? forbiddenExecAdvice : reason.advice,
        undone: [],
        residue: [],
        rollback: []
      })
    )
  })

/**
 * Waits until the channel has hung up, but only for a glance. The last word of an init and the end of file behind it come at nearly the
 * same time, and so does a failure: one wait serves both. If somebody else holds the channel, the waits that follow find out.
 */
const untilHungUp = ({ channel, deadline }: Peer) =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const timeout = Math.max(1, Math.min(deadline - now, glance))
    return sys.poll({ fds: [channel], events: 0, timeout })
  })

/**
 * Waits for "Ready", and until exec has closed the channel behind it: then the program runs.
 *
 * @since 0.2.0
 */
export const programRuns = (
  peer: Peer,
  pipeline: string,
  { args, env }: Process
): Effect.Effect<void, Failure, Kernel> =>
  Effect.andThen(
    Effect.andThen(untilHungUp(peer), await_(peer, "Ready")),
    awaitExec(peer, pipeline, { _tag: "execve", path: args[0] ?? "", argv: args, envp: env.map(String) })
  )

/** If the configuration's own filter refuses a call, that is the cause, even if the step explains the errno otherwise. */
const explained = (peer: FarEnd, error: PipelineError): Effect.Effect<PipelineError, never, Kernel> =>
  Effect.gen(function*() {
    const { reason, residue } = error
    if (!(reason instanceof SyscallError) || !residue.includes(filterStep) || peer.why === undefined) return error
    const { forbidden = [] } = yield* peer.why
    const refused = kernelNames(reason.call._tag).filter((name) => forbidden.includes(name))
    return refused.length > 0 ? new PipelineError({ ...error, advice: seccompAdvice(refused) }) : error
  })

/** Fails as the init has failed; a defect stays a defect. */
const failAsInit = (peer: FarEnd, cause: Cause.Cause<unknown>): Effect.Effect<never, InitFailed, Kernel> => {
  const error = Cause.hasDies(cause) ? undefined : cause.reasons.find(Cause.isFailReason)?.error
  return error instanceof PipelineError
    ? Effect.flatMap(explained(peer, error), (error) => Effect.fail(error as InitFailed))
    : Effect.failCause(cause as Cause.Cause<never>)
}

/** Fails with what an unexpected message or end means. */
const failBy = (peer: FarEnd, received: Received, waitingFor: string): Effect.Effect<never, Failure, Kernel> => {
  const { failure } = peer.report
  if (received._tag === "Closed") {
    return Effect.gen(function*() {
      const status = yield* reapWithin(peer.pidfd, 1000)
      const { cpuTime, forbidden, shortage }: WhyDied = peer.why === undefined ? {} : yield* peer.why
      return yield* new InitDied({
        waitingFor,
        status,
        ...given({ shortage, forbidden, cpuTime })
      })
    })
  }
  // a container that can reach the process may send this message in the init's name, although the init has not failed
  const hasFailed = received._tag === "Message" && received.message._tag === "Failed" && failure !== undefined
  if (hasFailed) return failAsInit(peer, failure)
  const got = received._tag === "Raw"
    ? `${received.data.length} bytes that are no message`
    : `"${received.message._tag}"`
  return Effect.fail(new ChannelGarbled({ waitingFor, got }))
}
