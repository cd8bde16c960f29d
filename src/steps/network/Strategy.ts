/**
 * How one kind of network is set up: a part on the host before the container runs, and a part inside.
 *
 * `loopback` and `veth` are built in; others are provided through `NetworkStrategies`.
 *
 * **Example** (A strategy that brings up an interface that something else has put there)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { sys } from "runfx/native/Kernel"
 * import type { Strategy } from "runfx/steps/network/Strategy"
 *
 * const upOnly: Strategy = {
 *   name: "up-only",
 *   create: (network) => Effect.succeed({ network, links: [] }),
 *   initialize: ({ name }) => Effect.asVoid(sys.rtnetlink({ request: { _tag: "LinkSet", link: name, up: true } })),
 *   remove: () => Effect.void
 * }
 * ```
 *
 * @category networks
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { Network } from "../../config/Container.ts"
import type { Rollback } from "../../engine/Step.ts"
import type { AnyPid } from "../../native/Handle.ts"
import type { Kernel, SyscallError } from "../../native/Kernel.ts"
import type { HostLink } from "./link.ts"
import type { BridgesLocked } from "./lock.ts"
import type { NetworkError } from "./NetworkError.ts"

/** What a strategy has made on the host, as plain data, from which a later process can remove it. */
export interface Created {
  /** The network, with the names that were chosen for it. */
  readonly network: Network
  /**
   * The interfaces that this network added to the host, in the order in which they were made. Also empty if a start was
   * interrupted before it could write them down.
   */
  readonly links: ReadonlyArray<HostLink>
}

/** What `create` knows about the container. */
export interface Target {
  /** The init's pid, as this process sees it; its network namespace is the container's. */
  readonly initPid: AnyPid
}

/** One kind of network. */
export interface Strategy {
  /** The value of a network's `strategy` field that selects this one. */
  readonly name: string
  /**
   * The host's side, while the init waits. Each thing that it makes must be registered with `Step.onRollback` as soon as it
   * exists. A failure must not change what existed before.
   */
  readonly create: (
    network: Network,
    target: Target
  ) => Effect.Effect<Created, SyscallError | NetworkError | BridgesLocked, Kernel | Rollback>
  /** The container's side, in the init: only by kernel calls, which the init's process makes. */
  readonly initialize: (network: Network) => Effect.Effect<void, SyscallError | NetworkError, Kernel>
  /** The host's side, at the end. What is gone already is no failure; a second removal does nothing. */
  readonly remove: (created: Created) => Effect.Effect<void, SyscallError | BridgesLocked, Kernel>
}
