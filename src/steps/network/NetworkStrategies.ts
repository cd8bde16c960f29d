/**
 * The strategies that networks can name.
 *
 * @category networks
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Network } from "../../config/Container.ts"
import { withoutHeader } from "../../engine/Headers.ts"
import { loopback } from "./loopback.ts"
import { UnknownStrategyError } from "./NetworkError.ts"
import type { Strategy } from "./Strategy.ts"
import { veth } from "./veth.ts"

/**
 * All strategies: `loopback` and `veth`, unless others are provided. If two have the same name, the first counts.
 *
 * **Example** (One more)
 *
 * ```ts
 * const program = Pipeline.run(standard).pipe(
 *   Effect.provideService(NetworkStrategies, [macvlan, loopback, veth])
 * )
 * ```
 */
export const NetworkStrategies = Context.Reference<ReadonlyArray<Strategy>>("runfx/NetworkStrategies", {
  defaultValue: () => [loopback, veth]
})

/**
 * The strategies of this package, which only make calls. Another one may do anything.
 *
 * @since 0.2.0
 */
export const ours: ReadonlySet<Strategy> = new Set([loopback, veth])

/** A strategy of a consumer. Its calls are not checked: the headers of the steps only have those of the built-in ones. */
const foreign = (strategy: Strategy): Strategy => ({
  name: strategy.name,
  create: (network, target) => withoutHeader(strategy.create(network, target)),
  initialize: (network) => withoutHeader(strategy.initialize(network)),
  remove: (created) => withoutHeader(strategy.remove(created))
})

/** The strategy of a network. */
export const strategyOf = (network: Network): Effect.Effect<Strategy, UnknownStrategyError> =>
  Effect.flatMap(NetworkStrategies, (strategies) => {
    const found = strategies.find(({ name }) => name === network.strategy)
    return found === undefined
      ? Effect.fail(
        new UnknownStrategyError({
          strategy: network.strategy,
          network: network.name,
          known: strategies.map(({ name }) => name)
        })
      )
      : Effect.succeed(ours.has(found) ? found : foreign(found))
  })
