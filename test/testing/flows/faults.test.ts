/**
 * Any call fails, or the run is interrupted at it: the error is typed and names its step, what was done is undone in
 * reverse, and nothing is left. Over random containers on random hosts, and at every single call of a few of them.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import fc from "fast-check"
import { PipelineError, rootCause } from "../../../src/engine/PipelineError.ts"
import { SIG } from "../../../src/native/constants.ts"
import type { Errno } from "../../../src/native/Errno.ts"
import type { Fork } from "../../../src/native/Fork.ts"
import { type Kernel, SyscallError } from "../../../src/native/Kernel.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import type { State } from "../../../src/testing/Testing.ts"
import {
  calledBy,
  frozen,
  id,
  leftovers,
  perform,
  type Ran,
  runs,
  type Scene,
  sceneOf,
  type Seen,
  stepsOf,
  tells,
  undeclared,
  verdict,
  wrongCause
} from "../../support/flowChecks.ts"
import { processOf, setting, stateRoot } from "../../support/flowGenerators.ts"
import { kinds } from "./kinds.ts"

Error.stackTraceLimit = 0

// ── the flows ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** One command on a machine that is ready for it. */
interface Flow {
  readonly state: State.State
  readonly act: Effect.Effect<unknown, unknown, Kernel | Fork>
  /** Whether a failure must leave the machine as it was; kill and remove can't give back what they took. */
  readonly undoes: boolean
}

type Name = "create" | "exec" | "kill" | "remove"

const start = (scene: Scene): State.State | undefined => {
  const ran = perform(scene.state, Runtime.create({ ...scene.options }))
  return Exit.isSuccess(ran.exit) ? calledBy(ran.model.state(), scene.caller) : undefined
}

const killed = Runtime.kill(id, SIG.KILL, { stateRoot })

const flows: Readonly<Record<Name, (scene: Scene) => Flow | undefined>> = {
  create: (scene) => ({ state: scene.state, act: Runtime.create(scene.options), undoes: true }),
  exec: (scene) => {
    const state = start(scene)
    const process = { ...processOf(scene.setting, scene.setting.process, "tool"), terminal: false }
    return state && { state, act: Runtime.start({ id, stateRoot, process }), undoes: true }
  },
  kill: (scene) => {
    const state = start(scene)
    return state && { state, act: killed, undoes: false }
  },
  remove: (scene) => {
    const state = start(scene)
    if (state === undefined) return undefined
    const ran = perform(state, killed)
    return Exit.isSuccess(ran.exit)
      ? { state: calledBy(ran.model.state(), scene.caller), act: Runtime.remove(id, { stateRoot }), undoes: false }
      : undefined
  }
}

// ── the faults ───────────────────────────────────────────────────────────────────────────────────────────────────────

const errnos = [
  "EPERM",
  "ENOENT",
  "EINTR",
  "EIO",
  "EAGAIN",
  "ENOMEM",
  "EACCES",
  "EBUSY",
  "EINVAL",
  "ENOSPC",
  "EMFILE",
  "ESRCH",
  "ECHILD",
  "EPIPE",
  "ECONNRESET",
  "ENODEV"
] as const satisfies ReadonlyArray<Errno>

/** Calls that Linux never refuses. */
const infallible = new Set<string>(["exit_group", "getpid", "getppid", "umask"])

/** Whether the run ended as it did before there was a fault. */
const isDone = (ran: Ran<unknown, unknown>): boolean => Exit.isSuccess(ran.exit)

/** What is wrong with a run in which a call was made to fail. */
const afterFault = ({ caller }: Scene, flow: Flow, ran: Ran<unknown, unknown>, code: Errno): ReadonlyArray<string> => {
  const state = ran.model.state()
  const always = [...undeclared(ran.seen), ...frozen(state)]
  // a call that may fail is no failure of the flow
  if (Exit.isSuccess(ran.exit)) return always
  const { cause } = ran.exit
  const wrong = [...always, ...wrongCause(cause, ran.seen)]
  const [fault] = ran.failed
  if (flow.undoes) {
    // close(2) does not fail for the descriptors that flows have; what it would be told of is not looked after
    const counts = (text: string): boolean => fault?.call._tag !== "close" || !text.includes("descriptor")
    wrong.push(...leftovers(flow.state, state, caller).filter(counts))
  }
  const error = Cause.squash(cause)
  if (!(error instanceof Error) || !("_tag" in error)) wrong.push("the error has no tag")
  if (fault === undefined || fault.step === "" || fault.undoing) return wrong
  // an error of a step's own says in words what the errno means there
  if (rootCause(error) instanceof SyscallError && !tells(error, code)) {
    wrong.push(`the original error, ${code}, is not told`)
  }
  const where = stepsOf(error)
  const parent = ["create", "exec"].includes(fault.pipeline) && fault.side !== "parent"
  if (where.length === 0) wrong.push("no step is named")
  else if (!parent && !where.includes(`${fault.pipeline}/${fault.step}`)) {
    wrong.push(`${where.join(" ← ")} is named in place of ${fault.pipeline}/${fault.step}`)
  }
  return wrong
}

const nth = (number: number, code: Errno) => (seen: Seen): Errno | undefined =>
  seen.number === number && !infallible.has(seen.call._tag) ? code : undefined

describe("whichever call fails", () => {
  const position = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })
  const fault = fc.tuple(position, fc.constantFrom(...errnos))

  for (const name of ["create", "exec", "kill", "remove"] as const) {
    it(`${name} tells it, with its step, and leaves nothing`, () => {
      const counts = { faults: 0, failed: 0 }
      fc.assert(
        fc.property(setting, fc.array(fault, { minLength: 8, maxLength: 8 }), (setting, faults) => {
          const scene = sceneOf(setting)
          const flow = flows[name](scene)
          if (flow === undefined) return
          const whole = perform(flow.state, flow.act)
          for (const [where, code] of faults) {
            const number = Math.floor(where * whole.seen.length) + 1
            const ran = perform(flow.state, flow.act, { rule: nth(number, code) })
            counts.faults++
            if (!isDone(ran)) counts.failed++
            verdict(afterFault(scene, flow, ran, code), ran)
          }
        }),
        { numRuns: runs(name === "create" ? 20 : 8) }
      )
      assert.isAbove(counts.failed, counts.faults / 10)
    }, 600_000)
  }
})

describe("at every single call", () => {
  const every = ["EPERM", "EINTR"] as const
  for (const [kind, setting] of Object.entries(kinds)) {
    for (const name of ["create", "exec", "kill", "remove"] as const) {
      it(`${name} ${kind}: a fault or an interruption leaves nothing`, () => {
        const scene = sceneOf(setting)
        const flow = flows[name](scene)
        if (flow === undefined) throw new Error("the container does not start")
        const whole = perform(flow.state, flow.act)
        verdict(Exit.isSuccess(whole.exit) ? [] : ["it fails without a fault"], whole)
        // each call by one of the three, and all by all where there is time
        const stride = Math.max(1, Math.ceil(whole.seen.length / runs(flow.undoes ? 15 : 5)))
        for (let number = 1; number <= whole.seen.length; number += stride) {
          for (const code of every) {
            const ran = perform(flow.state, flow.act, { rule: nth(number, code) })
            verdict(afterFault(scene, flow, ran, code), ran)
          }
          const ran = perform(flow.state, flow.act, { interruptAt: number })
          verdict(afterInterruption(scene, flow, ran), ran)
        }
      }, 600_000)
    }
  }
})

/** What is wrong with a run that was interrupted. */
function afterInterruption({ caller }: Scene, flow: Flow, ran: Ran<unknown, unknown>): ReadonlyArray<string> {
  const state = ran.model.state()
  const always = [...undeclared(ran.seen), ...frozen(state)]
  // it may have been too late for it
  const isLate = ran.interrupted.some(({ step }) => step === "") && !ran.seen.some(({ undoing }) => undoing) &&
    state.executed.length > flow.state.executed.length
  if (Exit.isSuccess(ran.exit) || isLate) return always
  const { cause } = ran.exit
  return [
    ...always,
    ...wrongCause(cause, ran.seen),
    ...Cause.hasInterruptsOnly(cause) ? [] : ["the cause is not the interruption alone"],
    ...flow.undoes ? leftovers(flow.state, state, caller) : []
  ]
}

describe("a fault while something is undone", () => {
  it("stands beside the error that came first", () => {
    const counts = { faults: 0, told: 0 }
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.values(kinds)),
        fc.constantFrom("create" as const, "exec" as const),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        fc.constantFrom(...errnos),
        (setting, name, first, second, code) => {
          const scene = sceneOf(setting)
          const flow = flows[name](scene)!
          const whole = perform(flow.state, flow.act)
          const at = Math.floor(first * whole.seen.length) + 1
          const once = perform(flow.state, flow.act, { rule: nth(at, "ENOTSUP") })
          const undo = once.seen.filter(({ side, undoing }) => undoing && side === "parent")
          if (Exit.isSuccess(once.exit) || undo.length === 0) return
          const again = undo[Math.floor(second * undo.length)]!
          const ran = perform(flow.state, flow.act, {
            rule: (seen) => nth(at, "ENOTSUP")(seen) ?? nth(again.number, code)(seen)
          })
          counts.faults++
          const wrong = [...undeclared(ran.seen), ...frozen(ran.model.state())]
          if (Exit.isSuccess(ran.exit)) wrong.push("it succeeded")
          else {
            const error = Cause.squash(ran.exit.cause)
            wrong.push(...wrongCause(ran.exit.cause, ran.seen))
            if (!(error instanceof PipelineError)) wrong.push("it is no failure of a pipeline")
            else {
              if (!tells(error, "ENOTSUP") && tells(Cause.squash(once.exit.cause), "ENOTSUP")) {
                wrong.push("the first error is lost")
              }
              const beside = error.rollback.filter(({ step }) => step === again.step)
              if (beside.length > 0) counts.told++
              // what was not told must have been of no consequence
              else wrong.push(...leftovers(flow.state, ran.model.state(), scene.caller))
              if (beside.some(({ cause }) => !Cause.pretty(cause).includes(code))) wrong.push(`${code} is not told`)
            }
          }
          verdict(wrong, ran)
        }
      ),
      { numRuns: runs(40) }
    )
    assert.isAbove(counts.told, counts.faults / 5)
  }, 600_000)
})
