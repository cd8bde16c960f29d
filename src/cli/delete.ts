/** `runfx delete`: everything that belongs to a container goes. */
import * as Effect from "effect/Effect"
import * as Runtime from "../runtime/Runtime.ts"
import { type GlobalOptions, onLinux } from "./edge.ts"

/** The options of `delete`. */
export interface DeleteCommand extends GlobalOptions {
  readonly id: string
  readonly force?: boolean
}

/** Removes the container. */
export const delete_ = ({ force, id, root }: DeleteCommand): Promise<void> =>
  onLinux(Effect.as(
    Runtime.remove(id, {
      ...(root === undefined ? {} : { stateRoot: root }),
      ...(force === undefined ? {} : { force })
    }),
    0
  ))
