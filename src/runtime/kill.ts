/**
 * `kill`: sends signals to a container.
 *
 * @category acts
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { given } from "../engine/given.ts"
import * as Pipeline from "../engine/Pipeline.ts"
import { act } from "../engine/spans.ts"
import { SIG } from "../native/constants.ts"
import type { Kernel } from "../native/Kernel.ts"
import { signal as signalPipeline } from "../pipelines/signal.ts"
import type { StateRootError } from "../steps/caller/stateRoot.ts"
import type { NotACgroup } from "../steps/cgroup/errors.ts"
import { SignalTarget } from "../steps/signal/SignalTarget.ts"
import type { AnyContainerId } from "../steps/state/ContainerId.ts"
import type { ContainerNotFound, InvalidId, ProcessUnseen } from "../steps/state/errors.ts"
import type { State } from "../steps/state/State.ts"
import { status as statusOf } from "../steps/state/status.ts"
import * as Store from "../steps/state/Store.ts"
import { initOf } from "../steps/state/whereabouts.ts"
import { stateRoot } from "./caller.ts"
import { NotRunning, processUnseen } from "./NotRunning.ts"
import { type KillAllError, killContainer } from "./removing.ts"

/**
 * What a signal can fail with, if the state of its container is known.
 *
 * @since 0.2.0
 */
export type SignalError =
  | Store.StoreError
  | InvalidId
  | ContainerNotFound
  | NotACgroup
  | NotRunning
  | ProcessUnseen
  | KillAllError
  | Pipeline.Failure<typeof signalPipeline>

/** What {@link kill} can fail with. */
export type KillError = StateRootError | Store.LoadError | SignalError

/** Which processes get a signal besides the container's first one. */
interface Receivers {
  readonly all?: boolean | undefined
  readonly children?: ReadonlyArray<number> | undefined
}

/**
 * Sends a signal to the container that a state describes, even if its id is another container's by now.
 *
 * @param root where its state is kept
 */
export const signalTo = (
  root: string,
  state: State,
  signal: number,
  { all = false, children }: Receivers = {}
): Effect.Effect<void, SignalError, Kernel> =>
  Effect.gen(function*() {
    const { cgroup, id } = state
    const known = yield* initOf(state)
    // the cgroups list their members, even if the first process can't be seen
    if (signal === SIG.KILL && (known._tag !== "Unseen" || cgroup !== undefined)) {
      const found = yield* killContainer(state, known, children)
      // what the init has left behind can be killed; if there is nothing, the OCI specification has that be an error
      if (found.length > 0) return
    }
    if (known._tag === "Unseen") return yield* processUnseen(state, known)
    if (known._tag !== "Alive") return yield* new NotRunning({ id, status: yield* statusOf(root, state, known) })
    yield* Pipeline.run(signalPipeline).pipe(
      Effect.provideService(SignalTarget, { signal, init: known.process, all, ...given({ cgroup }) })
    )
  })

/**
 * Sends a signal to the container's first process, or, with `all`, to all of its processes; SIGKILL always kills all of them
 * (the kill pipeline). SIGCONT also thaws its cgroups, no matter what froze them: a pause, a kill that was itself killed, or
 * a process inside. Fails with {@link NotRunning} if nothing of the container is left to get it.
 *
 * @param options.children processes that the caller has started in the container by {@link start} and does not wait for
 *   yet. The container can't end before they are reaped, and only the caller can do that
 */
export const kill = (
  id: AnyContainerId,
  signal: number,
  options: { readonly stateRoot?: string; readonly all?: boolean; readonly children?: ReadonlyArray<number> } = {}
): Effect.Effect<void, KillError, Kernel> =>
  Effect.gen(function*() {
    const root = options.stateRoot ?? (yield* stateRoot)
    const state = yield* Store.load(root, id)
    yield* signalTo(root, state, signal, options)
  }).pipe(act("Runtime.kill", { "container.id": id, "runfx.signal": signal }))
