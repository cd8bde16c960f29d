/**
 * The input of the pipeline that removes a container whose state can't be read.
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
   * - `damaged`: its processes may still run
   * - `missing`: everything is written down before it is made, so without a state there is no process
   */
  readonly left: "damaged" | "missing"
}>()("runfx/Broken") {}
