/** mount(2), with the cases of fs/namespace.c (`path_mount`). */
import { AT, MS, O } from "../../native/constants.ts"
import type { Arguments } from "../../native/Kernel.ts"
import { CAP, initialUserNs, nsCapable } from "../Credentials.ts"
import { namespaceOf } from "../ids.ts"
import { makeFileSystem, mayBegin, reconfigure, tooRevealing } from "../Instances.ts"
import { type Machine, refuse } from "../Machine.ts"
import * as MountData from "../mountData.ts"
import {
  atimeFlags,
  attachChecked,
  isRoot,
  lockMount,
  mayBeMountedOn,
  mountAt,
  mountFlagsOf,
  ofMount,
  own,
  propagationFlags
} from "../Mounts.ts"
import * as Nodes from "../Nodes.ts"
import { attach, childrenOf, cloneTree, setPropagation, treeOf } from "../Propagation.ts"
import { at, existing, isWithin, onTop, unlinked } from "../Resolve.ts"
import type { Location, Mount, NodeId } from "../State.ts"

/** CAP_SYS_ADMIN in the owner of the mount namespace (`may_mount`). */
export const mayMount = (m: Machine): void => {
  if (!nsCapable(m, m.namespaces.need(m.self.ns.mnt).owner, CAP.SYS_ADMIN)) refuse("EPERM")
}

export const newMount = (m: Machine, fs: number, root: NodeId, flags: number, lockedFlags = 0): number => {
  const id = m.fresh()
  m.mounts.set(id, { id, fs, root, ns: 0, flags, unbindable: false, locked: false, lockedFlags })
  return id
}

// -- mount(2) ---------------------------------------------------------------------------------------------------------

/** `MS_NOUSER`, `MS_MGC_MSK`, `MS_MGC_VAL`. Old programs add the last one to the flags; it is removed. */
const [NOUSER, magicMask, magic] = [1 << 31, 0xffff0000, 0xc0ed0000] as const

const withoutMagic = (flags: number): number => (flags & magicMask) >>> 0 === magic ? flags & 0xffff : flags

export const mount = (m: Machine, { data, flags: given, source, target, type }: Arguments<"mount">): void => {
  const where = existing(m, AT.FDCWD, target, { follow: true })
  const flags = withoutMagic(given) & ~MS.SILENT
  // EINVAL: a flag for the kernel only (path_mount)
  if ((flags & NOUSER) !== 0) refuse("EINVAL")
  mayMount(m)
  if ((flags & MS.REMOUNT) !== 0) return remount(m, where, flags, data)
  if ((flags & MS.BIND) !== 0) return bind(m, source, where, flags)
  if ((flags & propagationFlags) !== 0) return changePropagation(m, where, flags)
  if ((flags & MS.MOVE) !== 0) {
    if (source === null || source === "") return refuse("EINVAL")
    return move(m, existing(m, AT.FDCWD, source, { follow: true }), where)
  }
  if (type === null) return refuse("EINVAL")
  mayBegin(m, type)
  const begun = { ...MountData.none, source: source ?? undefined, readonly: (flags & MS.RDONLY) !== 0 }
  const fs = makeFileSystem(m, type, MountData.parse(m, type, data, begun))
  const lockedFlags = tooRevealing(m, fs, mountFlagsOf(flags))
  const place = onTop(m, where)
  const top = mountAt(m, place)
  // EBUSY: the same file system is mounted there already (do_add_mount)
  if (top.fs === fs.id && top.root === place.node && top.root === fs.root) refuse("EBUSY")
  const id = newMount(m, fs.id, fs.root, mountFlagsOf(flags), lockedFlags)
  attachChecked(m, id, where)
}

const bind = (m: Machine, source: string | null, where: Location, flags: number): void => {
  if (source === null || source === "") return refuse("EINVAL")
  const from = existing(m, AT.FDCWD, source, { follow: true })
  // EINVAL: a mount namespace that is not younger than the caller's could contain itself (mnt_ns_loop)
  const namespace = m.namespaces.get(namespaceOf(from.node) ?? -1)
  if (namespace?.type === "mnt" && namespace.id <= m.self.ns.mnt) refuse("EINVAL")
  // the target is checked before the source (do_loopback)
  lockMount(m, where)
  const tree = copyForBind(m, from, (flags & MS.REC) !== 0)
  attachChecked(m, tree, where)
}

/**
 * Copies a mount for a bind. EINVAL: it is not of this namespace, is unbindable, or has locked mounts that the copy would
 * leave out (`__do_loopback`).
 */
export const copyForBind = (m: Machine, from: Location, recursive: boolean): number => {
  if (from.mount === 0) {
    // files of nsfs and some other anonymous files can be bound too; memory files and pipes can't
    if (namespaceOf(from.node) === undefined) refuse("EINVAL")
    return newMount(m, nsfs(m), from.node, 0)
  }
  const old = mountAt(m, from)
  if (old.unbindable) refuse("EINVAL")
  if (old.ns !== m.self.ns.mnt && old.ns !== 0) refuse("EINVAL")
  const lockedBelow = !recursive &&
    childrenOf(m, old.id).some((child) => child.locked && isWithin(m, child.mountpoint!, from.node))
  if (lockedBelow) refuse("EINVAL")
  // EPERM: leaving out a locked mount would reveal what it hides (copy_tree)
  const hides = treeOf(m, old.id).some(({ id, locked, unbindable }) => id !== old.id && locked && unbindable)
  if (recursive && hides) refuse("EPERM")
  const ids = cloneTree(m, from, { recursive, ns: 0 })
  const top = ids.get(old.id)!
  // the top of the copy can be unmounted, but its flags stay locked
  m.mounts.update(top, (mount) => ({ ...mount, locked: false }))
  return top
}

const nsfs = (m: Machine): number => {
  const known = m.fileSystems.values().find(({ type }) => type === "nsfs")
  if (known !== undefined) return known.id
  const id = m.fresh()
  m.fileSystems.set(id, {
    id,
    type: "nsfs",
    source: "nsfs",
    readonly: false,
    owner: initialUserNs(m),
    root: "ns:0",
    options: [],
    dev: { major: 0, minor: 4 }
  })
  return id
}

/** EPERM: a locked flag would be cleared, or locked access times changed (`can_change_locked_flags`). */
export const checkLocked = (mount: Mount, flags: number): void => {
  const hard = mount.lockedFlags & (MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC)
  if ((hard & ~flags) !== 0) refuse("EPERM")
  if ((mount.lockedFlags & atimeFlags) !== 0 && (flags & atimeFlags) !== (mount.flags & atimeFlags)) refuse("EPERM")
}

/** EBUSY: a file is open for writing, through one of these mounts (mnt_hold_writers). */
export const noWriters = (m: Machine, counts: (mount: Mount) => boolean): void => {
  for (const { flags, kind } of m.files.values()) {
    if ((flags & 3) === O.RDONLY || (flags & O.PATH) !== 0 || kind._tag !== "Node") continue
    const mount = m.mounts.get(kind.location.mount)
    const isPlain = ["f", "d"].includes(Nodes.view(m, kind.location.node).type)
    if (mount !== undefined && isPlain && counts(mount)) refuse("EBUSY")
  }
}

const remount = (m: Machine, where: Location, flags: number, data: string | null): void => {
  const old = own(m, where)
  // EINVAL: not the root of a mount
  if (!isRoot(m, where)) refuse("EINVAL")
  const wanted = (flags & (MS.NOATIME | MS.NODIRATIME | MS.STRICTATIME | MS.RELATIME)) === 0
    ? (flags & (MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC | MS.NODIRATIME | MS.NOSYMFOLLOW)) |
      (old.flags & atimeFlags)
    : mountFlagsOf(flags)
  checkLocked(old, wanted)
  if ((flags & MS.BIND) === 0) {
    const fs = m.fileSystems.need(old.fs)
    const begun = { ...MountData.none, readonly: (flags & MS.RDONLY) !== 0 }
    const told = MountData.parse(m, fs.type, data, begun)
    // EPERM: the file system belongs to another user namespace (do_remount)
    if (!nsCapable(m, fs.owner, CAP.SYS_ADMIN)) refuse("EPERM")
    if (told.readonly && !fs.readonly) {
      // read-only mounts have no writers (sb_prepare_remount_readonly)
      noWriters(m, (mount) => mount.fs === fs.id && (mount.flags & MS.RDONLY) === 0)
    }
    reconfigure(m, fs, told)
  } else if ((wanted & ~old.flags & MS.RDONLY) !== 0) noWriters(m, (mount) => mount.id === old.id)
  m.mounts.set(old.id, { ...old, flags: wanted & ofMount })
}

const changePropagation = (m: Machine, where: Location, flags: number): void => {
  const kind = flags & propagationFlags
  if (!isRoot(m, where)) refuse("EINVAL")
  // EINVAL: not exactly one kind, or a flag other than MS_REC (flags_to_propagation_type)
  if ((flags & ~(propagationFlags | MS.REC)) !== 0 || (kind & (kind - 1)) !== 0) refuse("EINVAL")
  const top = mountAt(m, where)
  mayPropagate(m, top)
  const all = (flags & MS.REC) !== 0 ? treeOf(m, top.id) : [top]
  for (const { id } of all) setPropagation(m, id, kind)
}

/** EINVAL: not mounted; EPERM: no CAP_SYS_ADMIN in the owner of its mount namespace (`may_change_propagation`). */
export const mayPropagate = (m: Machine, mount: Mount): void => {
  if (mount.ns < 0) refuse("EINVAL")
  if (mount.ns > 0 && !nsCapable(m, m.namespaces.need(mount.ns).owner, CAP.SYS_ADMIN)) refuse("EPERM")
}

/** The top of the tree that a mount is in. */
const topOf = (m: Machine, mount: Mount): Mount =>
  mount.parent === undefined ? mount : topOf(m, m.mounts.need(mount.parent))

/** Whether the caller may use a mount: it is in the caller's namespace, or in a detached tree (`may_use_mount`). */
const usable = (m: Machine, mount: Mount): boolean => mount.ns === m.self.ns.mnt || mount.ns === 0

export const move = (m: Machine, from: Location, path: Location): void => {
  const old = mountAt(m, from)
  // EINVAL: not the root of a mount, or a file to a directory (do_move_mount)
  if (!isRoot(m, from)) refuse("EINVAL")
  if ((at(m, from).type === "d") !== (at(m, path).type === "d")) refuse("EINVAL")
  const where = onTop(m, path)
  const target = mountAt(m, where)
  // ENOENT: the place is not mounted any more, or was removed
  if (target.ns < 0 || unlinked(m, where.node)) refuse("ENOENT")
  if (old.ns === m.self.ns.mnt) {
    // EINVAL: it is the root of the namespace, is locked, has a shared parent, or goes to another namespace
    if (old.parent === undefined || old.locked) refuse("EINVAL")
    if (m.mounts.need(old.parent!).shared !== undefined || target.ns !== m.self.ns.mnt) refuse("EINVAL")
  } else {
    // EINVAL: of a detached tree, only the top moves, and to another tree
    if (old.ns !== 0 || old.parent !== undefined) refuse("EINVAL")
    if ((target.ns === 0 && topOf(m, target).id === old.id) || !usable(m, target)) refuse("EINVAL")
  }
  // EINVAL: an unbindable mount can't move to a shared mount (mount_namespaces(7))
  if (target.shared !== undefined && treeOf(m, old.id).some(({ unbindable }) => unbindable)) refuse("EINVAL")
  // ELOOP: into its own subtree
  for (let id: number | undefined = where.mount; id !== undefined; id = m.mounts.need(id).parent) {
    if (id === old.id) refuse("ELOOP")
  }
  mayBeMountedOn(m, old.id)
  const { mountpoint: _, parent: __, ...detached } = old
  m.mounts.set(old.id, detached)
  attach(m, old.id, where)
}
