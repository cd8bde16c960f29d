/**
 * Calls that take names out of directories and move them. @see unlink(2), rmdir(2), rename(2)
 */
import { AT, S } from "../native/constants.ts"
import type { Arguments } from "../native/Kernel.ts"
import * as Cgroups from "./Cgroups.ts"
import { CAP, capableOver, toUser } from "./Credentials.ts"
import { type Machine, refuse } from "./Machine.ts"
import * as Mounts from "./Mounts.ts"
import * as Nodes from "./Nodes.ts"
import { permitted, readonlyAt, type View, view, W, X } from "./Nodes.ts"
import { at, isWithin, resolve, type Resolved, unlinked } from "./Resolve.ts"
import type { Location } from "./State.ts"

/** `RENAME_*`. @see rename(2) */
const RENAME = { NOREPLACE: 1, EXCHANGE: 2, WHITEOUT: 4 }

/**
 * Whether an entry may be taken out of a directory (`may_delete`): EACCES without permission for the directory, EPERM
 * for what a sticky bit keeps (unlink(2)), ENOTDIR or EISDIR for the wrong kind.
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

/** The order for a new name: ENOENT in a directory that was removed, EOVERFLOW, EACCES (`may_create`). */
export const mayCreate = (m: Machine, directory: Location): void => {
  const parent = at(m, directory)
  if (unlinked(m, parent.id)) refuse("ENOENT")
  const { egid, euid } = m.self.creds
  // EOVERFLOW: the file system's user namespace has no name for the caller's ids
  const owner = Nodes.fileSystemOf(m, parent)?.owner
  if (
    owner !== undefined &&
    (toUser(m, owner, "uid", euid) === undefined || toUser(m, owner, "gid", egid) === undefined)
  ) refuse("EOVERFLOW")
  if (!permitted(m, parent, W | X)) refuse("EACCES")
}

/** EBUSY for what is a mount point in the caller's mount namespace (`is_local_mountpoint`). */
const notMountedOn = (m: Machine, node: View): void => {
  if (m.mounts.find(({ mountpoint, ns }) => mountpoint === node.id && ns === m.self.ns.mnt) !== undefined) {
    refuse("EBUSY")
  }
}

/** What other namespaces have mounted on something goes with it (`detach_mounts`). */
const dropMounts = (m: Machine, node: View): void => {
  for (const mount of m.mounts.values()) {
    if (mount.mountpoint === node.id && mount.parent !== undefined && m.mounts.has(mount.id)) {
      Mounts.detach(m, mount.id)
    }
  }
}

/** A directory whose entries the kernel alone makes: of procfs, sysfs, and cgroup file systems. */
export const isFixed = (m: Machine, directory: View): boolean =>
  directory.stored === undefined || ["sysfs", "devpts"].includes(Nodes.fileSystemOf(m, directory)?.type ?? "")

export const unlinkat = (m: Machine, { dirfd, flags, path }: Arguments<"unlinkat">): void => {
  if ((flags & ~AT.REMOVEDIR) !== 0) refuse("EINVAL")
  const isRmdir = (flags & AT.REMOVEDIR) !== 0
  const found = resolve(m, dirfd, path, { follow: false, parent: true })
  // rmdir(2): EINVAL for a last `.`, ENOTEMPTY for `..`, EBUSY for a root; unlink(2): EISDIR for all of them
  if (found.last !== "name") {
    refuse(!isRmdir ? "EISDIR" : found.last === "dot" ? "EINVAL" : found.last === "dotdot" ? "ENOTEMPTY" : "EBUSY")
  }
  // a read-only mount is told before the name is looked up (mnt_want_write)
  if (readonlyAt(m, found.directory)) refuse("EROFS")
  const child = view(m, found.entry ?? refuse("ENOENT"))
  if (!isRmdir && found.trailingSlash) refuse(child.type === "d" ? "EISDIR" : "ENOTDIR")
  mayDelete(m, found.directory, child, isRmdir)
  const parent = at(m, found.directory)
  if (Cgroups.isGroup(child.id)) {
    notMountedOn(m, child)
    dropMounts(m, child)
    return Cgroups.removeGroup(m, child.id)
  }
  if (child.stored === undefined || isFixed(m, parent)) {
    // sysfs has an rmdir, which is asked only after a look at what is mounted there (vfs_rmdir, kernfs_iop_rmdir)
    if (isRmdir && Nodes.fileSystemOf(m, parent)?.type === "sysfs") notMountedOn(m, child)
    return refuse("EPERM")
  }
  notMountedOn(m, child)
  if (isRmdir && child.list!().length > 0) refuse("ENOTEMPTY")
  dropMounts(m, child)
  Nodes.leave(m, parent, found.name)
}

/** Whether a directory is a place or above it. */
const isAbove = (m: Machine, node: View | undefined, place: Location): boolean =>
  node !== undefined && node.type === "d" && isWithin(m, place.node, node.id)

/** A directory that gets another parent must be writable itself, since its `..` changes (vfs_rename). */
const mayMove = (m: Machine, node: View): void => {
  if (node.type === "d" && !permitted(m, node, W)) refuse("EACCES")
}

const place = (m: Machine, node: View, directory: View, name: string): void => {
  Nodes.enter(m, view(m, directory.id), name, node.id)
  m.nodes.update(node.stored!.id, (old) => ({ ...old, parent: directory.id, name }))
}

/** What is told before the two names are looked at: the order is that of `do_renameat2`. */
const checkNames = (m: Machine, from: Resolved, to: Resolved, flags: number): void => {
  // EXDEV across mounts, even of one file system (rename(2))
  if (from.directory.mount !== to.directory.mount) refuse("EXDEV")
  if (from.last !== "name") refuse("EBUSY")
  if (to.last !== "name") refuse((flags & RENAME.NOREPLACE) !== 0 ? "EEXIST" : "EBUSY")
  if (readonlyAt(m, from.directory)) refuse("EROFS")
}

export const renameat2 = (m: Machine, args: Arguments<"renameat2">): void => {
  const { flags, newdirfd, newpath, olddirfd, oldpath } = args
  const exchanges = (flags & RENAME.EXCHANGE) !== 0
  // EINVAL: unknown flags, and an exchange with one of the others (rename(2))
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
  // ENOTDIR: a slash after what is no directory
  if (child.type !== "d" && (from.trailingSlash || (!exchanges && to.trailingSlash))) refuse("ENOTDIR")
  // EINVAL: into itself; ENOTEMPTY: over a directory that it is in
  if (isAbove(m, child, to.directory)) refuse("EINVAL")
  if (isAbove(m, old, from.directory)) refuse(exchanges ? "EINVAL" : "ENOTEMPTY")
  if (old?.id === child.id) return
  mayDelete(m, from.directory, child, child.type === "d")
  if (old === undefined) mayCreate(m, to.directory)
  else mayDelete(m, to.directory, old, exchanges ? old.type === "d" : child.type === "d")
  if (child.stored === undefined || at(m, to.directory).stored === undefined) return refuse("EPERM")
  if (isFixed(m, at(m, from.directory))) refuse("EPERM")
  if (from.directory.node !== to.directory.node) {
    mayMove(m, child)
    if (exchanges) mayMove(m, old!)
  }
  notMountedOn(m, child)
  if (old !== undefined) notMountedOn(m, old)
  const [source, target] = [at(m, from.directory), at(m, to.directory)]
  if (exchanges) {
    place(m, child, target, to.name)
    place(m, old!, source, from.name)
    return
  }
  if (old?.type === "d" && old.list!().length > 0) refuse("ENOTEMPTY")
  if (old !== undefined) dropMounts(m, old)
  Nodes.leave(m, source, from.name)
  place(m, child, target, to.name)
  // a whiteout of overlayfs takes the old name: a device 0:0 (rename(2))
  if ((flags & RENAME.WHITEOUT) !== 0) {
    const { egid, euid } = m.self.creds
    const content = { _tag: "Device", type: "c", major: 0, minor: 0 } as const
    Nodes.create(m, view(m, source.id), from.name, { mode: 0, uid: euid, gid: egid, content })
  }
}
