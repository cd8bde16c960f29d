import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { Rollback } from "../../../src/engine/Step.ts"
import { SOCK } from "../../../src/native/constants.ts"
import { openChannel } from "../../../src/steps/parent/openChannel.ts"
import { and, runStep } from "../../support/steps.ts"

describe("openChannel", () => {
  it("makes ends that no other program gets, and closes both on rollback", () => {
    const undos: Array<Effect.Effect<void, unknown>> = []
    const context = and(Context.empty() as Context.Context<never>, Rollback, { add: (undo) => void undos.push(undo) })
    let type = 0
    runStep(openChannel, context, (call) => {
      if (call._tag !== "socketpair") return undefined
      type = call.type
      return [5, 6]
    })
    assert.strictEqual(type, SOCK.SEQPACKET | SOCK.CLOEXEC)
    assert.strictEqual(undos.length, 2)
  })
})
