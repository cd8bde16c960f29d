/**
 * Remove what is left of a container if its state can't be read, nor the copy of it: it is damaged, or the start was killed
 * before it could write anything down. Its id is all that is known.
 *
 * @category pipelines
 * @since 0.2.0
 */
import * as Pipeline from "../engine/Pipeline.ts"
import { Broken } from "../steps/broken/Broken.ts"
import { findRemains } from "../steps/broken/findRemains.ts"
import { removeEntry } from "../steps/broken/removeEntry.ts"
import { removeRemains } from "../steps/broken/removeRemains.ts"
import { kill } from "./kill.ts"

const steps = Pipeline.make(
  { name: "removeBroken", doc: "remove a container whose state can't be read", inputs: [Broken] },
  findRemains,
  // a cgroup with a process in it can't be removed
  ...kill.steps,
  removeRemains,
  // last: the id goes with it, and a removal that failed above can only be repeated by the id
  removeEntry
)

/**
 * The type of {@link removeBroken}: a name that an editor shows in place of all steps.
 *
 * @since 0.2.0
 */
export interface RemoveBroken extends Pipeline.Of<typeof steps> {}

/** From an id to nothing. */
export const removeBroken: RemoveBroken = steps
