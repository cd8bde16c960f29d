/**
 * What a process that is executed in a running container finds there.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import type { State } from "../state/State.ts"
import { ContainerCgroup } from "./createCgroup.ts"
import { IdsMapped } from "./facts.ts"

/** The running container that a process is executed in. */
export class Running extends Context.Service<Running, State>()("runfx/Running") {}

/** The cgroups of the running container are those that the process joins. */
export const findCgroup = Step.make("findCgroup", {
  doc: "find the running container's cgroups",
  calls: [],
  requires: [Running],
  provides: ContainerCgroup,
  reversal: "harmless",
  run: Effect.map(Running, ({ cgroup }) => ({ manager: cgroup }))
})

/** A process that joins a user namespace finds its ids mapped. */
export const idsAreMapped = Step.make("idsAreMapped", {
  doc: "the user namespace that is joined has its maps",
  calls: [],
  provides: IdsMapped,
  reversal: "harmless",
  run: Effect.succeed(true as const)
})
