/**
 * What can be wrong with the directory of a container's state.
 *
 * @category errors
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { given } from "../../engine/given.ts"
import type { AnyPid, AnyUid } from "../../native/Handle.ts"
import { SyscallError } from "../../native/Kernel.ts"

/**
 * What to do if a state can't be written, in any step.
 *
 * @since 0.2.0
 */
export const unwritable: Readonly<Record<string, string | undefined>> = {
  EROFS: "the directory of states is on a read-only file system: give another one with --root",
  ENOSPC: "the file system of the directory of states is full: make room, or give another one with --root",
  EDQUOT: "the quota of the file system of the directory of states is used up: give another one with --root",
  EFBIG: "the runtime may write no file as long as a state: raise the limit of a file's size (ulimit -f)"
}

/**
 * Adds advice to a failure to write a state: the advice of the step is about something else, such as cgroups.
 *
 * @since 0.2.0
 */
export const advised = <A, R>(self: Effect.Effect<A, SyscallError, R>): Effect.Effect<A, SyscallError, R> =>
  Effect.mapError(self, (error) => {
    const { call, code, detail, remedy = unwritable[code] } = error
    return remedy === undefined ? error : new SyscallError({ call, code, remedy, ...given({ detail }) })
  })

/** An id that can't name a container. */
export class InvalidId extends Data.TaggedError("InvalidId")<{
  readonly id: string
}> {
  get advice(): string {
    return "use 1 to 1024 of the characters A-Z a-z 0-9 _ + . - and neither \".\" nor \"..\""
  }
  override get message(): string {
    const shown = this.id.length > 80 ? `${this.id.slice(0, 80)}…` : this.id
    return `invalid container id ${JSON.stringify(shown)}`
  }
}

/** There is a container with this id. */
export class IdInUse extends Data.TaggedError("IdInUse")<{
  readonly id: string
  readonly path: string
}> {
  get advice(): string {
    return `choose another id, or delete that container`
  }
  override get message(): string {
    return `a container with the id ${JSON.stringify(this.id)} exists: ${this.path}`
  }
}

/** There is no container with this id. */
export class ContainerNotFound extends Data.TaggedError("ContainerNotFound")<{
  readonly id: string
  readonly path: string
  /** Another command has deleted it while this one was at work on it. */
  readonly meanwhile?: boolean
}> {
  get advice(): string {
    return this.meanwhile === true
      ? "nothing of it is left: start it again, if it was not deleted on purpose"
      : "runfx list shows the containers that there are; one that was made with another --root is not among them"
  }
  override get message(): string {
    if (this.meanwhile === true) {
      return `the container ${JSON.stringify(this.id)} was deleted by another command meanwhile`
    }
    return `there is no container with the id ${JSON.stringify(this.id)}: ${this.path} does not exist`
  }
}

/** The state file can't be understood. */
export class StateCorrupt extends Data.TaggedError("StateCorrupt")<{
  readonly file: string
  readonly problem: string
  /** There is no file. */
  readonly missing?: boolean
}> {
  get advice(): string {
    return "delete --force ends and removes what is left of the container: a copy of its state lists what there is"
  }
  override get message(): string {
    return `${this.file}: ${this.problem}`
  }
}

/**
 * What has the name of a container, and can't have been made by the start of one.
 *
 * @since 0.2.0
 */
export class NoContainer extends Data.TaggedError("NoContainer")<{
  readonly path: string
  /** What is in it that no start makes; empty: it is no directory. */
  readonly holds: ReadonlyArray<string>
}> {
  get advice(): string {
    return "give the directory of states with --root, or remove this yourself if nobody needs it"
  }
  override get message(): string {
    const [first, ...others] = this.holds
    if (first === undefined) return `${this.path} is no container: it is not a directory`
    const more = others.length === 0 ? "" : ` and ${others.length} more`
    return `${this.path} is not removed: it holds ${
      JSON.stringify(first)
    }${more}, which no start of a container has made`
  }
}

/** Another command holds the container. */
export class StateLocked extends Data.TaggedError("StateLocked")<{
  readonly id: string
  readonly milliseconds: number
}> {
  get advice(): string {
    return "another command works on this container: wait until it ends"
  }
  override get message(): string {
    return `the container ${JSON.stringify(this.id)} is still locked after ${this.milliseconds} ms`
  }
}

/**
 * There is nowhere to keep states.
 *
 * @since 0.2.0
 */
export class NoStateRoot extends Data.TaggedError("NoStateRoot")<{
  readonly path: string
  readonly reason: SyscallError
}> {
  get advice(): string {
    return "give a directory of your own with --root, or set XDG_RUNTIME_DIR to one"
  }
  override get message(): string {
    return `there is no directory for the states of containers, and none can be made: ${this.reason.message}`
  }
}

/** Users other than the caller and root could write the states in the directory, or could exchange it. */
export class StateUntrusted extends Data.TaggedError("StateUntrusted")<{
  /** The directory or the link that another user owns or may write. */
  readonly path: string
  readonly owner: AnyUid
  /** Permission bits. */
  readonly mode: number
  /** It is only on the way to the directory of the states, which is `root`. */
  readonly way?: { readonly root: string; readonly link: boolean }
}> {
  get advice(): string {
    return "a state lists what to kill and what to remove: keep it in a directory that no other user can write, nor exchange " +
      "by one above it, and give that with --root"
  }
  override get message(): string {
    const { mode, owner, path, way } = this
    const bits = way?.link === true ? "" : ` and has the mode 0${mode.toString(8)}`
    const on = way === undefined ? "it" : `the ${way.link ? "link" : "directory"} ${path} on the way to it`
    return `the state directory ${way?.root ?? path} can't be trusted: ${on} belongs to uid ${owner}${bits}`
  }
}

/**
 * The container's process belongs to a pid namespace that can't be seen from here.
 *
 * @since 0.2.0
 */
export class ProcessUnseen extends Data.TaggedError("ProcessUnseen")<{
  readonly id: string
  readonly pid: AnyPid
  readonly pidNamespace: string
}> {
  get advice(): string {
    return "run the command in that pid namespace or in one above it, with its own /proc (nsenter has --pid --mount)"
  }
  override get message(): string {
    return `the first process of the container ${JSON.stringify(this.id)} is number ${this.pid} of the pid namespace ` +
      `${this.pidNamespace}, which can't be seen from here: whether it runs can't be determined, and no process is signalled`
  }
}
