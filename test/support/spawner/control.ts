/** Signals, time limits and scopes. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import assert from "node:assert/strict"
import { isGone, type Scenario, text } from "../scenario.ts"
import { until } from "../until.ts"
import { inOwnScope, says, shell, spawner, word } from "./commands.ts"

/** The reason of a platform error. */
const reasonOf = (command: ChildProcess.Command) =>
  Effect.map(Effect.flip(Effect.scoped(command)), ({ reason }) => reason)

export const control: Readonly<Record<string, Scenario>> = {
  "kill: ends a program, whose exit code is an error then": spawner(Effect.gen(function*() {
    const handle = yield* ChildProcess.make("sleep", ["1000"])
    assert.ok(handle.pid > 0 && (yield* handle.isRunning))
    yield* handle.kill()
    assert.equal(yield* handle.isRunning, false)
    const error = yield* Effect.flip(handle.exitCode)
    assert.deepEqual([error._tag, error.reason.method], ["PlatformError", "exitCode"])
    assert.match(error.message, /'SIGTERM'/)
  })),
  "kill: of a program that blocks all signals for a moment, as a shell does while it starts another": spawner(
    Effect.forEach([1, 2, 3, 4, 5], () =>
      Effect.gen(function*() {
        const handle = yield* shell("sleep 1000")
        yield* handle.kill({ forceKillAfter: "30 seconds" })
        assert.match((yield* Effect.flip(handle.exitCode)).message, /'SIGTERM'/)
      }))
  ),
  "kill: of a program that cleans up, and ends itself by the same signal, with init": spawner(
    Effect.gen(function*() {
      const handle = yield* shell("trap 'trap - TERM; kill -TERM $$' TERM; echo on; while :; do sleep 0.01; done")
      yield* word(handle)
      yield* handle.kill()
      assert.equal(yield* handle.exitCode, 128 + 15)
    }),
    { init: true }
  ),
  "kill: with a signal that is named": spawner(Effect.gen(function*() {
    const handle = yield* ChildProcess.make("sleep", ["1000"])
    yield* handle.kill({ killSignal: "SIGKILL" })
    assert.match((yield* Effect.flip(handle.exitCode)).message, /'SIGKILL'/)
  })),
  "kill: by force, if the first signal is ignored for too long": spawner(Effect.gen(function*() {
    const handle = yield* shell("trap '' TERM; echo on; exec cat", { killSignal: "SIGKILL", stderr: "ignore" })
    yield* word(handle)
    yield* handle.kill({ killSignal: "SIGTERM", forceKillAfter: "50 millis" })
    assert.equal(yield* handle.isRunning, false)
    assert.ok(Exit.isFailure(yield* Effect.exit(handle.exitCode)))
  })),
  "scope: its end is by force, if the signal is ignored for too long": spawner(Effect.gen(function*() {
    const { close, handle } = yield* inOwnScope(
      shell("trap '' TERM; echo on; sleep 1000", { killSignal: "SIGTERM", forceKillAfter: "50 millis" })
    )
    yield* word(handle)
    yield* close
    assert.equal(yield* handle.isRunning, false)
  })),
  "scope: its end lets the program clean up": spawner(Effect.gen(function*() {
    const { close, handle } = yield* inOwnScope(
      shell("trap 'echo bye >&2; exit 0' TERM; echo on; while :; do sleep 0.1; done")
    )
    yield* word(handle)
    const last = yield* Effect.forkChild(text(handle.stderr))
    yield* close
    assert.equal(yield* Fiber.join(last), "bye\n")
    assert.equal(yield* handle.exitCode, 0)
  })),
  "scope: an interruption ends it": spawner(Effect.gen(function*() {
    const pids: Array<number> = []
    const running = Effect.scoped(Effect.gen(function*() {
      const handle = yield* shell("trap '' TERM; echo on; sleep 1000", { forceKillAfter: "50 millis" })
      yield* word(handle)
      pids.push(handle.pid)
      yield* Effect.never
    }))
    const fiber = yield* Effect.forkChild(running)
    yield* Effect.promise(() => until(() => pids.length === 1))
    yield* Fiber.interrupt(fiber)
    yield* Effect.promise(() => isGone(pids[0]!))
  })),
  "error: an exit code that is not 0 is none": says(shell("exit 1"), "", "", 1),
  "error: a command that is not there": spawner(Effect.gen(function*() {
    const { _tag, method, module } = yield* reasonOf(ChildProcess.make("nonexistent-command-12345"))
    assert.deepEqual([_tag, module, method], ["NotFound", "ChildProcess", "spawn"])
  })),
  "error: a directory that is not there": spawner(Effect.gen(function*() {
    assert.equal((yield* reasonOf(ChildProcess.make("true", { cwd: "/nonexistent/directory" })))._tag, "NotFound")
    const relative = yield* reasonOf(ChildProcess.make("true", { cwd: "." }))
    assert.equal(relative._tag, "BadArgument")
    assert.match(relative.message, /cwd = "\.": must be an absolute path/)
  })),
  "error: a file that may not be executed": spawner(Effect.gen(function*() {
    const { _tag, method, module } = yield* reasonOf(ChildProcess.make({ cwd: "/etc" })`./passwd`)
    assert.deepEqual([_tag, module, method], ["PermissionDenied", "ChildProcess", "spawn"])
  })),
  "error: what a sandbox does not have is refused by name": spawner(Effect.gen(function*() {
    const refused = yield* reasonOf(ChildProcess.make("true", { stdin: "inherit" }))
    assert.equal(refused._tag, "BadArgument")
    assert.match(String(refused.description), /^stdin: /)
    // a type that a later version of Effect may have
    const fd3 = { type: "duplex" } as unknown as ChildProcess.AdditionalFdConfig
    assert.match(
      String((yield* reasonOf(ChildProcess.make("true", { additionalFds: { fd3 } }))).description),
      /^additionalFds\.fd3: /
    )
  })),
  "env: nothing of the application's is there, whatever extendEnv says": spawner(Effect.gen(function*() {
    const spawner = yield* ChildProcessSpawner
    const names = yield* spawner.lines(shell("env | cut -d= -f1 | sort", { extendEnv: true }))
    assert.deepEqual(names, ["HOME", "PATH", "PWD"])
  })),
  "detached: leads a session of its own, and ends with its scope": spawner(Effect.gen(function*() {
    const { close, handle } = yield* inOwnScope(shell("echo on; sleep 1000", { detached: true }))
    yield* word(handle)
    yield* close
    assert.equal(yield* handle.isRunning, false)
  }))
}
