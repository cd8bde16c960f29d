/**
 * The status of a container: asked of the kernel each time, so that it can't be out of date.
 *
 * @see OCI runtime.md#state
 */
import * as Effect from "effect/Effect"
import type { Kernel } from "../../native/Kernel.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import { isAlive, statCalls } from "../processes.ts"
import type { ContainerNotFound, InvalidId } from "./errors.ts"
import type { State } from "./State.ts"
import { isGated, storeCalls, type StoreError } from "./Store.ts"

/**
 * - `creating`: there is no process yet
 * - `created`: its first process waits to be started
 * - `running`
 * - `paused`: it runs, but its cgroup is frozen, by whomever
 * - `stopped`: its first process has ended; a zombie has
 */
export type Status = "creating" | "created" | "running" | "paused" | "stopped"

/** The calls that {@link status} may make. */
export const statusCalls = [...new Set([...statCalls, ...Cgroup.freezerCalls, ...storeCalls])]

/** The status of a container whose state is kept below `root`. */
export const status = (
  root: string,
  { cgroup, id, init }: State
): Effect.Effect<Status, StoreError | Cgroup.NotACgroup | InvalidId | ContainerNotFound, Kernel> =>
  Effect.gen(function*() {
    if (init === undefined) return "creating"
    if (!(yield* isAlive(init))) return "stopped"
    if (cgroup !== undefined && (yield* Cgroup.isFrozen(cgroup))) return "paused"
    return (yield* isGated(root, id)) ? "created" : "running"
  })
