/**
 * Refuse to remove a container that runs. The steps of a removal can be repeated: what is gone already is no failure, so the
 * next removal completes one that failed half-way.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { type Status, status, statusCalls } from "../state/status.ts"
import { Stopped } from "./facts.ts"
import { Removal } from "./Removal.ts"

/** The container still runs, so it is not removed. */
export class StillRunning extends Data.TaggedError("StillRunning")<{
  readonly id: string
  readonly status: Status
}> {
  override get message(): string {
    return `container ${this.id} is ${this.status}`
  }
  get advice(): string {
    return `stop it first (runfx kill ${this.id} KILL), or use delete --force`
  }
}

/** Refuses a container whose first process lives. */
export const checkStopped = Step.make("checkStopped", {
  doc: "check that the container has stopped",
  calls: statusCalls,
  requires: [Removal],
  provides: Stopped,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { ended, state, stateRoot } = yield* Removal
    if (ended === true) return true as const
    const now = yield* status(stateRoot, state)
    if (now !== "stopped" && now !== "creating") return yield* new StillRunning({ id: state.id, status: now })
    return true as const
  })
})
