/**
 * Sandboxes of a pool, for `pool.mjs`: each line of its input is a number, and so many programs it starts then, one after the
 * other, each when the pool is full. It answers with one line of JSON: when each was asked for, by CLOCK_MONOTONIC, and when
 * its first instruction came, by the program's own word.
 *
 *     node pool.cjs ROOT PROGRAM
 */
import * as Effect from "effect/Effect"
import process from "node:process"
import { createInterface } from "node:readline"
import type { Fork } from "../src/native/Fork.ts"
import type { Kernel } from "../src/native/Kernel.ts"
import * as Sandbox from "../src/sandbox.ts"

const [root = "", program = ""] = process.argv.slice(2)

const main = Effect.gen(function*() {
  const sandbox = Sandbox.make({ root })
  const pool = yield* Sandbox.Pool.make({ size: 2, sandbox })
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
  /** Milliseconds until the program's first instruction, until it is known to run, and until all is over. */
  const measure = (run: Effect.Effect<Sandbox.Result, Sandbox.SandboxError, Kernel | Fork>) =>
    Effect.gen(function*() {
      const asked = process.hrtime.bigint()
      const { durations, stdoutBytes } = yield* run
      const over = process.hrtime.bigint()
      const told = Buffer.from(stdoutBytes)
      const first = told.readBigInt64LE(0) * 1_000_000_000n + told.readBigInt64LE(8)
      return { first: Number(first - asked) / 1e6, runs: durations.start, over: Number(over - asked) / 1e6 }
    })
  for (;;) {
    const { done, value } = yield* Effect.promise(() => lines.next())
    if (done === true) return
    const waiting: Array<unknown> = []
    const fresh: Array<unknown> = []
    for (let index = 0; index < Number(value); index++) {
      yield* pool.full
      waiting.push(yield* measure(Sandbox.Pool.run(pool, [program])))
      yield* pool.full
      fresh.push(yield* measure(Sandbox.run(sandbox, [program])))
    }
    process.stdout.write(`${JSON.stringify({ waiting, fresh })}\n`)
  }
})

void Effect.runPromise(Effect.provide(Effect.scoped(main), Sandbox.layer)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
  process.exitCode = 1
})
