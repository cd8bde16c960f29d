/** A plan beside the run that follows: what the plan says of each process, and what the live kernel was asked by it. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Pipeline from "../../src/engine/Pipeline.ts"
import * as Plan from "../../src/engine/Plan.ts"
import { Fork } from "../../src/native/Fork.ts"
import { Kernel } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import * as PlanDiff from "../../src/testing/PlanDiff.ts"
import * as Recorder from "../../src/testing/Recorder.ts"

/** Runs something on the kernel of this host, and gives what it did in the form of a plan, and what it failed with. */
export const ended = (
  act: Effect.Effect<unknown, unknown, Kernel | Fork>,
  title: string,
  pids: ReadonlyMap<number, string> = new Map()
): Effect.Effect<{ readonly plan: Plan.Plan; readonly error?: unknown }> =>
  Effect.gen(function*() {
    const kernel = Linux.make()
    const recorder = Recorder.make()
    const exit = yield* Effect.exit(act.pipe(
      Effect.provideService(Fork, recorder.fork(Linux.fork(kernel))),
      Effect.provideService(Kernel, recorder.kernel(kernel))
    ))
    const error = Exit.isFailure(exit) ? { error: Cause.squash(exit.cause) } : {}
    const pipelines: ReadonlyArray<Pipeline.Any> = []
    return { plan: Plan.make({ title, record: recorder.entries(), pids, pipelines, ...error }), ...error }
  })

/** As {@link ended}, of what works. */
export const done = (
  act: Effect.Effect<unknown, unknown, Kernel | Fork>,
  title: string,
  pids?: ReadonlyMap<number, string>
): Effect.Effect<Plan.Plan, unknown> =>
  Effect.flatMap(
    ended(act, title, pids),
    ({ error, plan }) => error === undefined ? Effect.succeed(plan) : Effect.fail(error)
  )

/**
 * Steps that look again until something has come about that takes the kernel some time, which nobody can know before: each
 * of their calls is compared once.
 */
const patient: ReadonlySet<string> = new Set(["freeze", "signalAll", "thaw", "reap", "removeCgroup"])

const once = (calls: ReadonlyArray<Plan.PlannedCall>): ReadonlyArray<Plan.PlannedCall> =>
  [...new Map(calls.map((call) => [call.text, call])).values()].filter(({ name }) => name !== "nanosleep")

/** What both say, without what only the one can know: results. */
const plain = (plan: Plan.Plan): Plan.Plan => ({
  ...plan,
  rows: plan.rows.filter(({ calls }) => calls.length > 0).map((row) => ({
    ...row,
    calls: (patient.has(row.step) ? once(row.calls) : row.calls).map((call) => ({
      ...call,
      outcome: call.outcome._tag === "Failed" ? call.outcome : { _tag: "Ends" as const }
    }))
  }))
})

/** How long a process is still there after SIGKILL, and is looked at and killed again, nobody can know before. */
const dying: ReadonlySet<string> = new Set(["signalAll", "reap"])

const textsOf = ({ rows }: Plan.Plan): ReadonlySet<string> =>
  new Set(rows.filter(({ step }) => dying.has(step)).flatMap(({ calls }) => calls.map(({ text }) => text)))

/** A process that ends is looked at until it has ended, and what has outlived it is killed. */
const ofSideCar = ({ step }: Plan.Row, { name }: Plan.PlannedCall): boolean =>
  step === "runSideCar" && ["kill", "nanosleep", "waitid"].includes(name)

/** What is only done if the kernel has not done it yet, when it ends a network namespace. */
const ofLinks = ({ step }: Plan.Row, { name }: Plan.PlannedCall): boolean =>
  step === "disconnectNetworks" && name === "rtnetlink"

/** Without what only one of the two says of a process that is about to end, or of a network namespace. */
const without = (plan: Plan.Plan, other: Plan.Plan): Plan.Plan => {
  const known = textsOf(other)
  return {
    ...plan,
    rows: plan.rows.map((row) => ({
      ...row,
      calls: row.calls.filter((call) => !ofLinks(row, call) && !ofSideCar(row, call))
    })).map((row) =>
      dying.has(row.step)
        ? { ...row, calls: row.calls.filter(({ name, text }) => known.has(text) && name !== "close") }
        : row
    )
  }
}

/** The difference as text, process by process; empty for none. */
export const difference = (plan: Plan.Plan, run: Plan.Plan): string => {
  const [planned, made] = [plain(plan), plain(run)]
  return PlanDiff.render(PlanDiff.diff(without(planned, made), without(made, planned)), { all: true })
}
