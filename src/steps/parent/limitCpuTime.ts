/**
 * Limit the container's CPU time after its init has set it up, and before its program runs.
 *
 * The other limits of the cgroup bound what the container may have, and hold from the beginning. This one bounds how fast it
 * runs, and would slow down its setup, which is the runtime's work.
 *
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import { await_, peerCalls, whileInitWaits } from "./conversation.ts"
import { Channel, ContainerCgroup, EnteredProcess, InitContinues } from "./facts.ts"
import { Launch } from "./Launch.ts"
import { peerOf } from "./peerOf.ts"

/** If there is such a limit: waits for "Prepared", and sets it. */
export const limitCpuTime = Step.make("limitCpuTime", {
  doc: "limit the container's CPU time, once it is set up",
  calls: [...new Set([...peerCalls, ...Cgroup.limitCalls, ...Cgroup.shortageCalls])],
  requires: [Launch, Channel, ContainerCgroup, EnteredProcess, InitContinues],
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { container: { cgroup } } = (yield* Launch).record
    const { manager } = yield* ContainerCgroup
    if (manager === undefined || cgroup === undefined || !Cgroup.limitsCpuTime(manager, cgroup)) return
    const peer = yield* peerOf(yield* EnteredProcess)
    yield* await_(peer, "Prepared")
    yield* whileInitWaits(peer, Cgroup.applyCpuTime(manager, cgroup))
  })
})
