/**
 * The errors that several steps of the init fail with, alongside the calls that the kernel refuses. An error of one step
 * alone is in that step's file.
 *
 * Fields are plain data, so that an error crosses the channel to the parent as what it was. `advice` says what to do.
 *
 * @category errors
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type { SyscallError } from "../../native/Kernel.ts"

/**
 * Namespaces that the kernel does not make.
 *
 * @since 0.2.0
 */
export class NamespaceRefused extends Data.TaggedError("NamespaceRefused")<{
  readonly reason: SyscallError
  /** The cause, if it could be found, and what to do about it. */
  readonly why?: string
}> {
  /** The errno. */
  get code(): SyscallError["code"] {
    return this.reason.code
  }
  override get message(): string {
    return this.reason.message
  }
  get advice(): string | undefined {
    return this.why ?? this.reason.advice
  }
}

/** Capabilities that the configuration asks for, but that the process can't get. */
export class CapabilitiesUnavailable extends Data.TaggedError("CapabilitiesUnavailable")<{
  readonly set: "bounding" | "permitted" | "effective" | "inheritable"
  /** Names, as `CAP_SYS_RESOURCE`. */
  readonly capabilities: ReadonlyArray<string>
  /** The runtime has them; the container's bounding set, which limits what is made inheritable, does not. */
  readonly areUnbounded?: boolean
}> {
  override get message(): string {
    return `process.capabilities.${this.set} asks for what can't be had: ${this.capabilities.join(", ")}`
  }
  get advice(): string {
    const names = this.capabilities.join(", ")
    if (this.areUnbounded === true) {
      return `the kernel makes inheritable only what the bounding set has: add ${names} to bounding too`
    }
    switch (this.set) {
      case "effective":
        return `a capability is effective only if it is permitted: add ${names} to permitted too`
      case "bounding":
        return `the runtime's own bounding set lacks ${names}, or this kernel does not know it (see "CapBnd" in ` +
          "/proc/self/status): take it out of the configuration, or out of --cap-add"
      default:
        return `the runtime itself lacks ${names} (see "CapPrm" in /proc/self/status): take it out of the configuration, ` +
          "or out of --cap-add"
    }
  }
}

/** The parent ended, or gave up, while the init waited for it. */
export class ParentGone extends Data.TaggedError("ParentGone")<{ readonly while: string }> {
  override get message(): string {
    return `the parent process is gone: ${this.while}`
  }
}
