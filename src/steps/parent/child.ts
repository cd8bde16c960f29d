/**
 * Children of this process that become part of a container: a handle for each as soon as it exists, and their end.
 *
 * On its way into a pid namespace, a child clones a sibling (`CLONE_PARENT`). It may die before it has reported the
 * sibling's pid. But before that it makes a session and process group of its own, by which the sibling is found.
 *
 * @see waitid(2), setsid(2)
 * @category parent
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Step from "../../engine/Step.ts"
import { P, SIG, W } from "../../native/constants.ts"
import { keeping } from "../../native/Files.ts"
import { Fork, type Passed } from "../../native/Fork.ts"
import type { AnyPid, AnyPidfd } from "../../native/Handle.ts"
import { type Kernel, onErrno, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import { reapWithin } from "./conversation.ts"
import { ChannelGarbled } from "./errors.ts"

/** A child of this process. */
export interface Child {
  readonly pid: AnyPid
  /** A handle of the child, and later of its sibling: `enterNamespaces` gives that one the same number. */
  readonly pidfd: AnyPidfd
  /** Lets the child's effect continue with what the child has answered: see `Fork`. */
  readonly catchUp: Effect.Effect<void>
  /** Ends what is left of the child's effect: see `Fork`. */
  readonly forget: Effect.Effect<void>
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

/** How long a process that can't be killed may take to end by itself, in milliseconds. */
const ownEndBound = 1000

const groupPause = 2

/** Kills and reaps what is left of a child's process group: children of ours only. */
const reapGroup = Effect.fnUntraced(function*(pid: AnyPid) {
  for (let waited = 0; waited < deathBound; waited += groupPause) {
    const status = yield* sys.waitid({ idtype: P.PGID, id: pid, options: W.EXITED | W.NOHANG }).pipe(
      orOn(["ECHILD"], undefined)
    )
    if (status === undefined) return
    if (status !== null) continue
    // a child of ours lives in this group, so no other group can have its number
    yield* sys.kill({ pid: -pid, signal: SIG.KILL }).pipe(orOn(["ESRCH"], undefined))
    yield* sys.nanosleep({ nanoseconds: BigInt(groupPause) * 1_000_000n })
  }
})

/**
 * Kills a child and its sibling, and reaps them. It is no failure if they are reaped already. The child's effect ends too,
 * whether it has succeeded or failed.
 */
export const end = ({ forget, pid, pidfd }: Child): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.ensuring(endProcess(pid, pidfd), forget)

const endProcess = Effect.fnUntraced(
  function*(pid: AnyPid, pidfd: AnyPidfd): Effect.fn.Return<void, SyscallError, Kernel> {
    const sent = yield* Effect.exit(sys.pidfd_send_signal({ pidfd, signal: SIG.KILL }).pipe(orOn(["ESRCH"], undefined)))
    // EPERM: the child runs as another user by now, and the caller lacks CAP_KILL. A child that has failed ends by itself
    const ended = yield* reapWithin(pidfd, Exit.isSuccess(sent) ? deathBound : ownEndBound)
    if (Exit.isFailure(sent) && ended === null) return yield* sent
    yield* reapGroup(pid)
  }
)

/** As {@link end}, and then closes the handle, also if ending the child failed. */
const killAndReap = (child: Child): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.flatMap(Effect.exit(end(child)), (ended) => Effect.andThen(sys.close({ fd: child.pidfd }), ended))

const spawned = Effect.fnUntraced(function*<R>(
  flags: number,
  child: Effect.Effect<unknown, unknown, R>,
  descriptors: ReadonlyArray<Passed>,
  undo: (end: Effect.Effect<void, SyscallError, Kernel>) => Effect.Effect<void, SyscallError, Kernel>
): Effect.fn.Return<Child, SyscallError, R | Kernel | Fork | Step.Rollback> {
  const fork = yield* Fork
  const { catchUp, forget, pid } = yield* fork.start(flags, child, descriptors)
  const pidfd = yield* Effect.catchCause(
    sys.pidfd_open({ pid, flags: 0 }),
    (cause) =>
      Effect.flatMap(Effect.exit(Effect.ensuring(killUnheld(pid), forget)), (ended) =>
        // if stopping the child fails too, both causes are reported
        Effect.failCause(Exit.isFailure(ended) ? Cause.combine(cause, ended.cause) : cause))
  )
  const held: Child = { pid, pidfd, catchUp, forget }
  yield* Step.onRollback(undo(killAndReap(held)))
  return held
})

/**
 * Starts a child and returns its handle. If there is no handle for the child, it is killed.
 *
 * @param descriptors all that the child gets in addition to the standard streams, with their numbers in the child
 * @param undo turns the end of the child into what the rollback does
 */
export const spawnChild = <R>(
  flags: number,
  child: Effect.Effect<unknown, unknown, R>,
  descriptors: ReadonlyArray<Passed>,
  undo: (end: Effect.Effect<void, SyscallError, Kernel>) => Effect.Effect<void, SyscallError, Kernel> = (end) => end
): Effect.Effect<Child, SyscallError, R | Kernel | Fork | Step.Rollback> =>
  // no interruption between the child and its handle
  Effect.uninterruptible(spawned(flags, child, descriptors, undo))

/** Kills a child by its pid, which no other process can have until the child is reaped. */
const killUnheld = (pid: AnyPid): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.andThen(
    sys.kill({ pid, signal: SIG.KILL }),
    Effect.asVoid(sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED }))
  )

const stranger = (pid: AnyPid) =>
  Effect.fail(new ChannelGarbled({ waitingFor: "its word \"Entered\"", got: `the pid of a stranger (${pid})` }))

const judgeSuccessor = Effect.fnUntraced(function*(pid: AnyPid, pidfd: AnyPidfd, predecessor: number) {
  yield* sys.waitid({ idtype: P.PIDFD, id: pidfd, options: W.EXITED | W.NOHANG | W.NOWAIT }).pipe(
    onErrno(["ECHILD"], () => stranger(pid))
  )
  // a child that is not reaped still has its number
  const session = yield* sys.getsid({ pid }).pipe(onErrno(["ESRCH"], () => stranger(pid)))
  if (session !== predecessor) yield* stranger(pid)
})

/**
 * A handle of the process that a child has named as the one in which it continues. A process of the container may have
 * forged that message, so that some other process, such as another child of this one, would be signalled. So the kernel
 * is asked two things. Is the named process a child of this process? Is it in the session that its predecessor made before
 * it cloned it? No process can join a session later.
 *
 * @param predecessor the child's pid, even if the child has been reaped
 * @see setsid(2), getsid(2)
 * @since 0.2.0
 */
export const openSuccessor = (
  pid: AnyPid,
  predecessor: number
): Effect.Effect<number, SyscallError | ChannelGarbled, Kernel> =>
  keeping(
    sys.pidfd_open({ pid, flags: 0 }).pipe(onErrno(["ESRCH", "EINVAL"], () => stranger(pid))),
    (pidfd) => judgeSuccessor(pid, pidfd, predecessor)
  )
