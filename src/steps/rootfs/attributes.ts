/**
 * Mount flags in their two forms: `MS_*` of mount(2), which configurations use, and `MOUNT_ATTR_*` of mount_setattr(2)
 * together with options of the superblock.
 *
 * @category rootfs
 * @since 0.1.0
 */
import { MOUNT_ATTR, MS } from "../../native/constants.ts"

const pairs: ReadonlyArray<readonly [ms: number, attribute: number]> = [
  [MS.RDONLY, MOUNT_ATTR.RDONLY],
  [MS.NOSUID, MOUNT_ATTR.NOSUID],
  [MS.NODEV, MOUNT_ATTR.NODEV],
  [MS.NOEXEC, MOUNT_ATTR.NOEXEC],
  [MS.NODIRATIME, MOUNT_ATTR.NODIRATIME],
  [MS.NOSYMFOLLOW, MOUNT_ATTR.NOSYMFOLLOW]
]

const atimeFlags = MS.NOATIME | MS.RELATIME | MS.STRICTATIME

const translate = (flags: number): number =>
  pairs.reduce((all, [ms, attribute]) => (flags & ms) === 0 ? all : all | attribute, 0)

const atimeOf = (flags: number): number =>
  (flags & MS.STRICTATIME) !== 0 ? MOUNT_ATTR.STRICTATIME : (flags & MS.NOATIME) !== 0 ? MOUNT_ATTR.NOATIME : 0

/** The attributes of a new mount: `MOUNT_ATTR_*` for `MS_*`. Of several atime modes strictatime wins, as in mount(2). */
export const attributesOf = (flags: number): number => translate(flags) | atimeOf(flags)

/**
 * A change of an existing mount's attributes: what to set, what to clear. What the options do not name stays, so that a
 * bind mount keeps the restrictions of its source.
 *
 * The atime mode is a field and not a bit: the kernel wants all of it cleared whenever it is set.
 */
export const changeOf = (flags: number, cleared: number): { readonly set: number; readonly clear: number } => {
  const set = attributesOf(flags)
  const atime = ((flags | cleared) & atimeFlags) === 0 ? 0 : MOUNT_ATTR._ATIME
  return { set, clear: translate(cleared) & ~set | atime }
}

const superblockFlags: ReadonlyArray<readonly [ms: number, option: string]> = [
  [MS.SYNCHRONOUS, "sync"],
  [MS.DIRSYNC, "dirsync"],
  [MS.MANDLOCK, "mand"],
  [MS.LAZYTIME, "lazytime"]
]

/** The options of the superblock that `MS_*` flags stand for: `sync`, `dirsync`, `mand`, `lazytime`. */
export const superblockOptionsOf = (flags: number): ReadonlyArray<string> =>
  superblockFlags.filter(([ms]) => (flags & ms) !== 0).map(([, option]) => option)

const propagationTypes = MS.SHARED | MS.SLAVE | MS.PRIVATE | MS.UNBINDABLE

/** A propagation change of mount(2), `MS_SLAVE|MS_REC`, as mount_setattr(2) takes it. */
export const propagationOf = (flags: number): { readonly type: number; readonly recursive: boolean } => ({
  type: flags & propagationTypes,
  recursive: (flags & MS.REC) !== 0
})
