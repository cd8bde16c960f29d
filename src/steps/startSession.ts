/**
 * Start a new session: no terminal of the caller can signal the container or get input from it (TIOCSTI), and a terminal can
 * become the session's controlling one.
 *
 * @see setsid(2)
 * @category steps
 * @since 0.1.0
 */
import * as Step from "../engine/Step.ts"
import * as Ahead from "../native/Ahead.ts"
import { sys } from "../native/Kernel.ts"
import { InNamespaces } from "./init/facts.ts"

/** Makes the process the leader of a new session and of a new process group. */
export const startSession = Step.make("startSession", {
  doc: "start a session of its own",
  calls: ["setsid"],
  // until then the parent identifies the process by the session of the one that cloned it
  requires: [InNamespaces],
  reversal: "irreversible",
  deterministic: true,
  advice: { EPERM: "the process leads a process group already: start it in a fork" },
  run: Ahead.unseen(sys.setsid({}))
})
