import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Rollback } from "../../../src/engine/Step.ts"
import { SO } from "../../../src/native/constants.ts"
import type { Errno } from "../../../src/native/Errno.ts"
import { Launch } from "../../../src/steps/parent/Launch.ts"
import { openChannel } from "../../../src/steps/parent/openChannel.ts"
import { and, runStep } from "../../support/steps.ts"

/** The calls of the step, for a program that will have descriptors of its own, and what is undone. */
const made = (descriptors: Readonly<Record<number, number>>, refused?: Errno) => {
  const undos: Array<Effect.Effect<void, unknown>> = []
  const empty = Context.empty() as Context.Context<never>
  const undoing = and(empty, Rollback, { add: (undo) => void undos.push(undo) })
  const context = and(undoing, Launch, { record: { descriptors } } as unknown as Launch["Service"])
  const { exit, trace } = runStep(openChannel, context, (call) => {
    if (call._tag === "socketpair") return [5, 6]
    if (call._tag === "setsockopt" && call.option === SO.PASSRIGHTS) return refused
    return call._tag === "fcntl" ? 8 : undefined
  })
  return { channel: Exit.isSuccess(exit) ? exit.value as { readonly child: number } : undefined, trace, undos }
}

describe("openChannel", () => {
  it("makes ends that no other program gets, and closes both on rollback", () => {
    const { channel, trace, undos } = made({})
    assert.strictEqual(channel?.child, 6)
    assert.deepStrictEqual(trace, [
      "socketpair(SOCK_CLOEXEC|SOCK_SEQPACKET)",
      "setsockopt(5, SO_PASSCRED, 1)",
      "setsockopt(5, SO_PASSRIGHTS, 0)"
    ])
    assert.strictEqual(undos.length, 2)
  })

  it("does without the refusal of descriptors on a kernel that has none, and takes no other failure", () => {
    assert.strictEqual(made({}, "ENOPROTOOPT").channel?.child, 6)
    assert.isUndefined(made({}, "EPERM").channel)
  })

  it("keeps clear of the numbers that the program will have a descriptor under", () => {
    const { channel, trace } = made({ 3: 20, 6: 21, 7: 22 })
    assert.strictEqual(channel?.child, 8)
    assert.deepStrictEqual(trace.slice(1, 3), ["fcntl(6, F_DUPFD_CLOEXEC, 8)", "close(6)"])
    assert.strictEqual(made({ 7: 20 }).channel?.child, 6)
  })
})
