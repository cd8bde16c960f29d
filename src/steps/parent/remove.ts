/**
 * Remove what belongs to a container that has stopped. Each of these steps can be repeated: what is gone already is no
 * failure, so a removal that failed half-way is finished by the next one.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import { networkCalls, removeNetworks } from "../createNetworks.ts"
import type { State } from "../state/State.ts"
import { type Status, status, statusCalls } from "../state/status.ts"
import * as Store from "../state/Store.ts"

/** What is removed. */
export class Removal extends Context.Service<Removal, {
  readonly state: State
  readonly stateRoot: string
}>()("runfx/Removal") {}

/** The container's first process has ended. */
export class Stopped extends Context.Service<Stopped, true>()("runfx/Stopped") {}

/** A container that runs is not removed. */
export class StillRunning extends Data.TaggedError("StillRunning")<{
  readonly id: string
  readonly status: Status
}> {
  override get message(): string {
    return `container ${this.id} is ${this.status}`
  }
  get advice(): string {
    return `stop it first (runfx kill ${this.id} KILL), or use delete --force`
  }
}

/** Refuses a container whose first process lives. */
export const checkStopped = Step.make("checkStopped", {
  doc: "check that the container has stopped",
  calls: statusCalls,
  requires: [Removal],
  provides: Stopped,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { state, stateRoot } = yield* Removal
    const now = yield* status(stateRoot, state)
    if (now !== "stopped" && now !== "creating") return yield* new StillRunning({ id: state.id, status: now })
    return true as const
  })
})

/** Removes the host's side of the networks. */
export const disconnectNetworks = Step.make("disconnectNetworks", {
  doc: "remove the host's side of the container's networks",
  calls: [...networkCalls],
  requires: [Removal, Stopped],
  reversal: "irreversible",
  run: Effect.gen(function*() {
    const { state } = yield* Removal
    yield* removeNetworks(state.networks)
  })
})

/** Removes the cgroups. */
export const removeCgroup = Step.make("removeCgroup", {
  doc: "remove the container's cgroups",
  calls: [...Cgroup.directoryCalls],
  requires: [Removal, Stopped],
  reversal: "irreversible",
  run: Effect.gen(function*() {
    const { state } = yield* Removal
    if (state.cgroup !== undefined) yield* Cgroup.destroy(state.cgroup)
  })
})

/** Removes the state directory, last: as long as it is there, the removal can be repeated by the container's id. */
export const removeState = Step.make("removeState", {
  doc: "remove the container's state directory",
  calls: [...Store.storeCalls],
  requires: [Removal, Stopped],
  reversal: "irreversible",
  run: Effect.gen(function*() {
    const { state, stateRoot } = yield* Removal
    yield* Store.remove(stateRoot, state.id)
  })
})
