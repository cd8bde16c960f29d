/**
 * Tell the parent that the namespaces are entered, and wait until it has done its part in them: the network's host side,
 * the side-car, limits that only it may set. The kernel attests the sender's pid, so a process that was cloned anew on
 * its way into a pid namespace is known to the parent from here on.
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { Admitted, expect } from "./awaitParent.ts"
import { receiveCalls, send } from "./channel.ts"
import { Forked, InNamespaces } from "./facts.ts"
import { Init } from "./Init.ts"

/** Says "Entered" and waits for "Go". */
export const announceNamespaces = Step.make("announceNamespaces", {
  doc: "tell the parent that the namespaces are entered, and wait for its part in them",
  calls: ["sendmsg", ...receiveCalls],
  requires: [Init, Admitted, Forked],
  provides: InNamespaces,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { channel } = yield* Init
    yield* send(channel, { _tag: "Entered" })
    yield* expect(channel, "Go")
  }).pipe(Effect.as(true as const))
})
