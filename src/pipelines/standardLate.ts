/**
 * As `standard`, for a program that is known last.
 *
 * @category pipelines
 * @since 0.2.0
 */
import * as Pipeline from "../engine/Pipeline.ts"
import { Init } from "../steps/init/Init.ts"
import { late } from "./late.ts"
import { standard } from "./standard.ts"

/** From the fresh process to a program that is known last. */
export const standardLate = Pipeline.make(
  { name: "standardLate", doc: "the first process of a container whose program is known last", inputs: [Init] },
  ...late(standard).steps
)
