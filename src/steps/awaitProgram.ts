/**
 * Wait for the program, if it is known last: all that does not depend on it is done, and nothing of it is in the process
 * yet.
 *
 * The process waits in no system call: it sleeps, as it does between any two calls, and ends if the runtime does.
 *
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { send } from "./channel/channel.ts"
import { CapabilitiesSet, ExecFilter, ParentDeathSignalSet, ProcessRestored, VerifiedDirectory } from "./init/facts.ts"
import { Init } from "./init/Init.ts"

/** Says "Waiting", and returns the record with the process that is to become of it. */
export const awaitProgram = Step.make("awaitProgram", {
  doc: "wait until the program is known",
  calls: ["sendmsg"],
  // whatever has to be done before a program may run is done: nobody could tell how long it waits
  requires: [Init, VerifiedDirectory, CapabilitiesSet, ProcessRestored, ParentDeathSignalSet, ExecFilter],
  provides: Init,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const init = yield* Init
    yield* send(init.channel, { _tag: "Waiting" })
    return init.late === undefined ? init : { ...init, process: yield* init.late }
  })
})
