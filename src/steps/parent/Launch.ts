/**
 * The input of the parent's pipelines that start a process, in a new container or in a running one.
 *
 * @category facts
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Process } from "../../config/Container.ts"
import type * as Pipeline from "../../engine/Pipeline.ts"
import type { InitRecord } from "../init/Init.ts"
import type { MadeRoot } from "../state/State.ts"
import type { NamespacePlan } from "./namespacePlan.ts"

/**
 * A program that is not known until the rest of its container is ready.
 *
 * @since 0.2.0
 */
export interface Late {
  /** Waits for the program, without a bound. It runs when everything else of the start is done. */
  readonly program: Effect.Effect<Process>
  /** Hands the program to the init. */
  readonly handOut: (process: Process) => Effect.Effect<unknown>
}

/** The input of the pipelines that start a process. */
export class Launch extends Context.Service<Launch, {
  /** The record that the new process gets. */
  readonly record: InitRecord
  /** The bundle's directory, for the state file; empty if there is none. */
  readonly bundle: string
  /** How the root is made, if it is not there yet. */
  readonly madeRoot?: MadeRoot
  /** Directory of the state directories. */
  readonly stateRoot: string
  readonly namespaces: NamespacePlan
  /** The pipeline that the new process runs. */
  readonly init: Pipeline.Any
  /** The pipeline of the side-car, if the init can't build its root itself. */
  readonly sideCar?: Pipeline.Any
  /** Whether the caller stays until the program ends, and removes the container then. */
  readonly attached: boolean
  /** Where the program comes from, if it is not that of the record. */
  readonly late?: Late
  /** How long the start may take, from the birth of the process until its program runs, in milliseconds. */
  readonly patience: number
}>()("runfx/Launch") {}
