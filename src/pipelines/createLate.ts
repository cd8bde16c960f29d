/**
 * As `create`, for a program that is known only when all else of its container is there: the parent of a sandbox that waits
 * in a pool. Its init runs `standardLate` or `usernsLate`.
 *
 * @category pipelines
 * @since 0.2.0
 */
import * as Pipeline from "../engine/Pipeline.ts"
import { Fork } from "../native/Fork.ts"
import { handOut } from "../steps/parent/handOut.ts"
import { Launch } from "../steps/parent/Launch.ts"
import { prepareInit } from "../steps/parent/prepareInit.ts"
import { startProgram } from "../steps/parent/startProgram.ts"
import { create } from "./create.ts"

const { steps } = create.pipe(
  Pipeline.replace("releaseInit", prepareInit),
  Pipeline.insertAllAfter("prepareInit", [handOut, startProgram])
)

const pipeline = Pipeline.make(
  { name: "createLate", doc: "start a container whose program is known last", inputs: [Launch, Fork] },
  ...steps
)

/**
 * The type of {@link createLate}: a name that an editor shows in place of all steps.
 *
 * @since 0.2.0
 */
export interface CreateLate extends Pipeline.Of<typeof pipeline> {}

/** From a configuration, and a program that comes later, to that program in a container. */
export const createLate: CreateLate = pipeline
