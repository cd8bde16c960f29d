/**
 * Read the states of all containers.
 *
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Store from "../state/Store.ts"
import { Entries, StateRoot } from "./facts.ts"

/** Reads them. If one can't be read, the others still are. */
export const readStates = Step.make("readStates", {
  doc: "read what was written down of each container",
  calls: [...Store.storeCalls],
  requires: [StateRoot],
  provides: Entries,
  reversal: "harmless",
  advice: {
    EACCES: "the caller may not read the directory of states: give another one with --root",
    ENOTDIR: "the directory of states must be a directory: give another one with --root"
  },
  run: Effect.flatMap(StateRoot, Store.list)
})
