/**
 * Let the processes continue, so that they can die.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import { Frozen, Signalled, Thawed } from "./facts.ts"
import { KillTarget } from "./KillTarget.ts"

/** Thaws what the kill or an earlier pause has frozen: in a v1 cgroup, SIGKILL takes effect only after that. */
export const thaw = Step.make("thaw", {
  doc: "let the processes continue, so that the signal reaches them",
  calls: Cgroup.freezerCalls,
  requires: [KillTarget, Frozen, Signalled],
  provides: Thawed,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { cgroup } = yield* KillTarget
    if (cgroup !== undefined) yield* Cgroup.thaw(cgroup, { insist: true })
    return true as const
  })
})
