/**
 * Why a name of the container was refused.
 *
 * @category init
 * @since 0.2.0
 */
import * as Data from "effect/Data"
import type { Container } from "../../config/Container.ts"
import type { SyscallError } from "../../native/Kernel.ts"

/** A host or domain name that the kernel refused. */
export class NameRefused extends Data.TaggedError("NameRefused")<{
  readonly property: "hostname" | "domainname"
  /** Where the UTS namespace is: made with the container, joined by its path, or the caller's. */
  readonly uts: "new" | "joined" | "shared"
  readonly reason: SyscallError
}> {
  /** The errno. */
  get code(): SyscallError["code"] {
    return this.reason.code
  }
  override get message(): string {
    return this.reason.message
  }
  get advice(): string | undefined {
    const { property, reason, uts } = this
    if (reason.code === "EINVAL") return `${property} has at most 64 bytes`
    if (reason.code !== "EPERM") return reason.advice
    switch (uts) {
      case "new":
        return `the UTS namespace is the container's own: a seccomp filter or security module around the runtime forbids ` +
          `the call (container engines do): leave ${property} out, or start the runtime without that filter`
      case "joined":
        return `the UTS namespace that is joined belongs to a user namespace in which the container has no CAP_SYS_ADMIN: ` +
          `join that user namespace too, or leave ${property} out`
      case "shared":
        return `${property} needs a UTS namespace of the container's own: add one, or leave ${property} out`
    }
  }
}

/** The error of a name, with the origin of the UTS namespace that should have got it. */
export const nameRefused = (
  property: "hostname" | "domainname",
  { namespaces }: Container,
  reason: SyscallError
): NameRefused => {
  const uts = namespaces.find(({ type }) => type === "uts")
  return new NameRefused({
    property,
    uts: uts === undefined ? "shared" : uts.path === undefined ? "new" : "joined",
    reason
  })
}
