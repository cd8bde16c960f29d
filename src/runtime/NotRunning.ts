/**
 * A container is not in the state that a command needs.
 *
 * @category errors
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import { ProcessUnseen } from "../steps/state/errors.ts"
import type { State } from "../steps/state/State.ts"
import type { Status } from "../steps/state/status.ts"
import type { Whereabouts } from "../steps/state/whereabouts.ts"

/** The container is not in the state that the command needs. */
export class NotRunning extends Data.TaggedError("NotRunning")<{
  readonly id: string
  /** `ending`: another command is killing or removing it, and has frozen it for that. */
  readonly status: Status | "ending"
  /** The error that this explains; absent if the container did not run from the beginning. */
  readonly cause?: unknown
}> {
  override get message(): string {
    return this.status === "ending"
      ? `another command is killing or deleting container ${this.id}`
      : `container ${this.id} is ${this.status}`
  }
  get advice(): string {
    switch (this.status) {
      case "ending":
        return "start it again once it has ended"
      case "paused":
        return `its cgroup is frozen: "runfx kill ${this.id} CONT" thaws it`
      case "creating":
        return "wait until it runs; if it does, /proc hides its first process from this caller: remount it with hidepid=0"
      default:
        return "start it again, or remove it with delete"
    }
  }
}

/** The error for a container whose first process can't be seen from here. */
export const processUnseen = (
  { hidden, id, init }: State,
  { pidNamespace }: Whereabouts & { readonly _tag: "Unseen" }
): ProcessUnseen => new ProcessUnseen({ id, pid: (init ?? hidden)!.pid, pidNamespace })
