/**
 * Children of this process that become part of a container: a handle for each as soon as it exists, and their end.
 *
 * A child may clone another one beside itself, on its way into a pid namespace (`CLONE_PARENT`), and may die before it
 * could tell the pid of that one. But it makes a process group of its own first, and by that the other one is found.
 *
 * @see waitid(2), setsid(2)
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Step from "../../engine/Step.ts"
import { P, SIG, W } from "../../native/constants.ts"
import { Fork } from "../../native/Fork.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import { reap } from "./conversation.ts"

/** A child of this process. */
export interface Child {
  readonly pid: number
  /** Stands for what it cloned beside itself as soon as the parent knows that one. */
  readonly pidfd: number
}

/** The calls that {@link spawnChild} and {@link killAndReap} make; for the headers of steps. */
export const childCalls = [
  "clone",
  "pidfd_open",
  "pidfd_send_signal",
  "kill",
  "poll",
  "waitid",
  "nanosleep",
  "close"
] as const

/** How long a killed process may take to die, in milliseconds. */
const deathBound = 10_000

/** How long one that can't be killed may take to end by itself. */
const ownEndBound = 1000

const groupPause = 2

/** Kills and reaps what is left of a child's process group: children of ours only. */
const reapGroup = Effect.fnUntraced(function*(pid: number) {
  for (let waited = 0; waited < deathBound; waited += groupPause) {
    const status = yield* sys.waitid({ idtype: P.PGID, id: pid, options: W.EXITED | W.NOHANG }).pipe(
      orOn(["ECHILD"], undefined)
    )
    if (status === undefined) return
    if (status !== null) continue
    // a child of ours is in the group and lives: so the number of the group can't be another one's
    yield* ignoring("ESRCH", sys.kill({ pid: -pid, signal: SIG.KILL }))
    yield* sys.nanosleep({ nanoseconds: BigInt(groupPause) * 1_000_000n })
  }
})

const ignoring = <R>(code: SyscallError["code"], self: Effect.Effect<void, SyscallError, R>) =>
  Effect.catchIf(self, (error) => error.code === code, () => Effect.void)

/** Kills a child and what it cloned beside itself, and reaps them. What is reaped already is fine. */
export const end = ({ pid, pidfd }: Child): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.gen(function*() {
    const sent = yield* Effect.exit(ignoring("ESRCH", sys.pidfd_send_signal({ pidfd, signal: SIG.KILL })))
    // EPERM: it is another user by now, and the caller lacks CAP_KILL; a child that has failed ends by itself, though
    const ended = yield* reap(pidfd, Exit.isSuccess(sent) ? deathBound : ownEndBound)
    if (Exit.isFailure(sent) && ended === null) return yield* sent
    yield* reapGroup(pid)
  })

/** As {@link end}, and closes the handle, whatever the end came to. */
export const killAndReap = (child: Child): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.flatMap(Effect.exit(end(child)), (ended) => Effect.andThen(sys.close({ fd: child.pidfd }), ended))

/**
 * Starts a child and gives its handle; one for which there is no handle does not live on.
 *
 * @param undo makes of the child's end what is done on rollback
 */
export const spawnChild = <R>(
  flags: number,
  child: Effect.Effect<unknown, unknown, R>,
  undo: (end: Effect.Effect<void, SyscallError, Kernel>) => Effect.Effect<void, SyscallError, Kernel> = (end) => end
): Effect.Effect<Child, SyscallError, R | Kernel | Fork | Step.Rollback> =>
  // no interruption between the child and its handle
  Effect.uninterruptible(Effect.gen(function*() {
    const fork = yield* Fork
    const pid = yield* fork.spawn(flags, child)
    const pidfd = yield* Effect.catchCause(sys.pidfd_open({ pid, flags: 0 }), (cause) =>
      Effect.flatMap(Effect.exit(killUnheld(pid)), (ended) =>
        // what its end failed with stands beside why there is no handle
        Effect.failCause(Exit.isFailure(ended) ? Cause.combine(cause, ended.cause) : cause)))
    const held: Child = { pid, pidfd }
    yield* Step.onRollback(undo(killAndReap(held)))
    return held
  }))

/** By pid, which is no other's as long as the child is not reaped. */
const killUnheld = (pid: number): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.andThen(
    sys.kill({ pid, signal: SIG.KILL }),
    Effect.asVoid(sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED }))
  )
