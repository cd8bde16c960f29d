/**
 * What a runtime uses of the process that it runs in, besides the calls of its kernel.
 *
 * A kernel in memory has descriptors that are no descriptors of this process, and nothing that happens to this process
 * concerns what runs there.
 */
import * as Context from "effect/Context"
import process from "node:process"

/** What surrounds a runtime. */
export interface Surroundings {
  /** Variables of the environment that the runtime itself looks at, or that a sandbox inherits by name. */
  readonly env: Readonly<Record<string, string | undefined>>
  /**
   * Whether the kernel is the one that this process runs on. If so, the event loop watches its descriptors, and a signal
   * that would end this process ends what is attached to it first.
   */
  readonly live: boolean
}

/** This process; a layer of a kernel in memory replaces it. */
export const Surroundings = Context.Reference<Surroundings>("runfx/native/Surroundings", {
  // a getter: an application may set variables at any time
  defaultValue: () => ({
    get env() {
      return process.env
    },
    live: true
  })
})
