import * as Exit from "effect/Exit"
import { describe, expect, it } from "vitest"
import { type Kept, KeptParts } from "../../../src/native/linux/rpc/Kept.ts"
import { OpenFiles } from "../../../src/native/linux/rpc/OpenFiles.ts"

const now = { files: new OpenFiles(), link: 3, answers: undefined }

/** A run of a step with a number for its inputs, whose arguments take some bytes. */
const runOf = (inputs: number, bytes: number): Kept => ({
  inputs,
  exit: Exit.succeed(undefined) as Exit.Success<undefined>,
  circumstances: now,
  entries: { words: new Int32Array(), places: { inData: [], inEntries: [] }, entriesAt: 0, dataAt: 0 },
  data: new Uint8Array(bytes),
  holes: [],
  files: { closed: [], opened: [], mask: 0, inherited: undefined },
  waits: false
})

/** Which of a step's runs are kept. */
const keptOf = (parts: KeptParts, of: object, inputs: ReadonlyArray<number>): ReadonlyArray<number> =>
  inputs.filter((one) => parts.find({ of, match: (known) => known === one ? [] : undefined }, now) !== undefined)

describe("the calls that are kept", () => {
  it("are those of the last four kinds of inputs of a step", () => {
    const parts = new KeptParts()
    const step = {}
    for (let inputs = 0; inputs < 6; inputs++) parts.add(step, runOf(inputs, 8))
    expect(keptOf(parts, step, [0, 1, 2, 3, 4, 5])).toEqual([2, 3, 4, 5])
  })

  it("take 16 MiB at most: the oldest are forgotten, and one that was wrong is", () => {
    const parts = new KeptParts()
    const steps = Array.from({ length: 6 }, () => ({}))
    const runs = steps.map((_, index) => runOf(index, 0x40_0000))
    steps.slice(0, 4).forEach((step, index) => parts.add(step, runs[index]!))
    const kept = () =>
      steps.filter((step, index) => keptOf(parts, step, [index]).length > 0).map((step) => steps.indexOf(step))
    expect(kept()).toEqual([0, 1, 2, 3])
    parts.add(steps[4]!, runs[4]!)
    expect(kept()).toEqual([1, 2, 3, 4])
    parts.drop(runs[2]!)
    parts.drop(runs[2]!)
    expect(kept()).toEqual([1, 3, 4])
    parts.add(steps[5]!, runs[5]!)
    expect(kept()).toEqual([1, 3, 4, 5])
  })

  it("are 512 runs at most, of however many steps", () => {
    const parts = new KeptParts()
    const steps = Array.from({ length: 513 }, () => ({}))
    for (const step of steps) parts.add(step, runOf(0, 0))
    expect(steps.filter((step) => keptOf(parts, step, [0]).length > 0)).toHaveLength(512)
    expect(keptOf(parts, steps[0]!, [0])).toEqual([])
  })
})
