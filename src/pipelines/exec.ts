/**
 * What the parent does to run a further process in a running container. That process runs the pipeline `setns`.
 *
 * @category pipelines
 * @since 0.1.0
 */
import * as Pipeline from "../engine/Pipeline.ts"
import { Fork } from "../native/Fork.ts"
import { cloneInit } from "../steps/parent/cloneInit.ts"
import { enterNamespaces } from "../steps/parent/enterNamespaces.ts"
import { findCgroup } from "../steps/parent/findCgroup.ts"
import { guardInit } from "../steps/parent/guardInit.ts"
import { idsAreMapped } from "../steps/parent/idsAreMapped.ts"
import { Launch } from "../steps/parent/Launch.ts"
import { openChannel } from "../steps/parent/openChannel.ts"
import { raiseLimits } from "../steps/parent/raiseLimits.ts"
import { releaseInit } from "../steps/parent/releaseInit.ts"
import { Running } from "../steps/parent/Running.ts"

const steps = Pipeline.make(
  { name: "exec", doc: "run a program in a running container", inputs: [Launch, Running, Fork] },
  findCgroup,
  openChannel,
  cloneInit,
  idsAreMapped,
  enterNamespaces,
  guardInit,
  raiseLimits,
  releaseInit
)

/**
 * The type of {@link exec}: a name that an editor shows in place of all steps.
 *
 * @since 0.2.0
 */
export interface Exec extends Pipeline.Of<typeof steps> {}

/** From a running container to one more program in it. */
export const exec: Exec = steps
