/**
 * Who the caller is, and where its containers are kept.
 *
 * @category hosts
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Kernel, SyscallError } from "../native/Kernel.ts"
import { Surroundings } from "../native/Surroundings.ts"
import { type Authority, authority } from "../steps/caller/authority.ts"
import { defaultStateRoot, type StateRootError } from "../steps/caller/stateRoot.ts"
import { StateRoot } from "./defaults.ts"

/**
 * Who the caller is, and what it may do.
 *
 * @since 0.2.0
 */
export const caller: Effect.Effect<Authority, SyscallError, Kernel> = authority

/** Where a caller's states are kept, if no option says so. */
export const stateRootOf = Effect.fnUntraced(
  function*(caller: Authority): Effect.fn.Return<string, StateRootError, Kernel> {
    return (yield* StateRoot) ?? (yield* defaultStateRoot(caller, (yield* Surroundings).env))
  }
)

/** Where states are kept, if no option says so: {@link StateRoot}, or what fits the caller. */
export const stateRoot: Effect.Effect<string, StateRootError, Kernel> = Effect.gen(function*() {
  return (yield* StateRoot) ?? (yield* stateRootOf(yield* authority))
})
