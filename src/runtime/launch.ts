/**
 * From the options of a start to the input of its pipeline. Nothing is made here.
 *
 * @category inputs
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { ConfigError } from "../config/ConfigError.ts"
import { type Container, makesNamespace, type Process } from "../config/Container.ts"
import { validateHost } from "../config/validate.ts"
import { given } from "../engine/given.ts"
import * as Pipeline from "../engine/Pipeline.ts"
import { InvalidPipelineError } from "../engine/PipelineError.ts"
import { RLIMIT, SIG } from "../native/constants.ts"
import { type Kernel, sys, type SyscallError } from "../native/Kernel.ts"
import { Surroundings } from "../native/Surroundings.ts"
import { type Standard, standard } from "../pipelines/standard.ts"
import { standardLate } from "../pipelines/standardLate.ts"
import { type Userns, userns } from "../pipelines/userns.ts"
import { usernsLate } from "../pipelines/usernsLate.ts"
import { usernsSetup } from "../pipelines/usernsSetup.ts"
import { awaitProgram } from "../steps/awaitProgram.ts"
import { type Authority, authority, rulesHost } from "../steps/caller/authority.ts"
import type { StateRootError } from "../steps/caller/stateRoot.ts"
import type { InitRecord } from "../steps/init/Init.ts"
import type { Late, Launch } from "../steps/parent/Launch.ts"
import { namespacePlan } from "../steps/parent/namespacePlan.ts"
import { scratchRoot } from "../steps/rootfs/scratchRoot.ts"
import type { AnyContainerId } from "../steps/state/ContainerId.ts"
import type { MadeRoot } from "../steps/state/State.ts"
import { stateRootOf } from "./caller.ts"
import { edited, type FlowError } from "./flow.ts"
import { withoutLeftovers } from "./keptContainer.ts"
import {
  checkRunOptions,
  inheritedOf,
  type InitType,
  type MakeRoot,
  patienceOf,
  type ProcessHandles,
  type RunOptions
} from "./options.ts"
import { checkPreserved, type NotPreservable } from "./preserved.ts"
import { nofileFor } from "./started.ts"

/** What {@link launchOf} can fail with: the configuration does not fit this host, or the flow or a handle is invalid. */
export type LaunchError =
  | SyscallError
  | StateRootError
  | ConfigError
  | FlowError
  | InvalidPipelineError
  | NotPreservable

const ownNofile = sys.prlimit64({ pid: 0, resource: RLIMIT.NOFILE, limit: null })

/**
 * The pipeline that fits a container. With a new user namespace, and a caller with privileges over the host, a side-car builds
 * the root from outside; every other init builds it itself.
 *
 * @since 0.2.0
 */
export const typeFor = (container: Container, caller: Authority): InitType =>
  makesNamespace(container, "user") && rulesHost(caller) ? "userns" : "standard"

/** The steps that options put into the preset of an init. */
const addedTo = (type: InitType, root: MakeRoot | undefined, isLate: boolean): ReadonlyArray<string> => [
  ...type === "standard" && root !== undefined ? [root.name] : [],
  ...isLate ? [awaitProgram.name] : []
]

/** What makes the root, if it does not exist yet. */
const rootStep = ({ makeRoot, scratch }: RunOptions): MakeRoot | undefined => scratch === true ? scratchRoot : makeRoot

const madeBy = ({ layers, name }: MakeRoot): MadeRoot => ({ step: name, ...given({ layers }) })

const presetOf = (type: InitType, root: MakeRoot | undefined, isLate: boolean): Standard | Userns => {
  // a flow may take it for the preset: it has all of its steps
  if (type === "userns") return isLate ? usernsLate as Pipeline.Any as Userns : userns
  const preset = isLate ? standardLate as Pipeline.Any as Standard : standard
  return root === undefined ? preset : Pipeline.insertBefore(preset, "bindRoot", root) as Pipeline.Any as Standard
}

/**
 * Waits in the process of an init. On a model that is a sleep: its time passes only when all processes sleep, and it knows no
 * other kind of wait.
 */
const asleep = <A>(told: Effect.Effect<A>): Effect.Effect<A> =>
  Effect.flatMap(
    Surroundings,
    ({ live }) => live ? told : Effect.raceFirst(told, Effect.andThen(Effect.sleep("Infinity"), Effect.never))
  )

/** The two ends of a late program: the parent hands it out, and the init waits for it. */
const lateOf = (program: Effect.Effect<Process>): { readonly late: Late; readonly told: Effect.Effect<Process> } => {
  const told = Deferred.makeUnsafe<Process>()
  return {
    late: { program, handOut: (process) => Deferred.succeed(told, process) },
    told: asleep(Deferred.await(told))
  }
}

/**
 * The pipeline that a flow makes of the preset. Fails if the flow ignores the pipeline that it is given, and so loses the steps
 * that the options have added: the root would be empty, or the program would never come.
 */
const editedBy = (
  flow: NonNullable<RunOptions["flow"]>,
  preset: Standard | Userns,
  added: ReadonlyArray<string>
): Effect.Effect<Pipeline.Any, FlowError | InvalidPipelineError> =>
  Effect.flatMap(edited(flow, preset), (made) => {
    const names = new Set(made.steps.map(({ name }) => name))
    const lost = added.filter((name) => !names.has(name))
    const problems = lost.map((name) =>
      `the step "${name}" is not there, which the options have put into the preset: edit the pipeline that the flow is given`
    )
    return lost.length === 0
      ? Effect.succeed(made)
      : Effect.fail(new InvalidPipelineError({ pipeline: made.name, problems }))
  })

const sideCarOf = (type: InitType, root: MakeRoot | undefined): Pipeline.Any | undefined => {
  if (type === "standard") return undefined
  return root === undefined ? usernsSetup : Pipeline.insertBefore(usernsSetup, "bindRoot", root)
}

/** Whether the caller stays until the program ends. If so, the program ends with the caller, however that ends. */
export interface Attachment {
  readonly attached: boolean
}

/** The record of a new process, with defaults for absent options. */
export const recordOf = Effect.fnUntraced(function*(
  options: ProcessHandles & { readonly id: AnyContainerId },
  { container, process }: { readonly container: Container; readonly process: Process },
  { attached }: Attachment
): Effect.fn.Return<InitRecord, SyscallError | NotPreservable, Kernel> {
  const own = options.nofile === undefined ? yield* ownNofile : undefined
  return {
    ...inheritedOf(options),
    id: options.id,
    container,
    process: withoutLeftovers(process),
    // the program ends with its caller, however the caller ends
    ...(attached ? { parentDeathSignal: SIG.KILL } : {}),
    preservedFds: yield* checkPreserved(options.preservedFds ?? 0),
    ...own === undefined ? { nofile: options.nofile! } : { nofile: nofileFor(own), hardNofile: own.hard }
  }
})

/** The input of the create pipeline: of `run` if it is attached, otherwise of `create`. Nothing is made yet. */
export const launchOf = (
  options: RunOptions,
  attachment: Attachment = { attached: false }
): Effect.Effect<Launch["Service"], LaunchError, Kernel> =>
  Effect.flatMap(checkRunOptions(options), (checked) => checkedLaunch(checked, attachment))

/** Like {@link launchOf}, for the options that the check has returned. */
export const checkedLaunch = Effect.fnUntraced(function*(
  options: RunOptions,
  attachment: Attachment
): Effect.fn.Return<Launch["Service"], LaunchError, Kernel> {
  const { container, flow } = options
  const caller = yield* authority
  const type = options.type ?? typeFor(container, caller)
  const root = rootStep(options)
  const preset = presetOf(type, root, options.late !== undefined)
  const late = options.late === undefined ? undefined : lateOf(options.late)
  // checks that need this host. A root that a step makes does not exist yet
  if (root === undefined) yield* validateHost(container, options.names)
  return {
    bundle: options.bundle ?? "",
    stateRoot: options.stateRoot ?? (yield* stateRootOf(caller)),
    namespaces: namespacePlan(container.namespaces),
    init: flow === undefined
      ? preset
      : yield* editedBy(flow, preset, addedTo(type, root, options.late !== undefined)),
    ...given({ sideCar: sideCarOf(type, root), late: late?.late, madeRoot: root && madeBy(root) }),
    ...attachment,
    patience: yield* patienceOf(options),
    record: {
      ...yield* recordOf(options, { container, process: container.process }, attachment),
      ...given({ late: late?.told, port: options.port, reaper: options.init })
    }
  }
})
