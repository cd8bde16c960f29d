/**
 * The input of the pipeline that removes a container.
 *
 * @category facts
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import type { State } from "../state/State.ts"

/** The container to remove. */
export class Removal extends Context.Service<Removal, {
  readonly state: State
  readonly stateRoot: string
  /** The caller knows that all of its processes have ended: it has waited for them. */
  readonly ended?: boolean
}>()("runfx/Removal") {}
