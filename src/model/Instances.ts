/**
 * Instances of file systems: what a mount or fsopen(2) makes. @see mount(2), fsopen(2)
 */
import { MS } from "../native/constants.ts"
import { directoryOf } from "./cgroupTree.ts"
import { CAP, initialUserNs, noId, nsCapable, toKernel } from "./Credentials.ts"
import { type Machine, refuse } from "./Machine.ts"
import * as MountData from "./mountData.ts"
import { type MountSettings, numberOf, roomOf } from "./mountData.ts"
import * as Nodes from "./Nodes.ts"
import * as OverlayMount from "./overlayMount.ts"
import { childrenOf } from "./Propagation.ts"
import { fitsIn } from "./Room.ts"
import type { FileSystem, Hierarchy, NodeId } from "./State.ts"
import * as Tree from "./Tree.ts"

const atimeFlags = MS.NOATIME | MS.NODIRATIME | MS.RELATIME

/**
 * Types that root of a user namespace may mount (`FS_USERNS_MOUNT`), and the namespace type whose owner must be that user
 * namespace.
 */
const inUserNs: Readonly<Record<string, "user" | "pid" | "net" | "ipc" | "cgroup">> = {
  tmpfs: "user",
  ramfs: "user",
  devpts: "user",
  overlay: "user",
  fuse: "user",
  binfmt_misc: "user",
  proc: "pid",
  sysfs: "net",
  mqueue: "ipc",
  cgroup: "cgroup",
  cgroup2: "cgroup"
}

const deciding = (m: Machine, type: string): number => {
  const scope = inUserNs[type]
  if (scope === undefined) return initialUserNs(m)
  return scope === "user" ? m.self.ns.user : m.namespaces.need(m.self.ns[scope]).owner
}

/**
 * What is checked before any option is looked at. ENODEV: no such type of file system (mount(2)). EPERM: sysfs asks at once
 * who owns the network namespace (`sysfs_init_fs_context`), others when they are made.
 */
export const mayBegin = (m: Machine, type: string): void => {
  if (!m.facts.fileSystemTypes.includes(type)) refuse("ENODEV")
  if (type === "sysfs") mayMakeInstance(m, type)
}

/** EPERM: not in this user namespace (`mount_capable`). @param owner that of the caller's own namespaces if absent */
export const mayMakeInstance = (m: Machine, type: string, owner = deciding(m, type)): void => {
  if (!nsCapable(m, owner, CAP.SYS_ADMIN)) refuse("EPERM")
}

/** Where an instance would be made now: the namespace that it would belong to, and the user namespace that decides. */
export const placeOf = (m: Machine, type: string): { readonly namespace: number; readonly owner: number } => {
  const scope = inUserNs[type]
  return { namespace: scope === undefined ? initialUserNs(m) : m.self.ns[scope], owner: deciding(m, type) }
}

/** The hierarchy of version 1 that options name (`cgroup1_root_to_use`). If there is none, the model makes none. */
const hierarchyOf = (m: Machine, options: ReadonlyArray<string>): Hierarchy => {
  const name = MountData.valueOf(options, "name")
  const all = m.hierarchies.values().filter(({ version }) => version === 1)
  const known = new Set(all.flatMap(({ controllers }) => controllers))
  const named = [...new Set(options.filter((option) => known.has(option)))]
  const isNone = options.includes("none")
  // EINVAL: neither a name nor controllers, or both none and some (check_cgroupfs_options)
  if (named.length === 0 && name === undefined) {
    return isNone
      ? refuse("EINVAL")
      : m.unmodelled("all controllers at once")
  }
  if (isNone && named.length > 0) refuse("EINVAL")
  for (const hierarchy of all) {
    if (name !== undefined && hierarchy.name !== name) continue
    const isSame = hierarchy.controllers.length === named.length &&
      hierarchy.controllers.every((controller) => named.includes(controller))
    if ((named.length === 0 && !isNone) || isSame) return hierarchy
    // EBUSY: a hierarchy of other controllers has the name
    if (name !== undefined) refuse("EBUSY")
  }
  // EINVAL: a name alone makes nothing; EPERM: nor does a cgroup namespace; EBUSY: a controller is elsewhere
  if (named.length === 0 && !isNone) refuse("EINVAL")
  if (m.self.ns.cgroup !== m.namespaces.find(({ type }) => type === "cgroup")!.id) refuse("EPERM")
  return named.length > 0 ? refuse("EBUSY") : m.unmodelled("a new hierarchy of cgroups")
}

/** An instance that is being made, before it has a root. */
interface Making {
  readonly m: Machine
  readonly fields: Omit<FileSystem, "root" | "shows" | "room">
}

const make = ({ fields, m }: Making, root: NodeId, shows?: number): FileSystem => {
  const fs = { ...fields, root, ...shows === undefined ? {} : { shows } }
  m.fileSystems.set(fs.id, fs)
  return fs
}

const changed = (m: Machine, { id }: FileSystem, fields: Partial<FileSystem>): FileSystem => {
  m.fileSystems.update(id, (fs) => ({ ...fs, ...fields }))
  return m.fileSystems.need(id)
}

/** The instance that a namespace or a hierarchy already has. */
const existingOne = ({ fields: { type }, m }: Making, shows: number): FileSystem | undefined =>
  m.fileSystems.values().find((fs) => fs.type === type && fs.shows === shows)

const bareDirectory = ({ fields: { id }, m }: Making, mode: number): number =>
  Tree.anonymous(m, id, mode, { _tag: "Directory", entries: new Map() })

/** Makes a root directory, owned by the caller or by the ids in the options of a tmpfs. */
const directory = (making: Making, mode: number): number => {
  const { fields: { options, type }, m } = making
  const root = bareDirectory(making, mode)
  const named = (kind: "uid" | "gid"): number => {
    const wanted = type === "tmpfs" ? numberOf(options, kind) : undefined
    if (wanted === undefined) return kind === "uid" ? m.self.creds.euid : m.self.creds.egid
    // EINVAL: an id without a mapping
    return toKernel(m, m.self.ns.user, kind, wanted) ?? refuse("EINVAL")
  }
  m.nodes.update(root, (node) => ({ ...node, uid: named("uid"), gid: named("gid") }))
  return root
}

const makeSysfs = (making: Making): FileSystem => {
  const { m } = making
  const seen = existingOne(making, m.self.ns.net)
  if (seen !== undefined) return seen
  const model = m.fileSystems.find((fs) => fs.type === "sysfs")
  return make(making, model?.root ?? directory(making, 0o555), m.self.ns.net)
}

const makeMqueue = (making: Making): FileSystem => {
  const { m } = making
  const seen = existingOne(making, m.self.ns.ipc)
  if (seen !== undefined) return seen
  // the instance was made with the namespace, and is owned by that one's maker
  const root = directory(making, 0o1777)
  m.nodes.update(root, (node) => ({ ...node, ...m.namespace("ipc", m.self.ns.ipc).maker ?? { uid: 0, gid: 0 } }))
  // it was made with its namespace, so this mount can't make it read-only (mq_create_mount)
  return changed(m, make(making, root, m.self.ns.ipc), { readonly: false })
}

const makeCgroup = (making: Making): FileSystem => {
  const { fields: { options, type }, m } = making
  const hierarchy = type === "cgroup2"
    ? m.hierarchies.find(({ version }) => version === 2) ?? m.unmodelled("a second version of cgroups here")
    : hierarchyOf(m, options)
  const root = m.namespace("cgroup", m.self.ns.cgroup).roots.get(hierarchy.id) ?? "/"
  const seen = existingOne(making, hierarchy.id)
  // options of a further mount apply to the whole machine, and only if it is made in the first namespace
  if (type === "cgroup2" && options.includes("nsdelegate") && seen?.options.includes("nsdelegate") !== true) {
    m.unmodelled("that namespaces become borders of delegation")
  }
  return seen === undefined
    ? make(making, directoryOf(hierarchy.id, root), hierarchy.id)
    : { ...seen, root: directoryOf(hierarchy.id, root) }
}

const makeDevpts = (making: Making): FileSystem => {
  const { fields: { options, owner }, m } = making
  const root = bareDirectory(making, 0o755)
  // the root belongs to root of the user namespace, not to the caller (devpts_fill_super, inode_init_always)
  const ofRoot = (kind: "uid" | "gid"): number => toKernel(m, owner, kind, 0) ?? noId
  m.nodes.update(root, (node) => ({ ...node, uid: ofRoot("uid"), gid: ofRoot("gid") }))
  const fs = make(making, root)
  Tree.create(m, Nodes.view(m, root), "ptmx", {
    mode: (numberOf(options, "ptmxmode", 8) ?? 0) & 0o7777,
    uid: m.self.creds.euid,
    gid: m.self.creds.egid,
    content: { _tag: "Device", type: "c", major: 5, minor: 2 }
  })
  return fs
}

const makeInMemory = (making: Making): FileSystem => {
  const { fields: { options, type }, m } = making
  const usualMode = type === "tmpfs" ? 0o1777 : 0o755
  const fs = make(making, directory(making, (numberOf(options, "mode", 8) ?? usualMode) & 0o7777))
  const room = roomOf(options)
  const isLimited = type === "tmpfs" && (room.inodes !== undefined || room.pages !== undefined)
  return isLimited ? changed(m, fs, { room }) : fs
}

const makeOverlay = (making: Making): FileSystem => {
  const { fields: { id, options }, m } = making
  const made = OverlayMount.root(m, id, options)
  const fs = make(making, made.root)
  return made.readonly ? changed(m, fs, { readonly: true }) : fs
}

const makers: Readonly<Record<string, (making: Making) => FileSystem>> = {
  proc: (making) => make(making, `proc:${making.fields.id}:`, making.m.self.ns.pid),
  sysfs: makeSysfs,
  mqueue: makeMqueue,
  cgroup: makeCgroup,
  cgroup2: makeCgroup,
  devpts: makeDevpts,
  tmpfs: makeInMemory,
  ramfs: makeInMemory,
  overlay: makeOverlay
}

/** Makes an instance of a file system. EPERM: not in this user namespace (`mount_capable`). */
export const makeFileSystem = (m: Machine, type: string, settings: MountSettings): FileSystem => {
  const { options, readonly, source = "none" } = settings
  mayMakeInstance(m, type)
  const id = m.fresh()
  const fields = {
    id,
    type,
    source,
    readonly,
    owner: deciding(m, type),
    options,
    dev: { major: 0, minor: id % 1048576 }
  }
  return makers[type]?.({ m, fields }) ?? m.unmodelled(`how to mount ${type}`)
}

/** Changes an instance by a remount. EINVAL: a change that a tmpfs does not allow (`shmem_reconfigure`). */
export const reconfigure = (m: Machine, fs: FileSystem, { options, readonly }: MountSettings): void => {
  if (fs.type !== "tmpfs") {
    // other changes of other file systems are not visible
    return m.fileSystems.set(fs.id, { ...fs, readonly, options: [...fs.options, ...options] })
  }
  const [old, next] = [fs.room ?? {}, roomOf(options)]
  // EINVAL: a limit if there was none, or one below the present use
  if (next.pages !== undefined && next.pages > 0n && (old.pages === 0n || !fitsIn(m, fs.id, next))) refuse("EINVAL")
  if (next.inodes !== undefined && next.inodes > 0n && (old.inodes === 0n || !fitsIn(m, fs.id, next))) refuse("EINVAL")
  // EINVAL: swap can't be turned off later
  if (options.includes("noswap") && !fs.options.includes("noswap")) refuse("EINVAL")
  const kept = options.filter((option) => !/^(?:mode|uid|gid)=/.test(option))
  m.fileSystems.set(fs.id, { ...fs, readonly, options: [...fs.options, ...kept], room: { ...old, ...next } })
}

/** Directories that are always empty, made as mount points (`sysfs_create_mount_point`, `proc_create_mount_point`). */
const alwaysEmpty: Readonly<Record<string, ReadonlyArray<string>>> = {
  sysfs: [
    "/fs/cgroup",
    "/fs/bpf",
    "/fs/fuse/connections",
    "/fs/pstore",
    "/fs/resctrl",
    "/fs/selinux",
    "/fs/smackfs",
    "/kernel/config",
    "/kernel/debug",
    "/kernel/security",
    "/kernel/tracing",
    "/firmware/efi/efivars"
  ],
  proc: ["/fs/nfsd", "/openprom", "/sys/fs/binfmt_misc"]
}

/** The path of a node in its file system. */
const pathInside = (m: Machine, node: NodeId): string => {
  if (typeof node === "string") return `/${node.split(":")[2] ?? ""}`
  const { name, parent } = m.nodes.need(node)
  return parent === node ? "" : `${pathInside(m, parent)}/${name}`
}

/**
 * EPERM: a user namespace may mount a new proc or sysfs only if its mount namespace already has one that is fully visible,
 * whose flags are not stricter than the new mount's (`mount_too_revealing`). Returns the locked flags that the new mount
 * takes over.
 */
export const tooRevealing = (m: Machine, fs: FileSystem, flags: number): number => {
  const empty = alwaysEmpty[fs.type]
  if (empty === undefined || m.namespaces.need(m.self.ns.mnt).owner === initialUserNs(m)) return 0
  for (const mount of m.mounts.values()) {
    const other = m.fileSystems.need(mount.fs)
    if (mount.ns !== m.self.ns.mnt || other.type !== fs.type || mount.root !== other.root) continue
    const locked = mount.lockedFlags | (other.readonly ? MS.RDONLY : 0)
    if ((locked & MS.RDONLY & ~flags) !== 0) continue
    if ((locked & atimeFlags) !== 0 && (mount.flags & atimeFlags) !== (flags & atimeFlags)) continue
    const covered = childrenOf(m, mount.id).some((child) =>
      child.locked && !empty.includes(pathInside(m, child.mountpoint!))
    )
    if (!covered) return locked & (MS.RDONLY | atimeFlags)
  }
  return refuse("EPERM")
}
