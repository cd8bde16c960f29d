/** Generated scenarios on both kernels, and how they are told where they differ. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fc from "fast-check"
import { fromHost, ModelKernel, UnmodelledError } from "../../src/testing/Testing.ts"
import { onLinux } from "./bounded.ts"
import type { Before } from "./observed.ts"
import { play, playAll } from "./parity.ts"
import type { Scenario, Trace } from "./parityLines.ts"

/** What a scenario came to on the model; the model may decline. */
export type OnModel = { readonly trace: Trace } | { readonly unmodelled: string } | { readonly broken: string }

/** A model of this machine, and what is to be seen there before anything happens. */
interface Machine {
  readonly seed: ReturnType<typeof fromHost>
  readonly start: { before?: Before }
}

/** Reads this machine. */
const machineOf = (): Machine => ({ seed: fromHost(), start: {} })

/** Runs on a model of this machine. */
const onModel = ({ seed, start }: Machine, scenario: Scenario): Effect.Effect<OnModel> =>
  Effect.suspend(() => {
    const model = ModelKernel.make(seed)
    return Effect.map(
      Effect.exit(Effect.provide(play(scenario, { generated: true, start }), model.layer)),
      (exit) => ({ exit, defects: [...model.exits().values()].filter(Exit.isFailure) })
    )
  }).pipe(
    Effect.map(({ defects, exit }) => {
      if (Exit.isSuccess(exit)) {
        const defect = defects.find(({ cause }) => cause.reasons.some(Cause.isDieReason))
        return defect === undefined ? { trace: exit.value } : { broken: Cause.pretty(defect.cause) }
      }
      const error = Cause.squash(exit.cause)
      return error instanceof UnmodelledError
        ? { unmodelled: error.message }
        : { broken: error instanceof Error ? error.stack ?? error.message : String(error) }
    })
  )

const same = (a: Trace, b: Trace): boolean => a.length === b.length && a.every((line, index) => line === b[index])

/** How many lines a scenario has, with those of its children. */
const callsOf = (scenario: Scenario): number =>
  scenario.reduce((sum, line) => sum + ("lines" in line ? 1 + callsOf(line.lines) : 1), 0)

/** Both traces side by side: what differs is marked. */
const sideBySide = (real: Trace, model: Trace): string =>
  Array.from({ length: Math.max(real.length, model.length) }, (_, index) => {
    const [a, b] = [real[index] ?? "(nothing)", model[index] ?? "(nothing)"]
    return a === b ? `    ${a}` : `  L ${a}\n  M ${b}`
  }).join("\n")

/** A scenario as it can be written into a file of scenarios. */
const asData = (scenario: Scenario): string =>
  JSON.stringify(scenario, (_, value: unknown) => typeof value === "bigint" ? `${value}n` : value)
    .replaceAll(/"(-?\d+n)"/g, "$1").replaceAll(/"(\w+)":/g, "$1: ").replaceAll("},{", "},\n  {")

/** One scenario on which the two differ. */
export interface Difference {
  readonly scenario: Scenario
  readonly real: Trace
  readonly model: Trace | string
}

/** The scenario alone, on both; nothing where they agree or the model declines. */
const difference = (
  machine: Machine,
  scenario: Scenario
): Effect.Effect<Difference | undefined, unknown> =>
  Effect.gen(function*() {
    const model = yield* onModel(machine, scenario)
    if ("unmodelled" in model) return undefined
    const real = yield* onLinux(() => asData(scenario), play(scenario, { generated: true }))
    if ("broken" in model) return { scenario, real, model: model.broken }
    return same(real, model.trace) ? undefined : { scenario, real, model: model.trace }
  })

/** The nth sequence of a seed. */
const nth = (sequences: fc.Arbitrary<Scenario>, seed: number): Scenario => {
  let scenario: Scenario = []
  fc.assert(fc.property(sequences, (found) => void (scenario = found)), { seed, numRuns: 1 })
  return scenario
}

/** The shortest scenario that fast-check finds on which the two differ. */
const shrunk = (
  machine: Machine,
  sequences: fc.Arbitrary<Scenario>,
  seed: number
): Effect.Effect<Difference | undefined> =>
  Effect.gen(function*() {
    let last: Difference | undefined
    yield* Effect.promise(() =>
      fc.check(
        fc.asyncProperty(sequences, async (scenario) => {
          const found = await Effect.runPromise(difference(machine, scenario))
          if (found !== undefined) last = found
          return found === undefined
        }),
        { seed, numRuns: 1, interruptAfterTimeLimit: 20_000 }
      )
    )
    return last
  })

/** What a run over one area came to. */
export interface Outcome {
  readonly sequences: number
  readonly calls: number
  readonly unmodelled: ReadonlyArray<string>
  readonly differences: ReadonlyArray<Difference & { readonly seed: number }>
}

/** Sequences that one process plays before another one is forked for it. */
const atOnce = 25

/** Plays sequences on both, and shrinks those that differ; stops after some. */
export const compare = (
  sequences: fc.Arbitrary<Scenario>,
  { runs, seed, most = 3 }: { readonly runs: number; readonly seed: number; readonly most?: number }
): Effect.Effect<Outcome, unknown> =>
  Effect.gen(function*() {
    const machine = machineOf()
    const differences: Array<Difference & { readonly seed: number }> = []
    const unmodelled: Array<string> = []
    let calls = 0
    let done = 0
    for (; done < runs && differences.length < most;) {
      const seeds = Array.from({ length: Math.min(atOnce, runs - done) }, (_, index) => seed + done + index)
      const scenarios = seeds.map((one) => nth(sequences, one))
      let playing = 0
      const nameOf = () => `seed ${seeds[playing]}\n${asData(scenarios[playing]!)}`
      const reals = yield* onLinux(nameOf, playAll(scenarios, (index) => void (playing = index)))
      for (const [index, scenario] of scenarios.entries()) {
        calls += callsOf(scenario)
        const model = yield* onModel(machine, scenario)
        if ("unmodelled" in model) {
          unmodelled.push(model.unmodelled)
          continue
        }
        if ("trace" in model && same(reals[index] ?? [], model.trace)) continue
        // alone, since only that counts
        const found = yield* shrunk(machine, sequences, seeds[index]!)
        if (found !== undefined) differences.push({ ...found, seed: seeds[index]! })
      }
      done += seeds.length
    }
    return { sequences: done, calls, unmodelled, differences }
  })

/** A difference as text: the scenario as data, and both traces. */
export const render = ({ model, real, scenario, seed }: Difference & { readonly seed: number }): string =>
  `seed ${seed}\n${asData(scenario)}\n(L is Linux, M the model)\n${
    typeof model === "string" ? `${real.join("\n")}\nthe model broke: ${model}` : sideBySide(real, model)
  }`
