/**
 * Decide which processes get a signal.
 *
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { membersOf, membersOfCalls } from "../kill/membersOf.ts"
import { Receivers, SignalTarget } from "./SignalTarget.ts"

/** The first process; with `all`, every process of the cgroups. */
export const listReceivers = Step.make("listReceivers", {
  doc: "list the processes that get the signal",
  calls: membersOfCalls,
  requires: [SignalTarget],
  provides: Receivers,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { all, cgroup, init } = yield* SignalTarget
    return all && cgroup !== undefined ? yield* membersOf(cgroup) : [init]
  })
})
