/** `runfx delete`: everything that belongs to a container goes. */
import * as Effect from "effect/Effect"
import * as Runtime from "../runtime/Runtime.ts"
import { type GlobalOptions, onLinux } from "./edge.ts"
import { flowOption } from "./support.ts"

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
    yield* Runtime.remove(id, {
      ...(root === undefined ? {} : { stateRoot: root }),
      ...(force === undefined ? {} : { force }),
      ...(strategies === undefined ? {} : { strategies })
    })
    return 0
  }))
