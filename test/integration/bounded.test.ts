/** A scenario that waits for ever fails with its name, and leaves no process behind. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { CLONE, O } from "../../src/native/constants.ts"
import { onLinux, running, WaitsForEver } from "../support/bounded.ts"
import { play, playAll } from "../support/parity.ts"
import type { Scenario } from "../support/parityLines.ts"
import { eventually } from "../support/until.ts"
import { as, line, start } from "../support/vocabulary.ts"

/** Both have both ends of the pipe, so no end of file comes; the one beside has a pid namespace of its own. */
const waits: Scenario = [
  line("pipe2", { flags: O.CLOEXEC }, as("p")),
  start("other", CLONE.NEWPID, [line("read", { fd: "$p.0", count: 1 })]),
  line("read", { fd: "$p.0", count: 1 })
]

/** Once both of its processes are there. */
const overdue = Effect.suspend(() => eventually(() => running(new Set()).length >= 2))

describe("a scenario that waits for ever", () => {
  it.live("fails with its name, and its processes are killed", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(onLinux(() => "an endless read", play(waits), overdue))
      assert.instanceOf(error, WaitsForEver)
      assert.strictEqual(error.message, "an endless read: waits for ever; its 2 processes have been killed")
      assert.deepStrictEqual(running(new Set()), [])
      // and what is played next is heard as ever
      const [trace = []] = yield* onLinux(() => "", playAll([[line("getpid", {})]]))
      assert.strictEqual(trace[0], "getpid {} = ok")
    }))

  it.live("is the one that is named, of several that one process plays", () =>
    Effect.gen(function*() {
      let at = -1
      const begins = (index: number) => void (at = index)
      const scenarios = [[line("getpid", {})], waits, [line("getpid", {})]]
      // the one that plays them, and its two
      const third = eventually(() => at === 1 && running(new Set()).length >= 3)
      const error = yield* Effect.flip(onLinux(() => `scenario ${at}`, playAll(scenarios, begins), third))
      assert.strictEqual(error.message, "scenario 1: waits for ever; its 3 processes have been killed")
    }))
})
