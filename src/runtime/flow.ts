/**
 * Loads a flow: a module that takes a preset pipeline and returns the one to use, or adds kinds of network, or both.
 *
 * **Example** (A flow file)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Pipeline from "runfx/engine/Pipeline"
 * import * as Step from "runfx/engine/Step"
 * import { sys } from "runfx/native/Kernel"
 * import type { Standard } from "runfx/pipelines/standard"
 *
 * const quiet = Step.make("quiet", {
 *   doc: "lower the priority of the program",
 *   calls: ["ioprio_set"],
 *   reversal: "irreversible",
 *   run: sys.ioprio_set({ which: 1, who: 0, ioprio: 3 << 13 })
 * })
 *
 * export default (preset: Standard) => Pipeline.check(Pipeline.insertAfter(preset, "setupRlimits", quiet))
 * ```
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { resolve } from "node:path"
import { pathToFileURL } from "node:url"
import { textOf } from "../engine/errorText.ts"
import * as Pipeline from "../engine/Pipeline.ts"
import { InvalidPipelineError } from "../engine/PipelineError.ts"
import type * as Step from "../engine/Step.ts"
import type { Init } from "../steps/init/Init.ts"
import type { Strategy } from "../steps/network/Strategy.ts"

/** The file is not a flow. */
export class FlowError extends Data.TaggedError("FlowError")<{
  readonly file: string
  readonly problem: string
  readonly advice: string
}> {
  override get message(): string {
    return `flow ${this.file}: ${this.problem}`
  }
}

/** An edit of a preset pipeline, or an effect that makes one; it may fail with a problem that it finds. */
export type Flow<Preset extends Pipeline.Any, P extends Pipeline.Any = Pipeline.Any> = (
  preset: Preset
) => P | Effect.Effect<P, FlowError | InvalidPipelineError>

/** A sentence if the last step does not end in an exec. */
type Endless<S> = S extends readonly [...Pipeline.Steps, infer L extends Step.Any]
  ? Step.Terminal extends Step.Provides<L> ? never : `the last step, "${Step.Name<L>}", does not end in an exec`
  : never

/** A sentence for each input that a container's process does not have. */
type Unfed<P extends Pipeline.Any> = Exclude<P["inputs"][number]["key"], typeof Init["key"]> extends
  infer K extends string
  ? string extends K ? never : K extends string ? `the input "${K}" is not one of a container's process` : never
  : never

type FlowProblems<P> = P extends Pipeline.Any
  ? [Pipeline.Misfit<P>] extends [never] ? Pipeline.Problems<P> | Endless<P["steps"]> | Unfed<P> : Pipeline.Misfit<P>
  : never

/**
 * `unknown` if the pipeline that a flow makes can run. Otherwise the sentence that explains why not, which is no flow's type.
 * What the compiler does not know, such as a flow from a file, is checked when the container starts.
 */
export type SoundFlow<P> = [FlowProblems<P>] extends [never] ? unknown : FlowProblems<P>

/** Options whose flow is a {@link SoundFlow}. */
export type Sound<P> = [FlowProblems<P>] extends [never] ? unknown : { readonly flow?: FlowProblems<P> }

/** What a flow's module exports. */
export interface LoadedFlow {
  /** The module's default export, applied to a preset; without one, the preset itself. */
  readonly flow: (preset: Pipeline.Any) => Effect.Effect<Pipeline.Any, FlowError | InvalidPipelineError>
  /** The module's `strategies`: kinds of network in addition to the built-in ones. */
  readonly strategies: ReadonlyArray<Strategy>
}

const isStep = (value: unknown): boolean =>
  typeof value === "object" && value !== null && "name" in value && typeof value.name === "string" && "run" in value

const isPipeline = (value: unknown): value is Pipeline.Any =>
  typeof value === "object" && value !== null && "steps" in value && Array.isArray(value.steps) &&
  value.steps.every(isStep) && "inputs" in value

/**
 * Checks a pipeline that is to run in a process of a container: the order of its steps, and that it ends in exec.
 */
const checked = (pipeline: Pipeline.Any): Effect.Effect<Pipeline.Any, InvalidPipelineError> =>
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

/**
 * The pipeline that a caller's edit makes of a preset, checked. An edit in plain JavaScript may return anything, or throw.
 */
export const edited = <P extends Pipeline.Any>(
  edit: Flow<P>,
  preset: P
): Effect.Effect<Pipeline.Any, FlowError | InvalidPipelineError> =>
  Effect.gen(function*() {
    const made: unknown = yield* attempt(of, edit, preset)
    const pipeline = Effect.isEffect(made)
      ? yield* made as Effect.Effect<unknown, FlowError | InvalidPipelineError>
      : made
    return yield* checked(yield* asPipeline(of, pipeline))
  })

/** What stands for the file's name if the flow comes from the options. */
const of = "of the options"

const isStrategy = (value: unknown): value is Strategy =>
  typeof value === "object" && value !== null && "name" in value && typeof value.name === "string" &&
  ["create", "initialize", "remove"].every((part) => typeof (value as Record<string, unknown>)[part] === "function")

const attempt = <P extends Pipeline.Any>(
  file: string,
  edit: (preset: P) => unknown,
  preset: P
): Effect.Effect<unknown, FlowError | InvalidPipelineError> =>
  Effect.try({
    try: () => edit(preset),
    catch: (error) =>
      // not by its class: a flow may bring its own copy of the library
      error instanceof Error && "_tag" in error && error._tag === "InvalidPipelineError"
        ? error as InvalidPipelineError
        : new FlowError({ file, problem: `its function failed: ${textOf(error)}`, advice: "correct the flow" })
  })

const asPipeline = (file: string, value: unknown): Effect.Effect<Pipeline.Any, FlowError> =>
  isPipeline(value) ? Effect.succeed(value) : Effect.fail(
    new FlowError({
      file,
      problem: "its function returned no pipeline",
      advice: "return the result of Pipeline.insertBefore, insertAfter, replace, remove or make"
    })
  )

const apply = (
  file: string,
  edit: (preset: Pipeline.Any) => unknown,
  preset: Pipeline.Any
): Effect.Effect<Pipeline.Any, FlowError | InvalidPipelineError> =>
  Effect.flatMap(attempt(file, edit, preset), (pipeline) => asPipeline(file, pipeline))

/**
 * Loads a flow.
 *
 * The module gets its own copy of the library if it is not in the package that runs. That works, since steps,
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
