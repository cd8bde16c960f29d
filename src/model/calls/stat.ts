/** The calls that inspect a node. @see statx(2), statfs(2), access(2) */
import { AT, MS, S } from "../../native/constants.ts"
import type { Arguments } from "../../native/Kernel.ts"
import type { FileSystemStat, Stat } from "../../native/results.ts"
import { deviceAllowed } from "../cgroupDevices.ts"
import { SECBIT, shown, toKernel } from "../Credentials.ts"
import * as Descriptors from "../Descriptors.ts"
import { namespaceOf } from "../ids.ts"
import { type Machine, refuse } from "../Machine.ts"
import * as Nodes from "../Nodes.ts"
import { permitted, R, readonlyAt, type View, view, W, X } from "../Nodes.ts"
import { mountFlags } from "../openRules.ts"
import { at, existing, linked } from "../Resolve.ts"
import type { Location, OpenFile } from "../State.ts"
import { isMemfd } from "./directories.ts"

/** Magic numbers of file systems. @see statfs(2) */
const magics: Readonly<Record<string, number>> = {
  ext4: 0xef53,
  tmpfs: 0x01021994,
  devtmpfs: 0x01021994,
  proc: 0x9fa0,
  sysfs: 0x62656572,
  devpts: 0x1cd1,
  mqueue: 0x19800202,
  cgroup: 0x27e0eb,
  cgroup2: 0x63677270,
  overlay: 0x794c7630,
  ramfs: 0x858458f6,
  nsfs: 0x6e736673,
  pipefs: 0x50495045
}

/** The same for descriptors that are not files: sockfs, pidfs, devpts, and anonymous inodes. */
const otherMagics: Readonly<Record<Exclude<OpenFile["kind"]["_tag"], "Node">, number>> = {
  Socket: 0x534f434b,
  Pid: 0x50494446,
  Pty: 0x1cd1,
  FsContext: 0x09041934,
  BpfProgram: 0x09041934,
  SeccompListener: 0x09041934
}

// -- looking ----------------------------------------------------------------------------------------------------------
const typeBits: Readonly<Record<View["type"], number>> = {
  f: S.IFREG,
  d: S.IFDIR,
  l: S.IFLNK,
  c: S.IFCHR,
  b: S.IFBLK,
  p: S.IFIFO,
  s: S.IFSOCK
}

/** A number for every node, also for the computed ones. */
export const inodeNumber = ({ id, ino }: View): bigint => {
  if (ino !== undefined) return BigInt(ino)
  if (typeof id === "number") return BigInt(id)
  const namespace = namespaceOf(id)
  if (namespace !== undefined) return BigInt(namespace)
  // PROC_ROOT_INO, by which the root of a procfs is recognized
  if (/^proc:\d+:$/.test(id)) return 1n
  // FNV-1a twice, since 32 bits are too few
  let [low, high] = [0x811c9dc5, 0]
  for (let at = 0; at < id.length; at++) {
    low = Math.imul(low ^ id.charCodeAt(at), 0x01000193)
    high = Math.imul(high ^ low, 0x01000193)
  }
  return BigInt((high & 0xffff) * 2 ** 32 + (low >>> 0))
}

export const target = (m: Machine, dirfd: number, path: string, flags: number): Location => {
  if (path === "" && (flags & AT.EMPTY_PATH) !== 0 && dirfd !== AT.FDCWD) {
    const file = Descriptors.fileOf(m, dirfd)
    if (file.kind._tag !== "Node" && file.kind._tag !== "Pty") m.unmodelled(`a stat of a ${file.kind._tag} descriptor`)
  }
  return existing(m, dirfd, path, {
    follow: (flags & AT.SYMLINK_NOFOLLOW) === 0,
    emptyPath: (flags & AT.EMPTY_PATH) !== 0
  })
}

/** The number of links. A directory has one from each subdirectory; a removed node has none. */
const linksOf = (m: Machine, node: View): number => {
  if (!linked(m, node.id)) return 0
  // overlayfs does not count the directories in a directory
  if (node.real !== undefined && node.type === "d") return 1
  if (node.type !== "d" || node.stored?.content._tag !== "Directory") return node.type === "d" ? 2 : 1
  return 2 + [...node.stored.content.entries.values()].filter((id) => view(m, id).type === "d").length
}

const stat = (m: Machine, location: Location): Stat => {
  const node = at(m, location)
  const mount = m.mounts.get(location.mount)
  const fs = Nodes.fileSystemOf(m, node)
  const text = node.type === "l" && node.jump === undefined ? node.link!().length : 0
  const size = node.type === "f" && (node.real ?? node).stored !== undefined ? node.read!().length : text
  return {
    mode: typeBits[node.type] | node.mode,
    nlink: isMemfd(node) ? 0 : linksOf(m, node),
    uid: shown(m, "uid", node.uid),
    gid: shown(m, "gid", node.gid),
    ino: inodeNumber(node),
    size: BigInt(size),
    dev: fs?.dev ?? { major: 0, minor: 4 },
    rdev: { major: node.device?.major ?? 0, minor: node.device?.minor ?? 0 },
    mountId: BigInt(location.mount),
    mountRoot: mount !== undefined && mount.root === location.node
  }
}

/** `AT_STATX_SYNC_TYPE` of linux/fcntl.h (how fresh the answer must be), and `STATX__RESERVED` of linux/stat.h. */
const [syncType, reserved] = [0x6000, 0x80000000] as const

export const statx = (m: Machine, { dirfd, flags, mask, path }: Arguments<"statx">): Stat => {
  // EINVAL: reserved fields, or both sync flags (do_statx)
  if ((mask & reserved) !== 0 || (flags & syncType) === syncType) refuse("EINVAL")
  const known = AT.SYMLINK_NOFOLLOW | AT.NO_AUTOMOUNT | AT.EMPTY_PATH | syncType
  const isDescriptor = path === "" && (flags & AT.EMPTY_PATH) !== 0 && dirfd !== AT.FDCWD
  // EINVAL: unknown flags; with a descriptor alone they are not checked (do_statx_fd)
  if ((flags & ~known) !== 0 && !(isDescriptor && dirfd >= 0)) refuse("EINVAL")
  const special = isDescriptor
    ? Descriptors.fileOf(m, dirfd)
    : undefined
  if (special?.kind._tag === "Socket") {
    return {
      mode: S.IFSOCK | 0o777,
      nlink: 1,
      uid: shown(m, "uid", special.opener.creds.euid),
      gid: shown(m, "gid", special.opener.creds.egid),
      ino: BigInt(special.id),
      size: 0n,
      dev: { major: 0, minor: 8 },
      rdev: { major: 0, minor: 0 },
      mountId: 0n,
      mountRoot: false
    }
  }
  return stat(m, target(m, dirfd, path, flags))
}

export const fstatfs = (m: Machine, { fd }: Arguments<"fstatfs">): FileSystemStat => {
  const { kind } = Descriptors.fileOf(m, fd)
  if (kind._tag !== "Node") return { type: otherMagics[kind._tag], flags: 0 }
  const { location } = kind
  const node = at(m, location)
  if (namespaceOf(node.id) !== undefined) return { type: magics["nsfs"]!, flags: 0 }
  const fs = Nodes.fileSystemOf(m, node)
  const mount = m.mounts.get(location.mount)
  // ST_RDONLY, ST_NOSUID, ST_NODEV, ST_NOEXEC have the values of MS_*; ST_RELATIME is 0x1000
  const flags = mount === undefined ? 0 : (mount.flags & 0xf) | (fs?.readonly === true ? 1 : 0) |
    ((mount.flags & MS.NOATIME) !== 0 ? 0x400 : 0) | ((mount.flags & MS.NODIRATIME) !== 0 ? 0x800 : 0) |
    ((mount.flags & MS.RELATIME) !== 0 ? 0x1000 : 0)
  // the library's wrapper drops ST_VALID (0x20)
  return { type: magics[fs?.type ?? (node.type === "p" ? "pipefs" : "tmpfs")] ?? 0, flags }
}

export const readlinkat = (m: Machine, { dirfd, path }: Arguments<"readlinkat">): string => {
  // an empty path means the descriptor itself, an O_PATH one of a symlink (readlink(2))
  const location = existing(m, dirfd, path, { follow: false, emptyPath: true })
  const node = at(m, location)
  if (node.type !== "l") return refuse(path === "" ? "ENOENT" : "EINVAL")
  return node.link!()
}

export const faccessat2 = (m: Machine, { dirfd, flags, mode, path }: Arguments<"faccessat2">): void => {
  if ((mode & ~7) !== 0) refuse("EINVAL")
  const { creds, ns } = m.self
  if ((flags & AT.EACCESS) === 0) {
    // the real ids are checked, also along the path. If they are root, they have the permitted capabilities, otherwise
    // none, unless SECBIT_NO_SETUID_FIXUP keeps the effective ones (access_override_creds)
    const isRoot = creds.uid === toKernel(m, ns.user, "uid", 0)
    const kept = (creds.securebits & SECBIT.NO_SETUID_FIXUP) !== 0
    m.changeCreds({
      euid: creds.uid,
      egid: creds.gid,
      effective: kept ? creds.effective : isRoot ? creds.permitted : 0n
    })
  }
  const location = target(m, dirfd, path, flags)
  const node = at(m, location)
  // EACCES: nothing can be executed there, as on nsfs; checked first (path_noexec)
  const isNoexec = Nodes.isImmutable(node) || (mountFlags(m, location) & MS.NOEXEC) !== 0
  if ((mode & X) !== 0 && node.type === "f" && isNoexec) refuse("EACCES")
  // EPERM: an immutable node; checked before permissions (inode_permission)
  if ((mode & W) !== 0 && Nodes.isImmutable(node)) refuse("EPERM")
  const writes = (mode & W) !== 0 && ["f", "d", "l"].includes(node.type)
  // EROFS: the file system is checked before the permissions, the mount after them (do_faccessat)
  if (writes && Nodes.fileSystemOf(m, node)?.readonly === true) refuse("EROFS")
  if (!permitted(m, node, mode)) refuse("EACCES")
  // EPERM: the device cgroup (devcgroup_inode_permission)
  const wanted = ((mode & R) !== 0 ? "r" : "") + ((mode & W) !== 0 ? "w" : "")
  if ((node.type === "c" || node.type === "b") && !deviceAllowed(m, node.type, node.device!, wanted)) {
    refuse("EPERM")
  }
  if (writes && readonlyAt(m, location)) refuse("EROFS")
  m.change({ creds })
}
