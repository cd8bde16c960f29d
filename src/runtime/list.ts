/**
 * `list`: all containers, with their status.
 *
 * @category acts
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Pipeline from "../engine/Pipeline.ts"
import type { Failure } from "../engine/Pipeline.ts"
import type { Kernel } from "../native/Kernel.ts"
import { list as listPipeline } from "../pipelines/list.ts"
import type { StateRootError } from "../steps/caller/stateRoot.ts"
import { type Listed, Listing, StateRoot } from "../steps/list/facts.ts"
import { stateRoot } from "./caller.ts"

export type { Listed } from "../steps/list/facts.ts"

/** What {@link list} can fail with. */
export type ListError = StateRootError | Failure<typeof listPipeline>

/**
 * All containers, by id. One whose state can't be read, or whose status is unknown, is listed with the reason; one that
 * is deleted meanwhile is left out.
 *
 * @param root the directory of the state directories; that of {@link stateRoot} if absent
 */
export const list = (root?: string): Effect.Effect<ReadonlyArray<Listed>, ListError, Kernel> =>
  Effect.gen(function*() {
    const place = root ?? (yield* stateRoot)
    const facts = yield* Effect.provideService(Pipeline.run(listPipeline), StateRoot, place)
    return Context.get(facts, Listing)
  })
