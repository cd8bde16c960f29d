/**
 * List the container's processes.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { Frozen, ProcessesListed } from "./facts.ts"
import { KillTarget } from "./KillTarget.ts"
import { membersOf, membersOfCalls } from "./membersOf.ts"

/** The processes of the cgroup, and the init, which may have been moved out of it. */
export const listProcesses = Step.make("listProcesses", {
  doc: "list the processes in the container's cgroup",
  calls: membersOfCalls,
  requires: [KillTarget, Frozen],
  provides: ProcessesListed,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { cgroup, init } = yield* KillTarget
    const members = cgroup === undefined ? [] : yield* membersOf(cgroup)
    return init === undefined ? members : [init, ...members.filter(({ pid }) => pid !== init.pid)]
  })
})
