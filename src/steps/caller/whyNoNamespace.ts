/**
 * Why the kernel makes no namespace. It has one errno for a dozen causes, so they are checked after a refusal.
 *
 * @see clone(2), unshare(2), namespaces(7), user_namespaces(7)
 * @category caller
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import type { NamespaceType } from "../../config/Container.ts"
import { flagOf } from "../../config/namespaceFlags.ts"
import { given } from "../../engine/given.ts"
import { AT, CLONE, O, STATX } from "../../native/constants.ts"
import { readAll, using } from "../../native/Files.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import { NamespaceRefused } from "../init/errors.ts"
import { parseMountInfo } from "../proc/mountinfo.ts"
import { type Authority, authority, authorityCalls, holds } from "./authority.ts"
import { hasRange, ownMap } from "./ownMap.ts"

/** The calls that {@link whyNoNamespace} makes; for the headers of steps. */
export const refusalCalls = [...new Set([...authorityCalls, "openat" as const, "read" as const, "close" as const])]

const text = (path: string): Effect.Effect<string | undefined, SyscallError, Kernel> =>
  using(
    sys.openat({ dirfd: AT.FDCWD, path, flags: O.RDONLY | O.CLOEXEC, mode: 0 }),
    (fd) => Effect.map(readAll(fd), (bytes) => bytes.toString("utf8").trim())
  ).pipe(orOn(["ENOENT", "ENOTDIR", "EACCES", "EPERM"], undefined))

const typesOf = (flags: number): ReadonlyArray<NamespaceType> =>
  (Object.keys(flagOf) as ReadonlyArray<NamespaceType>).filter((type) => (flags & flagOf[type]) !== 0)

/** `Seccomp:` of proc_pid_status(5): 2 is a filter. */
const isFiltered = Effect.map(text("/proc/self/status"), (status) => /^Seccomp:\s*2$/m.test(status ?? ""))

/** Whether the process is in a chroot: no mount is at its root. A chroot with a mount there is not found out. */
const isChrooted = Effect.map(
  text("/proc/self/mountinfo"),
  (table) => table !== undefined && !parseMountInfo(`${table}\n`).some(({ mountpoint }) => mountpoint === "/")
)

const somebody = Effect.map(isFiltered, (filtered) =>
  filtered
    ? "a seccomp filter around the runtime may forbid it, as the profiles of container engines do: start the runtime " +
      "without that filter (podman, docker: --security-opt seccomp=unconfined; a sandbox: seccomp \"none\"), or allow clone, unshare, setns and mount"
    : "a security module of the host may forbid it (look for a denial in the kernel's log)")

/** Why a user namespace may not be made: first the kernel's rules in its own order (create_user_ns), then other causes. */
const whyNoUser = (caller: Authority): Effect.Effect<string, SyscallError, Kernel> =>
  Effect.gen(function*() {
    if (yield* isChrooted) {
      return "no user namespace can be made in a chroot(2): start the runtime outside of it, or enter its directory by " +
        "pivot_root(2) (unshare --mount --root, bwrap --bind)"
    }
    const [uids, gids] = [yield* ownMap("uid"), yield* ownMap("gid")]
    if (!hasRange(uids, caller.uid, 1) || !hasRange(gids, caller.gid, 1)) {
      return `the runtime's own uid ${caller.uid} or gid ${caller.gid} is not mapped in the user namespace that it is in ` +
        "(see /proc/self/uid_map and gid_map): run it as an id that is"
    }
    const knobs = holds(caller, "SYS_ADMIN") ? [] : [
      ["kernel.unprivileged_userns_clone", "0", "set it to 1"],
      [
        "kernel.apparmor_restrict_unprivileged_userns",
        "1",
        "set it to 0, or load an AppArmor profile with \"userns,\" for the runtime"
      ]
    ] as const
    for (const [name, bad, remedy] of knobs) {
      if ((yield* text(`/proc/sys/${name.replaceAll(".", "/")}`)) === bad) {
        return `this host lets no user without privileges make a user namespace (sysctl ${name} is ${bad}): ${remedy}, or ` +
          "run as root"
      }
    }
    return yield* somebody
  })

const whyNotAllowed = (flags: number) =>
  Effect.gen(function*() {
    const caller = yield* authority
    if ((flags & CLONE.NEWUSER) !== 0) return yield* whyNoUser(caller)
    return holds(caller, "SYS_ADMIN")
      ? yield* somebody
      : "new namespaces need CAP_SYS_ADMIN, which the runtime lacks: run it with that, or give the container a user namespace"
  })

/** `ENOSPC`: which of the limits of namespaces(7) is reached. */
const whyNoRoom = (flags: number) =>
  Effect.gen(function*() {
    const told: Array<string> = []
    for (const type of typesOf(flags)) {
      const name = `user.max_${type}_namespaces`
      const value = yield* text(`/proc/sys/${name.replace(".", "/")}`)
      if (value === "0") return `this host allows no ${type} namespace (sysctl ${name} is 0): raise it`
      if (value !== undefined) told.push(`${name} (${value})`)
    }
    return `a limit of the number of namespaces is reached, here or in a user namespace above: ${
      told.join(", ")
    }; or user ` +
      "or pid namespaces are nested more than 32 deep"
  })

const whyInvalid = (flags: number) =>
  Effect.gen(function*() {
    const missing: Array<string> = []
    for (const type of typesOf(flags)) {
      const there = yield* Effect.as(
        sys.statx({ dirfd: AT.FDCWD, path: `/proc/self/ns/${type}`, flags: 0, mask: STATX.INO }),
        true
      ).pipe(orOn(["ENOENT"], false))
      if (!there) missing.push(type)
    }
    return missing.length === 0
      ? undefined
      : `this kernel has no ${missing.join(", ")} namespaces (see /proc/self/ns): leave them out`
  })

const whys: Readonly<
  Partial<
    Record<SyscallError["code"], (flags: number) => Effect.Effect<string | undefined, SyscallError, Kernel>>
  >
> = {
  EPERM: whyNotAllowed,
  ENOSPC: whyNoRoom,
  EUSERS: whyNoRoom,
  EINVAL: whyInvalid
}

/** The error of a call that should have made the namespaces of `flags`. If the look-up fails, it has no explanation. */
export const whyNoNamespace = (reason: SyscallError, flags: number): Effect.Effect<NamespaceRefused, never, Kernel> =>
  (whys[reason.code]?.(flags) ?? Effect.succeed(undefined)).pipe(
    Effect.orElseSucceed(() => undefined),
    Effect.map((why) => new NamespaceRefused({ reason, ...given({ why }) }))
  )
