/** What scenarios of sandboxes have in common: they run here as root, and in another process as a user. */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { existsSync } from "node:fs"
import * as Sandbox from "../../src/sandbox.ts"
import { until } from "./until.ts"

/** Where the states are; and whether the caller may make cgroups. */
export interface Setting {
  readonly stateRoot: string
  readonly root: boolean
}

/** What must hold for every caller; a failed assertion rejects. */
export type Scenario = (setting: Setting) => Promise<void>

/** A text as a program reads it. */
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
/** All that comes, as text. */
export const text = <E>(stream: Stream.Stream<Uint8Array, E>) => Stream.mkString(Stream.decodeText(stream))

/** A scenario with Effect. */
export const effect = <E>(
  use: (setting: Setting) => Effect.Effect<void, E, Scope.Scope | Layer.Success<typeof Sandbox.layer>>
): Scenario =>
(setting) => Effect.runPromise(Effect.provide(Effect.scoped(use(setting)), Sandbox.layer))

/** A shell in a sandbox. */
export const sh = (script: string, { stateRoot }: Setting, description: Sandbox.Description = {}) =>
  Sandbox.spawn(Sandbox.make(description), ["sh", "-c", script], { stateRoot })

/** Waits until there is no such process. */
export const isGone = (pid: number) => until(() => !existsSync(`/proc/${pid}`))

/** The first word that a program says. */
export const firstWord = (process: Sandbox.Process) => Stream.runHead(Stream.decodeText(process.stdout))
