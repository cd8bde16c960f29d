/** The calls that make nodes, and change their modes and owners. @see mkdir(2), mknod(2), chmod(2), chown(2) */
import { S } from "../../native/constants.ts"
import type { Arguments } from "../../native/Kernel.ts"
import * as CgroupChanges from "../CgroupChanges.ts"
import { deviceAllowed } from "../cgroupDevices.ts"
import { CAP, capable, capableOver, kernelId, noId, nsCapable, toUser } from "../Credentials.ts"
import * as Descriptors from "../Descriptors.ts"
import { stored as storedId } from "../idmaps.ts"
import { type Machine, refuse } from "../Machine.ts"
import { applied, isFixed, makeNode, mayCreate } from "../makeNode.ts"
import { mayHaveMode } from "../MemoryFiles.ts"
import * as Nodes from "../Nodes.ts"
import { permitted, readonlyAt, type View, view, W, X } from "../Nodes.ts"
import { withoutCapabilities } from "../openRules.ts"
import { copyUp } from "../overlayChanges.ts"
import { at, existing, resolve, type Resolved } from "../Resolve.ts"
import type { Content, Location } from "../State.ts"
import { target } from "./stat.ts"

// -- changing the tree ------------------------------------------------------------------------------------------------

/** A new name (filename_create). EEXIST, ENOENT for a trailing slash unless a directory is made, EROFS: in this order. */
const newName = (m: Machine, dirfd: number, path: string, directory: boolean): Resolved => {
  const found = resolve(m, dirfd, path, { follow: false, parent: true })
  if (found.last !== "name" || found.entry !== undefined) refuse("EEXIST")
  if (found.trailingSlash && !directory) refuse("ENOENT")
  // procfs fails to look up an unknown name (proc_pident_lookup)
  if (String(found.directory.node).startsWith("proc:")) refuse("ENOENT")
  if (readonlyAt(m, found.directory)) refuse("EROFS")
  return found
}

export const mkdirat = (m: Machine, { dirfd, mode, path }: Arguments<"mkdirat">): void => {
  const found = newName(m, dirfd, path, true)
  const parent = at(m, found.directory)
  if (CgroupChanges.isGroup(parent.id)) {
    if (readonlyAt(m, found.directory)) refuse("EROFS")
    if (!permitted(m, parent, W | X)) refuse("EACCES")
    return CgroupChanges.makeGroup(m, parent.id, found.name, applied(m, mode))
  }
  // procfs has no mkdir: EPERM in sysfs and cgroup files, ENOENT in procfs (vfs_mkdir)
  if (isFixed(m, parent)) refuse(String(parent.id).startsWith("proc:") ? "ENOENT" : "EPERM")
  makeNode(m, found, applied(m, mode) & 0o1777, { _tag: "Directory", entries: new Map() })
}

export const mknodat = (m: Machine, { dirfd, major, minor, mode, path }: Arguments<"mknodat">): void => {
  const type = mode & S.IFMT
  // the type is checked before the path (may_mknod): EPERM for a directory, EINVAL for an unknown type
  if (type === S.IFDIR) refuse("EPERM")
  if (![0, S.IFREG, S.IFIFO, S.IFSOCK, S.IFCHR, S.IFBLK].includes(type)) refuse("EINVAL")
  const found = newName(m, dirfd, path, false)
  const parent = at(m, found.directory)
  if (isFixed(m, parent)) refuse(String(parent.id).startsWith("proc:") ? "ENOENT" : "EPERM")
  const make = (content: Content): void => void makeNode(m, found, applied(m, mode), content)
  switch (type) {
    case S.IFIFO:
      return make({ _tag: "Fifo", data: new Uint8Array() })
    case S.IFSOCK:
      return make({ _tag: "Socket", listening: false })
    case S.IFCHR:
    case S.IFBLK: {
      mayCreate(m, found.directory)
      const letter = type === S.IFCHR ? "c" : "b"
      // EPERM: CAP_MKNOD in the initial user namespace, except for the whiteout 0:0 (vfs_mknod)
      const whiteout = letter === "c" && major === 0 && minor === 0
      if (!whiteout && !capable(m, CAP.MKNOD)) refuse("EPERM")
      if (!whiteout && !deviceAllowed(m, letter, { major, minor }, "m")) refuse("EPERM")
      return make({ _tag: "Device", type: letter, major, minor })
    }
    default:
      return make({ _tag: "File", data: new Uint8Array() })
  }
}

export const symlinkat = (m: Machine, { dirfd, path, target: text }: Arguments<"symlinkat">): void => {
  if (text === "") refuse("ENOENT")
  if (new TextEncoder().encode(text).length >= 4096) refuse("ENAMETOOLONG")
  const found = newName(m, dirfd, path, false)
  const parent = at(m, found.directory)
  if (isFixed(m, parent)) refuse(String(parent.id).startsWith("proc:") ? "ENOENT" : "EPERM")
  makeNode(m, found, 0o777, { _tag: "Symlink", target: text })
}

// -- modes and owners -------------------------------------------------------------------------------------------------

/** EOVERFLOW: an unchanged owner has no id in the mount's map (`notify_change`). */
const mustHaveOwner = ({ gid, uid }: View, setsUid: boolean, setsGid: boolean): void => {
  if ((uid === noId && !setsUid) || (gid === noId && !setsGid)) refuse("EOVERFLOW")
}

const changeMode = (m: Machine, location: Location, mode: number): void => {
  const old = at(m, location)
  if (readonlyAt(m, location)) refuse("EROFS")
  if (Nodes.isImmutable(old)) refuse("EPERM")
  if (Nodes.isOpenSocket(old)) m.unmodelled("modes and owners of sockets that are open")
  mustHaveOwner(old, false, false)
  // EPERM: neither owner nor CAP_FOWNER (chmod(2))
  if (old.uid !== m.self.creds.euid && !capableOver(m, old, CAP.FOWNER)) refuse("EPERM")
  copyUp(m, old.id)
  const node = at(m, location)
  if (CgroupChanges.isGroup(node.id)) return CgroupChanges.changeGroup(m, node.id, { mode: mode & 0o7777 })
  if (node.stored === undefined) return CgroupChanges.changeFile(m, node.id, { mode: mode & 0o7777 })
  const { stored } = node
  const { egid, groups } = m.self.creds
  mayHaveMode(stored, mode)
  // set-group-ID is cleared unless the caller is in the group or has CAP_FSETID (chmod(2))
  const keepsGid = egid === node.gid || groups.includes(node.gid) || capableOver(m, node, CAP.FSETID)
  m.nodes.set(stored.id, { ...stored, mode: mode & (keepsGid ? 0o7777 : 0o5777) })
}

export const fchmod = (m: Machine, { fd, mode }: Arguments<"fchmod">): void => {
  const { kind } = Descriptors.usable(m, fd)
  if (kind._tag === "Node" || kind._tag === "Pty") return changeMode(m, kind.location, mode)
  if (kind._tag === "Socket") m.unmodelled("modes and owners of sockets that are open")
  // EOPNOTSUPP: an anonymous inode (anon_inode_setattr)
  refuse("ENOTSUP")
}

export const fchmodat = (m: Machine, { dirfd, mode, path }: Arguments<"fchmodat">): void =>
  changeMode(m, existing(m, dirfd, path, { follow: true }), mode)

export const fchownat = (m: Machine, { dirfd, flags, gid, path, uid }: Arguments<"fchownat">): void => {
  const location = target(m, dirfd, path, flags)
  const node = at(m, location)
  if (readonlyAt(m, location)) refuse("EROFS")
  if (Nodes.isImmutable(node)) refuse("EPERM")
  if (Nodes.isOpenSocket(node)) m.unmodelled("modes and owners of sockets that are open")
  const { creds } = m.self
  const unset = (id: number): boolean => id === -1 || id === 0xffffffff
  const owner = unset(uid) ? node.uid : kernelId(m, "uid", uid)
  const group = unset(gid) ? node.gid : kernelId(m, "gid", gid)
  mustHaveOwner(node, !unset(uid), !unset(gid))
  const fs = Nodes.fileSystemOf(m, node)
  const [kept, keptGroup] = [storedId(m, location, "uid", owner), storedId(m, location, "gid", group)]
  // an id that is not changed is kept, even if it has no id here
  const real = view(m, location.node)
  const [nextUid, nextGid] = [unset(uid) ? real.uid : kept, unset(gid) ? real.gid : keptGroup]
  if (nextUid === undefined || nextGid === undefined) return refuse("EOVERFLOW")
  if (
    fs !== undefined &&
    (toUser(m, fs.owner, "uid", nextUid) === undefined || toUser(m, fs.owner, "gid", nextGid) === undefined)
  ) refuse("EOVERFLOW")
  // if the owner has no id here, CAP_CHOWN in the file system's user namespace decides (chown_ok)
  const mayChown = (id: number): boolean =>
    capableOver(m, node, CAP.CHOWN) || (id === noId && fs !== undefined && nsCapable(m, fs.owner, CAP.CHOWN))
  // EPERM: only CAP_CHOWN gives a file away; the owner may choose among its own groups (chown(2))
  if (!unset(uid) && !(creds.euid === node.uid && owner === node.uid) && !mayChown(node.uid)) refuse("EPERM")
  if (
    !unset(gid) && !(creds.euid === node.uid && (group === creds.egid || creds.groups.includes(group) ||
      group === node.gid)) &&
    !mayChown(node.gid)
  ) refuse("EPERM")
  if (CgroupChanges.isGroup(node.id)) return CgroupChanges.changeGroup(m, node.id, { uid: owner, gid: group })
  // a file of a process accepts an owner, but has its own again at the next look-up (pid_revalidate)
  if (/^proc:\d+:\d/.test(String(node.id))) return
  copyUp(m, node.id)
  const { stored } = at(m, location)
  if (stored === undefined) return CgroupChanges.changeFile(m, node.id, { uid: owner, gid: group })
  // a change of the owner clears set-user-ID, set-group-ID and capabilities (chown(2)); without group execute permission,
  // set-group-ID only if the caller is not in the group (setattr_should_drop_sgid)
  const inGroup = creds.egid === node.gid || creds.groups.includes(node.gid) || capableOver(m, node, CAP.FSETID)
  const lost = node.type === "d" ? 0 : S.ISUID | ((node.mode & 0o10) !== 0 || !inGroup ? S.ISGID : 0)
  const mode = node.mode & ~lost
  // EPERM: that is a change of mode, which needs the owner or CAP_FOWNER (setattr_prepare)
  if (mode !== node.mode && creds.euid !== node.uid && !capableOver(m, node, CAP.FOWNER)) refuse("EPERM")
  m.nodes.set(stored.id, { ...withoutCapabilities(stored), uid: nextUid, gid: nextGid, mode })
}

export const umask = (m: Machine, { mask }: Arguments<"umask">): number => {
  const old = m.self.umask
  m.change({ umask: mask & 0o777 })
  return old
}
