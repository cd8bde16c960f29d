/**
 * Set the limits of the cgroups before there is a process in them, so that they hold for each process as soon as it joins. The
 * limits of CPU time are set later.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import { ContainerCgroup } from "./facts.ts"
import { Launch } from "./Launch.ts"

/** Applies the limits of the configuration to the cgroups. */
export const limitCgroup = Step.make("limitCgroup", {
  doc: "set the limits of the container's cgroups",
  calls: [...Cgroup.limitCalls],
  requires: [Launch, ContainerCgroup],
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { container } = (yield* Launch).record
    const { manager } = yield* ContainerCgroup
    if (manager !== undefined && container.cgroup !== undefined) {
      // `limitCpuTime` sets that of CPU time, when the container is set up
      yield* Cgroup.applyLimits(manager, container.cgroup, { cpuTime: false })
    }
  })
})
