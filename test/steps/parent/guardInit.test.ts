/** Which programs are guarded: those whose caller stays with them, unless their configuration asks for another end. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { SIG } from "../../../src/native/constants.ts"
import { Fork, make } from "../../../src/native/Fork.ts"
import { EnteredProcess } from "../../../src/steps/parent/facts.ts"
import { guardInit } from "../../../src/steps/parent/guardInit.ts"
import { Launch } from "../../../src/steps/parent/Launch.ts"

/** The handles that are guarded. */
const guarded = (attached: boolean, inRecord?: number, inContainer?: number): ReadonlyArray<unknown> => {
  const held: Array<unknown> = []
  const fork = make(() => Effect.never, (pidfd) => Effect.sync(() => void held.push(pidfd)))
  const container = inContainer === undefined ? {} : { parentDeathSignal: inContainer }
  const launch = { attached, record: { container, parentDeathSignal: inRecord } } as unknown as Launch["Service"]
  const entered = { pid: 7, pidfd: 9 } as unknown as EnteredProcess["Service"]
  const context = Context.make(Launch, launch).pipe(Context.add(EnteredProcess, entered), Context.add(Fork, fork))
  Effect.runSync(Effect.provide(guardInit.run, context as Context.Context<never>) as Effect.Effect<unknown>)
  return held
}

describe("guardInit", () => {
  it("guards what is attached, and nothing else", () => {
    assert.deepStrictEqual(guarded(true, SIG.KILL), [9])
    assert.deepStrictEqual(guarded(false), [])
    // libcontainer's configurations have it by default
    assert.deepStrictEqual(guarded(false, undefined, SIG.KILL), [])
  })

  it("leaves a program to the signal that its configuration names", () => {
    assert.deepStrictEqual(guarded(true, SIG.KILL, SIG.TERM), [])
    assert.deepStrictEqual(guarded(true, SIG.KILL, SIG.KILL), [9])
  })
})
