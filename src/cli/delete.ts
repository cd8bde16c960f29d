/** `runfx delete`: removes a container and everything that belongs to it. */
import * as Effect from "effect/Effect"
import { given } from "../engine/given.ts"
import { remove } from "../runtime/removing.ts"
import { type GlobalOptions, onLinux } from "./edge.ts"
import { flowOption } from "./flowOption.ts"

/** The options of `delete`. */
export interface DeleteCommand extends GlobalOptions {
  readonly id: string
  readonly force?: boolean
  readonly flow?: string
}

/** Removes the container. */
export const delete_ = ({ flow, force, id, root }: DeleteCommand): Promise<void> =>
  onLinux(Effect.gen(function*() {
    const { strategies } = yield* flowOption(flow)
    yield* remove(id, given({ stateRoot: root, force, strategies }))
    return 0
  }))
