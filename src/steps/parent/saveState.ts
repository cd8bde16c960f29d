/**
 * Write the state of the container to disk, complete, before its program runs.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { given } from "../../engine/given.ts"
import * as Step from "../../engine/Step.ts"
import type { AnyPid } from "../../native/Handle.ts"
import * as Store from "../state/Store.ts"
import { ContainerCgroup, EnteredProcess, HostNetworks, SavedState, StateDirectory } from "./facts.ts"
import { identified, identifyCalls } from "./identified.ts"
import { Launch } from "./Launch.ts"

/**
 * A container that outlives its runtime could not be found again.
 *
 * @since 0.2.0
 * @public
 */
export class InitUnidentified extends Data.TaggedError("InitUnidentified")<{ readonly pid: AnyPid }> {
  override get message(): string {
    return `/proc does not show process ${this.pid}, the container's first one: no later command could find it`
  }
  get advice(): string {
    return "mount a procfs of this pid namespace, without hidepid, on /proc (unshare has --mount-proc), or run it in the foreground"
  }
}

/** Writes the state; its removal belongs to `createState`. */
export const saveState = Step.make("saveState", {
  doc: "write down what belongs to the container",
  calls: [...new Set([...Store.storeCalls, ...identifyCalls])],
  requires: [Launch, StateDirectory, ContainerCgroup, HostNetworks, EnteredProcess],
  provides: SavedState,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { attached, record: { container } } = yield* Launch
    const { complete } = yield* StateDirectory
    const { manager } = yield* ContainerCgroup
    const { pid } = yield* EnteredProcess
    const networks = yield* HostNetworks
    const init = yield* identified(pid, container)
    if (init === undefined && !attached) return yield* new InitUnidentified({ pid })
    return yield* complete(({ runner, ...known }) => ({
      ...known,
      // a runner that stays until the end removes the container; one that exits before does not own it
      ...(attached && runner !== undefined ? { runner } : {}),
      ...given({ cgroup: manager }),
      namespacePaths: {},
      ...init,
      networks
    }))
  })
})
