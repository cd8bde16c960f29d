/**
 * Find the containers that nobody owns any more, for `prune`. Nothing is changed: each that is found is then removed by
 * `remove` or `removeBroken`, which look again under the container's lock.
 *
 * @category pipelines
 * @since 0.2.0
 */
import * as Pipeline from "../engine/Pipeline.ts"
import { StateRoot } from "../steps/list/facts.ts"
import { DetachedToo, judgeOwners } from "../steps/list/judgeOwners.ts"
import { readStates } from "../steps/list/readStates.ts"

const steps = Pipeline.make(
  { name: "ownerless", doc: "find the containers that have no owner any more", inputs: [StateRoot, DetachedToo] },
  readStates,
  judgeOwners
)

/**
 * The type of {@link ownerless}: a name that an editor shows in place of all steps.
 *
 * @since 0.2.0
 */
export interface Ownerless extends Pipeline.Of<typeof steps> {}

/** From a directory of states to a verdict on each container. */
export const ownerless: Ownerless = steps
