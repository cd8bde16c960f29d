/**
 * Which capabilities of a document can be granted here.
 *
 * Engines write one list for all hosts. If some can't be granted, the specification demands a warning, and that the program
 * starts without them. A caller of the library, and `--cap-add`, name them for this host: there it is an error.
 *
 * @see OCI config.md, "capabilities"
 */
import * as Effect from "effect/Effect"
import { nameOf } from "../config/capabilities.ts"
import { type Notice, notice, problem } from "../config/ConfigError.ts"
import type { Container, Process } from "../config/Container.ts"
import type { Kernel, SyscallError } from "../native/Kernel.ts"
import { available } from "../steps/caller/available.ts"

/** A process, and notices about it. */
interface Granted {
  readonly process: Process
  readonly notices: ReadonlyArray<Notice>
}

/**
 * A process without the capabilities that it can't get in a container, and a warning that names them.
 *
 * @param name the name of its capabilities in the document
 */
export const withGrantable = (
  process: Process,
  container: Container,
  name = "process.capabilities"
): Effect.Effect<Granted, SyscallError, Kernel> =>
  Effect.gen(function*() {
    const { capabilities: sets } = process
    if (sets === undefined || Object.values(sets).every((set) => set.length === 0)) return { process, notices: [] }
    const here = new Set(yield* available(container))
    const missing = new Set(Object.values(sets).flat().filter((capability) => !here.has(capability)))
    if (missing.size === 0) return { process, notices: [] }
    const only = (set: ReadonlyArray<number>) => set.filter((capability) => here.has(capability))
    const capabilities = {
      bounding: only(sets.bounding),
      effective: only(sets.effective),
      inheritable: only(sets.inheritable),
      permitted: only(sets.permitted),
      ambient: only(sets.ambient)
    }
    const rule = "has no effect: the caller does not have it, or may not hand it on"
    return {
      process: { ...process, capabilities },
      notices: [notice("warning", problem(name, [...missing].map(nameOf), rule))]
    }
  })
