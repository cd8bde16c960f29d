/**
 * Write the state of the container to disk, complete, before its program runs.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { given } from "../../engine/given.ts"
import * as Step from "../../engine/Step.ts"
import * as Store from "../state/Store.ts"
import { InitUnidentified } from "./errors.ts"
import { ContainerCgroup, EnteredProcess, HostNetworks, SavedState, StateDirectory } from "./facts.ts"
import { identified, identifiedLater, identifyCalls } from "./identified.ts"
import { Launch } from "./Launch.ts"

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
    // hidepid shows it from its exec on
    const later = init === undefined ? yield* identifiedLater(pid) : undefined
    if (init === undefined && later === undefined && !attached) return yield* new InitUnidentified({ pid })
    return yield* complete(({ networks: _intended, runner, ...known }) => ({
      networks,
      ...known,
      namespacePaths: {},
      // a runner that stays until the end removes the container; one that exits before does not own it
      ...((attached || init === undefined) && runner !== undefined ? { runner } : {}),
      ...given({ cgroup: manager }),
      ...init,
      ...later
    }))
  })
})
