/**
 * Load a flow: a module that takes a preset pipeline and returns the one to use, or brings kinds of network, or both.
 *
 * **Example** (A flow file)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Pipeline from "runfx/engine/Pipeline"
 * import * as Step from "runfx/engine/Step"
 * import { sys } from "runfx/native/Kernel"
 * import type { standard } from "runfx/pipelines/standard"
 *
 * const quiet = Step.make("quiet", {
 *   doc: "lower the priority of the program",
 *   calls: ["ioprio_set"],
 *   reversal: "irreversible",
 *   run: sys.ioprio_set({ which: 1, who: 0, ioprio: 3 << 13 })
 * })
 *
 * export default (preset: typeof standard) => Pipeline.check(Pipeline.insertAfter(preset, "setupRlimits", quiet))
 * ```
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { resolve } from "node:path"
import { pathToFileURL } from "node:url"
import * as Pipeline from "../engine/Pipeline.ts"
import { InvalidPipelineError } from "../engine/PipelineError.ts"
import type { Strategy } from "../steps/network/Strategy.ts"

/** The file of a flow is no flow. */
export class FlowError extends Data.TaggedError("FlowError")<{
  readonly file: string
  readonly problem: string
  readonly advice: string
}> {
  override get message(): string {
    return `flow ${this.file}: ${this.problem}`
  }
}

/** What a flow's module gives. */
export interface LoadedFlow {
  /** The module's default export, applied to a preset; the preset itself where there is none. */
  readonly flow: (preset: Pipeline.Any) => Effect.Effect<Pipeline.Any, FlowError | InvalidPipelineError>
  /** The module's `strategies`: kinds of network beside the built-in ones. */
  readonly strategies: ReadonlyArray<Strategy>
}

const isPipeline = (value: unknown): value is Pipeline.Any =>
  typeof value === "object" && value !== null && "steps" in value && Array.isArray(value.steps) && "inputs" in value

const textOf = (error: unknown): string => error instanceof Error ? error.message : String(error)

/**
 * Checks a pipeline that is to run in a process of a container: the order of its steps, and that it ends in exec.
 */
export const checked = (pipeline: Pipeline.Any): Effect.Effect<Pipeline.Any, InvalidPipelineError> =>
  Effect.suspend(() => {
    const last = pipeline.steps.at(-1)
    const problems = [
      ...Pipeline.problems(pipeline),
      ...(last?.reversal === "terminal" ? [] : [`the last step, "${last?.name ?? "none"}", does not end in an exec`])
    ]
    return problems.length === 0
      ? Effect.succeed(pipeline)
      : Effect.fail(new InvalidPipelineError({ pipeline: pipeline.name, problems }))
  })

const isStrategy = (value: unknown): value is Strategy =>
  typeof value === "object" && value !== null && "name" in value && typeof value.name === "string" &&
  ["create", "initialize", "remove"].every((part) => typeof (value as Record<string, unknown>)[part] === "function")

const apply = (
  file: string,
  edit: (preset: Pipeline.Any) => unknown,
  preset: Pipeline.Any
): Effect.Effect<Pipeline.Any, FlowError | InvalidPipelineError> =>
  Effect.gen(function*() {
    const pipeline = yield* Effect.try({
      try: () => edit(preset),
      catch: (error) =>
        // not by its class: a flow may bring its own copy of the library
        error instanceof Error && "_tag" in error && error._tag === "InvalidPipelineError"
          ? error as InvalidPipelineError
          : new FlowError({ file, problem: `its function failed: ${textOf(error)}`, advice: "see the message" })
    })
    if (!isPipeline(pipeline)) {
      return yield* new FlowError({
        file,
        problem: "its function returned no pipeline",
        advice: "return what Pipeline.insertBefore, insertAfter, replace, remove or make gives"
      })
    }
    return pipeline
  })

/**
 * Loads a flow.
 *
 * The module gets its own copy of the library where it does not lie in the package that runs. That works, since steps,
 * effects and services are known by names; errors of its own arrive as text.
 */
export const loadFlow = (file: string): Effect.Effect<LoadedFlow, FlowError> =>
  Effect.gen(function*() {
    const module = yield* Effect.tryPromise({
      try: () => import(pathToFileURL(resolve(file)).href) as Promise<Readonly<Record<string, unknown>>>,
      catch: (error) =>
        new FlowError({
          file,
          problem: `can't be loaded: ${textOf(error)}`,
          advice: "it must be an ES module that this Node can import; TypeScript without a build needs Node 22.18"
        })
    })
    const { default: edit, strategies = [] } = module
    if (edit === undefined ? module["strategies"] === undefined : typeof edit !== "function") {
      return yield* new FlowError({
        file,
        problem: "has no function as its default export, and no strategies",
        advice: "export default (preset) => Pipeline.insertAfter(preset, \"setupRlimits\", step)"
      })
    }
    if (!Array.isArray(strategies) || !strategies.every(isStrategy)) {
      return yield* new FlowError({
        file,
        problem: "its strategies are not a list of strategies",
        advice: "export const strategies = [{ name, create, initialize, remove }]"
      })
    }
    return {
      flow: edit === undefined
        ? Effect.succeed
        : (preset) => apply(file, edit as (preset: Pipeline.Any) => unknown, preset),
      strategies
    }
  })
