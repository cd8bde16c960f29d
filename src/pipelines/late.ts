/**
 * What makes an init wait for its program: all that does not depend on it comes before `awaitProgram`, and what does
 * comes after it.
 *
 * @category pipelines
 * @since 0.2.0
 */
import * as Pipeline from "../engine/Pipeline.ts"
import { awaitProgram } from "../steps/awaitProgram.ts"
import { changeDirectory } from "../steps/changeDirectory.ts"
import { populateLateEnv } from "../steps/populateLateEnv.ts"

/** For every init that looks for its program. */
export const late = Pipeline.insertAllBefore("findProgram", [awaitProgram, populateLateEnv, changeDirectory])
