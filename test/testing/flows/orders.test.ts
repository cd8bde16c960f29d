/** Orders of steps that the rules of pipelines allow, and edits of a consumer: what a program has been given stays so. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import fc from "fast-check"
import * as Pipeline from "../../../src/engine/Pipeline.ts"
import * as Step from "../../../src/engine/Step.ts"
import { standard } from "../../../src/pipelines/standard.ts"
import { userns } from "../../../src/pipelines/userns.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import { undeclared, wrongCause } from "../../support/flows/failures.ts"
import { leftovers } from "../../support/flows/leftovers.ts"
import { wrongProgram } from "../../support/flows/programs.ts"
import { perform, report, runs, verdict } from "../../support/flows/runs.ts"
import { sceneOf } from "../../support/flows/scenes.ts"
import { part } from "../../support/flows/settings.ts"
import { withoutTraces } from "../../support/shortTraces.ts"
import { kinds } from "./kinds.ts"

withoutTraces()

type Edit =
  | { readonly _tag: "Move"; readonly from: number; readonly to: number }
  | { readonly _tag: "Insert"; readonly at: number }
  | { readonly _tag: "Remove"; readonly at: number }
  | { readonly _tag: "Replace"; readonly at: number }

/** A step that does nothing, under a name of its own. */
const idle = (name: string) => Step.make(name, { doc: "nothing", calls: [], reversal: "harmless", run: Effect.void })

/** Makes an edit, where it can be made. */
const edited = (steps: ReadonlyArray<Step.Any>, edit: Edit, index: number): ReadonlyArray<Step.Any> => {
  const place = (part: number): number => Math.min(Math.floor(part * steps.length), steps.length - 1)
  switch (edit._tag) {
    case "Move": {
      const from = place(edit.from)
      const rest = steps.toSpliced(from, 1)
      return rest.toSpliced(place(edit.to), 0, steps[from]!)
    }
    case "Insert":
      return steps.toSpliced(place(edit.at), 0, idle(`idle${index}`))
    case "Remove":
      return steps.toSpliced(place(edit.at), 1)
    case "Replace": {
      const old = steps[place(edit.at)]!
      return steps.toSpliced(place(edit.at), 1, old.provides === undefined ? idle(old.name) : old)
    }
  }
}

const edit: fc.Arbitrary<Edit> = fc.oneof(
  { arbitrary: fc.record({ _tag: fc.constant("Move" as const), from: part, to: part }), weight: 6 },
  { arbitrary: fc.record({ _tag: fc.constant("Insert" as const), at: part }), weight: 2 },
  { arbitrary: fc.record({ _tag: fc.constant("Remove" as const), at: part }), weight: 1 },
  { arbitrary: fc.record({ _tag: fc.constant("Replace" as const), at: part }), weight: 1 }
)

/** What steps do that may be left out, and what is then missing: each by its own name, so that nobody is surprised. */
const optional: Readonly<Record<string, RegExp>> = {
  linkDevices: /^\/dev\/(?:fd|std\w+|ptmx): ENOENT/,
  setOomScoreAdj: /^oom_score_adj/,
  setHostname: /^hostname/,
  setDomainname: /^domainname/,
  setUmask: /^umask/,
  setScheduling: /^(?:nice|processors|personality)/,
  startSession: /^session:/,
  sessionKeyring: /^the session keyring/,
  createWorkingDirectory: /^working directory/,
  saveParentDeathSignal: /^parent-death/
}

/** What a container must not change of its host while it runs. */
const ofHost = /: (?:hostname|mount|link lo|\d+:|gone)/

/** Containers to be started by an edited pipeline: a new time namespace makes the init unshare all by itself. */
const scenes = Object.values(kinds).flatMap((kind) =>
  [false, true].map((timeNs) => sceneOf({ ...kind, timeNs, process: { ...kind.process, terminal: false } }))
)

describe("a pipeline that can run", () => {
  it("gives the program what was asked for, in whatever order, and does nothing to the host", () => {
    const counts = { drawn: 0, tried: 0, started: 0 }
    const wanted = runs(2000)
    fc.assert(
      fc.property(
        fc.nat(scenes.length - 1),
        fc.array(edit, { minLength: 1, maxLength: 4 }),
        (which, edits) => {
          if (counts.tried >= wanted) return
          counts.drawn++
          const scene = scenes[which]!
          const { setting } = scene
          const preset = setting.userns && setting.host.user === "root" ? userns : standard
          const steps = edits.reduce(edited, preset.steps as ReadonlyArray<Step.Any>)
          const header = { name: preset.name, doc: preset.doc, inputs: preset.inputs }
          const flow: Pipeline.Any = Pipeline.make(header, ...steps as ReadonlyArray<never>)
          if (Pipeline.problems(flow).length > 0) return
          counts.tried++
          const ran = perform(scene.state, Runtime.create({ ...scene.options, flow: () => Effect.succeed(flow) }))
          const state = ran.model.state()
          const left = leftovers(scene.state, state, scene.caller)
          if (Exit.isFailure(ran.exit)) {
            verdict([...wrongCause(ran.exit.cause, []), ...left, ...undeclared(ran.seen, flow)], ran)
            return
          }
          counts.started++
          const gone = Object.keys(optional).filter((name) =>
            !steps.some((step) => step.name === name && step.doc !== "nothing")
          )
          verdict(
            [
              ...wrongProgram(scene, ran, scene.container.process).filter((text) =>
                !gone.some((name) => optional[name]!.test(text))
              ),
              ...left.filter((text) => ofHost.test(text)),
              ...undeclared(ran.seen, flow)
            ].map((text) => `${text}\n  by the steps ${steps.map(({ name }) => name).join(" ")}`),
            ran
          )
        }
      ),
      { numRuns: wanted * 12 }
    )
    report(
      `${counts.tried} edited pipelines that can run, of ${counts.drawn} drawn; ${counts.started} of them started a program`
    )
    assert.isAtLeast(counts.tried, wanted)
    assert.isAbove(counts.started, counts.tried / 3)
  })
})

describe("a pipeline that can't run", () => {
  const names = ["setHostname", "setDomainname", "writeSysctl", "setupNetwork", "setRootPropagation"]
  for (const name of names) {
    it(`has ${name} before the namespaces are entered`, () => {
      const steps: ReadonlyArray<Step.Any> = standard.steps
      const moved = steps.find((step) => step.name === name)!
      const rest = steps.filter((step) => step !== moved)
      const at = rest.findIndex((step) => step.name === "unshareNamespaces")
      const wrong: ReadonlyArray<Step.Any> = rest.toSpliced(at, 0, moved)
      const header = { name: "wrong", doc: "", inputs: standard.inputs }
      const flow: Pipeline.Any = Pipeline.make(header, ...wrong as ReadonlyArray<never>)
      assert.include(Pipeline.problems(flow).join("\n"), `step "${name}" requires "runfx/InNamespaces"`)
    })
  }
})
