/**
 * What a runtime uses of the process that it runs in, besides the calls of its kernel.
 *
 * The model kernel's descriptors are not descriptors of this process, and signals to this process do not concern what runs
 * on the model.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import process from "node:process"
import type { AnyFd } from "./Handle.ts"

/** What becomes of a connection that a program asks a proxy for: see `Connection` of `runfx/sandbox`. */
export type Answered = "allowed" | "refused" | "failed"

/** Decides on a connection to `host:port`. */
export type Answer = (to: string) => Effect.Effect<Answered>

/** The surroundings of a runtime. */
export interface Surroundings {
  /** Environment variables that the runtime itself reads, or that a sandbox inherits by name. */
  readonly env: Readonly<Record<string, string | undefined>>
  /**
   * Whether the kernel is the one that this process runs on. If so, the event loop watches its descriptors, and a signal
   * that would end this process ends what is attached to it first.
   */
  readonly live: boolean
  /**
   * Of a kernel in memory, over whose connections no bytes go: decides on the connections that programs ask for over a
   * socket that listens, until the scope is closed. Absent if the event loop accepts them.
   */
  readonly answer?: (listener: AnyFd, answer: Answer) => Effect.Effect<void, never, Scope.Scope>
}

/** The surroundings in this process; the layer of the model kernel replaces them. */
export const Surroundings = Context.Reference<Surroundings>("runfx/native/Surroundings", {
  // a getter: an application may set variables at any time
  defaultValue: () => ({
    get env() {
      return process.env
    },
    live: true
  })
})
