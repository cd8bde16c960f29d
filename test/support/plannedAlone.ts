/**
 * A program for a user without privileges: prints how a plan of run differs from the run that follows, by way of
 * {@link difference}; nothing if they are the same. Its argument is the command line as JSON.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import process from "node:process"
import { type RunCommand, runOptions } from "../../src/cli/run.ts"
import { Kernel } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import { planRun } from "../../src/runtime/plan.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { lookUpModes, lookUpSize, OwnModes, OwnSize } from "../../src/runtime/terminal.ts"
import { difference, done } from "./planned.ts"

const given: RunCommand = JSON.parse(process.argv[2]!)
const kernel = Linux.make()
/** What the command gives both. */
const edge = Context.make(OwnModes, Effect.provideService(lookUpModes, Kernel, kernel)).pipe(
  Context.add(OwnSize, Effect.provideService(lookUpSize, Kernel, kernel))
)

void Effect.runPromise(
  Effect.gen(function*() {
    const chosen = yield* Effect.provideService(runOptions(given), Kernel, kernel)
    const plan = yield* planRun(chosen)
    const run = yield* done(Runtime.run(chosen), "run")
    if (plan.rows.length === 0) throw new Error("the plan is empty")
    process.stdout.write(difference(plan, run))
  }).pipe(Effect.provideContext(edge))
)
