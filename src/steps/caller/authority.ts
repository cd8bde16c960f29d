/**
 * What the caller may do: its capabilities count, and in which user namespace it holds them, not whether its uid is 0.
 *
 * Root of a user namespace has all capabilities and none over the host; root of a container with the usual capabilities
 * is in the host's user namespace and may mount nothing; a user may hold a capability by its ambient set.
 *
 * @see capabilities(7), user_namespaces(7)
 * @category caller
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import { numbers as capability } from "../../config/capabilities.ts"
import { AT, STATX } from "../../native/constants.ts"
import type { AnyGid, AnyUid } from "../../native/Handle.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../../native/Kernel.ts"

/** What the caller may do. */
export interface Authority {
  /** Effective ids, as the caller's own user namespace has them. */
  readonly uid: AnyUid
  readonly gid: AnyGid
  /** Effective capabilities, which hold in the caller's own user namespace. */
  readonly capabilities: bigint
  /** Whether that user namespace is the host's first one. */
  readonly initial: boolean
}

/** The calls that {@link authority} makes; for the headers of steps. */
export const authorityCalls = ["getresuid", "getresgid", "capget", "statx"] as const

/** The inode number of the first user namespace. @see linux/proc_ns.h, PROC_USER_INIT_INO */
export const initialUserNamespace = 0xeffffffdn

/** Without a readable /proc it is not known; most callers are in the first one. */
const isInitial: Effect.Effect<boolean, SyscallError, Kernel> = sys.statx({
  dirfd: AT.FDCWD,
  path: "/proc/self/ns/user",
  flags: 0,
  mask: STATX.INO
}).pipe(
  Effect.map(({ ino }) => ino === initialUserNamespace),
  orOn(["ENOENT", "ENOTDIR", "EACCES", "EPERM", "ENOSYS"], true)
)

/** Asks the kernel who the caller is. */
export const authority: Effect.Effect<Authority, SyscallError, Kernel> = Effect.gen(function*() {
  return {
    uid: (yield* sys.getresuid({})).effective,
    gid: (yield* sys.getresgid({})).effective,
    capabilities: (yield* sys.capget({ pid: 0 })).effective,
    initial: yield* isInitial
  }
})

/** A capability by its name. */
export type CapabilityName = keyof typeof capability

/** Whether all of some capabilities are held, in the caller's own user namespace. */
export const holds = ({ capabilities }: Authority, ...names: ReadonlyArray<CapabilityName>): boolean =>
  names.every((name) => (capabilities >> BigInt(capability[name]) & 1n) === 1n)

/**
 * Whether the caller rules the host as far as a container needs it: it may enter a user namespace that it has made with
 * its own privileges kept, mount there, and make device nodes.
 */
export const rulesHost = (caller: Authority): boolean =>
  caller.initial && holds(caller, "SYS_ADMIN", "SYS_CHROOT", "MKNOD", "SETUID", "SETGID")
