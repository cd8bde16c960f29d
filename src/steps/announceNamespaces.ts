/**
 * Tell the parent that the namespaces are entered, and wait until it has done its part in them: the network's host side,
 * the side-car, limits that only it may set. The kernel attests the sender's pid, so a process that was cloned again on
 * its way into a pid namespace is known to the parent from here on.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { receiveCalls, send } from "./channel/channel.ts"
import { awaitWord } from "./init/awaitWord.ts"
import { Admitted, Forked, InNamespaces } from "./init/facts.ts"
import { Init } from "./init/Init.ts"

/** Says "Entered" and waits for "Go". */
export const announceNamespaces = Step.make("announceNamespaces", {
  doc: "tell the parent that the namespaces are entered, and wait for its part in them",
  calls: ["sendmsg", ...receiveCalls],
  requires: [Init, Admitted, Forked],
  provides: InNamespaces,
  reversal: "harmless",
  replayable: true,
  run: Effect.gen(function*() {
    const { channel } = yield* Init
    yield* send(channel, { _tag: "Entered" })
    yield* awaitWord(channel, "Go")
  }).pipe(Effect.as(true as const))
})
