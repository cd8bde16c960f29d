/**
 * What all mounts share: errors that name the mount, attributes by handle, and the attaching.
 *
 * @category rootfs
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { AT, MOUNT_ATTR, MOVE_MOUNT, O, RESOLVE } from "../../native/constants.ts"
import * as Files from "../../native/Files.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, sys, SyscallError } from "../../native/Kernel.ts"
import { propagationOf } from "./attributes.ts"
import { type About, type Doing, MountError } from "./errors.ts"
import type { Kept } from "./facts.ts"
import { isRigid, startOf } from "./places.ts"

/** The calls that the functions of this module make. */
export const attachCalls = ["mount_setattr", "move_mount"] as const

/** Lets an effect's failure name the mount and what was being done. */
export const during =
  ({ destination, source, type }: About, what: Doing) =>
  <A, E, R>(self: Effect.Effect<A, E | SyscallError, R>): Effect.Effect<A, Exclude<E, SyscallError> | MountError, R> =>
    Effect.mapError(self, (reason) =>
      reason instanceof SyscallError
        ? new MountError({ destination, source, type, what, reason })
        : reason as Exclude<E, SyscallError>)

type Done = Effect.Effect<void, SyscallError, Kernel>

/** Sets and clears `MOUNT_ATTR_*` of a mount; with `recursive`, of all mounts below it too. */
export const setAttributes = (fd: AnyFd, set: number, clear = 0, recursive = false): Done =>
  sys.mount_setattr({
    dirfd: fd,
    path: "",
    flags: AT.EMPTY_PATH | (recursive ? AT.RECURSIVE : 0),
    set,
    clear,
    propagation: 0,
    usernsFd: -1
  })

/** Makes a mount read-only and leaves its other attributes as they are. */
export const makeReadonly = (fd: AnyFd): Done => setAttributes(fd, MOUNT_ATTR.RDONLY)

/** Changes the propagation of a mount; `flags` as mount(2) takes them: `MS_SLAVE|MS_REC`. */
export const setPropagation = (fd: AnyFd, flags: number): Done => {
  const { recursive, type } = propagationOf(flags)
  return sys.mount_setattr({
    dirfd: fd,
    path: "",
    flags: AT.EMPTY_PATH | (recursive ? AT.RECURSIVE : 0),
    set: 0,
    clear: 0,
    propagation: type,
    usernsFd: -1
  })
}

/** Attaches a detached mount to a place, both by handle: no path is looked up, so nothing can be swapped under it. */
export const attach = (mount: number, target: number): Done =>
  sys.move_mount({
    fromDirfd: mount,
    fromPath: "",
    toDirfd: target,
    toPath: "",
    flags: MOVE_MOUNT.F_EMPTY_PATH | MOVE_MOUNT.T_EMPTY_PATH
  })

/**
 * A place to mount on, of the type that the mount needs; made if it is missing. It is looked up below the mounts that
 * are there already, and at places that are trusted later without following a link.
 */
export const target = (
  { making, root }: { readonly root: number; readonly making: Files.Making },
  kept: ReadonlyArray<Kept>,
  about: About,
  directory: boolean,
  flags = 0
): Effect.Effect<number, SyscallError, Kernel> => {
  const start = startOf(root, kept, about.destination)
  const how = { ...making, flags, resolve: isRigid(about) ? RESOLVE.NO_SYMLINKS : 0 }
  return directory ? Files.makeDirectories(start.root, start.path, how) : Files.makeFile(start.root, start.path, how)
}

/**
 * A directory to mount on, if it is there already.
 *
 * @since 0.2.0
 */
export const there = (
  { root }: { readonly root: number },
  kept: ReadonlyArray<Kept>,
  about: About
): Effect.Effect<number, SyscallError, Kernel> => {
  const start = startOf(root, kept, about.destination)
  return Files.resolve(start.root, start.path, {
    flags: O.DIRECTORY,
    resolve: isRigid(about) ? RESOLVE.NO_SYMLINKS : 0
  })
}
