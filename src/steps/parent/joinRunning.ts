/**
 * Put a process that is executed in a running container into the container's cgroups.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import type { State } from "../state/State.ts"
import { peerCalls, whileInitWaits } from "./conversation.ts"
import { Channel, ClonedProcess, IdsMapped } from "./facts.ts"
import { InCgroup } from "./joinCgroup.ts"
import { Launch } from "./Launch.ts"

/** The running container that a process is executed in. */
export class Running extends Context.Service<Running, State>()("runfx/Running") {}

/** Puts the process into the cgroups of the running container. */
export const joinRunning = Step.make("joinRunning", {
  doc: "put the process into the running container's cgroups",
  calls: [...Cgroup.memberCalls, ...peerCalls],
  requires: [Launch, Channel, Running, ClonedProcess],
  provides: InCgroup,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { cgroup } = yield* Running
    const { patience } = yield* Launch
    const { parent: channel } = yield* Channel
    const { pid, pidfd } = yield* ClonedProcess
    if (cgroup !== undefined) yield* whileInitWaits({ channel, pidfd, patience }, Cgroup.join(cgroup, pid))
    return true as const
  })
})

/** A process that joins a user namespace finds its ids mapped. */
export const idsAreMapped = Step.make("idsAreMapped", {
  doc: "the user namespace that is joined has its maps",
  calls: [],
  provides: IdsMapped,
  reversal: "harmless",
  run: Effect.succeed(true as const)
})
