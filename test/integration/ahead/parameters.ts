/** A parameter may be any text that a call may get: a copy has its bytes, and none beside them. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Ahead from "../../../src/native/Ahead.ts"
import { AT } from "../../../src/native/constants.ts"
import { type Kernel, sys } from "../../../src/native/Kernel.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import { decode } from "../../../src/native/text.ts"
import { missing } from "../../support/rootfs.ts"
import { counted, Given, inOne, Made } from "./copies.ts"
import { directory, waiting } from "./setup.ts"

/** A step that makes a link, which may lead to any text: where that leads, or how the step has failed. In memory the path follows. */
const linking = () => {
  const link = path.join(directory, "link")
  const make = (target: string) => sys.symlinkat({ target, dirfd: AT.FDCWD, path: link })
  const { runs, step } = counted("linking", Made, Effect.flatMap(Ahead.parameter(Given, ({ id }) => id!), make))
  const linked = (kernel: Kernel["Service"], id: string) =>
    Effect.map(inOne(kernel, { id, names: [] }, step), (end) => {
      if ("failed" in end) return end
      const target = decode(fs.readlinkSync(link, "buffer"))
      fs.rmSync(link)
      return target
    })
  return { linked, runs }
}

describe.skipIf(missing !== undefined)("a parameter", () => {
  it.live("is copied whatever bytes it has, up to its room", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      const { linked, runs } = linking()
      const longest = "€".repeat(170)
      const copied = ["a", longest, `${"x".repeat(169)}€`, "é", "𝄞".repeat(85), "\udcff/".repeat(85), "x".repeat(170)]
      for (const id of ["first", "€ a second €".repeat(10), ...copied, `${longest}€`, "x".repeat(171), ...copied]) {
        assert.strictEqual(yield* linked(kernel, id), id)
      }
      // the first two, and those that are longer
      assert.strictEqual(runs.count, 4)
    }))

  it.live("that no call may get is refused as if it were not copied", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      const [ahead, plain] = [linking(), linking()]
      for (const id of ["a", "b", "c"]) yield* ahead.linked(kernel, id)
      for (const id of ["half a pair \ud834", "nul\0", ""]) {
        const end = yield* ahead.linked(kernel, id)
        assert.property(end, "failed", id)
        assert.deepStrictEqual(end, yield* plain.linked(waiting(kernel), id))
      }
    }))
})
