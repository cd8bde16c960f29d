/**
 * Wait until the program is known, and hand it to the init, which has done everything else.
 *
 * The wait has no bound: the time limit of the start begins again afterwards. If the init ends meanwhile, the step fails at
 * once.
 *
 * @category steps
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import { untilItFails } from "./conversation.ts"
import { Channel, ContainerCgroup, EnteredProcess, HandedOut, InitWaits } from "./facts.ts"
import { Launch } from "./Launch.ts"
import { peerOf } from "./peerOf.ts"

/** Hands the program out. */
export const handOut = Step.make("handOut", {
  doc: "wait until the program is known, and tell it to the init",
  calls: ["poll", "recvmsg", "close", "waitid", ...Cgroup.shortageCalls],
  requires: [Launch, Channel, ContainerCgroup, EnteredProcess, InitWaits],
  provides: HandedOut,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { late, patience, record } = yield* Launch
    const peer = yield* peerOf(yield* EnteredProcess)
    const process = late === undefined
      ? record.process
      : yield* Effect.raceFirst(late.program, untilItFails(peer, "the caller to say what its program is"))
    const deadline = (yield* Clock.currentTimeMillis) + patience
    if (late !== undefined) yield* late.handOut(process)
    return { process, deadline }
  })
})
