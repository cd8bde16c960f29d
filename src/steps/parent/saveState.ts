/**
 * Write the state of the container to disk, complete, before its program runs.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Container } from "../../config/Container.ts"
import { given } from "../../engine/given.ts"
import * as Step from "../../engine/Step.ts"
import type { AnyPid } from "../../native/Handle.ts"
import * as Store from "../state/Store.ts"
import { peerCalls, whileInitWaits } from "./conversation.ts"
import { InitUnidentified } from "./errors.ts"
import { Channel, ContainerCgroup, EnteredProcess, HostNetworks, SavedState, StateDirectory } from "./facts.ts"
import { identified, identifiedLater, identifyCalls } from "./identified.ts"
import { Launch } from "./Launch.ts"

/** Who the init is; it can have failed meanwhile. */
const identity = Effect.fnUntraced(function*(pid: AnyPid, container: Container, attached: boolean) {
  const init = yield* identified(pid, container)
  // hidepid shows it from its exec on
  const later = init === undefined ? yield* identifiedLater(pid) : undefined
  if (init === undefined && later === undefined && !attached) return yield* new InitUnidentified({ pid })
  return { init, later }
})

/** Writes the state; its removal belongs to `createState`. */
export const saveState = Step.make("saveState", {
  doc: "write down what belongs to the container",
  calls: [...new Set([...Store.storeCalls, ...identifyCalls, ...peerCalls])],
  requires: [Launch, StateDirectory, Channel, ContainerCgroup, HostNetworks, EnteredProcess],
  provides: SavedState,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { attached, record: { container } } = yield* Launch
    const { complete } = yield* StateDirectory
    const { manager } = yield* ContainerCgroup
    const { parent: channel } = yield* Channel
    const { pid, pidfd, report } = yield* EnteredProcess
    const networks = yield* HostNetworks
    const { init, later } = yield* whileInitWaits({ channel, pidfd, report }, identity(pid, container, attached))
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
