/** What can be wrong with the directory of a container's state. */
import * as Data from "effect/Data"

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
}> {
  get advice(): string {
    return "look at the list of containers; a container that was made with another --root is not in it"
  }
  override get message(): string {
    return `there is no container with the id ${JSON.stringify(this.id)}: ${this.path} does not exist`
  }
}

/** The state file can't be understood. */
export class StateCorrupt extends Data.TaggedError("StateCorrupt")<{
  readonly file: string
  readonly problem: string
}> {
  get advice(): string {
    return "delete --force ends what is in the container's default cgroup, and removes that and the directory"
  }
  override get message(): string {
    return `${this.file}: ${this.problem}`
  }
}

/** Another command holds the container. */
export class StateLocked extends Data.TaggedError("StateLocked")<{
  readonly id: string
  readonly milliseconds: number
}> {
  get advice(): string {
    return "another command works on this container: wait for it to end"
  }
  override get message(): string {
    return `the container ${JSON.stringify(this.id)} is still locked after ${this.milliseconds} ms`
  }
}

/** Others than the caller and root could have written what the state directory says. */
export class StateUntrusted extends Data.TaggedError("StateUntrusted")<{
  readonly path: string
  readonly owner: number
  /** Permission bits. */
  readonly mode: number
}> {
  get advice(): string {
    return "a state says whom to kill and what to remove: keep it in a directory of your own that nobody else can write"
  }
  override get message(): string {
    return `the state directory ${this.path} is not to be trusted: it belongs to uid ${this.owner} and has the mode 0${
      this.mode.toString(8)
    }`
  }
}
