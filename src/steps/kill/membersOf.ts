/**
 * The processes of a cgroup, each named so that no later one can be taken for it.
 *
 * @category kill
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Cgroup from "../cgroup/Cgroup.ts"
import { procView } from "../proc/numbers.ts"
import { identify, type ProcessIdentity, statCalls } from "../proc/processes.ts"

/**
 * The calls that {@link membersOf} makes.
 *
 * @since 0.2.0
 */
export const membersOfCalls = [...new Set([...Cgroup.memberCalls, ...statCalls])]

/** The processes in the cgroup and in the groups below it. */
export const membersOf = Effect.fnUntraced(function*(cgroup: Cgroup.CgroupManager) {
  const found: Array<ProcessIdentity> = []
  const pids = yield* Cgroup.pids(cgroup)
  if (pids.length === 0) return found
  const view = yield* procView
  for (const pid of pids) {
    const process = yield* identify(pid, view)
    if (process !== undefined) found.push(process)
  }
  // the pid of a process that has ended may belong to another process by now: if it is listed again, that one is inside
  const still = new Set(yield* Cgroup.pids(cgroup))
  return found.filter(({ pid }) => still.has(pid))
})
