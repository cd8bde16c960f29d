/** `runfx plan`: what a command would do. Nothing is done, and no privileges are needed. */
import * as Effect from "effect/Effect"
import process from "node:process"
import * as Plan from "../engine/Plan.ts"
import * as PlanText from "../engine/PlanText.ts"
import { SIG } from "../native/constants.ts"
import { planExec as execPlan, planKill as killPlan, planRun as runPlan } from "../runtime/plan.ts"
import * as Runtime from "../runtime/Runtime.ts"
import * as Store from "../steps/state/Store.ts"
import { type GlobalOptions, onLinux } from "./edge.ts"
import { type ExecCommand, execOptions } from "./exec.ts"
import { type RunCommand, runOptions } from "./run.ts"

/** What all plans take. */
export interface PlanCommand {
  readonly format: string
  /** Print also the calls that only look. */
  readonly all?: boolean
}

const narrow = 100

/** Prints a plan; the exit code says whether the command would succeed. */
const print = (plan: Plan.Plan, { all = false, format }: PlanCommand): number => {
  const width = Math.max(narrow, process.stdout.columns ?? 160)
  process.stdout.write(format === "json" ? `${Plan.toText(plan)}\n` : PlanText.render(plan, { all, width }))
  return plan.fails === undefined ? 0 : 1
}

/** What `run` would do. */
export const planRun = (command: RunCommand & PlanCommand): Promise<void> =>
  onLinux(Effect.gen(function*() {
    return print(yield* runPlan(yield* runOptions(command)), command)
  }))

const stateOf = ({ id, root }: GlobalOptions & { readonly id: string }) =>
  Effect.gen(function*() {
    return yield* Store.load(root ?? (yield* Runtime.stateRoot), id)
  })

/** What `exec` would do. */
export const planExec = (command: ExecCommand & PlanCommand): Promise<void> =>
  onLinux(Effect.gen(function*() {
    const { bundle, container } = yield* stateOf(command)
    return print(yield* execPlan(container, bundle, yield* execOptions(command)), command)
  }))

/** What `kill` would do. */
export const planKill = (command: GlobalOptions & PlanCommand & { readonly id: string }): Promise<void> =>
  onLinux(Effect.gen(function*() {
    const { bundle, container } = yield* stateOf(command)
    return print(yield* killPlan(command.id, container, bundle, SIG.KILL), command)
  }))
