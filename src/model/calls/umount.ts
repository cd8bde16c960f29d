/** umount2(2). @see fs/namespace.c (`do_umount`) */
import { AT, MNT, UMOUNT } from "../../native/constants.ts"
import type { Arguments } from "../../native/Kernel.ts"
import { CAP, nsCapable } from "../Credentials.ts"
import { type Machine, refuse } from "../Machine.ts"
import { detach, isRoot, own } from "../Mounts.ts"
import { childrenOf, inUse, receivers } from "../Propagation.ts"
import { existing, mountedOn, onTop } from "../Resolve.ts"
import type { Location, Mount } from "../State.ts"
import { mayMount, noWriters } from "./mount.ts"

// -- umount2(2) -------------------------------------------------------------------------------------------------------
const busy = (m: Machine, mount: number): boolean => childrenOf(m, mount).length > 0 || inUse(m, mount)

/** Whether a propagated copy of a mount is in use; a copy with mounts below it stays (`propagate_mount_busy`). */
const busyElsewhere = (m: Machine, mount: Mount): boolean =>
  receivers(m, m.mounts.need(mount.parent!)).some((receiver) => {
    const copy = mountedOn(m, receiver.id, mount.mountpoint!)
    if (copy === undefined || copy.id === mount.id) return false
    const children = childrenOf(m, copy.id)
    return children.every(({ mountpoint }) => mountpoint === copy.root) && inUse(m, copy.id)
  })

/** Rules of `can_umount`, in its order. */
const mayUmount = (m: Machine, where: Location, flags: number): Mount => {
  mayMount(m)
  // EINVAL: not a mount point, in another namespace, or locked (umount2(2), mount_namespaces(7))
  if (!isRoot(m, where)) refuse("EINVAL")
  const mount = own(m, where)
  if (mount.locked) refuse("EINVAL")
  const owner = m.fileSystems.need(mount.fs).owner
  if ((flags & MNT.FORCE) !== 0 && !nsCapable(m, owner, CAP.SYS_ADMIN)) refuse("EPERM")
  return mount
}

/** The caller's root is only unmounted lazily; otherwise its file system becomes read-only instead (`do_umount_root`). */
const umountRoot = (m: Machine, mount: Mount): void => {
  const fs = m.fileSystems.need(mount.fs)
  if (!nsCapable(m, fs.owner, CAP.SYS_ADMIN)) refuse("EPERM")
  if (!fs.readonly) noWriters(m, (other) => other.fs === fs.id)
  m.fileSystems.set(fs.id, { ...fs, readonly: true })
}

export const umount2 = (m: Machine, { flags, target }: Arguments<"umount2">): void => {
  if ((flags & ~(MNT.FORCE | MNT.DETACH | MNT.EXPIRE | UMOUNT.NOFOLLOW)) !== 0) refuse("EINVAL")
  // the top mount is meant, also if the path ends in `.` or at the root (LOOKUP_MOUNTPOINT)
  const where = onTop(m, existing(m, AT.FDCWD, target, { follow: (flags & UMOUNT.NOFOLLOW) === 0 }))
  const mount = mayUmount(m, where, flags)
  const isOwnRoot = m.self.root.mount === mount.id
  if ((flags & MNT.EXPIRE) !== 0) {
    // EINVAL: the caller's root, or another flag besides; EBUSY: in use; EAGAIN: marked for a second call (umount2(2))
    if (isOwnRoot || (flags & (MNT.FORCE | MNT.DETACH)) !== 0) refuse("EINVAL")
    if (busy(m, mount.id)) refuse("EBUSY")
    m.unmodelled("MNT_EXPIRE of a mount that nothing uses")
  }
  const lazy = (flags & MNT.DETACH) !== 0
  if (isOwnRoot && !lazy) return umountRoot(m, mount)
  if (mount.parent === undefined) refuse("EINVAL")
  if (!lazy && (busy(m, mount.id) || busyElsewhere(m, mount))) refuse("EBUSY")
  detach(m, mount.id)
}
