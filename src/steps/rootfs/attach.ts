/**
 * What all mounts share: errors that name the mount, attributes by handle, and the attaching.
 */
import * as Effect from "effect/Effect"
import { AT, MOUNT_ATTR, MOVE_MOUNT, S } from "../../native/constants.ts"
import * as Files from "../../native/Files.ts"
import { type Kernel, sys, SyscallError } from "../../native/Kernel.ts"
import { propagationOf } from "./attributes.ts"
import { type About, type Doing, MountError } from "./errors.ts"

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

/** Sets and clears `MOUNT_ATTR_*` of a mount, with `recursive` of all mounts below it too. */
export const setAttributes = (fd: number, set: number, clear = 0, recursive = false): Done =>
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
export const makeReadonly = (fd: number): Done => setAttributes(fd, MOUNT_ATTR.RDONLY)

/** Changes the propagation of a mount; `flags` as mount(2) takes them: `MS_SLAVE|MS_REC`. */
export const setPropagation = (fd: number, flags: number): Done => {
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

/** A place to mount on, of the type that the mount needs; made where it is missing. */
export const target = (
  root: number,
  destination: string,
  directory: boolean,
  making: Files.Making
): Effect.Effect<number, SyscallError, Kernel> =>
  directory ? Files.makeDirectories(root, destination, making) : Files.makeFile(root, destination, making)

/** Whether an open descriptor is of a directory. */
export const isDirectory = (fd: number): Effect.Effect<boolean, SyscallError, Kernel> =>
  Effect.map(Files.stat(fd), (stat) => Files.isType(stat, S.IFDIR))
