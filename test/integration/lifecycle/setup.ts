/** What the tests of the life of a container share: faults at any call, and counts of the calls. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { CurrentStep } from "../../../src/engine/Events.ts"
import * as Pipeline from "../../../src/engine/Pipeline.ts"
import { PipelineError, rootCause } from "../../../src/engine/PipelineError.ts"
import * as Step from "../../../src/engine/Step.ts"
import type * as Errno from "../../../src/native/Errno.ts"
import { type Call, type Kernel, SyscallError } from "../../../src/native/Kernel.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import { failureOf } from "../../support/containers.ts"
import { ownPlace } from "../../support/ownPlace.ts"

export const place = ownPlace()

export interface Fault {
  readonly pipeline: string
  readonly step: string
  /** 1 is the step's first call. */
  readonly nth: number
  readonly code: Errno.Errno
}

/**
 * The kernel of this host, in which one call of one step fails. A process that is forked takes it along: the calls of an
 * init's steps are counted there. What undoes a step is left alone, and close(2), which closes whatever it answers.
 */
export const faulty = (fault: Fault): Kernel["Service"] => {
  const kernel = Linux.make()
  let seen = 0
  return {
    invoke: (call) =>
      Effect.flatMap(
        CurrentStep,
        (current) =>
          call._tag !== "close" && current?.step === fault.step && current.pipeline === fault.pipeline &&
            !current.undoing &&
            ++seen === fault.nth
            ? Effect.fail(new SyscallError({ call, code: fault.code }))
            : kernel.invoke(call)
      )
  }
}

export type Counts = Record<string, number>

/** The kernel of this host, and how many calls each step has made, by `pipeline/step`. */
export const counting = (): { readonly kernel: Kernel["Service"]; readonly counts: Counts } => {
  const kernel = Linux.make()
  const counts: Counts = {}
  const count = (name: string) => void (counts[name] = (counts[name] ?? 0) + 1)
  return {
    counts,
    kernel: {
      invoke: (call: Call) =>
        Effect.flatMap(CurrentStep, (current) => {
          if (call._tag !== "close" && current !== undefined && !current.undoing) {
            count(`${current.pipeline}/${current.step}`)
          }
          return kernel.invoke(call)
        }) as never
    }
  }
}

/** A step by which an init tells what it has counted: it fails with it. */
export const tell = (counts: Counts) =>
  Step.make("tell", {
    doc: "tell how many calls each step has made",
    calls: [],
    reversal: "harmless",
    run: Effect.suspend(() => Effect.fail(new Error(JSON.stringify(counts))))
  })

export const toldBy = (exit: Exit.Exit<unknown, unknown>): Counts => {
  const { message } = rootCause(failureOf(exit)) as Error
  assert.match(message, /^\{/, failureOf(exit).message)
  return JSON.parse(message) as Counts
}

/** Which calls of a step to fail: all of the first twelve, or the first and the last of them. */
const nths = (count: number, every: boolean): ReadonlyArray<number> =>
  every ? Array.from({ length: Math.min(count, 12) }, (_, index) => index + 1) : [...new Set([1, count])]

export const faultsOf = (
  pipeline: Pipeline.Any,
  counts: Counts,
  every: boolean,
  known: (step: string) => number = () => 0
): ReadonlyArray<Fault> =>
  pipeline.steps.flatMap(({ name }) => {
    const count = counts[`${pipeline.name}/${name}`] ?? known(name)
    if (count === 0) return []
    return nths(count, every).filter((nth) => nth <= count).map((nth): Fault => ({
      pipeline: pipeline.name,
      step: name,
      nth,
      code: nth % 2 === 1 ? "EIO" : "EPERM"
    }))
  })

const chain = (error: unknown): ReadonlyArray<PipelineError> =>
  error instanceof PipelineError ? [error, ...chain(error.cause)] : []

/** The error of a run that a fault has ended: it names the place and the errno, and nothing failed on the way back. */
export const checkError = (error: Error, { code, pipeline, step }: Fault) => {
  const errors = chain(error)
  assert.isTrue(
    errors.some((one) => one.pipeline === pipeline && one.step === step),
    `not of the step: ${error.message}`
  )
  for (const one of errors) assert.deepStrictEqual(one.rollback, [], error.message)
  // a step may know better than the errno
  if (rootCause(error) instanceof SyscallError) assert.include(error.message, code)
}

export const before = (pipeline: Pipeline.Any, name: string, step: Step.Any): Pipeline.Any =>
  Pipeline.insertBefore(pipeline as never, name as never, step as never) as Pipeline.Any

/** Steps behind the one that tells how many calls there were. */
export const last: Readonly<Record<string, number>> = { reportReady: 1, exec: 12, finishSideCar: 1 }

export const faultsHappen = (outcomes: ReadonlyArray<boolean>) =>
  assert.isAbove(outcomes.filter((failed) => failed).length, outcomes.length * 0.8, "most calls are needed")
