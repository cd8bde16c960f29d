/**
 * Ask the kernel what each container does now.
 *
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { status as statusOf, statusCalls } from "../state/status.ts"
import { initOf } from "../state/whereabouts.ts"
import { Entries, type Listed, Listing, StateRoot } from "./facts.ts"

/**
 * Asks for each. One whose state can't be read, or whose status can't be determined, is listed with the reason. One that is
 * deleted meanwhile is left out.
 */
export const askStatuses = Step.make("askStatuses", {
  doc: "ask the kernel for the status of each container",
  calls: statusCalls,
  requires: [StateRoot, Entries],
  provides: Listing,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const root = yield* StateRoot
    const listed: Array<Listed> = []
    for (const entry of yield* Entries) {
      if ("error" in entry) {
        listed.push(entry)
        continue
      }
      const known = yield* Effect.result(initOf(entry.state))
      const status = known._tag === "Failure" ? known : yield* Effect.result(statusOf(root, entry.state, known.success))
      if (status._tag === "Success") {
        const pid = known._tag === "Success" && known.success._tag === "Alive" ? known.success.process.pid : 0
        listed.push({ ...entry, status: status.success, pid })
      } else if (status.failure._tag !== "ContainerNotFound") listed.push({ id: entry.id, error: status.failure })
    }
    return listed
  })
})
