/**
 * Ids of containers.
 *
 * The library returns ids with a brand: they were checked, and can't be mixed up with other branded texts. Functions that take
 * an id also accept a plain text, and check it: users write ids on a command line or in a unit file, and the start checks them
 * anyway. At run time there is no brand.
 *
 * @category state
 * @since 0.2.0
 */
import type * as Brand from "effect/Brand"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { InvalidId } from "./errors.ts"

/** An id that can name a container: 1 to 1024 of the characters A-Z a-z 0-9 _ + . - and neither "." nor "..". */
export type ContainerId = Brand.Branded<string, "ContainerId">

/** What a function accepts as an id: a branded one, or a plain text, which is checked. */
export type AnyContainerId = string & Partial<Brand.Brand<"ContainerId">>

const pattern = /^[A-Za-z0-9_+.-]{1,1024}$/

/** Whether a text can be a container's id. */
export const isId = (id: string): id is ContainerId => pattern.test(id) && id !== "." && id !== ".."

/**
 * An id from a text; throws {@link InvalidId} if the text can't be an id. `ContainerId.is` returns whether it can, and
 * `ContainerId.result` returns the error. (`Brand.make` of Effect would load its schemas, which takes longer than `list`.)
 *
 * **Example** (An id from a request)
 *
 * ```ts
 * const id = yield* ContainerId.result(request.params.id)
 * yield* Runtime.kill(id, 15)
 * ```
 */
export const ContainerId: {
  (id: string): ContainerId
  readonly is: (id: string) => id is ContainerId
  readonly result: (id: string) => Result.Result<ContainerId, InvalidId>
} = /* @__PURE__ */ Object.assign(
  (id: string): ContainerId => {
    if (!isId(id)) throw new InvalidId({ id })
    return id
  },
  { is: isId, result: (id: string) => isId(id) ? Result.succeed(id) : Result.fail(new InvalidId({ id })) }
)

/** An id, or {@link InvalidId}. */
export const checkId = (id: string): Effect.Effect<ContainerId, InvalidId> => Effect.fromResult(ContainerId.result(id))
