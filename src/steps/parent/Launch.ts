/**
 * What the parent's pipelines take to start a process: in a new container, or in one that runs.
 */
import * as Context from "effect/Context"
import type { Container, Process } from "../../config/Container.ts"
import type * as Pipeline from "../../engine/Pipeline.ts"
import type { Limit } from "../../native/calls.ts"
import type { ProcessIdentity } from "../processes.ts"
import type { NamespacePlan } from "./namespacePlan.ts"

/** The input of the pipelines that start a process. */
export class Launch extends Context.Service<Launch, {
  /** The container's id. */
  readonly id: string
  readonly container: Container
  /** The process to start: `container.process`, or another one for exec. */
  readonly process: Process
  /** The bundle's directory, for the state file; empty where there is none. */
  readonly bundle: string
  /** Directory of the state directories. */
  readonly stateRoot: string
  readonly namespaces: NamespacePlan
  /** Whose namespaces are joined, where all are those of one process. */
  readonly joined?: ProcessIdentity
  /** The pipeline that the new process runs. */
  readonly init: Pipeline.Any
  /** The pipeline of the side-car, where the init can't build its root itself. */
  readonly sideCar?: Pipeline.Any
  readonly preservedFds: number
  /** `RLIMIT_NOFILE` as the runtime was started with it. */
  readonly nofile: Limit
  /** A connected unix socket that takes the terminal's master. */
  readonly consoleSocket?: number
  /** How long the init may take from one message to the next, in milliseconds. */
  readonly patience: number
}>()("runfx/Launch") {}
