/**
 * What the parent does to remove a container that has stopped. Processes that it left behind are killed first, by the
 * pipeline `kill`.
 *
 * @category pipelines
 * @since 0.1.0
 */
import * as Pipeline from "../engine/Pipeline.ts"
import { checkStopped } from "../steps/parent/checkStopped.ts"
import { disconnectNetworks } from "../steps/parent/disconnectNetworks.ts"
import { Removal } from "../steps/parent/Removal.ts"
import { removeCgroup } from "../steps/parent/removeCgroup.ts"
import { removeState } from "../steps/parent/removeState.ts"

const steps = Pipeline.make(
  { name: "remove", doc: "remove a stopped container", inputs: [Removal] },
  checkStopped,
  disconnectNetworks,
  removeCgroup,
  // last: the id goes with it, and a removal that failed above can only be repeated by the id
  removeState
)

/**
 * The type of {@link remove}: a name that an editor shows in place of all steps.
 *
 * @since 0.2.0
 */
export interface Remove extends Pipeline.Of<typeof steps> {}

/** From a stopped container to nothing. */
export const remove: Remove = steps
