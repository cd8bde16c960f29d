/**
 * Sets the supplementary groups, also in user namespaces that deny it.
 *
 * An unprivileged user gives up setgroups(2) for the right to map its own group (CVE-2014-8989). Then the groups of the caller
 * stay, and none can be added.
 *
 * @see user_namespaces(7), /proc/pid/setgroups
 * @category init
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { AnyGid } from "../../native/Handle.ts"
import { type Kernel, onErrno, sys, type SyscallError } from "../../native/Kernel.ts"
import { readSelf, selfCalls } from "../proc/self.ts"

/** Supplementary groups can't be set, because the user namespace denies setgroups(2). */
export class GroupsDenied extends Data.TaggedError("GroupsDenied")<{
  readonly groups: ReadonlyArray<AnyGid>
}> {
  override get message(): string {
    return `can't set the supplementary groups ${this.groups.join(", ")}: the user namespace denies setgroups`
  }
  get advice(): string {
    return "configure no additional groups, or map the groups with newgidmap (/etc/subgid), which leaves setgroups " +
      "allowed, unless the user namespace around it denies it (unshare -Ur does)"
  }
}

/** The calls that {@link setGroups} may make; for the headers of steps. */
export const setGroupsCalls = ["setgroups", ...selfCalls] as const

/** Sets the groups. If the user namespace denies it, an empty list is no failure, and any other is. */
export const setGroups = (
  groups: ReadonlyArray<AnyGid>
): Effect.Effect<void, SyscallError | GroupsDenied, Kernel> =>
  sys.setgroups({ groups }).pipe(onErrno(["EPERM"], (refused) =>
    Effect.gen(function*() {
      // read only now, so that the usual case needs no /proc
      const state = (yield* readSelf("setgroups")).trim()
      if (state !== "deny") return yield* refused
      if (groups.length > 0) return yield* new GroupsDenied({ groups })
    })))
