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

const steps = Pipeline.make(
  { name: "list", doc: "list the containers", inputs: [StateRoot] },
  readStates,
  // asks the kernel, and comes last: what was written down may be out of date
  askStatuses
)

/**
 * The type of {@link list}: a name that an editor shows in place of all steps.
 *
 * @since 0.2.0
 */
export interface List extends Pipeline.Of<typeof steps> {}

/** From a directory of states to all containers, each with its status. */
export const list: List = steps
