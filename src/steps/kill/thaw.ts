/** Let the processes go on, so that they can die. */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import { Frozen, KillTarget, Signalled, Thawed } from "./KillTarget.ts"

/** Thaws whatever is frozen, by the kill or by an earlier pause: in a v1 cgroup, SIGKILL waits for that. */
export const thaw = Step.make("thaw", {
  doc: "let the processes go on, so that the signal reaches them",
  calls: Cgroup.freezerCalls,
  requires: [KillTarget, Frozen, Signalled],
  provides: Thawed,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { cgroup } = yield* KillTarget
    if (cgroup !== undefined) yield* Cgroup.thaw(cgroup)
    return true as const
  })
})
