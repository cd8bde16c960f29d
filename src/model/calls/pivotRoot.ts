/** pivot_root(2). @see fs/namespace.c (`path_pivot_root`) */
import { AT } from "../../native/constants.ts"
import type { Arguments } from "../../native/Kernel.ts"
import { type Machine, refuse } from "../Machine.ts"
import { mountAt, own } from "../Mounts.ts"
import { at, existing, isWithin, onTop, same, unlinked } from "../Resolve.ts"
import type { Location, Mount } from "../State.ts"
import { mayMount } from "./mount.ts"

// -- pivot_root(2) ----------------------------------------------------------------------------------------------------
export const pivotRoot = (m: Machine, { newRoot, putOld }: Arguments<"pivot_root">): void => {
  mayMount(m)
  const next = existing(m, AT.FDCWD, newRoot, { follow: true })
  if (at(m, next).type !== "d") refuse("ENOTDIR")
  const below = existing(m, AT.FDCWD, putOld, { follow: true })
  if (at(m, below).type !== "d") refuse("ENOTDIR")
  const old = onTop(m, below)
  if (unlinked(m, old.node)) refuse("ENOENT")
  const { root } = m.self
  const nextMount = mountAt(m, next)
  const oldMount = mountAt(m, old)
  const rootMount = mountAt(m, root)
  const sharedParent = (mount: Mount): boolean =>
    mount.parent !== undefined && m.mounts.need(mount.parent).shared !== undefined
  // EINVAL: none of the mounts, nor their parents, may be shared (pivot_root(2))
  if (oldMount.shared !== undefined || sharedParent(nextMount) || sharedParent(rootMount)) refuse("EINVAL")
  if (own(m, root) !== rootMount || own(m, next) !== nextMount) refuse("EINVAL")
  if (nextMount.locked) refuse("EINVAL")
  if (unlinked(m, next.node)) refuse("ENOENT")
  // EBUSY: new_root or put_old on the current root's mount
  if (nextMount.id === rootMount.id || oldMount.id === rootMount.id) refuse("EBUSY")
  // EINVAL: the current root is not a mount point, or is the initramfs
  if (root.node !== rootMount.root || rootMount.parent === undefined) refuse("EINVAL")
  // EINVAL: new_root is not a mount point
  if (next.node !== nextMount.root || nextMount.parent === undefined) refuse("EINVAL")
  // EINVAL: put_old is not at or below new_root, or new_root not below the root
  if (!reachable(m, old, next) || !reachable(m, next, root)) refuse("EINVAL")

  const place = { parent: rootMount.parent!, mountpoint: rootMount.mountpoint! }
  m.mounts.set(nextMount.id, { ...nextMount, ...place, locked: rootMount.locked || nextMount.locked })
  m.mounts.set(rootMount.id, { ...rootMount, parent: old.mount, mountpoint: old.node, locked: false })
  // every process of the namespace whose root or directory was the old root follows (chroot_fs_refs)
  for (const process of m.processes.values()) {
    const moved = (here: Location): Location => same(here, root) ? next : here
    m.processes.set(process.pid, { ...process, root: moved(process.root), cwd: moved(process.cwd) })
  }
}

const reachable = (m: Machine, location: Location, root: Location): boolean => {
  let here = location
  while (here.mount !== root.mount) {
    const mount = m.mounts.need(here.mount)
    if (mount.parent === undefined) return false
    here = { mount: mount.parent, node: mount.mountpoint! }
  }
  return isWithin(m, here.node, root.node)
}
