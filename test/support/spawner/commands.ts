/** Commands for the scenarios here, and what they come to. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import { type ChildProcessHandle, ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import assert from "node:assert/strict"
import { readdirSync, readFileSync } from "node:fs"
import process from "node:process"
import * as Sandbox from "../../../src/sandbox.ts"
import { type Scenario, type Setting, text } from "../scenario.ts"
import { until } from "../until.ts"

export type Used = Effect.Effect<unknown, unknown, Scope.Scope | ChildProcessSpawner>

/** A scenario, with a layer that runs every child process in a sandbox. */
export const spawner =
  (use: Used | ((setting: Setting) => Used), description: Sandbox.Description = {}): Scenario => async (setting) => {
    const layer = Sandbox.spawnerLayer(Sandbox.make(description), { stateRoot: setting.stateRoot })
    const effect = typeof use === "function" ? use(setting) : use
    await Effect.runPromise(Effect.provide(Effect.scoped(effect), Layer.provide(layer, Sandbox.layer)))
  }

export const shell = (script: string, options: ChildProcess.CommandOptions = {}) =>
  ChildProcess.make("sh", ["-c", script], options)

export type Said = Effect.Effect<readonly [out: string, error: string, exitCode: number], PlatformError.PlatformError>

/** All that a program writes, and its exit code. */
export const outcome = (handle: ChildProcessHandle): Said =>
  Effect.gen(function*() {
    const [out, error] = yield* Effect.all([text(handle.stdout), text(handle.stderr)], { concurrency: 2 })
    return [out, error, yield* handle.exitCode] as const
  })

/** Runs a command, which must write this. */
export const says = (command: ChildProcess.Command, out: string, error = "", exitCode = 0): Scenario =>
  spawner(Effect.gen(function*() {
    assert.deepEqual(yield* outcome(yield* command), [out, error, exitCode])
  }))

/** Waits until a program says a word. */
export const word = (handle: ChildProcessHandle) => Stream.runHead(Stream.decodeText(handle.stdout))

/** Processes of this machine that were started with a word in their arguments. */
export const processesWith = (mark: string): ReadonlyArray<number> =>
  readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(mark)
    } catch {
      return false
    }
  })

let marks = 0

export const newMark = (): string => `of-spawner-${process.pid}-${++marks}`
export const noneWith = (mark: string) => Effect.promise(() => until(() => processesWith(mark).length === 0))

/** Opens a command in a scope of its own. */
export const inOwnScope = (command: ChildProcess.Command) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const handle = yield* Effect.provideService(command, Scope.Scope, scope)
    return { handle, close: Scope.close(scope, Exit.void) }
  })

export const echo = ChildProcess.make`echo hello`
