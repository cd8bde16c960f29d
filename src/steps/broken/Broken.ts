/**
 * What the steps hand to each other that remove a container whose state can't be read.
 *
 * @category facts
 * @since 0.2.0
 */
import * as Context from "effect/Context"

/** A container whose state can't be read. */
export class Broken extends Context.Service<Broken, {
  readonly id: string
  readonly stateRoot: string
  /**
   * - `damaged`: there may be processes of it
   * - `missing`: what is made is written down first, so without a state there is nobody in it
   * - `no directory`: what has its name is no directory, and nothing is there of a container
   */
  readonly left: "damaged" | "missing" | "no directory"
}>()("runfx/Broken") {}
