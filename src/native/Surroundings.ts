/**
 * What a runtime uses of the process that it runs in, besides the calls of its kernel.
 *
 * The model kernel's descriptors are not descriptors of this process, and signals to this process do not concern what runs
 * on the model.
 */
import * as Context from "effect/Context"
import process from "node:process"

/** The surroundings of a runtime. */
export interface Surroundings {
  /** Environment variables that the runtime itself reads, or that a sandbox inherits by name. */
  readonly env: Readonly<Record<string, string | undefined>>
  /**
   * Whether the kernel is the one that this process runs on. If so, the event loop watches its descriptors, and a signal
   * that would end this process ends what is attached to it first.
   */
  readonly live: boolean
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
