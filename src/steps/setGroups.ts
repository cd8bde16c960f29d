/**
 * Set the supplementary groups, in user namespaces that may deny it too.
 *
 * An unprivileged user gives up setgroups(2) for the right to map its own group (CVE-2014-8989). There the groups of the
 * caller stay, and none can be added.
 *
 * @see user_namespaces(7), /proc/pid/setgroups
 */
import * as Effect from "effect/Effect"
import { type Kernel, sys, type SyscallError } from "../native/Kernel.ts"
import { GroupsDenied } from "./errors.ts"
import { readSelf, selfCalls } from "./procSelf.ts"

/** The calls that {@link setGroups} may make; for the headers of steps. */
export const setGroupsCalls = ["setgroups", ...selfCalls] as const

/** Sets the groups; where the user namespace denies it, an empty list is let pass and others fail. */
export const setGroups = (
  groups: ReadonlyArray<number>
): Effect.Effect<void, SyscallError | GroupsDenied, Kernel> =>
  Effect.catchIf(sys.setgroups({ groups }), ({ code }) => code === "EPERM", (refused) =>
    Effect.gen(function*() {
      // asked for only now, so that the common case needs no /proc
      const state = (yield* readSelf("setgroups")).trim()
      if (state !== "deny") return yield* refused
      if (groups.length > 0) return yield* new GroupsDenied({ groups })
    }))
