/**
 * Look at all containers. Nothing is changed.
 *
 * @category pipelines
 * @since 0.1.0
 */
import * as Pipeline from "../engine/Pipeline.ts"
import { askStatuses } from "../steps/list/askStatuses.ts"
import { StateRoot } from "../steps/list/facts.ts"
import { readStates } from "../steps/list/readStates.ts"

/** From a directory of states to all containers, each with its status. */
export const list = Pipeline.make(
  { name: "list", doc: "list the containers", inputs: [StateRoot] },
  readStates,
  // of the kernel, and last: what was written down is of then
  askStatuses
)
