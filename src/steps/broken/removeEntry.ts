/**
 * Remove the directory of a container whose state can't be read.
 *
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import type { Kernel } from "../../native/Kernel.ts"
import { Reaped } from "../kill/facts.ts"
import type { IdInUse } from "../state/errors.ts"
import { type RemovalError, removeUnwritten } from "../state/removal.ts"
import * as Store from "../state/Store.ts"
import { Broken } from "./Broken.ts"

/** Removes it; fails, and removes nothing, if it holds what no start has made. */
export const removeEntry = Step.make("removeEntry", {
  doc: "remove the directory of the container's id",
  calls: [...Store.storeCalls],
  requires: [Broken, Reaped],
  reversal: "irreversible",
  run: Effect.flatMap(
    Broken,
    ({ id, left, stateRoot }): Effect.Effect<void, RemovalError | IdInUse, Kernel> =>
      left === "missing" ? removeUnwritten(stateRoot, id) : Store.remove(stateRoot, id)
  )
})
