/**
 * `run`: a container from its start to its end.
 *
 * @category acts
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { makesNamespace } from "../config/Container.ts"
import type * as Pipeline from "../engine/Pipeline.ts"
import { act } from "../engine/spans.ts"
import type { Fork } from "../native/Fork.ts"
import type { Kernel } from "../native/Kernel.ts"
import type { Standard } from "../pipelines/standard.ts"
import type { Userns } from "../pipelines/userns.ts"
import { whileAttached } from "./attached.ts"
import { type CreateError, createWith } from "./create.ts"
import type { Sound } from "./flow.ts"
import { checkRunOptions, endsOnSignal, type RunOptions } from "./options.ts"
import { type Ended, type RunningContainer, toItsEnd } from "./program.ts"
import { removeOwn } from "./removing.ts"
import type { StreamError } from "./streams.ts"

/** What {@link run} can fail with; `P` is the pipeline of the init. */
export type RunError<P = Standard | Userns> = CreateError<P> | StreamError

const toItsRemoval = Effect.fnUntraced(function*<P extends Pipeline.Any, E, R>(
  restore: Pipeline.Restore,
  options: Sound<P> & RunOptions<P>,
  onRunning: (running: RunningContainer) => Effect.Effect<void, E, R>
): Effect.fn.Return<Ended, RunError<P> | E, Kernel | Fork | R> {
  const checked = yield* checkRunOptions<RunOptions>(options)
  const { root, ...running } = yield* createWith(restore, checked, { attached: true })
  const { cgroup, container } = running.state
  return yield* toItsEnd(restore, running, onRunning, {
    cgroup,
    counted: options.measured,
    measured: options.measured,
    end: (exit) => {
      const reaped = Exit.isSuccess(exit)
      // in a pid namespace of the container's own, no process is left after the first one's end
      const kill = !reaped || !makesNamespace(container, "pid")
      return [removeOwn(root, running, { kill, reaped, strategies: options.strategies })]
    }
  })
})

/**
 * Runs a container from its start to its end, and removes it. Interruption, or a failure on the way, kills and removes it
 * as well.
 *
 * The container does not outlive this process: its first process gets SIGKILL when the thread that has started it ends,
 * unless the container's `parentDeathSignal` names another signal (0: none). If a signal would end this process, and has no
 * listener, it interrupts all such runs first, and ends the process when all is removed: see {@link RunOptions.endOnSignal}.
 *
 * @param onRunning is called once, when the program runs
 */
export const run = <P extends Pipeline.Any = Standard | Userns, E = never, R = never>(
  options: Sound<P> & RunOptions<P>,
  onRunning: (running: RunningContainer) => Effect.Effect<void, E, R> = () => Effect.void
): Effect.Effect<Ended, RunError<P> | E, Kernel | Fork | R> =>
  Effect.uninterruptibleMask((restore) => toItsRemoval(restore, options, onRunning)).pipe(
    whileAttached(endsOnSignal(options)),
    act("Runtime.run", { "container.id": options?.id })
  )
