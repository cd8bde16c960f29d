/**
 * The status of a container. The kernel is asked each time, so that it can't be out of date.
 *
 * @see OCI runtime.md#state
 * @category state
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Kernel } from "../../native/Kernel.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import type { ContainerNotFound, InvalidId } from "./errors.ts"
import type { State } from "./State.ts"
import { isGated, storeCalls, type StoreError } from "./Store.ts"
import { initOf, type Whereabouts, whereaboutsCalls } from "./whereabouts.ts"

/**
 * - `creating`: there is no process yet
 * - `created`: its first process waits to be started
 * - `running`
 * - `paused`: it runs, but its cgroup is frozen, no matter by which process
 * - `stopped`: its first process has ended; a zombie counts as ended
 * - `unknown`: its first process belongs to a pid namespace that can't be seen from here
 */
export type Status = "creating" | "created" | "running" | "paused" | "stopped" | "unknown"

/** The calls that {@link status} may make. */
export const statusCalls = [
  ...new Set([...whereaboutsCalls, ...Cgroup.freezerCalls, ...Cgroup.memberCalls, ...storeCalls])
]

/** The status of a container whose state is kept below `root`. */
export const status = (
  root: string,
  state: State,
  known?: Whereabouts
): Effect.Effect<Status, StoreError | Cgroup.NotACgroup | InvalidId | ContainerNotFound, Kernel> =>
  Effect.gen(function*() {
    const { cgroup, id } = state
    switch ((known ?? (yield* initOf(state)))._tag) {
      case "None":
        return "creating"
      case "Ended":
        return "stopped"
      case "Unseen":
        // this also counts processes that have no pid in this namespace
        return cgroup !== undefined && (yield* Cgroup.population(cgroup)) > 0 ? "running" : "unknown"
      case "Alive":
        if (cgroup !== undefined && (yield* Cgroup.isFrozen(cgroup))) return "paused"
        return (yield* isGated(root, id)) ? "created" : "running"
    }
  })
