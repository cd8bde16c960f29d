/** Makes a node under a name: what may be made there, and its owner. */
import { S } from "../native/constants.ts"
import { CAP, capableOver, toUser } from "./Credentials.ts"
import { stored } from "./idmaps.ts"
import { type Machine, refuse } from "./Machine.ts"
import * as Nodes from "./Nodes.ts"
import { permitted, type View, W, X } from "./Nodes.ts"
import { copyUp } from "./overlayChanges.ts"
import { at, type Resolved, unlinked } from "./Resolve.ts"
import type { Content, Location } from "./State.ts"
import * as Tree from "./Tree.ts"

/** Checks for a new name, in this order: ENOENT in a directory that was removed, EOVERFLOW, EACCES (`may_create`). */
export const mayCreate = (m: Machine, directory: Location): void => {
  const parent = at(m, directory)
  if (unlinked(m, parent.id)) refuse("ENOENT")
  const { egid, euid } = m.self.creds
  // EOVERFLOW: the caller's ids have no mapping in the file system's user namespace
  const owner = Nodes.fileSystemOf(m, parent)?.owner
  const hasName = (kind: "uid" | "gid", id: number): boolean => {
    const kept = stored(m, directory, kind, id)
    return kept !== undefined && (owner === undefined || toUser(m, owner, kind, kept) !== undefined)
  }
  if (!hasName("uid", euid) || !hasName("gid", egid)) refuse("EOVERFLOW")
  if (!permitted(m, parent, W | X)) refuse("EACCES")
}

/** Whether only the kernel makes entries of a directory: in procfs, sysfs, and cgroup file systems. */
export const isFixed = (m: Machine, directory: View): boolean =>
  (directory.real ?? directory).stored === undefined ||
  ["sysfs", "devpts"].includes(Nodes.fileSystemOf(m, directory)?.type ?? "")

/** A mode without the bits of the umask. */
export const applied = (m: Machine, mode: number): number => mode & 0o7777 & ~m.self.umask

/** Creates a node by name. ENOENT, EOVERFLOW, EACCES as open(2), mkdir(2), mknod(2) say. */
export const makeNode = (
  m: Machine,
  { directory, name }: Resolved,
  mode: number,
  content: Content
): number => {
  mayCreate(m, directory)
  copyUp(m, directory.node)
  if (Nodes.fileSystemOf(m, at(m, directory))?.type === "mqueue") {
    // EPERM: it has nothing else (mqueue_dir_inode_operations)
    return content._tag === "File" ? m.unmodelled("message queues") : refuse("EPERM")
  }
  const parent = at(m, directory)
  const { egid, euid, groups } = m.self.creds
  const inherits = (parent.mode & S.ISGID) !== 0
  const isDirectory = content._tag === "Directory"
  // in a set-group-ID directory, only members of the group can make a set-group-ID program (mode_strip_sgid)
  const strips = inherits && !isDirectory && (mode & 0o2010) === 0o2010 &&
    !(egid === parent.gid || groups.includes(parent.gid) || capableOver(m, parent, CAP.FSETID))
  return Tree.create(m, parent, name, {
    mode: strips ? mode & ~S.ISGID : inherits && isDirectory ? mode | S.ISGID : mode,
    // mapped by the mount; mayCreate has checked that both ids have a mapping
    uid: stored(m, directory, "uid", euid)!,
    gid: inherits ? Nodes.view(m, directory.node).gid : stored(m, directory, "gid", egid)!,
    content
  })
}
