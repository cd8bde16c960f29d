/** The calls that remove and change names. @see unlink(2), rename(2) */
import { AT, S } from "../../native/constants.ts"
import type { Arguments } from "../../native/Kernel.ts"
import * as CgroupChanges from "../CgroupChanges.ts"
import { CAP, capableOver } from "../Credentials.ts"
import { type Machine, refuse } from "../Machine.ts"
import { isFixed, mayCreate } from "../makeNode.ts"
import * as Mounts from "../Mounts.ts"
import * as Nodes from "../Nodes.ts"
import { permitted, readonlyAt, type View, view, W, X } from "../Nodes.ts"
import * as Overlay from "../overlayChanges.ts"
import { at, isWithin, resolve, type Resolved } from "../Resolve.ts"
import type { Location } from "../State.ts"
import * as Tree from "../Tree.ts"

/** `RENAME_*`. @see rename(2) */
const RENAME = { NOREPLACE: 1, EXCHANGE: 2, WHITEOUT: 4 }

/**
 * Whether an entry may be taken out of a directory (`may_delete`): EACCES without permission for the directory, EPERM
 * because of a sticky bit (unlink(2)), ENOTDIR or EISDIR for the wrong kind.
 */
const mayDelete = (m: Machine, directory: Location, child: View, isDirectory: boolean): void => {
  const parent = at(m, directory)
  if (!permitted(m, parent, W | X)) refuse("EACCES")
  const { euid } = m.self.creds
  if (
    (parent.mode & S.ISVTX) !== 0 && child.uid !== euid && parent.uid !== euid && !capableOver(m, child, CAP.FOWNER)
  ) refuse("EPERM")
  if (isDirectory && child.type !== "d") refuse("ENOTDIR")
  if (!isDirectory && child.type === "d") refuse("EISDIR")
}

/** EBUSY for a mount point in the caller's mount namespace (`is_local_mountpoint`). */
const notMountedOn = (m: Machine, node: View): void => {
  if (m.mounts.find(({ mountpoint, ns }) => mountpoint === node.id && ns === m.self.ns.mnt) !== undefined) {
    refuse("EBUSY")
  }
}

/** Unmounts what other namespaces have mounted on a removed node (`detach_mounts`). */
const dropMounts = (m: Machine, node: View): void => {
  for (const mount of m.mounts.values()) {
    if (mount.mountpoint === node.id && mount.parent !== undefined && m.mounts.has(mount.id)) {
      Mounts.detach(m, mount.id)
    }
  }
}

export const unlinkat = (m: Machine, { dirfd, flags, path }: Arguments<"unlinkat">): void => {
  if ((flags & ~AT.REMOVEDIR) !== 0) refuse("EINVAL")
  const isRmdir = (flags & AT.REMOVEDIR) !== 0
  const found = resolve(m, dirfd, path, { follow: false, parent: true })
  // rmdir(2): EINVAL for a last `.`, ENOTEMPTY for `..`, EBUSY for a root; unlink(2): EISDIR for all of them
  if (found.last !== "name") {
    refuse(!isRmdir ? "EISDIR" : found.last === "dot" ? "EINVAL" : found.last === "dotdot" ? "ENOTEMPTY" : "EBUSY")
  }
  // a read-only mount is checked before the name is looked up (mnt_want_write)
  if (readonlyAt(m, found.directory)) refuse("EROFS")
  const child = view(m, found.entry ?? refuse("ENOENT"))
  if (!isRmdir && found.trailingSlash) refuse(child.type === "d" ? "EISDIR" : "ENOTDIR")
  mayDelete(m, found.directory, child, isRmdir)
  const parent = at(m, found.directory)
  if (CgroupChanges.isGroup(child.id)) {
    notMountedOn(m, child)
    dropMounts(m, child)
    return CgroupChanges.removeGroup(m, child.id)
  }
  if ((child.real ?? child).stored === undefined || isFixed(m, parent)) {
    // sysfs has an rmdir operation, which is called after the check for mounts (vfs_rmdir, kernfs_iop_rmdir)
    if (isRmdir && Nodes.fileSystemOf(m, parent)?.type === "sysfs") notMountedOn(m, child)
    return refuse("EPERM")
  }
  notMountedOn(m, child)
  if (isRmdir && child.list!().length > 0) refuse("ENOTEMPTY")
  dropMounts(m, child)
  if (!Overlay.remove(m, parent.id, found.name)) Tree.leave(m, parent, found.name)
}

/** Whether a directory is a place, or is above it. */
const isAbove = (m: Machine, node: View | undefined, place: Location): boolean =>
  node !== undefined && node.type === "d" && isWithin(m, place.node, node.id)

/** EACCES: a directory that gets another parent must be writable, because its `..` changes (vfs_rename). */
const mayMove = (m: Machine, node: View): void => {
  if (node.type === "d" && !permitted(m, node, W)) refuse("EACCES")
}

const place = (m: Machine, node: View, directory: View, name: string): void => {
  Tree.enter(m, view(m, directory.id), name, node.id)
  m.nodes.update(node.stored!.id, (old) => ({ ...old, parent: directory.id, name }))
}

/** The checks before the two names are looked up, in the order of `do_renameat2`. */
const checkNames = (m: Machine, from: Resolved, to: Resolved, flags: number): void => {
  // EXDEV across mounts, even of one file system (rename(2))
  if (from.directory.mount !== to.directory.mount) refuse("EXDEV")
  if (from.last !== "name") refuse("EBUSY")
  if (to.last !== "name") refuse((flags & RENAME.NOREPLACE) !== 0 ? "EEXIST" : "EBUSY")
  if (readonlyAt(m, from.directory)) refuse("EROFS")
}

/** Renames a control group of version 1, within its directory (kernfs_iop_rename, cgroup1_rename). */
const renameGroup = (m: Machine, child: View, from: Resolved, to: Resolved, flags: number): void => {
  if (flags !== 0) refuse("EINVAL")
  // EPERM: groups of version 2 can't be renamed
  if (CgroupChanges.versionOf(m, String(from.directory.node)) === 2) refuse("EPERM")
  if (child.type !== "d") refuse("ENOTDIR")
  if (from.directory.node !== to.directory.node) refuse("EIO")
  if (to.entry !== undefined) refuse("EEXIST")
  m.unmodelled("another name of a control group")
}

export const renameat2 = (m: Machine, args: Arguments<"renameat2">): void => {
  const { flags, newdirfd, newpath, olddirfd, oldpath } = args
  const exchanges = (flags & RENAME.EXCHANGE) !== 0
  // EINVAL: unknown flags, or an exchange combined with another flag (rename(2))
  if ((flags & ~7) !== 0 || (exchanges && flags !== RENAME.EXCHANGE)) refuse("EINVAL")
  const from = resolve(m, olddirfd, oldpath, { follow: false, parent: true })
  const to = resolve(m, newdirfd, newpath, { follow: false, parent: true })
  checkNames(m, from, to, flags)
  const child = view(m, from.entry ?? refuse("ENOENT"))
  const old = to.entry === undefined ? undefined : view(m, to.entry)
  // a name that procfs does not have can't be looked up to be made (proc_pident_lookup)
  if (old === undefined && String(to.directory.node).startsWith("proc:")) refuse("ENOENT")
  if (old !== undefined && (flags & RENAME.NOREPLACE) !== 0) refuse("EEXIST")
  if (old === undefined && exchanges) refuse("ENOENT")
  if (exchanges && old!.type !== "d" && to.trailingSlash) refuse("ENOTDIR")
  // ENOTDIR: a trailing slash, and not a directory
  if (child.type !== "d" && (from.trailingSlash || (!exchanges && to.trailingSlash))) refuse("ENOTDIR")
  // EINVAL: a directory into itself; ENOTEMPTY: over a directory that contains it
  if (isAbove(m, child, to.directory)) refuse("EINVAL")
  if (isAbove(m, old, from.directory)) refuse(exchanges ? "EINVAL" : "ENOTEMPTY")
  if (old?.id === child.id) return
  mayDelete(m, from.directory, child, child.type === "d")
  if (old === undefined) mayCreate(m, to.directory)
  else mayDelete(m, to.directory, old, exchanges ? old.type === "d" : child.type === "d")
  if (CgroupChanges.isGroup(from.directory.node)) return renameGroup(m, child, from, to, flags)
  const [realChild, realTarget] = [child, at(m, to.directory)].map((node) => node.real ?? node)
  if (realChild!.stored === undefined || realTarget!.stored === undefined) return refuse("EPERM")
  if (isFixed(m, at(m, from.directory))) refuse("EPERM")
  if (from.directory.node !== to.directory.node) {
    mayMove(m, child)
    if (exchanges) mayMove(m, old!)
  }
  notMountedOn(m, child)
  if (old !== undefined) notMountedOn(m, old)
  const [source, target] = [at(m, from.directory), at(m, to.directory)]
  if (old?.type === "d" && !exchanges && old.list!().length > 0) refuse("ENOTEMPTY")
  if (Overlay.rename(m, { ...from, directory: source.id }, { ...to, directory: target.id }, flags)) return
  if (exchanges) {
    place(m, child, target, to.name)
    place(m, old!, source, from.name)
    return
  }
  if (old !== undefined) dropMounts(m, old)
  Tree.leave(m, source, from.name)
  place(m, child, target, to.name)
  // a whiteout of overlayfs takes the old name: a device 0:0 (rename(2))
  if ((flags & RENAME.WHITEOUT) !== 0) {
    const { egid, euid } = m.self.creds
    const content = { _tag: "Device", type: "c", major: 0, minor: 0 } as const
    Tree.create(m, view(m, source.id), from.name, { mode: 0, uid: euid, gid: egid, content })
  }
}
