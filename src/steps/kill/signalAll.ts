/**
 * Send SIGKILL to each process.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { SIG } from "../../native/constants.ts"
import { signal, signalCalls } from "../proc/processes.ts"
import { ProcessesListed, Signalled } from "./facts.ts"
import { killCalls, killMembers } from "./killMembers.ts"
import { KillTarget } from "./KillTarget.ts"

/**
 * Sends SIGKILL to every process of the container; it is no failure if one has ended already. A process that is frozen in a
 * v1 cgroup gets the signal once it is thawed.
 */
export const signalAll = Step.make("signalAll", {
  doc: "send SIGKILL to each process",
  calls: [...killCalls, ...signalCalls],
  requires: [KillTarget, ProcessesListed],
  provides: Signalled,
  reversal: "irreversible",
  advice: {
    EPERM: "the caller may not signal these processes: run it as the user that owns the container, or as root"
  },
  run: Effect.gen(function*() {
    const { cgroup, init } = yield* KillTarget
    const listed = yield* ProcessesListed
    if (cgroup !== undefined && listed.length > 0) yield* killMembers(cgroup)
    if (init !== undefined) yield* signal(init, SIG.KILL)
    return true as const
  })
})
