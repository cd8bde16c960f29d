/**
 * What an editor shows of what a user names: `hovers.test.ts` asks for it wherever a name has the mark of a question before it.
 * Nothing here runs.
 */
import * as Effect from "effect/Effect"
import { pipe } from "effect/Function"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import * as Step from "../../src/engine/Step.ts"
import { type Standard, standard } from "../../src/pipelines/standard.ts"
import type { Userns } from "../../src/pipelines/userns.ts"
import * as Words from "../../src/promise.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import * as Sandbox from "../../src/sandbox.ts"

declare const options: Runtime.RunOptions<Standard | Userns>

const /*?*/ announce = Step.make("announce", { doc: "", calls: [], reversal: "harmless", run: Effect.void })
const /*?*/ preset = standard
const /*?*/ edited = Pipeline.insertAfter(standard, "setHostname", announce)
const /*?*/ piped = pipe(
  standard,
  Pipeline.insertAfter("setHostname", announce),
  Pipeline.remove("setUmask"),
  Pipeline.remove("sessionKeyring")
)
const /*?*/ checked = Pipeline.check(piped)
const /*?*/ edit = Pipeline.compose(Pipeline.insertAfter("setHostname", announce), Pipeline.remove("setUmask"))
const /*?*/ conditional = Pipeline.when(standard, Math.random() < 0.5, edit)

const /*?*/ sandbox = Sandbox.make({ limits: { memory: "64 MiB" } })
const /*?*/ withFlow = Sandbox.withFlow(sandbox, (/*?*/ init) => Pipeline.insertAfter(init, "setHostname", announce))
const /*?*/ said = Sandbox.run(sandbox, ["true"])
const /*?*/ pool = Sandbox.Pool.make({ sandbox, size: 2 })
const /*?*/ handled = Effect.catchTag(
  said,
  "SandboxUnavailable",
  (/*?*/ unavailable) => Effect.fail(unavailable.advice)
)

const /*?*/ ran = Runtime.run(options)
const /*?*/ caught = Effect.catchReason(
  ran,
  "PipelineError",
  "ProgramNotFound",
  (/*?*/ reason) => Effect.succeed(reason)
)

const /*?*/ result = Words.run("true")
const /*?*/ preview = Words.sandbox().run
const /*?*/ promised = Words.pool({ size: 2 })

const pipelines = [preset, edited, piped, checked, edit, conditional]
export const all = [pipelines, sandbox, withFlow, said, pool, handled, ran, caught, result, preview, promised]
