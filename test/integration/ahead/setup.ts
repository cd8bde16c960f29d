/** What the tests of running ahead share: the same steps in turns and ahead. */
import { afterAll, beforeAll } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Pipeline from "../../../src/engine/Pipeline.ts"
import * as Step from "../../../src/engine/Step.ts"
import { AT } from "../../../src/native/constants.ts"
import { Fork } from "../../../src/native/Fork.ts"
import { callNames, Kernel, sys } from "../../../src/native/Kernel.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import { turnsOf } from "../../../src/native/linux/rpc/Client.ts"
import { inChild } from "../../support/child.ts"
import { makePlace, type Place } from "../../support/containers.ts"
import { isolate } from "../../support/host.ts"
import { missing } from "../../support/rootfs.ts"

export let place: Place

export let directory = ""

beforeAll(async () => {
  if (missing !== undefined) return
  await Effect.runPromise(isolate)
  place = makePlace()
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-ahead-"))
})

afterAll(() => {
  place?.remove()
  if (directory !== "") fs.rmSync(directory, { recursive: true })
})

export const at = (name: string, flags: number) =>
  sys.openat({ dirfd: AT.FDCWD, path: path.join(directory, name), flags, mode: 0o600 })

/** The same calls, of a kernel that waits for each answer: it can't run ahead, and so can't copy any. */
export const waiting = (kernel: Kernel["Service"]): Kernel["Service"] => ({ invoke: (call) => kernel.invoke(call) })

/** Pseudo-random numbers from 0 to `most` - 1: the same in each run. */
export const random = (seed: number) => (most: number): number => {
  seed = seed * 1103515245 + 12345 & 0x7fffffff
  return (seed >> 8) % most
}

/** Runs a step in a process of a kernel: what it comes to, and in how many turns. */
export const inTurns = (
  kernel: Kernel["Service"],
  run: Effect.Effect<unknown, unknown, Kernel>,
  name = "tested",
  before: Pipeline.Any["steps"][number] | undefined = undefined
) =>
  Effect.gen(function*() {
    const step = Step.make(name, {
      doc: "",
      calls: callNames,
      provides: Tested,
      reversal: "harmless",
      replayable: true,
      run: run as Effect.Effect<unknown, never, Kernel>
    })
    const alone = Pipeline.make({ name: "test", doc: "", inputs: [] }, step)
    const pipeline = before === undefined ? alone : Pipeline.insertBefore(alone, name, before as never)
    const asked = turnsOf()
    const end = yield* inChild(
      0,
      Pipeline.run(pipeline).pipe(
        Effect.map((all) => Context.get(all, Tested)),
        Effect.catch((error) => Effect.succeed({ failed: error.message })),
        Effect.provideService(Kernel, kernel)
      )
    ).pipe(Effect.provideService(Kernel, kernel), Effect.provideService(Fork, Linux.fork(kernel)))
    return { end, turns: turnsOf() - asked }
  })

export class Tested extends Context.Service<Tested, unknown>()("test/Tested") {}
