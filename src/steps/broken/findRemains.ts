/**
 * Find what a container without a readable state has left.
 *
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import { KillTarget } from "../kill/KillTarget.ts"
import { checkRemovable } from "../state/removal.ts"
import * as Store from "../state/Store.ts"
import { Broken } from "./Broken.ts"

/** Finds the cgroup of the default path: nothing else can be found by the id alone. Fails if there is no container. */
export const findRemains = Step.make("findRemains", {
  doc: "find the cgroup that a container of this id has by default",
  calls: [...Store.storeCalls],
  requires: [Broken],
  provides: KillTarget,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { id, left, stateRoot } = yield* Broken
    // a directory that no start has made is no container's: then nothing is killed, either
    if (left === "damaged") yield* checkRemovable(stateRoot, id)
    const found = yield* Effect.flatMap(Cgroup.detect, (hierarchies) => Cgroup.plan(hierarchies, { id })).pipe(
      Effect.catchTag("NoCgroupHierarchy", () => Effect.succeed(undefined))
    )
    if (found === undefined) return { children: [] }
    // nothing was written down, so nothing was made: a group of this name is another's, and without inodes it is not touched
    return { children: [], cgroup: left === "missing" ? { ...found, inodes: {} } : found }
  })
})
