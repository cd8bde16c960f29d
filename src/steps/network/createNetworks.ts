/**
 * The host's side of the container's networks: made while the init waits, removed at the end.
 *
 * @category networks
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Network } from "../../config/Container.ts"
import type { Rollback } from "../../engine/Step.ts"
import type { AnyPid } from "../../native/Handle.ts"
import type { Kernel, SyscallError } from "../../native/Kernel.ts"
import { type BridgesLocked, lockCalls } from "./lock.ts"
import type { NetworkError, UnknownStrategyError } from "./NetworkError.ts"
import { strategyOf } from "./NetworkStrategies.ts"
import type { Created } from "./Strategy.ts"

/** The calls that the built-in strategies make on the host. */
export const networkCalls = ["rtnetlink", "getrandom", ...lockCalls] as const

/** What an operator can do about the errors of the host's side. */
export const networkAdvice = {
  EPERM:
    "making interfaces takes CAP_NET_ADMIN in the host's network namespace: rootless containers have loopback only",
  EEXIST: "an interface with the host's or the container's name is there already: choose another name",
  ENODEV: "the bridge is not there: make it first, or set createBridge",
  EOPNOTSUPP: "this kernel can't make such an interface: load the modules veth and bridge",
  ESRCH: "the container's init has ended"
} as const

/**
 * Makes the host's side of each network, in order. If this or a later step of the pipeline fails, the rollback removes all of
 * it. An unknown strategy is an error before anything is made.
 *
 * The result is plain data for {@link removeNetworks}, in this process or in a later one.
 */
export const createNetworks = Effect.fnUntraced(function*(
  networks: ReadonlyArray<Network>,
  initPid: AnyPid
): Effect.fn.Return<
  ReadonlyArray<Created>,
  SyscallError | NetworkError | BridgesLocked | UnknownStrategyError,
  Kernel | Rollback
> {
  const strategies = yield* Effect.forEach(networks, strategyOf)
  return yield* Effect.forEach(networks, (network, index) => strategies[index]!.create(network, { initPid }))
})

/**
 * Removes what {@link createNetworks} made, the last first. If one removal fails, the others are still done, and then this fails.
 * What is gone already is no failure.
 *
 * A bridge that runfx made stays as long as other interfaces are connected to it; the last one to leave removes it.
 */
export const removeNetworks = Effect.fnUntraced(function*(
  created: ReadonlyArray<Created>
): Effect.fn.Return<void, SyscallError | BridgesLocked | UnknownStrategyError, Kernel> {
  let failures: Cause.Cause<SyscallError | BridgesLocked | UnknownStrategyError> = Cause.empty
  for (const one of created.toReversed()) {
    const exit = yield* Effect.exit(Effect.flatMap(strategyOf(one.network), (strategy) => strategy.remove(one)))
    if (Exit.isFailure(exit)) failures = Cause.combine(failures, exit.cause)
  }
  if (failures.reasons.length > 0) yield* Effect.failCause(failures)
})
