/**
 * A plan is what happens, whatever comes together: random combinations of what a configuration and a command line can say.
 *
 * `RUNFX_SEED` chooses them, `RUNFX_RUNS` how many of each kind there are.
 */
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import * as fs from "node:fs"
import * as path from "node:path"
import process from "node:process"
import { type RunCommand, runOptions } from "../../src/cli/run.ts"
import { planRun } from "../../src/runtime/plan.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { makePlace, on, type Place } from "../support/containers.ts"
import { difference, ended } from "../support/planned.ts"
import { commands, type Document, documents } from "../support/plannedCombinations.ts"

const seed = Number(process.env["RUNFX_SEED"] ?? 1)
const runs = Number(process.env["RUNFX_RUNS"] ?? 2)

const place: Place = makePlace()
const counts = { same: 0, refused: 0, failed: 0 }
afterAll(() => {
  place.remove()
  process.stdout.write(`combinations: ${JSON.stringify(counts)}\n`)
})

const bundle = ({ process, root, ...rest }: Document): Partial<RunCommand> => {
  const directory = fs.mkdtempSync(path.join(place.stateRoot, "bundle-"))
  const document = {
    ociVersion: "1.2.0",
    process: { args: ["/bin/true"], cwd: "/", env: ["PATH=/bin"], user: { uid: 0, gid: 0 }, ...process },
    root: { path: place.root, ...root },
    ...rest
  }
  fs.writeFileSync(path.join(directory, "config.json"), JSON.stringify(document))
  return { bundle: directory, cmd: [] }
}

/** How the plan and the run differ; empty if they don't. */
const compared = (given: Partial<RunCommand>) =>
  Effect.gen(function*() {
    const chosen = yield* Effect.result(
      on(runOptions({ root: place.stateRoot, id: place.id(), cmd: ["true"], ...given } as RunCommand))
    )
    if (chosen._tag === "Failure") {
      counts.refused++
      return ""
    }
    const planned = yield* Effect.result(planRun(chosen.success))
    const { error, plan: run } = yield* ended(Runtime.run(chosen.success), "run")
    if (planned._tag === "Failure") {
      counts.refused++
      return String(planned.failure) === String(error) ? "" : `plan: ${planned.failure}\nrun: ${error}`
    }
    const plan = planned.success
    const fails = plan.fails === undefined ? "" : `${plan.fails.step}: `
    if ((error === undefined) !== (fails === "")) return `plan: ${fails}${plan.fails?.error}\nrun: ${error}`
    counts[error === undefined ? "same" : "failed"]++
    if (!String(error).includes(fails)) return `plan: ${fails}${plan.fails?.error}\nrun: ${error}`
    // a process that fails may be killed before it has ended by itself
    return difference(plan, run).replace(/^init: create\/cloneInit\n {2}- exit_group\((?:1|126|127)\) …$/, "")
  })

const all = (name: string, given: ReadonlyArray<unknown>, commandOf: (one: never) => Partial<RunCommand>) =>
  describe(`a plan tells the calls of the run that follows, with a random ${name}`, () => {
    for (const [index, one] of given.entries()) {
      it.live(`${index}`, () =>
        Effect.map(
          compared(commandOf(one as never)),
          (different) => assert.strictEqual(different, "", JSON.stringify(one))
        ))
    }
  })

all("document", fc.sample(documents(place.mark), { seed, numRuns: runs }), bundle)
all("command", fc.sample(commands(place.root), { seed, numRuns: runs }), (one: Partial<RunCommand>) => one)
