/**
 * Calls on files and directories. @see open(2), openat2(2), mknod(2), unlink(2), rename(2), chmod(2), chown(2), statx(2)
 */
import type { DirectoryEntry, FileSystemStat, Stat } from "../native/calls.ts"
import { AT, F_SEAL, MFD, MS, O, RESOLVE, S } from "../native/constants.ts"
import type { Arguments } from "../native/Kernel.ts"
import * as Cgroups from "./Cgroups.ts"
import {
  CAP,
  capable,
  capableHere,
  capableOver,
  initialUserNs,
  kernelId,
  SECBIT,
  shown,
  toKernel,
  toUser
} from "./Credentials.ts"
import * as Descriptors from "./Descriptors.ts"
import { givenCapabilities } from "./execCredentials.ts"
import { mayGrowTo, roomInFile } from "./Limits.ts"
import { concat, decode, type Machine, refuse } from "./Machine.ts"
import { isFixed, mayCreate } from "./Names.ts"
import * as Nodes from "./Nodes.ts"
import { permitted, R, readonlyAt, type View, view, W, X } from "./Nodes.ts"
import * as Pipes from "./Pipes.ts"
import { procNode } from "./Proc.ts"
import { at, existing, pathOf, resolve, type Resolved, unlinked } from "./Resolve.ts"
import * as Sockets from "./Sockets.ts"
import type { Content, Location, Node, OpenFile, Process } from "./State.ts"
import * as Terminals from "./Terminals.ts"

/** Magic numbers of file systems. @see statfs(2) */
export const magics: Readonly<Record<string, number>> = {
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

/** Of descriptors that are no files: sockfs, pidfs, devpts, and the file system of anonymous inodes. */
const otherMagics: Readonly<Record<Exclude<OpenFile["kind"]["_tag"], "Node">, number>> = {
  Socket: 0x534f434b,
  Pid: 0x50494446,
  Pty: 0x1cd1,
  FsContext: 0x09041934,
  BpfProgram: 0x09041934,
  SeccompListener: 0x09041934
}

// ── opening ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const knownFlags = O.WRONLY | O.RDWR | O.CREAT | O.EXCL | O.NOCTTY | O.TRUNC | O.APPEND | O.NONBLOCK | O.DIRECTORY |
  O.NOFOLLOW | O.CLOEXEC | O.PATH | O.TMPFILE

const applied = (m: Machine, mode: number): number => mode & 0o7777 & ~m.self.umask

/** Creates a node by name. ENOENT, EOVERFLOW, EACCES as open(2), mkdir(2), mknod(2) say. */
const makeNode = (
  m: Machine,
  { directory, name }: Resolved,
  mode: number,
  content: Content
): number => {
  mayCreate(m, directory)
  const parent = at(m, directory)
  const { egid, euid, groups } = m.self.creds
  const inherits = (parent.mode & S.ISGID) !== 0
  const isDirectory = content._tag === "Directory"
  // in a directory with set-group-ID, a program with it is made by members of the group only (mode_strip_sgid)
  const strips = inherits && !isDirectory && (mode & 0o2010) === 0o2010 &&
    !(egid === parent.gid || groups.includes(parent.gid) || capableOver(m, parent, CAP.FSETID))
  return Nodes.create(m, parent, name, {
    mode: strips ? mode & ~S.ISGID : inherits && isDirectory ? mode | S.ISGID : mode,
    uid: euid,
    gid: inherits ? parent.gid : egid,
    content
  })
}

const mountFlags = (m: Machine, location: Location): number => m.mounts.get(location.mount)?.flags ?? 0

/** Checks and opens what a path led to. */
const openAt = (m: Machine, location: Location, flags: number, created: boolean): number => {
  const node = at(m, location)
  const isPath = (flags & O.PATH) !== 0
  const access = flags & 3
  const writing = access !== O.RDONLY || (flags & O.TRUNC) !== 0
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
  if (node.type === "d" && (writing || (flags & O.CREAT) !== 0)) refuse("EISDIR")
  if (!created) {
    // EROFS: to empty a file needs a mount that can be written first (do_open), a file system for writing in any case
    // (sb_permission), a mount for writing last (do_dentry_open); devices and fifos may be written everywhere
    const readonly = node.type === "f" && readonlyAt(m, location)
    if (readonly && (flags & O.TRUNC) !== 0) refuse("EROFS")
    if (readonly && writing && Nodes.fileSystemOf(m, node)?.readonly === true) refuse("EROFS")
    const wanted = (access === O.WRONLY ? 0 : R) | (writing ? W : 0)
    if (!permitted(m, node, wanted)) refuse("EACCES")
    // EROFS is about files and directories; devices and fifos on a read-only mount may be written
    if (writing && node.type === "f" && readonlyAt(m, location)) refuse("EROFS")
    // ETXTBSY: somebody executes it (open(2))
    const runs = ({ program, status }: Process): boolean => status === "running" && program?.node === node.id
    if (writing && m.processes.values().some(runs)) refuse("ETXTBSY")
  }
  // ENXIO: a socket has a path to connect to, not to open (open(2))
  if (node.type === "s") refuse("ENXIO")
  node.onOpen?.(writing)
  if (node.type === "c" || node.type === "b") {
    // EACCES: nodev mounts, and file systems that a user namespace mounted (may_open_dev)
    const fs = Nodes.fileSystemOf(m, node)
    if ((mountFlags(m, location) & MS.NODEV) !== 0) refuse("EACCES")
    if (fs !== undefined && fs.owner !== initialUserNs(m) && fs.type !== "devpts") refuse("EACCES")
    // EPERM: the device cgroup (cgroups(7))
    if (!Cgroups.deviceAllowed(m, node.type, node.device!, (access === O.WRONLY ? "" : "r") + (writing ? "w" : ""))) {
      refuse("EPERM")
    }
    const pty = Terminals.openTerminal(m, node, location, flags, path)
    if (pty !== undefined) return pty
  }
  if (node.type === "p" && access !== O.RDWR) Pipes.waitForOtherEnd(m, node, flags)
  if ((flags & O.TRUNC) !== 0 && node.stored?.content._tag === "File") {
    const empty = { ...node.stored, content: { ...node.stored.content, data: new Uint8Array() } }
    m.nodes.set(node.stored.id, withoutPrivileges(m, empty))
  }
  const fd = Descriptors.open(
    m,
    { _tag: "Node", location },
    flags & ~(O.CREAT | O.EXCL | O.TRUNC | O.NOCTTY) | Descriptors.largeFile,
    path
  )
  return fd
}

const openPath = (m: Machine, dirfd: number, path: string, flags: number, mode: number, how: number): number => {
  const isPath = (flags & O.PATH) !== 0
  // EMFILE comes before the path is looked at (do_sys_openat2), but after an empty or an endless one
  if (path !== "" && path.length < 4096) Descriptors.free(m)
  if ((flags & O.TMPFILE) === O.TMPFILE) return temporary(m, dirfd, path, flags, mode, how)
  const creating = (flags & O.CREAT) !== 0 && !isPath
  // EINVAL: a directory is not made by open (build_open_flags)
  if (creating && (flags & O.DIRECTORY) !== 0) refuse("EINVAL")
  const exclusive = creating && (flags & O.EXCL) !== 0
  const found = resolve(m, dirfd, path, {
    // O_CREAT|O_EXCL does not follow a link in the last place (open(2)), nor does what is to be made with a slash
    follow: (flags & O.NOFOLLOW) === 0 && !exclusive,
    parent: creating && path.endsWith("/"),
    resolve: how
  })
  // EISDIR: what is made is no directory (lookup_fast_for_open)
  if (creating && found.last === "name" && found.trailingSlash) refuse("EISDIR")
  if (found.location !== undefined) {
    if (exclusive) refuse("EEXIST")
    return openAt(m, found.location, flags, false)
  }
  if (!creating) return refuse("ENOENT")
  if (readonlyAt(m, found.directory)) refuse("EROFS")
  // kernfs has no create: EACCES (lookup_open); procfs says ENOENT before that
  const parent = at(m, found.directory)
  if (isFixed(m, parent)) refuse(String(parent.id).startsWith("proc:") ? "ENOENT" : "EACCES")
  const id = makeNode(m, found, applied(m, mode), { _tag: "File", data: new Uint8Array() })
  return openAt(m, { mount: found.directory.mount, node: id }, flags, true)
}

const temporary = (m: Machine, dirfd: number, path: string, flags: number, mode: number, how: number): number => {
  // EINVAL: not for writing, and with O_CREAT (open(2))
  if ((flags & 3) === O.RDONLY || (flags & O.CREAT) !== 0) refuse("EINVAL")
  const location = existing(m, dirfd, path, { follow: true, resolve: how })
  const parent = at(m, location)
  if (parent.type !== "d") refuse("ENOTDIR")
  if (readonlyAt(m, location)) refuse("EROFS")
  if (!permitted(m, parent, W | X)) refuse("EACCES")
  // EOPNOTSUPP: procfs, sysfs and cgroups have no such files (vfs_tmpfile)
  if (isFixed(m, parent)) refuse("ENOTSUP")
  const id = Nodes.anonymous(m, parent.fs, applied(m, mode), { _tag: "File", data: new Uint8Array() })
  // it is in no directory, and yet has a path with its inode's number
  m.nodes.update(id, (node) => ({ ...node, parent: parent.id, name: `#${id}` }))
  const fd = openAt(m, { mount: location.mount, node: id }, flags & ~O.TMPFILE | (flags & 3), true)
  m.files.update(Descriptors.fileOf(m, fd).id, (file) => ({ ...file, flags: file.flags | O.TMPFILE }))
  return fd
}

export const openat = (m: Machine, { dirfd, flags, mode, path }: Arguments<"openat">): number =>
  // unknown flags are ignored here, and refused by openat2(2)
  openPath(m, dirfd, path, flags & knownFlags, mode, 0)

export const openat2 = (m: Machine, args: Arguments<"openat2">): number => {
  const { dirfd, flags, mode, path, resolve: how } = args
  // openat2(2), EINVAL: unknown flags, a mode without O_CREAT or O_TMPFILE, both BENEATH and IN_ROOT
  const creates = (flags & O.CREAT) !== 0 || (flags & O.TMPFILE) === O.TMPFILE
  if ((flags & ~(knownFlags | 0o100000)) !== 0 || (how & ~0x3f) !== 0) refuse("EINVAL")
  if ((mode & ~0o7777) !== 0 || (mode !== 0 && !creates)) refuse("EINVAL")
  if ((how & RESOLVE.BENEATH) !== 0 && (how & RESOLVE.IN_ROOT) !== 0) refuse("EINVAL")
  if ((flags & O.PATH) !== 0 && (flags & ~(O.PATH | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC)) !== 0) refuse("EINVAL")
  // EAGAIN: RESOLVE_CACHED can always answer so
  if ((how & RESOLVE.CACHED) !== 0) refuse("EAGAIN")
  return openPath(m, dirfd, path, flags, mode, how)
}

// ── reading and writing ──────────────────────────────────────────────────────────────────────────────────────────────

const nodeFile = (m: Machine, file: OpenFile): { readonly node: View; readonly location: Location } => {
  const { kind } = file
  return kind._tag === "Node"
    ? { node: at(m, kind.location), location: kind.location }
    : refuse("EINVAL")
}

const advance = (m: Machine, file: OpenFile, by: number): void =>
  m.files.update(file.id, (held) => ({ ...held, offset: held.offset + by }))

export const read = (m: Machine, { count, fd }: Arguments<"read">): Uint8Array => {
  const file = Descriptors.usable(m, fd)
  if ((file.flags & 3) === O.WRONLY) refuse("EBADF")
  if (file.kind._tag === "Socket") return Sockets.read(m, file, file.kind.socket, count)
  if (file.kind._tag === "Pty") return Terminals.readTerminal(m, file, file.kind, count)
  const { node } = nodeFile(m, file)
  switch (node.type) {
    case "d":
      return refuse("EISDIR")
    case "p":
      return Pipes.readPipe(m, file, node, count)
    case "c":
    case "b":
      return readDevice(m, node, count)
    default: {
      if (node.whole === true && file.offset > 0) return new Uint8Array()
      const data = node.read?.() ?? refuse("EINVAL")
      const part = data.slice(file.offset, file.offset + count)
      advance(m, file, part.length)
      return part
    }
  }
}

/** The memory devices. @see null(4), random(4) */
const readDevice = (m: Machine, { device }: View, count: number): Uint8Array => {
  switch (`${device?.major}:${device?.minor}`) {
    case "1:3":
      return new Uint8Array()
    case "1:5":
    case "1:7":
      return new Uint8Array(count)
    case "1:8":
    case "1:9":
      return randomBytes(m, count)
    default:
      return refuse("ENXIO")
  }
}

/** Bytes that look random and are the same in every run. */
export const randomBytes = (m: Machine, count: number): Uint8Array => {
  let x = (m.fresh() * 2654435761) >>> 0 || 1
  return Uint8Array.from({ length: count }, () => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    return x & 0xff
  })
}

export const write = (m: Machine, { data, fd }: Arguments<"write">): number => {
  const file = Descriptors.usable(m, fd)
  if ((file.flags & 3) === O.RDONLY) refuse("EBADF")
  if (file.kind._tag === "Socket") return Sockets.send(m, file, file.kind.socket, data, [], 0)
  if (file.kind._tag === "Pty") return Terminals.writeTerminal(m, file.kind, data)
  const { node } = nodeFile(m, file)
  if (node.type === "p") return Pipes.writePipe(m, file, node, data)
  if (node.type === "c" || node.type === "b") {
    const id = `${node.device?.major}:${node.device?.minor}`
    return id === "1:7" ? refuse("ENOSPC") : ["1:3", "1:5", "1:8", "1:9"].includes(id) ? data.length : refuse("ENXIO")
  }
  if (node.write !== undefined) {
    const taken = node.write(decode(data), file.opener, file.offset) ?? data.length
    if (node.rewritable !== true) advance(m, file, taken)
    return taken
  }
  const stored = node.stored
  // computed files without a write handler: EINVAL, as proc_reg_write without proc_write gives EIO
  if (stored === undefined || stored.content._tag !== "File") return refuse("EIO")
  const seals = stored.content.seals ?? 0
  const old = node.read!()
  const offset = (file.flags & O.APPEND) !== 0 ? old.length : file.offset
  const taken = data.subarray(0, roomInFile(m, offset, data.length))
  if ((seals & F_SEAL.WRITE) !== 0) refuse("EPERM")
  const size = Math.max(old.length, offset + taken.length)
  if (size > old.length && (seals & F_SEAL.GROW) !== 0) refuse("EPERM")
  const next = new Uint8Array(size)
  next.set(old)
  next.set(taken, offset)
  const { host: _, ...rest } = stored.content
  m.nodes.set(stored.id, withoutPrivileges(m, { ...stored, content: { ...rest, data: next } }))
  m.files.set(file.id, { ...file, offset: offset + taken.length })
  return taken.length
}

export const ftruncate = (m: Machine, { fd, length }: Arguments<"ftruncate">): void => {
  // EINVAL: before the descriptor is looked at (do_sys_ftruncate)
  if (length < 0n) refuse("EINVAL")
  const file = Descriptors.usable(m, fd)
  // EINVAL: not a regular file open for writing (truncate(2))
  if ((file.flags & 3) === O.RDONLY) refuse("EINVAL")
  const { node } = nodeFile(m, file)
  const stored = node.stored
  if (stored?.content._tag !== "File") return refuse("EINVAL")
  const seals = stored.content.seals ?? 0
  const old = node.read!()
  const size = Number(length)
  mayGrowTo(m, old.length, length)
  if (size < old.length && (seals & F_SEAL.SHRINK) !== 0) refuse("EPERM")
  if (size > old.length && (seals & F_SEAL.GROW) !== 0) refuse("EPERM")
  const { host: _, ...rest } = stored.content
  const data = size <= old.length ? old.slice(0, size) : concat(old, new Uint8Array(size - old.length))
  m.nodes.set(stored.id, withoutPrivileges(m, { ...stored, content: { ...rest, data } }))
}

/**
 * A file whose content changes loses its capabilities and, unless the writer has CAP_FSETID, set-user-ID and set-group-ID
 * (`file_remove_privs`).
 */
const withoutPrivileges = (m: Machine, node: Node): Node => {
  const bits = capable(m, CAP.FSETID) ? 0 : S.ISUID | ((node.mode & 0o10) !== 0 ? S.ISGID : 0)
  return { ...withoutCapabilities(node), mode: node.mode & ~bits }
}

const withoutCapabilities = (node: Node): Node =>
  node.xattrs?.has("security.capability") === true
    ? { ...node, xattrs: new Map([...node.xattrs].filter(([name]) => name !== "security.capability")) }
    : node

export const fsync = (m: Machine, { fd }: Arguments<"fsync">): void => {
  const file = Descriptors.usable(m, fd)
  // EINVAL: pipes, sockets, devices and computed files (fsync(2))
  const node = file.kind._tag === "Node" ? at(m, file.kind.location) : refuse("EINVAL")
  if (!["f", "d"].includes(node.type) || node.stored === undefined) refuse("EINVAL")
}

export const memfdCreate = (m: Machine, { flags, name }: Arguments<"memfd_create">): number => {
  if (name.length > 249 || (flags & ~(MFD.CLOEXEC | MFD.ALLOW_SEALING | 0x1c)) !== 0) refuse("EINVAL")
  const id = Nodes.anonymous(m, 0, 0o777, {
    _tag: "File",
    data: new Uint8Array(),
    seals: (flags & MFD.ALLOW_SEALING) !== 0 ? 0 : F_SEAL.SEAL
  }, `memfd:${name}`)
  return Descriptors.open(
    m,
    { _tag: "Node", location: { mount: 0, node: id }, memfd: true },
    O.RDWR | Descriptors.largeFile | ((flags & MFD.CLOEXEC) !== 0 ? O.CLOEXEC : 0),
    `/memfd:${name} (deleted)`
  )
}

// ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────────

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
const inodeNumber = ({ id }: View): bigint => {
  if (typeof id === "number") return BigInt(id)
  const namespace = Nodes.namespaceOf(id)
  if (namespace !== undefined) return BigInt(namespace)
  // PROC_ROOT_INO, by which the root of a procfs is known
  if (/^proc:\d+:$/.test(id)) return 1n
  // FNV-1a, twice, since 32 bits are few
  let [low, high] = [0x811c9dc5, 0]
  for (let at = 0; at < id.length; at++) {
    low = Math.imul(low ^ id.charCodeAt(at), 0x01000193)
    high = Math.imul(high ^ low, 0x01000193)
  }
  return BigInt((high & 0xffff) * 2 ** 32 + (low >>> 0))
}

const target = (m: Machine, dirfd: number, path: string, flags: number): Location => {
  if (path === "" && (flags & AT.EMPTY_PATH) !== 0 && dirfd !== AT.FDCWD) {
    const file = Descriptors.fileOf(m, dirfd)
    if (file.kind._tag !== "Node" && file.kind._tag !== "Pty") m.unmodelled(`a stat of a ${file.kind._tag} descriptor`)
  }
  return existing(m, dirfd, path, {
    follow: (flags & AT.SYMLINK_NOFOLLOW) === 0,
    emptyPath: (flags & AT.EMPTY_PATH) !== 0
  })
}

/** A directory has a link from each directory in it; what was removed has none. */
const linksOf = (m: Machine, node: View): number => {
  if (!linked(m, node.id)) return 0
  if (node.type !== "d" || node.stored?.content._tag !== "Directory") return node.type === "d" ? 2 : 1
  return 2 + [...node.stored.content.entries.values()].filter((id) => view(m, id).type === "d").length
}

const stat = (m: Machine, location: Location): Stat => {
  const node = at(m, location)
  const mount = m.mounts.get(location.mount)
  const fs = Nodes.fileSystemOf(m, node)
  const text = node.type === "l" && node.jump === undefined ? node.link!().length : 0
  const size = node.type === "f" && node.stored !== undefined ? node.read!().length : text
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

export const statx = (m: Machine, { dirfd, flags, path }: Arguments<"statx">): Stat => {
  if ((flags & ~(AT.SYMLINK_NOFOLLOW | AT.NO_AUTOMOUNT | AT.EMPTY_PATH | 0x6000)) !== 0) refuse("EINVAL")
  const special = path === "" && (flags & AT.EMPTY_PATH) !== 0 && dirfd !== AT.FDCWD
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
  if (Nodes.namespaceOf(node.id) !== undefined) return { type: magics["nsfs"]!, flags: 0 }
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

export const getdents64 = (m: Machine, { fd }: Arguments<"getdents64">): ReadonlyArray<DirectoryEntry> => {
  const file = Descriptors.usable(m, fd)
  // ENOENT: the process whose directory it was is gone (proc_pident_readdir)
  if (file.kind._tag === "Node" && Nodes.isGone(m, file.kind.location.node)) refuse("ENOENT")
  const { node } = file.kind._tag === "Node" ? nodeFile(m, file) : refuse("ENOTDIR")
  if (node.list === undefined) return refuse("ENOTDIR")
  const names = node.list()
  const rest = names.slice(file.offset, file.offset + 256)
  advance(m, file, rest.length)
  return rest.flatMap((name) => {
    const id = node.lookup!(name)
    if (id === undefined) return []
    const child = view(m, id)
    return [{ name, ino: inodeNumber(child), type: child.type }]
  })
}

export const faccessat2 = (m: Machine, { dirfd, flags, mode, path }: Arguments<"faccessat2">): void => {
  if ((mode & ~7) !== 0) refuse("EINVAL")
  const { creds, ns } = m.self
  if ((flags & AT.EACCESS) === 0) {
    // it asks for the real ids, on the way too, which have the permitted capabilities if they are root, else none, unless
    // SECBIT_NO_SETUID_FIXUP keeps what is effective (access_override_creds)
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
  const writes = (mode & W) !== 0 && ["f", "d", "l"].includes(node.type)
  if ((mode & X) !== 0 && node.type === "f" && (mountFlags(m, location) & MS.NOEXEC) !== 0) refuse("EACCES")
  // EROFS: of the file system before the permissions, of the mount after them (do_faccessat)
  if (writes && Nodes.fileSystemOf(m, node)?.readonly === true) refuse("EROFS")
  if (!permitted(m, node, mode)) refuse("EACCES")
  // EPERM: the device cgroup (devcgroup_inode_permission)
  const wanted = ((mode & R) !== 0 ? "r" : "") + ((mode & W) !== 0 ? "w" : "")
  if ((node.type === "c" || node.type === "b") && !Cgroups.deviceAllowed(m, node.type, node.device!, wanted)) {
    refuse("EPERM")
  }
  if (writes && readonlyAt(m, location)) refuse("EROFS")
  m.change({ creds })
}

// ── changing the tree ────────────────────────────────────────────────────────────────────────────────────────────────

/** A name to make (filename_create). EEXIST, ENOENT for a slash after what is no directory, EROFS: in this order. */
const newName = (m: Machine, dirfd: number, path: string, directory: boolean): Resolved => {
  const found = resolve(m, dirfd, path, { follow: false, parent: true })
  if (found.last !== "name" || found.entry !== undefined) refuse("EEXIST")
  if (found.trailingSlash && !directory) refuse("ENOENT")
  if (readonlyAt(m, found.directory)) refuse("EROFS")
  return found
}

export const mkdirat = (m: Machine, { dirfd, mode, path }: Arguments<"mkdirat">): void => {
  const found = newName(m, dirfd, path, true)
  const parent = at(m, found.directory)
  if (Cgroups.isGroup(parent.id)) {
    if (readonlyAt(m, found.directory)) refuse("EROFS")
    if (!permitted(m, parent, W | X)) refuse("EACCES")
    return Cgroups.makeGroup(m, parent.id, found.name, applied(m, mode))
  }
  // procfs has no mkdir: EPERM in sysfs and cgroup files, ENOENT in procfs (vfs_mkdir)
  if (isFixed(m, parent)) refuse(String(parent.id).startsWith("proc:") ? "ENOENT" : "EPERM")
  makeNode(m, found, applied(m, mode) & 0o1777, { _tag: "Directory", entries: new Map() })
}

export const mknodat = (m: Machine, { dirfd, major, minor, mode, path }: Arguments<"mknodat">): void => {
  const type = mode & S.IFMT
  // what can't be made is told before the path is looked at (may_mknod): EPERM for a directory, EINVAL for the unknown
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
      if (!whiteout && !Cgroups.deviceAllowed(m, letter, { major, minor }, "m")) refuse("EPERM")
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

// ── modes and owners ─────────────────────────────────────────────────────────────────────────────────────────────────

const changeMode = (m: Machine, location: Location, mode: number): void => {
  const node = at(m, location)
  if (readonlyAt(m, location)) refuse("EROFS")
  // EPERM: neither owner nor CAP_FOWNER (chmod(2))
  if (node.uid !== m.self.creds.euid && !capableOver(m, node, CAP.FOWNER)) refuse("EPERM")
  if (Cgroups.isGroup(node.id)) return Cgroups.changeGroup(m, node.id, { mode: mode & 0o7777 })
  if (node.stored === undefined) return Cgroups.changeFile(m, node.id, { mode: mode & 0o7777 })
  const { stored } = node
  const { egid, groups } = m.self.creds
  // set-group-ID is cleared unless the caller is in the group or has CAP_FSETID (chmod(2))
  const keepsGid = egid === node.gid || groups.includes(node.gid) || capableOver(m, node, CAP.FSETID)
  m.nodes.set(stored.id, { ...stored, mode: mode & (keepsGid ? 0o7777 : 0o5777) })
}

export const fchmod = (m: Machine, { fd, mode }: Arguments<"fchmod">): void => {
  const { kind } = Descriptors.usable(m, fd)
  if (kind._tag === "Node" || kind._tag === "Pty") changeMode(m, kind.location, mode)
}

export const fchmodat = (m: Machine, { dirfd, mode, path }: Arguments<"fchmodat">): void =>
  changeMode(m, existing(m, dirfd, path, { follow: true }), mode)

export const fchownat = (m: Machine, { dirfd, flags, gid, path, uid }: Arguments<"fchownat">): void => {
  const location = target(m, dirfd, path, flags)
  const node = at(m, location)
  if (readonlyAt(m, location)) refuse("EROFS")
  const { creds } = m.self
  const unset = (id: number): boolean => id === -1 || id === 0xffffffff
  const owner = unset(uid) ? node.uid : kernelId(m, "uid", uid)
  const group = unset(gid) ? node.gid : kernelId(m, "gid", gid)
  const fs = Nodes.fileSystemOf(m, node)
  if (
    fs !== undefined &&
    (toUser(m, fs.owner, "uid", owner) === undefined || toUser(m, fs.owner, "gid", group) === undefined)
  ) refuse("EOVERFLOW")
  // EPERM: only CAP_CHOWN gives a file away; the owner may choose among its own groups (chown(2))
  if (!unset(uid) && !(creds.euid === node.uid && owner === node.uid) && !capableOver(m, node, CAP.CHOWN)) {
    refuse("EPERM")
  }
  if (
    !unset(gid) && !(creds.euid === node.uid && (group === creds.egid || creds.groups.includes(group) ||
      group === node.gid)) &&
    !capableOver(m, node, CAP.CHOWN)
  ) refuse("EPERM")
  if (Cgroups.isGroup(node.id)) return Cgroups.changeGroup(m, node.id, { uid: owner, gid: group })
  // the files of a process take an owner, and have their own again when they are next looked at (pid_revalidate)
  if (/^proc:\d+:\d/.test(String(node.id))) return
  if (node.stored === undefined) return Cgroups.changeFile(m, node.id, { uid: owner, gid: group })
  // set-user-ID, set-group-ID and capabilities go when a file changes hands (chown(2)); set-group-ID without execute
  // permission for the group only if the caller is not in it (setattr_should_drop_sgid)
  const inGroup = creds.egid === node.gid || creds.groups.includes(node.gid) || capableOver(m, node, CAP.FSETID)
  const lost = node.type === "d" ? 0 : S.ISUID | ((node.mode & 0o10) !== 0 || !inGroup ? S.ISGID : 0)
  const mode = node.mode & ~lost
  // EPERM: which is a change of mode, for the owner or CAP_FOWNER (setattr_prepare)
  if (mode !== node.mode && creds.euid !== node.uid && !capableOver(m, node, CAP.FOWNER)) refuse("EPERM")
  m.nodes.set(node.stored.id, { ...withoutCapabilities(node.stored), uid: owner, gid: group, mode })
}

export const setxattr = (m: Machine, { name, path, value }: Arguments<"setxattr">): void => {
  const location = existing(m, AT.FDCWD, path, { follow: true })
  const stored = at(m, location).stored ?? refuse("ENOTSUP")
  if (readonlyAt(m, location)) refuse("EROFS")
  if (!name.includes(".")) refuse("ENOTSUP")
  if (name.startsWith("trusted.") && !capable(m, CAP.SYS_ADMIN)) refuse("EPERM")
  if (name === "security.capability") {
    const given = givenCapabilities(m, stored, m.fileSystems.get(stored.fs)?.owner ?? initialUserNs(m), value)
    m.nodes.set(stored.id, { ...stored, xattrs: new Map(stored.xattrs).set(name, given) })
    return
  }
  if (name.startsWith("security.") && !capable(m, CAP.SYS_ADMIN)) refuse("EPERM")
  m.nodes.set(stored.id, { ...stored, xattrs: new Map(stored.xattrs).set(name, value) })
}

export const umask = (m: Machine, { mask }: Arguments<"umask">): number => {
  const old = m.self.umask
  m.change({ umask: mask & 0o777 })
  return old
}

// ── directories of the process ───────────────────────────────────────────────────────────────────────────────────────

const enterable = (m: Machine, location: Location): Location => {
  const node = at(m, location)
  if (node.type !== "d") refuse("ENOTDIR")
  if (!permitted(m, node, X)) refuse("EACCES")
  return location
}

export const chdir = (m: Machine, { path }: Arguments<"chdir">): void =>
  m.change({ cwd: enterable(m, existing(m, AT.FDCWD, path, { follow: true })) })

export const fchdir = (m: Machine, { fd }: Arguments<"fchdir">): void => {
  const file = Descriptors.fileOf(m, fd)
  m.change({ cwd: enterable(m, file.kind._tag === "Node" ? file.kind.location : refuse("ENOTDIR")) })
}

/** A file in memory that was never in a tree. */
const isMemfd = ({ fs, stored }: View): boolean => fs === 0 && stored?.content._tag === "File"

/** Whether a node is still in the tree; the directory of a process goes with it. */
export const linked = (m: Machine, id: Location["node"]): boolean => {
  if (typeof id !== "number") return !/^proc:\d+:\d+$/.test(id) || procNode(m, id) !== undefined
  return !unlinked(m, id)
}

export const getcwd = (m: Machine): string => {
  const { cwd, root } = m.self
  // ENOENT: the directory was removed (getcwd(2))
  if (!linked(m, cwd.node)) refuse("ENOENT")
  const { path, reachable } = pathOf(m, cwd, root)
  return reachable ? path : `(unreachable)${path}`
}

export const chroot = (m: Machine, { path }: Arguments<"chroot">): void => {
  const location = enterable(m, existing(m, AT.FDCWD, path, { follow: true }))
  // EPERM: CAP_SYS_CHROOT in the user namespace (chroot(2))
  if (!capableHere(m, CAP.SYS_CHROOT)) refuse("EPERM")
  m.change({ root: location })
}
