/**
 * The caller's own procfs or sysfs, if the kernel refuses a new one.
 *
 * To root of a user namespace the kernel gives a new procfs or sysfs only if it shows no more than one that is there
 * already (`mount_too_revealing`). In a container parts of `/proc` and `/sys` are covered: nobody gets a new one there,
 * and what is there can only be bound as a whole. Bound with all that covers it, it shows the container no more than its
 * caller sees. Its processes are those of the caller's pid namespace: what a process of another user namespace may do to
 * them by `/proc/<pid>` is to look at what anybody may see (ptrace(2), "Ptrace access mode checking").
 *
 * @see mount_namespaces(7), "Restrictions on mount namespaces"
 * @category rootfs
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import type { Mount } from "../../config/Container.ts"
import * as Ahead from "../../native/Ahead.ts"
import { AT, MAGIC, MOUNT_ATTR } from "../../native/constants.ts"
import * as Files from "../../native/Files.ts"
import { type Kernel, sys } from "../../native/Kernel.ts"
import { during, setAttributes } from "./attach.ts"
import { attributesOf } from "./attributes.ts"
import { cloneOf } from "./bind.ts"
import { type About, MountError, MountRefusedError } from "./errors.ts"

const callers: Readonly<Record<string, { readonly path: string; readonly magic: number }>> = {
  proc: { path: "/proc", magic: MAGIC.PROC_SUPER_MAGIC },
  sysfs: { path: "/sys", magic: MAGIC.SYSFS_MAGIC }
}

/** Whether the kernel refused a new file system. */
export const isTooRevealing = (
  error: MountError | MountRefusedError | { readonly _tag: string }
): error is MountError => error instanceof MountError && error.code === "EPERM"

/** A clone of the caller's, attached nowhere, with the mounts below it. Fails with `refused` if there is none. */
export const callersOwn = (
  mount: Mount,
  about: About,
  refused: MountError
): Effect.Effect<number, MountError, Kernel> => {
  const own = callers[mount.type]
  if (own === undefined) return Effect.fail(refused)
  const set = attributesOf(mount.flags)
  return Files.keeping(
    Effect.mapError(cloneOf(own.path, true, AT.SYMLINK_NOFOLLOW), () => refused),
    Effect.fnUntraced(function*(tree) {
      const { mountRoot } = yield* Files.stat(tree)
      const { type } = yield* sys.fstatfs({ fd: tree })
      if (!mountRoot || type !== own.magic) return yield* refused
      // what covers parts of it keeps its own attributes, apart from this: nothing in it is less read-only than the whole
      yield* setAttributes(tree, set, (set & MOUNT_ATTR._ATIME) === 0 ? 0 : MOUNT_ATTR._ATIME)
      if ((set & MOUNT_ATTR.RDONLY) !== 0) yield* setAttributes(tree, MOUNT_ATTR.RDONLY, 0, true)
      yield* Ahead.once(Effect.logWarning(
        `${about.destination} is the caller's own ${own.path}: the kernel refuses a new ${mount.type} here (${refused.reason.message})`
      ))
    })
  ).pipe(during(about, "set the attributes"))
}
