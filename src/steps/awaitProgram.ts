/**
 * Wait for the program, if it is known last. Everything that does not depend on it is done, and the process has no part of it
 * yet.
 *
 * The process waits for its next request, as between any two calls, and ends if the runtime does.
 *
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { send } from "./channel/channel.ts"
import { CapabilitiesSet, ExecFilter, ParentDeathSignalSet, ProcessRestored, VerifiedDirectory } from "./init/facts.ts"
import { Init } from "./init/Init.ts"

/** Says "Waiting", and provides the record with the program that it then gets. */
export const awaitProgram = Step.make("awaitProgram", {
  doc: "wait until the program is known",
  calls: ["sendmsg"],
  // all protections are in place before it waits, since the wait may be long
  requires: [Init, VerifiedDirectory, CapabilitiesSet, ProcessRestored, ParentDeathSignalSet, ExecFilter],
  provides: Init,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const init = yield* Init
    yield* send(init.channel, { _tag: "Waiting" })
    return init.late === undefined ? init : { ...init, process: yield* init.late }
  })
})
