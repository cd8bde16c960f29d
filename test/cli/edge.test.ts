import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import process from "node:process"
import { onLinux, report } from "../../src/cli/edge.ts"
import { exitCodeOf } from "../../src/engine/PipelineError.ts"
import * as Streams from "../../src/runtime/streams.ts"

describe("report", () => {
  it("says what happened and what to do", () => {
    const error = Object.assign(new Error("no\nroom"), { advice: "make\troom" })
    assert.strictEqual(report(error), "runfx: no\nroom\n  what to do: make\troom\n")
  })

  it("lets no name command the terminal", () => {
    assert.strictEqual(report(new Error("\u001b]0;root\u0007é\u009b2J\r")), "runfx: \\x1b]0;root\\x07é\\x9b2J\\x0d\n")
  })
})

describe("exitCodeOf", () => {
  it("is that of the error where it is one, and never that of a success", () => {
    for (const exitCode of [126, 127, 1, 255]) assert.strictEqual(exitCodeOf({ exitCode }), exitCode)
    // what a process of the container can make of it
    for (const exitCode of [0, 256, -1, 1.5, 2 ** 53, NaN, Infinity, "126", null, {}, 12n]) {
      assert.strictEqual(exitCodeOf({ exitCode }), 1)
    }
    assert.strictEqual(exitCodeOf("text"), 1)
  })
})

/** What an effect has written on standard error, run as a subcommand, with this environment. */
const stderrOf = async (effect: Effect.Effect<number>, debug: string | undefined): Promise<string> =>
  (await outcomeOf(effect, debug)).text

/** The same, with the exit code. */
const outcomeOf = async (effect: Effect.Effect<number, unknown>, debug?: string) => {
  let code: typeof process.exitCode
  const { write } = process.stderr
  const before = process.env["RUNFX_DEBUG"]
  let text = ""
  process.stderr.write = (chunk: string | Uint8Array, done?: unknown) => {
    text += String(chunk)
    if (typeof done === "function") queueMicrotask(() => done())
    return true
  }
  try {
    if (debug === undefined) delete process.env["RUNFX_DEBUG"]
    else process.env["RUNFX_DEBUG"] = debug
    await onLinux(effect)
    code = process.exitCode
  } finally {
    process.stderr.write = write
    if (before === undefined) delete process.env["RUNFX_DEBUG"]
    else process.env["RUNFX_DEBUG"] = before
    process.exitCode = undefined
  }
  return { code, text }
}

describe("onLinux", () => {
  it("prints warnings always, debug lines where they are asked for, and lets neither command the terminal", async () => {
    const effect = Effect.as(Effect.andThen(Effect.logWarning("a\u001bb"), Effect.logDebug("c\u202ed")), 0)
    for (const off of [undefined, "", "0"]) {
      assert.strictEqual(await stderrOf(effect, off), "runfx: warning: a\\x1bb\n")
    }
    assert.strictEqual(await stderrOf(effect, "1"), "runfx: warning: a\\x1bb\nrunfx: debug: c\\u202ed\n")
  })

  it("listens to signals before anything is made, and not if nothing is", async () => {
    let listening = false
    const look = Effect.sync(() => {
      listening = ["SIGINT", "SIGTERM"].every((name) => process.listenerCount(name) > before[name]!)
      return 0
    })
    const before: Record<string, number> = {
      SIGINT: process.listenerCount("SIGINT"),
      SIGTERM: process.listenerCount("SIGTERM")
    }
    await onLinux(look)
    process.exitCode = undefined
    assert.isTrue(listening)
    assert.strictEqual(process.listenerCount("SIGINT"), before["SIGINT"])
    await onLinux(look, { looks: true })
    assert.isFalse(listening)
  })

  it("ends as a signal does for what nobody has caught, and shows it", async () => {
    let ended = false
    const effect = Effect.as(
      Effect.onInterrupt(
        Effect.andThen(
          Effect.sync(() =>
            void setTimeout(() => process.emit("uncaughtException", new Error("thrown by a callback")))
          ),
          Effect.never
        ),
        () => Effect.sync(() => void (ended = true))
      ),
      0
    )
    const { code, text } = await outcomeOf(effect)
    assert.isTrue(ended)
    assert.strictEqual(code, 1)
    assert.match(text, /^runfx: this is a bug in runfx: Error: thrown by a callback\n {4}at /)
  })

  it("ends as a signal does for an error of its own output, and says it once", async () => {
    const error = Object.assign(new Error("write EPIPE"), { code: "EPIPE" })
    const effect = Effect.andThen(
      Effect.sync(() => void setTimeout(() => process.stdout.emit("error", error))),
      Effect.andThen(Streams.print(" \b"), Effect.never)
    )
    const { code, text } = await outcomeOf(effect)
    assert.strictEqual(code, 141)
    assert.strictEqual(text, "runfx: standard output can't be written: EPIPE (Broken pipe)\n")
  })
})
