import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { timings } from "../../src/cli/timings.ts"
import type { Event } from "../../src/engine/Events.ts"

const done = (step: string, milliseconds: number, tag: "Completed" | "Failed" = "Completed"): Event => ({
  _tag: tag,
  pipeline: "create",
  step,
  milliseconds
})

const events: ReadonlyArray<Event> = [
  { _tag: "Started", pipeline: "create", step: "createState" },
  done("createState", 8),
  done("openChannel", 1),
  done("skipped", 0),
  done("releaseInit", 4, "Failed")
]

describe("timings", () => {
  it("are plain where there is no terminal, or no room", () => {
    const plain = [
      "     8.000 ms  create       createState\n",
      "     1.000 ms  create       openChannel\n",
      "     0.000 ms  create       skipped\n",
      "     4.000 ms  create       releaseInit\n"
    ].join("")
    assert.strictEqual(timings(events), plain)
    assert.strictEqual(timings(events, 40), plain)
    assert.strictEqual(timings([], 80), "")
  })

  it("have bars on a terminal, on one scale", () => {
    assert.strictEqual(
      timings(events, 58),
      [
        "     8.000 ms  create       createState  ████████████████\n",
        "     1.000 ms  create       openChannel  ██\n",
        "     0.000 ms  create       skipped\n",
        "     4.000 ms  create       releaseInit  ████████\n"
      ].join("")
    )
  })

  it("fit any terminal, and are as long as their times", () => {
    const times = fc.array(fc.double({ min: 0.001, max: 1e5, noNaN: true }), { minLength: 1, maxLength: 20 })
    fc.assert(fc.property(times, fc.integer({ min: 60, max: 300 }), (all, columns) => {
      const lines = timings(all.map((milliseconds) => done("createState", milliseconds)), columns).trimEnd().split("\n")
      const lengths = lines.map((line) => line.replace(/^.*createState {2}/, "").length)
      for (const line of lines) assert.isBelow(line.length, columns)
      for (const [one, length] of lengths.entries()) {
        for (const [other, shorter] of lengths.entries()) {
          if (all[one]! >= all[other]!) assert.isAtLeast(length, shorter)
        }
      }
      assert.isAtLeast(Math.min(...lengths), 1)
    }))
  })
})
