/**
 * As `userns`, for a program that is known last.
 *
 * @category pipelines
 * @since 0.2.0
 */
import * as Pipeline from "../engine/Pipeline.ts"
import { Init } from "../steps/init/Init.ts"
import { late } from "./late.ts"
import { userns } from "./userns.ts"

/** From the fresh process to a program that is known last, in a root that the side-car builds. */
export const usernsLate = Pipeline.make(
  {
    name: "usernsLate",
    doc: "the first process of a container whose program is known last, with a side-car",
    inputs: [Init]
  },
  ...late(userns).steps
)
