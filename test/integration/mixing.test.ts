/** Sandboxes that run at the same time, each with an output of its own: none gets another one's. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Sandbox from "../../src/sandbox.ts"
import { markOf } from "../support/mark.ts"
import { missing } from "../support/rootfs.ts"

/** How many there are, and how many at once. */
const all = Math.round(64 * Number(process.env["RUNFX_RUNS"] ?? 1))
const atOnce = 32

/** Both streams, in many writes, and a length and an exit code that tell whose they are. */
const script = (word: string, length: number, code: number) =>
  `i=0; while [ $i -lt 20 ]; do echo ${word}; echo e${word} >&2; i=$((i+1)); done; ` +
  `head -c ${length} /dev/zero | tr '\\0' x; exit ${code}`

describe.skipIf(missing !== undefined)("sandboxes at the same time", () => {
  it.live("have each its own output and exit code", () =>
    Effect.gen(function*() {
      const stateRoot = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-mixing-"))
      const mark = markOf("mix")
      const one = (index: number) =>
        Effect.gen(function*() {
          const [word, length, code] = [`${mark}-${index}`, index % 7 * 3000, index % 50]
          const { exitCode, stderr, stdout } = yield* Sandbox.run(
            Sandbox.make({}),
            ["sh", "-c", script(word, length, code)],
            { stateRoot }
          )
          assert.deepStrictEqual(
            { exitCode, stderr: String(stderr), stdout: String(stdout) },
            { exitCode: code, stderr: `e${word}\n`.repeat(20), stdout: `${word}\n`.repeat(20) + "x".repeat(length) }
          )
        })
      yield* Effect.forEach(Array.from({ length: all }, (_, index) => index), one, {
        concurrency: atOnce,
        discard: true
      })
      fs.rmSync(stateRoot, { recursive: true })
    }).pipe(Effect.provide(Sandbox.layer)))
})
