/**
 * A container that stands still: it is paused, or it is about to end.
 *
 * A kill freezes what it kills, and so does a forced removal. If that were called a pause, the advice would be to thaw it.
 *
 * @category acts
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import { exitCodeOf } from "../engine/PipelineError.ts"
import { SIG } from "../native/constants.ts"
import type { Kernel } from "../native/Kernel.ts"
import type { NotACgroup } from "../steps/cgroup/Cgroup.ts"
import { pause } from "../steps/cgroup/files.ts"
import { procView, readBelowProc } from "../steps/proc/numbers.ts"
import type { ProcessIdentity } from "../steps/proc/processes.ts"
import { holdsSignal } from "../steps/proc/signals.ts"
import { ContainerNotFound, type InvalidId } from "../steps/state/errors.ts"
import type { State } from "../steps/state/State.ts"
import { type Status, status as statusOf } from "../steps/state/status.ts"
import * as Store from "../steps/state/Store.ts"
import { initOf, type Whereabouts } from "../steps/state/whereabouts.ts"
import { NotRunning } from "./NotRunning.ts"

/** How long a container must stand still until it is taken for paused, in milliseconds: a kill thaws it sooner. */
const patience = 100

/** Between two looks, in milliseconds. */
const interval = 5

/** Whether SIGKILL was sent to a process that does not feel it yet. */
const isKilled = ({ pid }: ProcessIdentity) =>
  Effect.gen(function*() {
    const text = yield* readBelowProc(pid, "status", yield* procView)
    return text !== undefined && holdsSignal(text, SIG.KILL, "SigPnd", "ShdPnd")
  })

/** Whether another command is removing a container: who does that has its lock. */
const isRemoved = (root: string, id: string) =>
  Store.withLock(root, id, Effect.succeed(false), { milliseconds: 0 }).pipe(
    Effect.catchTag("StateLocked", () => Effect.succeed(true))
  )

/**
 * The status of a container, once it does not change any more: `ending` while another command kills or removes it.
 *
 * @param known where its first process is, as that was seen just now
 */
export const settledStatus = (
  root: string,
  state: State,
  known: Whereabouts
): Effect.Effect<Status | "ending", Store.StoreError | NotACgroup | InvalidId | ContainerNotFound, Kernel> =>
  Effect.gen(function*() {
    const first = yield* statusOf(root, state, known)
    if (first !== "paused" || known._tag !== "Alive") return first
    for (let slept = 0; slept < patience;) {
      if ((yield* isKilled(known.process)) || (yield* isRemoved(root, state.id))) return "ending"
      slept += yield* pause(interval)
      const now = yield* statusOf(root, state)
      if (now !== "paused") return now
    }
    return "paused"
  })

/** Whether an error is about the program itself, whatever has become of the container: it has an exit code of its own. */
const isOfProgram = (error: unknown): boolean => exitCodeOf(error) !== 1

/**
 * Names what has become of the container, if that is why a process could not join it: it was paused, has ended, or was
 * deleted meanwhile. Another error stays as it is.
 *
 * @param state of the container, when the process began to join it
 */
export const orWhatBecame =
  (root: string, state: State) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | NotRunning | ContainerNotFound, R | Kernel> =>
    Effect.catch(self, (error) => {
      const unchanged = Effect.fail(error)
      if (isOfProgram(error)) return unchanged
      const look = Effect.gen(function*() {
        const { nonce } = yield* Store.load(root, state.id)
        if (nonce !== state.nonce) {
          return yield* new ContainerNotFound({ id: state.id, path: `${root}/${state.id}`, meanwhile: true })
        }
        return yield* settledStatus(root, state, yield* initOf(state))
      })
      return Effect.flatMap(Effect.result(look), (found): Effect.Effect<never, E | NotRunning | ContainerNotFound> => {
        if (found._tag === "Failure") {
          return found.failure._tag === "ContainerNotFound"
            ? Effect.fail(found.failure)
            : unchanged
        }
        const status = found.success
        if (status === "running" || status === "created" || status === "unknown") return unchanged
        return Effect.fail(new NotRunning({ id: state.id, status, cause: error }))
      })
    })
