/**
 * What the parent does when a container starts, and in what order. The init's part (`standard`, `userns`) runs in the
 * process that `cloneInit` makes; the two meet in `enterNamespaces`, `continueInit`, `limitCpuTime` and `releaseInit`.
 *
 * @category pipelines
 * @since 0.1.0
 */
import * as Pipeline from "../engine/Pipeline.ts"
import { Fork } from "../native/Fork.ts"
import { cloneInit } from "../steps/parent/cloneInit.ts"
import { connectNetworks } from "../steps/parent/connectNetworks.ts"
import { continueInit } from "../steps/parent/continueInit.ts"
import { createCgroup } from "../steps/parent/createCgroup.ts"
import { createState } from "../steps/parent/createState.ts"
import { enterNamespaces } from "../steps/parent/enterNamespaces.ts"
import { guardInit } from "../steps/parent/guardInit.ts"
import { Launch } from "../steps/parent/Launch.ts"
import { leaveState } from "../steps/parent/leaveState.ts"
import { limitCgroup } from "../steps/parent/limitCgroup.ts"
import { limitCpuTime } from "../steps/parent/limitCpuTime.ts"
import { openChannel } from "../steps/parent/openChannel.ts"
import { raiseLimits } from "../steps/parent/raiseLimits.ts"
import { releaseInit } from "../steps/parent/releaseInit.ts"
import { runSideCar } from "../steps/parent/runSideCar.ts"
import { saveState } from "../steps/parent/saveState.ts"
import { writeIdMaps } from "../steps/parent/writeIdMaps.ts"

const steps = Pipeline.make(
  { name: "create", doc: "start a container", inputs: [Launch, Fork] },
  // the id is taken before anything is made under its name; from here on, each thing is written down before it is made
  createState,
  createCgroup,
  limitCgroup,
  openChannel,
  cloneInit,
  writeIdMaps,
  enterNamespaces,
  // before anything that is not ours runs in it
  guardInit,
  // the network namespace is there now, and its other end is not up yet
  connectNetworks,
  runSideCar,
  raiseLimits,
  // it sets the container up while this process continues
  continueInit,
  // before the program runs: if this process is killed now, a later command finds the container and can remove it
  saveState,
  // what sets the container up is not the program's own CPU time
  limitCpuTime,
  releaseInit,
  leaveState
)

/**
 * The type of {@link create}: a name that an editor shows in place of all steps.
 *
 * @since 0.2.0
 */
export interface Create extends Pipeline.Of<typeof steps> {}

/** From a configuration to a program that runs in a container; on failure nothing of it is left. */
export const create: Create = steps
