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

/**
 * Who the caller is, and what it may do.
 *
 * @since 0.2.0
 */
export const caller: Effect.Effect<Authority, SyscallError, Kernel> = authority

/** Where states are kept by default. */
export const stateRoot: Effect.Effect<string, StateRootError, Kernel> = Effect.flatMap(
  authority,
  (caller) => Effect.flatMap(Surroundings, ({ env }) => defaultStateRoot(caller, env))
)
