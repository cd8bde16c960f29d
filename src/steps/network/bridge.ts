/**
 * The bridge that connects containers on the host: found, or made by whoever comes first.
 */
import * as Effect from "effect/Effect"
import type { Network } from "../../config/Container.ts"
import * as Step from "../../engine/Step.ts"
import type { Kernel, SyscallError } from "../../native/Kernel.ts"
import { type HostLink, ifThere, type LinkInfo, linkOf, links, request, stillOurs } from "./link.ts"
import { NetworkError } from "./NetworkError.ts"

/** A bridge, and whether this call made it. */
export interface Bridge {
  readonly link: HostLink
  readonly made: boolean
}

const hostLink = ({ index, kind, name }: LinkInfo): HostLink => ({ index, kind, name })

const isBridge = (network: Network, found: LinkInfo): Effect.Effect<Bridge, NetworkError> =>
  found.kind === "bridge"
    ? Effect.succeed({ link: hostLink(found), made: false })
    : Effect.fail(
      new NetworkError({
        strategy: network.strategy,
        network: network.name,
        field: "bridge",
        problem: `the interface "${found.name}" is there, but is not a bridge`,
        advice: "name a bridge, or an interface that is not there yet together with createBridge"
      })
    )

const make = (
  name: string,
  address: string
): Effect.Effect<HostLink | undefined, SyscallError, Kernel | Step.Rollback> =>
  Effect.uninterruptible(Effect.gen(function*() {
    const added = yield* request({ _tag: "BridgeAdd", name }).pipe(
      Effect.as(true),
      // another run made it since we looked: it is theirs to set up and to remove, and ours to use
      Effect.catch((error) => error.code === "EEXIST" ? Effect.succeed(false) : Effect.fail(error))
    )
    if (!added) return undefined
    yield* Step.onRollback(Effect.flatMap(ifThere(linkOf(name)), removeUnused))
    const link = hostLink(yield* linkOf(name))
    yield* request({ _tag: "AddressAdd", link: link.index, address, nodad: true })
    yield* request({ _tag: "LinkSet", link: link.index, up: true })
    return link
  }))

/**
 * The bridge of a network; made, with its address and up, where `createBridge` says so and it is not there.
 *
 * Safe against other runs that do the same: the kernel lets one of them make it.
 */
export const ensureBridge = Effect.fnUntraced(function*(network: Network, name: string) {
  const { createBridge } = network
  if (createBridge === undefined) return yield* isBridge(network, yield* linkOf(name))
  const found = yield* ifThere(linkOf(name))
  if (found !== undefined) return yield* isBridge(network, found)
  const made = yield* make(name, createBridge.address)
  return made === undefined ? yield* isBridge(network, yield* linkOf(name)) : { link: made, made: true }
})

const removeUnused = Effect.fnUntraced(function*(bridge: LinkInfo | undefined) {
  if (bridge === undefined) return
  const all = yield* links
  if (all.some(({ master }) => master === bridge.index)) return
  yield* ifThere(request({ _tag: "LinkDelete", link: bridge.index }))
})

/** Removes a bridge that we made, if it is still there and nothing is connected to it any more. */
export const removeBridge = (bridge: HostLink): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.flatMap(stillOurs(bridge), removeUnused)
