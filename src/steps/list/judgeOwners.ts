/**
 * Decide for each container whether it may be removed: its runtime has ended, and it has ended, or runs on although its runtime
 * was to stay with it.
 *
 * A container is kept if it belongs to another user, if its runtime lives, or if its pid namespace can't be seen from here. A
 * detached container is kept as long as it runs, and also afterwards, unless the caller asks for it: an engine may still want to
 * read its state.
 *
 * @category steps
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import type { AnyUid } from "../../native/Handle.ts"
import { type Kernel, sys, type SyscallError } from "../../native/Kernel.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import { pause } from "../cgroup/files.ts"
import type { ContainerId } from "../state/ContainerId.ts"
import type { ContainerNotFound, InvalidId, StateCorrupt } from "../state/errors.ts"
import { isUnwritten } from "../state/removal.ts"
import type { State } from "../state/State.ts"
import { statusCalls } from "../state/status.ts"
import * as Store from "../state/Store.ts"
import { initOf, isOrphan, runnerOf } from "../state/whereabouts.ts"
import { Entries, StateRoot } from "./facts.ts"

/** Whether detached containers that have ended are removed as well. */
export class DetachedToo extends Context.Service<DetachedToo, boolean>()("runfx/DetachedToo") {}

/** What happens to a container, and why. */
export type Verdict =
  | { readonly _tag: "Keep"; readonly id: ContainerId; readonly why: string }
  /** `state` is the one that was judged; absent if it had none. `runsOn`: processes of it still run, and have to be killed. */
  | {
    readonly _tag: "Remove"
    readonly id: ContainerId
    readonly why: string
    readonly runsOn: boolean
    readonly state?: State
  }
  /** It can't be decided. */
  | { readonly _tag: "Unknown"; readonly id: ContainerId; readonly error: JudgeError }

/** Why it can't be decided. */
export type JudgeError = Store.StoreError | InvalidId | StateCorrupt | Cgroup.NotACgroup

/** The verdicts on all containers. */
export class Verdicts extends Context.Service<Verdicts, ReadonlyArray<Verdict>>()("runfx/Verdicts") {}

type Sentence =
  | { readonly _tag: "Keep"; readonly why: string }
  | { readonly _tag: "Remove"; readonly why: string; readonly runsOn: boolean }

/** The verdict on a container whose state can be read. */
const judge = Effect.fnUntraced(function*(state: State, euid: AnyUid, detachedToo: boolean) {
  const keep = (why: string): Sentence => ({ _tag: "Keep", why })
  const remove = (why: string, runsOn = false): Sentence => ({ _tag: "Remove", why, runsOn })
  if (state.owner !== euid) return keep(`it is of another user (uid ${state.owner})`)
  const init = yield* initOf(state)
  const orphan = yield* isOrphan(state)
  if (init._tag === "Alive") {
    return orphan ? remove("it runs on without its runtime, which has ended", true) : keep("it runs")
  }
  if (init._tag === "Unseen") {
    return keep(`it is of the pid namespace ${init.pidNamespace}, which can't be seen from here`)
  }
  const runner = yield* runnerOf(state)
  if (runner._tag === "Unseen") {
    return keep(`its runtime is of the pid namespace ${runner.pidNamespace}, which can't be seen from here`)
  }
  if (runner._tag === "Alive") return keep(`its runtime, process ${runner.process.pid}, lives`)
  // a cgroup that was not made yet counts as empty
  if (state.cgroup !== undefined && (yield* Cgroup.population(state.cgroup)) > 0) {
    return orphan
      ? remove("its runtime has ended, and has left processes in its cgroup", true)
      : keep("processes that it has left behind still run in its cgroup")
  }
  if (init._tag === "None") {
    return runner._tag === "Ended"
      ? remove("its start was cut short")
      : keep("it is being started, or its start was cut short: who did it can't be told")
  }
  if (runner._tag === "Ended") return remove("it has ended, and so has its runtime")
  return detachedToo
    ? remove("it was detached, and has ended")
    : keep("it was detached, and has ended: its maker may still ask for it")
})

/** How long a directory must stay without a state before it counts as the rest of an interrupted start, in milliseconds. */
const settling = 1000

const isMissing = (error: { readonly _tag: string }): boolean =>
  error._tag === "StateCorrupt" && (error as StateCorrupt).missing === true

/** A directory without a state belongs to a start that has just begun, or to one that was interrupted at that moment. */
const staysEmpty = Effect.fnUntraced(function*(root: string, id: string) {
  // any other directory without a state may be anybody's
  if (!(yield* isUnwritten(root, id))) return false
  const inode = yield* Store.inodeOf(root, id)
  for (let slept = 0; slept < settling; slept += 50) yield* pause(50)
  const again = yield* Effect.result(Store.load(root, id))
  return again._tag === "Failure" && isMissing(again.failure) && (yield* Store.inodeOf(root, id)) === inode
})

/** Decides for each of them. One that is deleted meanwhile is left out. */
export const judgeOwners = Step.make("judgeOwners", {
  doc: "judge of each container whether it runs, or anybody still owns it",
  calls: [...new Set([...statusCalls, "getresuid" as const])],
  requires: [StateRoot, Entries, DetachedToo],
  provides: Verdicts,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const root = yield* StateRoot
    const detachedToo = yield* DetachedToo
    const { effective: euid } = yield* sys.getresuid({})
    const verdicts: Array<Verdict> = []
    for (const entry of yield* Entries) {
      const { id } = entry
      const judged: Effect.Effect<Verdict, JudgeError | ContainerNotFound | SyscallError, Kernel> = "state" in entry
        ? Effect.map(judge(entry.state, euid, detachedToo), (sentence) => ({ ...sentence, id, state: entry.state }))
        : Effect.map(isMissing(entry.error) ? staysEmpty(root, id) : Effect.succeed(false), (stays) =>
          stays
            ? { _tag: "Remove", id, why: "its start was cut short before anything was made", runsOn: false }
            : { _tag: "Unknown", id, error: entry.error })
      const verdict = yield* Effect.result(judged)
      if (verdict._tag === "Success") verdicts.push(verdict.success)
      else if (verdict.failure._tag !== "ContainerNotFound") {
        verdicts.push({ _tag: "Unknown", id, error: verdict.failure })
      }
    }
    return verdicts
  })
})
