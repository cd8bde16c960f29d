/**
 * What the caller may do. Its capabilities decide, and the user namespace in which it holds them, not whether its uid is 0.
 *
 * Root of a user namespace has all capabilities, but none over the host. Root of a container with the usual capabilities is in
 * the host's user namespace, but may not mount. A user may hold a capability by their ambient set.
 *
 * @see capabilities(7), user_namespaces(7)
 * @category caller
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import { numbers as capability } from "../../config/capabilities.ts"
import { AT, STATX } from "../../native/constants.ts"
import type { AnyGid, AnyUid } from "../../native/Handle.ts"
import { type Kernel, lasting, orOn, sys, type SyscallError } from "../../native/Kernel.ts"

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

/**
 * Whether the caller is in the first user namespace. Without a readable /proc that is assumed, since most callers are. A process with
 * threads, as this one, can't enter another one.
 */
const isInitial: Effect.Effect<boolean, SyscallError, Kernel> = lasting(
  Effect.map(
    sys.statx({ dirfd: AT.FDCWD, path: "/proc/self/ns/user", flags: 0, mask: STATX.INO }),
    ({ ino }) => ino === initialUserNamespace
  )
).pipe(
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

/** Whether the caller holds all of some capabilities, in its own user namespace. */
export const holds = ({ capabilities }: Authority, ...names: ReadonlyArray<CapabilityName>): boolean =>
  names.every((name) => (capabilities >> BigInt(capability[name]) & 1n) === 1n)

/**
 * Whether the caller has the privileges over the host that a side-car needs: it may mount, pivot, make device nodes, and change
 * its ids.
 */
export const rulesHost = (caller: Authority): boolean =>
  caller.initial && holds(caller, "SYS_ADMIN", "SYS_CHROOT", "MKNOD", "SETUID", "SETGID")
