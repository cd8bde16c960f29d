/** openat(2) and openat2(2). @see fs/namei.c (`path_openat`) */
import { MS, O, RESOLVE, S } from "../../native/constants.ts"
import type { Arguments } from "../../native/Kernel.ts"
import { deviceAllowed } from "../cgroupDevices.ts"
import { initialUserNs, isOwner } from "../Credentials.ts"
import * as Descriptors from "../Descriptors.ts"
import { LateRefusal, type Machine, refuse } from "../Machine.ts"
import { applied, isFixed, makeNode } from "../makeNode.ts"
import * as Nodes from "../Nodes.ts"
import { permitted, R, readonlyAt, type View, W, X } from "../Nodes.ts"
import { canBypass, mountFlags, withoutPrivileges } from "../openRules.ts"
import { copyUp } from "../overlayChanges.ts"
import * as Pipes from "../Pipes.ts"
import { at, existing, pathOf, resolve } from "../Resolve.ts"
import { mayAdd } from "../Room.ts"
import type { Location, Process } from "../State.ts"
import { numberOf } from "../Sysctl.ts"
import * as Terminals from "../Terminals.ts"
import * as Tree from "../Tree.ts"

/** The known flags (`VALID_OPEN_FLAGS`); O_PATH accepts some of them only. */
const knownFlags = O.WRONLY | O.RDWR | O.CREAT | O.EXCL | O.NOCTTY | O.TRUNC | O.APPEND | O.NONBLOCK | O.SYNC |
  O.ASYNC |
  O.DIRECT | 0o100000 | O.DIRECTORY | O.NOFOLLOW | O.NOATIME | O.CLOEXEC | O.PATH | O.TMPFILE

/** The bit of O_TMPFILE without that of O_DIRECTORY, which it includes. */
const temporaryBit = O.TMPFILE & ~O.DIRECTORY

const pathFlags = O.PATH | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC

/** EACCES: O_CREAT on another user's file in a sticky world-writable directory (`may_create_in_sticky`). */
const notInSticky = (m: Machine, directory: View, node: View): void => {
  if ((directory.mode & S.ISVTX) === 0) return
  const policy = node.type === "f" ? numberOf(m, "fs/protected_regular") : node.type === "p"
    ? numberOf(m, "fs/protected_fifos")
    : 1
  if (policy === 0 || node.uid === directory.uid || node.uid === m.self.creds.euid) return
  const isGroups = (directory.mode & 0o20) !== 0 && (node.type === "f" || node.type === "p") && (policy ?? 0) >= 2
  if ((directory.mode & 0o2) !== 0 || isGroups) refuse("EACCES")
}

/** Checks and opens what a path led to. */
const openAt = (m: Machine, location: Location, flags: number, created: boolean): number => {
  const node = at(m, location)
  const isPath = (flags & O.PATH) !== 0
  const access = flags & 3
  // access mode 3 needs both rights, but allows neither reading nor writing (open(2))
  const checksRead = access !== O.WRONLY
  const checksWrite = access !== O.RDONLY || (flags & O.TRUNC) !== 0
  const opensForWriting = access === O.WRONLY || access === O.RDWR
  const writing = opensForWriting || (flags & O.TRUNC) !== 0
  const { path } = pathOf(m, location, m.self.root)
  if ((flags & O.DIRECTORY) !== 0 && node.type !== "d") refuse("ENOTDIR")
  if (isPath) {
    return Descriptors.open(
      m,
      { _tag: "Node", location },
      flags & (O.PATH | O.CLOEXEC | O.DIRECTORY | O.NOFOLLOW),
      path
    )
  }
  if (node.type === "l") refuse("ELOOP")
  if (node.type === "d" && (checksWrite || (flags & O.CREAT) !== 0)) refuse("EISDIR")
  if (!created) {
    // EROFS: truncation checks the mount first (do_open), all writes check the file system (sb_permission), and the mount
    // at last (do_dentry_open); devices and fifos are exempt
    const readonly = node.type === "f" && readonlyAt(m, location)
    if (readonly && (flags & O.TRUNC) !== 0) refuse("EROFS")
    if (readonly && checksWrite && Nodes.fileSystemOf(m, node)?.readonly === true) refuse("EROFS")
    const wanted = (checksRead ? R : 0) | (checksWrite ? W : 0)
    if (!permitted(m, node, wanted)) refuse("EACCES")
    // EPERM: O_NOATIME is for the owner only (may_open)
    if ((flags & O.NOATIME) !== 0 && !isOwner(m, node)) refuse("EPERM")
    // EROFS is about files and directories; devices and fifos on a read-only mount may be written
    if (writing && node.type === "f" && readonlyAt(m, location)) refuse("EROFS")
    // ETXTBSY: a process executes it (open(2))
    const runs = ({ program, status }: Process): boolean => status === "running" && program?.node === node.id
    if (writing && m.processes.values().some(runs)) refuse("ETXTBSY")
  }
  // ENXIO: a socket's path can be connected to, not opened (open(2))
  if (node.type === "s") refuse("ENXIO")
  node.onOpen?.(checksWrite)
  if (node.type === "c" || node.type === "b") {
    // EACCES: nodev mounts, and file systems that a user namespace mounted (may_open_dev)
    const fs = Nodes.fileSystemOf(m, node)
    if ((mountFlags(m, location) & MS.NODEV) !== 0) refuse("EACCES")
    if (fs !== undefined && fs.owner !== initialUserNs(m) && fs.type !== "devpts") refuse("EACCES")
    // EPERM: the device cgroup (cgroups(7))
    if (!deviceAllowed(m, node.type, node.device!, (checksRead ? "r" : "") + (checksWrite ? "w" : ""))) {
      refuse("EPERM")
    }
    if ((flags & O.DIRECT) !== 0 && [5, 136].includes(node.device!.major)) {
      m.unmodelled("a terminal that is opened with O_DIRECT")
    }
    const pty = Terminals.openTerminal(m, node, location, flags, path)
    if (pty !== undefined) return pty
  }
  // EINVAL: a pipe opens for reading or for writing (fifo_open)
  if (node.type === "p" && access === 3) refuse("EINVAL")
  if (node.type === "p" && access !== O.RDWR) Pipes.waitForOtherEnd(m, node, flags)
  // EINVAL: the file system can't bypass its cache (FMODE_CAN_ODIRECT)
  if ((flags & O.DIRECT) !== 0 && !canBypass(m, node)) {
    // a file that was created stays
    if (created) throw new LateRefusal("EINVAL")
    refuse("EINVAL")
  }
  if (writing && node.type === "f") copyUp(m, node.id)
  const { stored } = at(m, location)
  if ((flags & O.TRUNC) !== 0 && stored?.content._tag === "File") {
    const empty = { ...stored, content: { ...stored.content, data: new Uint8Array() } }
    m.nodes.set(stored.id, withoutPrivileges(m, empty))
  }
  const fd = Descriptors.open(
    m,
    { _tag: "Node", location },
    flags & ~(O.CREAT | O.EXCL | O.TRUNC | O.NOCTTY) | Descriptors.largeFile |
      ((flags & O.SYNC & ~O.DSYNC) !== 0 ? O.DSYNC : 0),
    path
  )
  return fd
}

const openPath = (m: Machine, dirfd: number, path: string, flags: number, mode: number, how: number): number => {
  const isPath = (flags & O.PATH) !== 0
  // EMFILE is checked before the look-up (do_sys_openat2), but after an empty or too long path
  if (path !== "" && path.length < 4096) Descriptors.free(m)
  if ((flags & O.TMPFILE) === O.TMPFILE) return temporary(m, dirfd, path, flags, mode, how)
  const creating = (flags & O.CREAT) !== 0 && !isPath
  // EINVAL: open can't make a directory (build_open_flags)
  if (creating && (flags & O.DIRECTORY) !== 0) refuse("EINVAL")
  const exclusive = creating && (flags & O.EXCL) !== 0
  const found = resolve(m, dirfd, path, {
    // O_CREAT|O_EXCL does not follow a link as the last name (open(2)), nor does O_CREAT with a trailing slash
    follow: (flags & O.NOFOLLOW) === 0 && !exclusive,
    parent: creating && path.endsWith("/"),
    resolve: how
  })
  // EISDIR: O_CREAT can't make a directory (lookup_fast_for_open)
  if (creating && found.last === "name" && found.trailingSlash) refuse("EISDIR")
  if (found.location !== undefined) {
    if (exclusive) refuse("EEXIST")
    if (creating && at(m, found.location).type !== "d") notInSticky(m, at(m, found.directory), at(m, found.location))
    return openAt(m, found.location, flags, false)
  }
  if (!creating) return refuse("ENOENT")
  const parent = at(m, found.directory)
  const isFixedThere = isFixed(m, parent)
  // the look-up comes first, and fails in procfs: ENOENT; kernfs has no create operation: EACCES (lookup_open)
  if (isFixedThere && String(parent.id).startsWith("proc:")) refuse("ENOENT")
  if (readonlyAt(m, found.directory)) refuse("EROFS")
  if (isFixedThere) refuse("EACCES")
  const id = makeNode(m, found, applied(m, mode), { _tag: "File", data: new Uint8Array() })
  return openAt(m, { mount: found.directory.mount, node: id }, flags, true)
}

const temporary = (m: Machine, dirfd: number, path: string, flags: number, mode: number, how: number): number => {
  // EINVAL: O_TMPFILE without writing, or with O_CREAT (open(2))
  if ((flags & 3) === O.RDONLY || (flags & O.CREAT) !== 0) refuse("EINVAL")
  const location = existing(m, dirfd, path, { follow: true, resolve: how })
  const parent = at(m, location)
  if (parent.type !== "d") refuse("ENOTDIR")
  if (readonlyAt(m, location)) refuse("EROFS")
  if (Nodes.isImmutable(parent)) refuse("EPERM")
  if (!permitted(m, parent, W | X)) refuse("EACCES")
  if (m.mounts.get(location.mount)?.idmap !== undefined) {
    m.unmodelled("a file without a name on a mount with a map of ids")
  }
  // EOPNOTSUPP: procfs, sysfs and cgroups have no temporary files (vfs_tmpfile)
  if (isFixed(m, parent)) refuse("ENOTSUP")
  mayAdd(m, parent.fs, { _tag: "File", data: new Uint8Array() })
  const id = Tree.anonymous(m, parent.fs, applied(m, mode), { _tag: "File", data: new Uint8Array() })
  // it is in no directory, but has a path with its inode's number
  m.nodes.update(id, (node) => ({ ...node, parent: parent.id, name: `#${id}` }))
  const fd = openAt(m, { mount: location.mount, node: id }, flags & ~O.TMPFILE | (flags & 3), true)
  m.files.update(Descriptors.fileOf(m, fd).id, (file) => ({ ...file, flags: file.flags | O.TMPFILE }))
  return fd
}

export const openat = (m: Machine, { dirfd, flags, mode, path }: Arguments<"openat">): number =>
  // unknown flags are ignored here, and refused by openat2(2)
  openPath(m, dirfd, path, flags & ((flags & O.PATH) === 0 ? knownFlags : pathFlags), mode, 0)

export const openat2 = (m: Machine, args: Arguments<"openat2">): number => {
  const { dirfd, flags, mode, path, resolve: how } = args
  // openat2(2), EINVAL: unknown flags, a mode without O_CREAT or O_TMPFILE, both BENEATH and IN_ROOT
  const creates = (flags & O.CREAT) !== 0 || (flags & O.TMPFILE) === O.TMPFILE
  if ((flags & ~knownFlags) !== 0 || (how & ~0x3f) !== 0) refuse("EINVAL")
  if ((mode & ~0o7777) !== 0 || (mode !== 0 && !creates)) refuse("EINVAL")
  if ((how & RESOLVE.BENEATH) !== 0 && (how & RESOLVE.IN_ROOT) !== 0) refuse("EINVAL")
  if ((flags & O.PATH) !== 0 && (flags & ~pathFlags) !== 0) refuse("EINVAL")
  // EINVAL: open can't make a directory; a temporary file must be opened for writing (build_open_flags)
  if ((flags & O.CREAT) !== 0 && (flags & O.DIRECTORY) !== 0) refuse("EINVAL")
  if ((flags & temporaryBit) !== 0 && ((flags & O.DIRECTORY) === 0 || (flags & 3) === O.RDONLY)) refuse("EINVAL")
  // EAGAIN: a cached look-up can't create or truncate (build_open_flags)
  if ((how & RESOLVE.CACHED) !== 0 && (flags & (O.TRUNC | O.CREAT | temporaryBit)) !== 0) refuse("EAGAIN")
  return openPath(m, dirfd, path, flags, mode, how)
}
