/** `--flow` of several subcommands. */
import * as Effect from "effect/Effect"
import { type FlowError, type LoadedFlow, loadFlow } from "../runtime/flow.ts"

/** Loads `--flow`, if it is given. */
export const flowOption = (file: string | undefined): Effect.Effect<Partial<LoadedFlow>, FlowError> =>
  file === undefined ? Effect.succeed({}) : loadFlow(file)
