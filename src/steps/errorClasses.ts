/**
 * Every typed error that can cross the channel, so that the parent gets it as what it was.
 */
import { PipelineError } from "../engine/PipelineError.ts"
import { ParentGone } from "./awaitParent.ts"
import type { ErrorClasses } from "./wire.ts"

/** By tag. */
export const classes: ErrorClasses = { PipelineError, ParentGone }
