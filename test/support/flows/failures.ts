/** How a failure must look. */
import * as Cause from "effect/Cause"
import type * as Pipeline from "../../../src/engine/Pipeline.ts"
import { PipelineError } from "../../../src/engine/PipelineError.ts"
import type { Errno } from "../../../src/native/Errno.ts"
import { create } from "../../../src/pipelines/create.ts"
import { exec } from "../../../src/pipelines/exec.ts"
import { presets } from "../../../src/pipelines/presets.ts"
import { type Seen } from "./runs.ts"

/** By pipeline and step, the calls that are declared. */
const declarations = (all: ReadonlyArray<Pipeline.Any>): ReadonlyMap<string, ReadonlySet<string>> =>
  new Map(
    all.flatMap((pipeline) =>
      pipeline.steps.map((step) => [`${pipeline.name}/${step.name}`, new Set<string>(step.calls)] as const)
    )
  )

const declaredByPresets = declarations(presets)

/** Calls that a step made and did not declare; `flow` stands in place of the preset of its name. */
export const undeclared = (seen: ReadonlyArray<Seen>, flow?: Pipeline.Any): ReadonlyArray<string> => {
  const own = flow === undefined ? undefined : declarations([flow])
  const wrong = new Set<string>()
  for (const { call, pipeline, side, step } of seen) {
    // what a child does before and behind its pipeline has no step: what stands there is that of its parent
    if (step === "" || side !== "parent" && (pipeline === create.name || pipeline === exec.name)) continue
    const name = `${pipeline}/${step}`
    const calls = own?.get(name) ?? declaredByPresets.get(name)
    if (calls === undefined) wrong.add(`no such step: ${name}`)
    else if (!calls.has(call._tag)) wrong.add(`${name} makes the call ${call._tag}, which it does not declare`)
  }
  return [...wrong]
}

/** An error and those that it carries, outermost first. */
const chain = (error: unknown): ReadonlyArray<unknown> => {
  const out: Array<unknown> = []
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null || out.includes(value)) return
    out.push(value)
    for (const [key, field] of Object.entries(value)) if (key !== "rollback" && key !== "call") visit(field)
    // an error does not list it
    if (value instanceof Error) visit(value.cause)
  }
  visit(error)
  return out
}

/** Whether an errno is told, as a field or in the text. */
export const tells = (error: unknown, code: Errno): boolean =>
  chain(error).some((one) =>
    typeof one === "object" && one !== null &&
    ("code" in one && one.code === code || one instanceof Error && one.message.includes(code))
  )

/** The pipelines and steps that an error names. */
export const stepsOf = (error: unknown): ReadonlyArray<string> =>
  error instanceof PipelineError ? error.path.map(({ pipeline, step }) => `${pipeline}/${step}`) : []

/** Texts for what is wrong with a cause: defects, an undo out of order. */
export const wrongCause = (cause: Cause.Cause<unknown>, seen: ReadonlyArray<Seen>): ReadonlyArray<string> => {
  const wrong: Array<string> = []
  if (Cause.hasDies(cause)) wrong.push("the failure is a defect")
  if (Cause.pretty(cause).includes("UnmodelledError")) wrong.push("the model does not know what was asked of it")
  for (const pipeline of presets) {
    const index = new Map(pipeline.steps.map(({ name }, at) => [name, at]))
    const undone = seen.filter((one) => one.undoing && one.pipeline === pipeline.name && one.side === "parent")
      .map(({ step }) => index.get(step)!)
    for (let at = 1; at < undone.length; at++) {
      if (undone[at]! > undone[at - 1]!) wrong.push(`${pipeline.name}: undone out of order`)
    }
    for (const error of cause.reasons.filter(Cause.isFailReason).flatMap(({ error }) => chain(error))) {
      if (!(error instanceof PipelineError) || error.pipeline !== pipeline.name) continue
      const order = error.undone.map((name) => index.get(name)!)
      if (order.some((step, at) => at > 0 && step >= order[at - 1]!)) {
        wrong.push(`${pipeline.name}: told as undone out of order: ${error.undone.join(", ")}`)
      }
      if (!index.has(error.step)) wrong.push(`${pipeline.name} has no step ${error.step}`)
    }
  }
  return wrong
}
