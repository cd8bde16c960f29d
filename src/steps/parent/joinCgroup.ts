/**
 * Set the limits, and put the init under them, while it waits: nothing that it starts later can be outside.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import { peerCalls, whileInitWaits } from "./conversation.ts"
import { ContainerCgroup } from "./createCgroup.ts"
import { Channel, ClonedProcess } from "./facts.ts"
import { Launch } from "./Launch.ts"

/** The process is in the container's cgroups, or there are none. */
export class InCgroup extends Context.Service<InCgroup, true>()("runfx/InCgroup") {}

/** Applies the limits of the configuration to the cgroups. */
export const limitCgroup = Step.make("limitCgroup", {
  doc: "set the limits of the container's cgroups",
  calls: [...Cgroup.limitCalls],
  requires: [Launch, ContainerCgroup],
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { container } = yield* Launch
    const { manager } = yield* ContainerCgroup
    if (manager !== undefined && container.cgroup !== undefined) {
      yield* Cgroup.applyLimits(manager, container.cgroup)
    }
  })
})

/** Puts the process into the cgroups. */
export const joinCgroup = Step.make("joinCgroup", {
  doc: "put the process into the container's cgroups",
  calls: [...Cgroup.memberCalls, ...peerCalls],
  requires: [Launch, Channel, ContainerCgroup, ClonedProcess],
  provides: InCgroup,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { manager } = yield* ContainerCgroup
    const { patience } = yield* Launch
    const { parent: channel } = yield* Channel
    const { pid, pidfd } = yield* ClonedProcess
    if (manager !== undefined) yield* whileInitWaits({ channel, pidfd, patience }, Cgroup.join(manager, pid))
    return true as const
  })
})
