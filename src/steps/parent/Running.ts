/**
 * The input of the pipeline that executes a process in a running container.
 *
 * @category facts
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import type { State } from "../state/State.ts"

/** The running container in which a process is executed. */
export class Running extends Context.Service<Running, State>()("runfx/Running") {}
