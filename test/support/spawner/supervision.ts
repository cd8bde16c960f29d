/** What becomes of the processes that a command starts. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Stream from "effect/Stream"
import assert from "node:assert/strict"
import process from "node:process"
import * as Sandbox from "../../../src/sandbox.ts"
import { isGone, type Scenario, text } from "../scenario.ts"
import { eventually } from "../until.ts"
import { inOwnScope, newMark, noneWith, processesWith, shell, spawner, word } from "./commands.ts"

/** A program with children and grandchildren, all of which say that they are there. */
const family = (mark: string, then: string) =>
  ChildProcess.make("sh", [
    "-c",
    `for i in 1 2 3; do sh -c 'sh -c "echo there; sleep 1000" ${mark} & echo there; sleep 1000' ${mark} & done; ${then}`,
    mark
  ])

const quiet = { stdin: "ignore", stdout: "ignore", stderr: "ignore" } as const

export const supervision: Readonly<Record<string, Scenario>> = {
  "children: end with the program that is killed": spawner(Effect.gen(function*() {
    const mark = newMark()
    const handle = yield* family(mark, "echo there; wait")
    yield* Stream.runDrain(Stream.take(Stream.splitLines(Stream.decodeText(handle.stdout)), 7))
    assert.equal(yield* handle.isRunning, true)
    assert.ok(processesWith(mark).length >= 7)
    yield* handle.kill()
    assert.equal(yield* handle.isRunning, false)
    yield* noneWith(mark)
  })),
  "children: end with the program that fails": spawner(Effect.gen(function*() {
    const mark = newMark()
    const { close, handle } = yield* inOwnScope(family(mark, "exit 1"))
    assert.equal(yield* handle.exitCode, 1)
    yield* noneWith(mark)
    yield* close
  })),
  "children: end with the program that succeeds, or is killed from outside": spawner(Effect.gen(function*() {
    const mark = newMark()
    assert.equal(yield* (yield* family(mark, "exit 0")).exitCode, 0)
    yield* noneWith(mark)
    const handle = yield* family(mark, "echo there; wait")
    yield* word(handle)
    process.kill(handle.pid, "SIGKILL")
    assert.ok(Exit.isFailure(yield* Effect.exit(handle.exitCode)))
    yield* noneWith(mark)
  })),
  "children: that ignore the signal end with their program": spawner(Effect.gen(function*() {
    const mark = newMark()
    const deaf = `sh -c 'trap "" TERM; echo there; sleep 1000' ${mark} & echo there; wait`
    const handle = yield* ChildProcess.make("sh", ["-c", deaf, mark])
    yield* Stream.runDrain(Stream.take(Stream.splitLines(Stream.decodeText(handle.stdout)), 2))
    yield* handle.kill({ forceKillAfter: "200 millis" })
    yield* noneWith(mark)
  })),
  "unref: it continues when its scope ends": spawner(Effect.gen(function*() {
    const { close, handle } = yield* inOwnScope(shell("sleep 1000", quiet))
    yield* handle.unref
    yield* close
    assert.equal(yield* handle.isRunning, true)
    yield* handle.kill({ killSignal: "SIGKILL" })
    assert.equal(yield* handle.isRunning, false)
  })),
  "unref: what takes it back has it end with its scope": spawner(Effect.gen(function*() {
    const { close, handle } = yield* inOwnScope(shell("sleep 1000", quiet))
    yield* yield* handle.unref
    yield* close
    assert.equal(yield* handle.isRunning, false)
  })),
  "unref: its exit code is there after the end of its scope": spawner(Effect.gen(function*() {
    const { close, handle } = yield* inOwnScope(shell("sleep 0.05", quiet))
    yield* handle.unref
    yield* close
    assert.equal(yield* handle.exitCode, 0)
  })),
  "unref: what it writes is there after the end of its scope": spawner(Effect.gen(function*() {
    const { close, handle } = yield* inOwnScope(shell("sleep 0.1; seq 20000"))
    yield* handle.unref
    const read = yield* Effect.forkChild(text(handle.stdout))
    yield* close
    assert.equal((yield* Fiber.join(read)).trimEnd().split("\n").at(-1), "20000")
  })),
  "unref: its children end with it, when it fails": spawner(Effect.gen(function*() {
    const mark = newMark()
    const { close, handle } = yield* inOwnScope(family(mark, "sleep 0.1; exit 1"))
    yield* handle.unref
    yield* close
    assert.equal(yield* handle.exitCode, 1)
    yield* noneWith(mark)
  })),
  "unref: of a pipeline, all of its programs": spawner(Effect.gen(function*() {
    const mark = newMark()
    const waiting = ChildProcess.make("sh", ["-c", "sleep 1000; :", mark], { stdout: "pipe" })
    const { close, handle } = yield* inOwnScope(ChildProcess.pipeTo(waiting, waiting))
    yield* handle.unref
    yield* close
    // a third has the mark while a shell has forked and its child has not yet executed sleep
    yield* eventually(() => processesWith(mark).length === 2)
    yield* handle.kill({ killSignal: "SIGKILL" })
    yield* noneWith(mark)
  })),
  "unref: the end of the layer leaves it alone, too": async ({ stateRoot }) => {
    const layer = Layer.provide(Sandbox.spawnerLayer(Sandbox.make(), { stateRoot }), Sandbox.layer)
    const handle = await Effect.runPromise(
      Effect.provide(
        Effect.scoped(Effect.gen(function*() {
          const handle = yield* shell("sleep 1000", quiet)
          yield* handle.unref
          return handle
        })),
        layer
      )
    )
    assert.equal(await Effect.runPromise(handle.isRunning), true)
    await Effect.runPromise(handle.kill())
    await isGone(handle.pid)
  },
  "a failure while it runs ends it": spawner(Effect.gen(function*() {
    const pids: Array<number> = []
    const exit = yield* Effect.exit(Effect.scoped(Effect.gen(function*() {
      pids.push((yield* ChildProcess.make("sleep", ["1000"])).pid)
      yield* Effect.die(new Error("a bug"))
    })))
    assert.ok(Exit.isFailure(exit) && String(Cause.squash(exit.cause)).includes("a bug"))
    yield* Effect.promise(() => isGone(pids[0]!))
  }))
}
