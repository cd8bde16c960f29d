/**
 * The bridge that connects containers on the host. It exists already, or the first container makes it and the last removes it.
 *
 * A bridge that runfx made has a mark, its alias. One without the mark is never removed.
 *
 * @category networks
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Network } from "../../config/Container.ts"
import * as Step from "../../engine/Step.ts"
import type { Kernel, SyscallError } from "../../native/Kernel.ts"
import { type HostLink, ifThere, type LinkInfo, linkOf, links, request, stillOurs } from "./link.ts"
import { type BridgesLocked, withBridges } from "./lock.ts"
import { NetworkError } from "./NetworkError.ts"

/** What marks a bridge that runfx made: its alias (`ip link` shows it). */
const mark = "runfx"

/** A bridge, and whether it is removed when nothing is connected to it any more. */
export interface Bridge {
  readonly link: HostLink
  readonly ours: boolean
}

const bridgeOf = ({ alias, index, kind, name }: LinkInfo): Bridge => ({
  link: { index, kind, name },
  ours: alias === mark
})

const isBridge = (network: Network, found: LinkInfo): Effect.Effect<Bridge, NetworkError> =>
  found.kind === "bridge"
    ? Effect.succeed(bridgeOf(found))
    : Effect.fail(
      new NetworkError({
        strategy: network.strategy,
        network: network.name,
        field: "bridge",
        problem: `the interface "${found.name}" is there, but is not a bridge`,
        advice: "name a bridge, or an interface that is not there yet together with createBridge"
      })
    )

const make = (name: string, address: string): Effect.Effect<Bridge, SyscallError, Kernel | Step.Rollback> =>
  Effect.uninterruptible(Effect.gen(function*() {
    yield* request({ _tag: "BridgeAdd", name })
    // it is ours even before it has the mark; later it is identified by its index, since another may get the name
    let made: string | number = name
    yield* Step.onRollback(
      withBridges(Effect.suspend(() => Effect.flatMap(ifThere(linkOf(made)), removeUnused)))
    )
    const { index } = yield* linkOf(name)
    made = index
    yield* request({ _tag: "LinkSet", link: index, alias: mark })
    yield* request({ _tag: "AddressAdd", link: index, address, nodad: true })
    yield* request({ _tag: "LinkSet", link: index, up: true })
    return { link: { index, kind: "bridge", name }, ours: true }
  }))

/**
 * Finds the bridge of a network. If there is none, and `createBridge` asks for it, makes it with its mark and its address, and
 * brings it up.
 *
 * The caller must hold the lock of `withBridges` until it has connected to the bridge.
 */
export const ensureBridge = Effect.fnUntraced(function*(network: Network, name: string) {
  const { createBridge } = network
  if (createBridge === undefined) return yield* isBridge(network, yield* linkOf(name))
  const found = yield* ifThere(linkOf(name))
  return found === undefined ? yield* make(name, createBridge.address) : yield* isBridge(network, found)
})

const removeUnused = Effect.fnUntraced(function*(bridge: LinkInfo | undefined) {
  if (bridge === undefined) return
  const all = yield* links
  if (all.some(({ master }) => master === bridge.index)) return
  yield* ifThere(request({ _tag: "LinkDelete", link: bridge.index }))
})

/** Removes a bridge with our mark, if it still exists and nothing is connected to it any more. */
export const removeBridge = (bridge: HostLink): Effect.Effect<void, SyscallError | BridgesLocked, Kernel> =>
  withBridges(
    Effect.flatMap(stillOurs(bridge), (found) => removeUnused(found?.alias === mark ? found : undefined))
  )
