import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { misplaced } from "../../src/cli/misplaced.ts"
import { activation, consoleSocket, refuseUnheldTerminal } from "../../src/cli/support.ts"
import * as ModelKernel from "../../src/model/ModelKernel.ts"
import { seed } from "../../src/model/Seed.ts"

describe("activation", () => {
  it("is what a manager has opened for this very process", () => {
    const given = { LISTEN_FDS: "2", LISTEN_PID: "7", LISTEN_FDNAMES: "a:b" }
    assert.deepStrictEqual(activation(given, 7), {
      count: 2,
      env: ["LISTEN_FDS=2", "LISTEN_PID=1", "LISTEN_FDNAMES=a:b"]
    })
    assert.deepStrictEqual(activation({ LISTEN_FDS: "1", LISTEN_PID: "7" }, 7).env, ["LISTEN_FDS=1", "LISTEN_PID=1"])
    // a child of the one that they are for
    assert.deepStrictEqual(activation(given, 8), { count: 0, env: [] })
    for (const count of ["", "0", "-1", "x", "1.5", "99999999", undefined]) {
      assert.deepStrictEqual(activation({ LISTEN_FDS: count, LISTEN_PID: "7" }, 7), { count: 0, env: [] })
    }
  })
})

describe("refuseUnheldTerminal", () => {
  it("is no terminal of a program that is left alone, unless somebody takes it", () => {
    assert.match(Effect.runSync(Effect.flip(refuseUnheldTerminal({ terminal: true }, {}))).message, /--console-socket/)
    Effect.runSync(refuseUnheldTerminal({ terminal: true }, { consoleSocket: 5 }))
    Effect.runSync(refuseUnheldTerminal({ terminal: false }, {}))
  })
})

describe("misplaced", () => {
  it("says where options of runfx itself stand, and nothing of others", () => {
    assert.strictEqual(
      misplaced("runfx: unknown option '--debug'\n"),
      "runfx: unknown option '--debug'\n  what to do: put it before the command, as in runfx --debug run\n"
    )
    assert.strictEqual(misplaced("runfx: unknown option '--memory'\n"), "runfx: unknown option '--memory'\n")
  })
})

describe("consoleSocket", () => {
  it.effect("names the option if nobody listens", () =>
    Effect.gen(function*() {
      const { message } = yield* Effect.flip(consoleSocket("/nope", { terminal: true }))
      assert.match(
        message,
        /^--console-socket \/nope: connect\(\d+, "\/nope"\) = -1 ENOENT .*: it must be a unix socket/
      )
    }).pipe(Effect.provide(ModelKernel.make(seed()).layer)))

  it.effect("is for a program with a terminal", () =>
    Effect.gen(function*() {
      const { message } = yield* Effect.flip(consoleSocket("/nope", { terminal: false }))
      assert.match(message, /^--console-socket \/nope: the program has no terminal to pass on: add --tty/)
      assert.deepStrictEqual(yield* consoleSocket(undefined, { terminal: false }), {})
    }).pipe(Effect.provide(ModelKernel.make(seed()).layer)))
})
