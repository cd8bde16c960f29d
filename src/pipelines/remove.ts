/**
 * What the parent does to remove a container that has stopped. Processes that it left behind are killed first, by the
 * pipeline `kill`.
 */
import * as Pipeline from "../engine/Pipeline.ts"
import { checkStopped, disconnectNetworks, Removal, removeCgroup, removeState } from "../steps/parent/remove.ts"

/** From a stopped container to nothing. */
export const remove = Pipeline.make(
  { name: "remove", doc: "remove a stopped container", inputs: [Removal] },
  checkStopped,
  disconnectNetworks,
  removeCgroup,
  // last: with it goes the id, by which a removal that failed above can be repeated
  removeState
)
