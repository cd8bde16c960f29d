/**
 * `prune`: removes what nobody owns any more: containers whose runtime has ended before it could remove them, even if they run
 * on, and the rest of interrupted starts.
 *
 * @category acts
 * @since 0.2.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pipeline from "../engine/Pipeline.ts"
import type { Failure } from "../engine/Pipeline.ts"
import type { Kernel } from "../native/Kernel.ts"
import { ownerless } from "../pipelines/ownerless.ts"
import type { StateRootError } from "../steps/caller/stateRoot.ts"
import { StateRoot } from "../steps/list/facts.ts"
import { DetachedToo, type Verdict, Verdicts } from "../steps/list/judgeOwners.ts"
import type { Strategy } from "../steps/network/Strategy.ts"
import type { ContainerId } from "../steps/state/ContainerId.ts"
import { stateRoot } from "./caller.ts"
import { type RemoveError, removeJudged } from "./removing.ts"

/** What is removed, and how. */
export interface PruneOptions {
  /** Only report what would be removed. */
  readonly dryRun?: boolean
  /** Also detached containers that have ended. */
  readonly detached?: boolean
  /** The kinds of network that the containers were started with. */
  readonly strategies?: ReadonlyArray<Strategy>
}

/** What became of one container. */
export type Pruned =
  /** It was removed; with `dryRun`, it would be. `killed`: processes of it ran on, and were killed first. */
  | { readonly _tag: "Removed"; readonly id: ContainerId; readonly why: string; readonly killed: boolean }
  | { readonly _tag: "Kept"; readonly id: ContainerId; readonly why: string }
  /** It could not be removed, or it could not be decided. */
  | { readonly _tag: "Failed"; readonly id: ContainerId; readonly error: Error }

const pruneOne = (
  root: string,
  verdict: Verdict,
  { dryRun = false, strategies }: PruneOptions
): Effect.Effect<Pruned, RemoveError, Kernel> =>
  Effect.gen(function*() {
    const { id } = verdict
    if (verdict._tag === "Unknown") return { _tag: "Failed", id, error: verdict.error }
    if (verdict._tag === "Keep") return { _tag: "Kept", id, why: verdict.why }
    const told: Pruned = { _tag: "Removed", id, why: verdict.why, killed: verdict.runsOn }
    // under the lock: it may be another container by now
    if (dryRun || (yield* removeJudged(root, id, verdict.state, { strategies }))) return told
    return { _tag: "Kept", id, why: "another command has changed it meanwhile" }
  })

/** What {@link prune} can fail with. */
export type PruneError = StateRootError | Failure<typeof ownerless>

/**
 * Removes what has no owner any more below a state root: containers whose runtime has ended before it could remove them. They
 * have ended, or their start was interrupted, or they run on without the runtime that was to stay with them: these are killed.
 * Reports for each container what became of it, and why. If one can't be removed, the others still are.
 */
export const prune = (
  options: PruneOptions & { readonly stateRoot?: string } = {}
): Effect.Effect<ReadonlyArray<Pruned>, PruneError, Kernel> =>
  Effect.gen(function*() {
    const root = options.stateRoot ?? (yield* stateRoot)
    const facts = yield* Pipeline.run(ownerless).pipe(
      Effect.provideService(StateRoot, root),
      Effect.provideService(DetachedToo, options.detached === true)
    )
    const all: Array<Pruned> = []
    for (const verdict of Context.get(facts, Verdicts)) {
      const exit = yield* Effect.exit(pruneOne(root, verdict, options))
      if (Exit.isSuccess(exit)) {
        all.push(exit.value)
        continue
      }
      const failure = exit.cause.reasons.find(Cause.isFailReason)
      if (failure === undefined) return yield* Effect.failCause(exit.cause as Cause.Cause<never>)
      if (failure.error._tag !== "ContainerNotFound") all.push({ _tag: "Failed", id: verdict.id, error: failure.error })
    }
    return all
  })
