/**
 * Mounts, old and new interface, with propagation. @see mount(2), umount2(2), pivot_root(2), mount_namespaces(7),
 * open_tree(2), move_mount(2), fsopen(2), mount_setattr(2)
 */
import { AT, FSCONFIG, MNT, MOUNT_ATTR, MOVE_MOUNT, MS, O, OPEN_TREE, UMOUNT } from "../native/constants.ts"
import type { Arguments } from "../native/Kernel.ts"
import * as Cgroups from "./Cgroups.ts"
import { CAP, initialUserNs, noId, nsCapable, toKernel } from "./Credentials.ts"
import * as Descriptors from "./Descriptors.ts"
import { type Machine, refuse } from "./Machine.ts"
import * as Nodes from "./Nodes.ts"
import {
  attach,
  childrenOf,
  cloneTree,
  followers,
  inUse,
  receivers,
  setPropagation,
  takeOff,
  treeOf,
  uncover
} from "./Propagation.ts"
import { at, existing, isWithin, mountedOn, onTop, same, unlinked } from "./Resolve.ts"
import type { FileSystem, Location, Mount, NodeId, OpenFile } from "./State.ts"

const propagationFlags = MS.SHARED | MS.PRIVATE | MS.SLAVE | MS.UNBINDABLE

/** The flags that belong to a mount. */
const ofMount = MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC | MS.NOATIME | MS.NODIRATIME | MS.RELATIME | MS.NOSYMFOLLOW
const atimeFlags = MS.NOATIME | MS.NODIRATIME | MS.RELATIME

/** mount(2): relatime unless noatime or strictatime is asked for. */
const mountFlagsOf = (flags: number): number =>
  (flags & (MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC | MS.NODIRATIME | MS.NOSYMFOLLOW)) |
  ((flags & MS.STRICTATIME) !== 0 ? 0 : (flags & MS.NOATIME) !== 0 ? MS.NOATIME : MS.RELATIME)

/** CAP_SYS_ADMIN in the owner of the mount namespace (`may_mount`). */
const mayMount = (m: Machine): void => {
  if (!nsCapable(m, m.namespaces.need(m.self.ns.mnt).owner, CAP.SYS_ADMIN)) refuse("EPERM")
}

const isRoot = (m: Machine, location: Location): boolean => m.mounts.get(location.mount)?.root === location.node

const mountAt = (m: Machine, location: Location): Mount => m.mounts.get(location.mount) ?? refuse("EINVAL")

/** The mount of a place in the caller's mount namespace (`check_mnt`). */
const own = (m: Machine, location: Location): Mount => {
  const mount = mountAt(m, location)
  return mount.ns === m.self.ns.mnt ? mount : refuse("EINVAL")
}

/** The copy that a new mount namespace starts with. */
export const copyTree = (
  m: Machine,
  from: number,
  owner: number,
  places: { readonly root: Location; readonly cwd: Location }
): { readonly ns: number; readonly root: Location; readonly cwd: Location } => {
  const old = m.namespace("mnt", from)
  const lessPrivileged = owner !== old.owner
  const ns = m.fresh()
  const ids = cloneTree(m, { mount: old.root, node: m.mounts.need(old.root).root }, {
    recursive: true,
    ns,
    keepUnbindable: true,
    // mount_namespaces(7), "Restrictions on mount namespaces": shared becomes slave, mounts and their flags are locked
    change: (mount) =>
      lessPrivileged
        ? {
          unbindable: false,
          locked: mount.parent !== undefined,
          lockedFlags: mount.flags & (MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC) | atimeFlags,
          ...mount.shared === undefined ? {} : { master: mount.shared, shared: undefined as never }
        }
        // the copy forgets that a mount is unbindable (clone_mnt, since Linux 6.17)
        : { unbindable: false }
  })
  if (lessPrivileged) {
    for (const id of ids.values()) {
      const { shared, ...rest } = m.mounts.need(id)
      m.mounts.set(id, shared === undefined ? rest : { ...rest, shared })
    }
  }
  m.namespaces.set(ns, { id: ns, owner, type: "mnt", root: ids.get(old.root)! })
  const moved = (place: Location): Location => ({ mount: ids.get(place.mount) ?? place.mount, node: place.node })
  return { ns, root: moved(places.root), cwd: moved(places.cwd) }
}

/** Unmounts all of a namespace that ended. */
export const endNamespace = (m: Machine, ns: number): void =>
  takeOff(m, new Set(m.mounts.values().filter((mount) => mount.ns === ns).map(({ id }) => id)), ({ locked }) => locked)

// ── what can be attached where ───────────────────────────────────────────────────────────────────────────────────────

/** ENOTDIR: a directory goes on a directory, a file on a file (graft_tree). */
const fits = (m: Machine, root: NodeId, where: Location): void => {
  if ((Nodes.view(m, root).type === "d") !== (at(m, where).type === "d")) refuse("ENOTDIR")
}

/** The place to mount on: on top of what is stacked there already (`do_lock_mount`). */
const lockMount = (m: Machine, path: Location): Location => {
  const where = onTop(m, path)
  // ENOENT: a place that is mounted nowhere any more, or was removed
  if (mountAt(m, where).ns < 0 || unlinked(m, where.node)) refuse("ENOENT")
  own(m, where)
  return where
}

const attachChecked = (m: Machine, tree: number, path: Location): void => {
  const where = lockMount(m, path)
  fits(m, m.mounts.need(tree).root, where)
  attach(m, tree, where)
}

const newMount = (m: Machine, fs: number, root: NodeId, flags: number, lockedFlags = 0): number => {
  const id = m.fresh()
  m.mounts.set(id, { id, fs, root, ns: 0, flags, unbindable: false, locked: false, lockedFlags })
  return id
}

// ── file systems ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** Types that root of a user namespace may mount (`FS_USERNS_MOUNT`), and whose namespace decides. */
const inUserNs: Readonly<Record<string, "user" | "pid" | "net" | "ipc" | "cgroup">> = {
  tmpfs: "user",
  ramfs: "user",
  devpts: "user",
  overlay: "user",
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

/** Makes an instance of a file system. ENODEV for an unknown type (mount(2)). */
export const makeFileSystem = (
  m: Machine,
  type: string,
  source: string,
  options: ReadonlyArray<string>,
  readonly: boolean
): FileSystem => {
  if (!m.facts.fileSystemTypes.includes(type)) return refuse("ENODEV")
  const owner = deciding(m, type)
  if (!nsCapable(m, owner, CAP.SYS_ADMIN)) refuse("EPERM")
  const existingOne = (shows: number): FileSystem | undefined =>
    m.fileSystems.values().find((fs) => fs.type === type && fs.shows === shows)
  const value = (name: string): string | undefined =>
    options.find((option) => option.startsWith(`${name}=`))?.slice(name.length + 1)
  const id = m.fresh()
  const dev = { major: 0, minor: id % 1048576 }
  const make = (root: NodeId, shows?: number): FileSystem => {
    const fs = { id, type, source, readonly, owner, root, options, dev, ...shows === undefined ? {} : { shows } }
    m.fileSystems.set(id, fs)
    return fs
  }
  const directory = (mode: number): number => {
    const root = Nodes.anonymous(m, id, mode, { _tag: "Directory", entries: new Map() })
    const named = (kind: "uid" | "gid"): number => {
      const text = value(kind)
      if (text === undefined) return kind === "uid" ? m.self.creds.euid : m.self.creds.egid
      // EINVAL: an id without a mapping (devpts gid=5 in a namespace of one id)
      return toKernel(m, m.self.ns.user, kind, Number(text)) ?? refuse("EINVAL")
    }
    m.nodes.update(root, (node) => ({ ...node, uid: named("uid"), gid: named("gid") }))
    return root
  }
  switch (type) {
    case "proc": {
      // EINVAL: options that it does not have (proc_fs_parameters)
      const isKnown = (option: string): boolean =>
        /^(?:hidepid=(?:[0124]|off|noaccess|invisible|ptraceable)|gid=\d+|subset=pid)$/.test(option)
      if (!options.every(isKnown)) refuse("EINVAL")
      return make(`proc:${id}:`, m.self.ns.pid)
    }
    case "sysfs": {
      const seen = existingOne(m.self.ns.net)
      if (seen !== undefined) return seen
      const model = m.fileSystems.find((fs) => fs.type === "sysfs")
      return make(model?.root ?? directory(0o555), m.self.ns.net)
    }
    case "mqueue": {
      const seen = existingOne(m.self.ns.ipc)
      if (seen !== undefined) return seen
      // it is as old as the namespace, and so is its owner
      const root = directory(0o1777)
      m.nodes.update(root, (node) => ({ ...node, ...m.namespace("ipc", m.self.ns.ipc).maker ?? { uid: 0, gid: 0 } }))
      return make(root, m.self.ns.ipc)
    }
    case "cgroup":
    case "cgroup2": {
      const hierarchy = m.hierarchies.values().find((known) =>
        type === "cgroup2"
          ? known.version === 2
          : known.version === 1 && options.some((option) =>
            option.split(",").join(",") === known.controllers.join(",") && known.controllers.length > 0 ||
            option === `name=${known.name}`
          )
      )
      // new hierarchies are not made: EBUSY where a controller is taken, else EINVAL (cgroup1_get_tree)
      if (hierarchy === undefined) return refuse("EINVAL")
      const root = m.namespace("cgroup", m.self.ns.cgroup).roots.get(hierarchy.id) ?? "/"
      const seen = existingOne(hierarchy.id)
      return seen === undefined
        ? make(Cgroups.directoryOf(hierarchy.id, root), hierarchy.id)
        : { ...seen, root: Cgroups.directoryOf(hierarchy.id, root) }
    }
    case "devpts": {
      // EINVAL: options that it does not have, and modes that are not octal (devpts_fs_parameters)
      const isKnown = (option: string): boolean =>
        /^(?:(?:ptmx)?mode=[0-7]+|(?:uid|gid|max)=-?\d+|newinstance)$/.test(option)
      if (!options.every(isKnown)) refuse("EINVAL")
      const gid = value("gid")
      if (gid !== undefined && toKernel(m, m.self.ns.user, "gid", Number(gid)) === undefined) refuse("EINVAL")
      const root = Nodes.anonymous(m, id, 0o755, { _tag: "Directory", entries: new Map() })
      // the root is of root, as the user namespace has it, and not of the caller (devpts_fill_super, inode_init_always)
      const ofRoot = (kind: "uid" | "gid"): number => toKernel(m, owner, kind, 0) ?? noId
      m.nodes.update(root, (node) => ({ ...node, uid: ofRoot("uid"), gid: ofRoot("gid") }))
      const fs = make(root)
      Nodes.create(m, Nodes.view(m, root), "ptmx", {
        mode: Number.parseInt(value("ptmxmode") ?? "0", 8),
        uid: m.self.creds.euid,
        gid: m.self.creds.egid,
        content: { _tag: "Device", type: "c", major: 5, minor: 2 }
      })
      return fs
    }
    case "tmpfs":
    case "ramfs": {
      checkTmpfs(options)
      return make(directory(Number.parseInt(value("mode") ?? (type === "tmpfs" ? "1777" : "755"), 8)))
    }
    default:
      return m.unmodelled(`how to mount ${type}`)
  }
}

const amount = /^(?:0x[\da-f]+|\d+)[kmgtpe]?%?$/i

/** The values of the options of tmpfs(5), in the kernel's notation (`shmem_fs_parameters`). */
const tmpfsOptions: Readonly<Record<string, RegExp | undefined>> = {
  mode: /^[0-7]+$/,
  size: amount,
  nr_inodes: amount,
  nr_blocks: amount,
  uid: /^\d+$/,
  gid: /^\d+$/,
  huge: /^(?:never|always|within_size|advise)$/,
  mpol: /^.+$/,
  context: /^.+$/
}

/** EINVAL: an option that tmpfs(5) does not know, or a value that it does not take. */
const checkTmpfs = (options: ReadonlyArray<string>): void => {
  for (const option of options) {
    const [name, ...value] = option.split("=")
    const isFlag = ["inode32", "inode64", "noswap"].includes(option)
    if (!isFlag && tmpfsOptions[name!]?.test(value.join("=")) !== true) refuse("EINVAL")
  }
}

/** Directories that are always empty, made to be mounted on (`sysfs_create_mount_point`, `proc_create_mount_point`). */
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
 * EPERM: a user namespace gets a new proc or sysfs only if its mount namespace shows one as a whole already, and with
 * flags that are not weaker (`mount_too_revealing`). Gives the locked flags that the new mount takes over.
 */
const tooRevealing = (m: Machine, fs: FileSystem, flags: number): number => {
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

/** What a new instance's mount must keep from those that are there already in a user namespace. */
const optionsOf = (data: string | null): ReadonlyArray<string> =>
  (data ?? "").split(",").filter((option) => option !== "")

// ── mount(2) ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export const mount = (m: Machine, { data, flags: given, source, target, type }: Arguments<"mount">): void => {
  const where = existing(m, AT.FDCWD, target, { follow: true })
  mayMount(m)
  const flags = given & ~MS.SILENT
  if ((flags & MS.REMOUNT) !== 0) return remount(m, where, flags, data)
  if ((flags & MS.BIND) !== 0) return bind(m, source, where, flags)
  if ((flags & propagationFlags) !== 0) return changePropagation(m, where, flags)
  if ((flags & MS.MOVE) !== 0) {
    if (source === null || source === "") return refuse("EINVAL")
    return move(m, existing(m, AT.FDCWD, source, { follow: true }), where)
  }
  if (type === null) return refuse("EINVAL")
  const options = optionsOf(data)
  const readonly = options.findLast((option) => option === "ro" || option === "rw") ??
    ((flags & MS.RDONLY) !== 0 && "ro")
  const ofType = options.filter((option) => option !== "ro" && option !== "rw")
  const fs = makeFileSystem(m, type, source ?? "none", ofType, readonly === "ro")
  const lockedFlags = tooRevealing(m, fs, mountFlagsOf(flags))
  const place = onTop(m, where)
  const top = mountAt(m, place)
  // EBUSY: the same file system once more on the same place (do_add_mount)
  if (top.fs === fs.id && top.root === place.node && top.root === fs.root) refuse("EBUSY")
  const id = newMount(m, fs.id, fs.root, mountFlagsOf(flags), lockedFlags)
  attachChecked(m, id, where)
}

const bind = (m: Machine, source: string | null, where: Location, flags: number): void => {
  if (source === null || source === "") return refuse("EINVAL")
  const from = existing(m, AT.FDCWD, source, { follow: true })
  // EINVAL: a mount namespace that is not younger than the own one would hold itself (mnt_ns_loop)
  const namespace = m.namespaces.get(Nodes.namespaceOf(from.node) ?? -1)
  if (namespace?.type === "mnt" && namespace.id <= m.self.ns.mnt) refuse("EINVAL")
  // the place comes before what is to be there (do_loopback)
  lockMount(m, where)
  const tree = copyForBind(m, from, (flags & MS.REC) !== 0)
  attachChecked(m, tree, where)
}

/** EINVAL: not of this namespace, unbindable, or a part of a tree whose rest is locked (`__do_loopback`). */
const copyForBind = (m: Machine, from: Location, recursive: boolean): number => {
  if (from.mount === 0) {
    // files of nsfs and other anonymous ones can be bound too, memory files and pipes not
    if (Nodes.namespaceOf(from.node) === undefined) refuse("EINVAL")
    return newMount(m, nsfs(m), from.node, 0)
  }
  const old = mountAt(m, from)
  // ENOENT: something that has lost its name
  if (unlinked(m, from.node)) refuse("ENOENT")
  if (old.unbindable) refuse("EINVAL")
  if (old.ns !== m.self.ns.mnt && old.ns !== 0) refuse("EINVAL")
  const lockedBelow = !recursive &&
    childrenOf(m, old.id).some((child) => child.locked && isWithin(m, child.mountpoint!, from.node))
  if (lockedBelow) refuse("EINVAL")
  // EPERM: what is left out would show what it hides (copy_tree)
  const hides = treeOf(m, old.id).some(({ id, locked, unbindable }) => id !== old.id && locked && unbindable)
  if (recursive && hides) refuse("EPERM")
  const ids = cloneTree(m, from, { recursive, ns: 0 })
  const top = ids.get(old.id)!
  // the copy's own top is free to go, its flags stay locked
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

/** EPERM: a flag that is locked can't be cleared, nor the access times changed (`can_change_locked_flags`). */
const checkLocked = (mount: Mount, flags: number): void => {
  const hard = mount.lockedFlags & (MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC)
  if ((hard & ~flags) !== 0) refuse("EPERM")
  if ((mount.lockedFlags & atimeFlags) !== 0 && (flags & atimeFlags) !== (mount.flags & atimeFlags)) refuse("EPERM")
}

/** EBUSY: a file is open for writing, through one mount or through any of a file system (mnt_hold_writers). */
const noWriters = (m: Machine, counts: (mount: Mount) => boolean): void => {
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
    // EPERM: the file system itself belongs to another user namespace (do_remount)
    if (!nsCapable(m, fs.owner, CAP.SYS_ADMIN)) refuse("EPERM")
    if (fs.type === "tmpfs") {
      checkTmpfs(optionsOf(data))
    }
    const readonly = (flags & MS.RDONLY) !== 0
    if (readonly && !fs.readonly) noWriters(m, (mount) => mount.fs === fs.id)
    m.fileSystems.set(fs.id, { ...fs, readonly })
  } else if ((wanted & ~old.flags & MS.RDONLY) !== 0) noWriters(m, (mount) => mount.id === old.id)
  m.mounts.set(old.id, { ...old, flags: wanted & ofMount })
}

const changePropagation = (m: Machine, where: Location, flags: number): void => {
  const kind = flags & propagationFlags
  if (!isRoot(m, where)) refuse("EINVAL")
  // EINVAL: exactly one kind, and nothing else but MS_REC (flags_to_propagation_type)
  if ((flags & ~(propagationFlags | MS.REC)) !== 0 || (kind & (kind - 1)) !== 0) refuse("EINVAL")
  const top = mountAt(m, where)
  mayPropagate(m, top)
  const all = (flags & MS.REC) !== 0 ? treeOf(m, top.id) : [top]
  for (const { id } of all) setPropagation(m, id, kind)
}

/** EINVAL: mounted nowhere; EPERM: CAP_SYS_ADMIN over its mount namespace is missing (`may_change_propagation`). */
const mayPropagate = (m: Machine, mount: Mount): void => {
  if (mount.ns < 0) refuse("EINVAL")
  if (mount.ns > 0 && !nsCapable(m, m.namespaces.need(mount.ns).owner, CAP.SYS_ADMIN)) refuse("EPERM")
}

/** The top of the tree that a mount is in. */
const topOf = (m: Machine, mount: Mount): Mount =>
  mount.parent === undefined ? mount : topOf(m, m.mounts.need(mount.parent))

/** Whether a mount may be used: of the own namespace, or of a detached tree (`may_use_mount`). */
const usable = (m: Machine, mount: Mount): boolean => mount.ns === m.self.ns.mnt || mount.ns === 0

const move = (m: Machine, from: Location, path: Location): void => {
  const old = mountAt(m, from)
  // EINVAL: not the root of a mount, or a file to a directory (do_move_mount)
  if (!isRoot(m, from)) refuse("EINVAL")
  if ((at(m, from).type === "d") !== (at(m, path).type === "d")) refuse("EINVAL")
  const where = onTop(m, path)
  const target = mountAt(m, where)
  if (unlinked(m, where.node)) refuse("ENOENT")
  if (old.ns === m.self.ns.mnt) {
    // EINVAL: the bottom of all, locked to its parent, out of a shared mount, or to another namespace
    if (old.parent === undefined || old.locked) refuse("EINVAL")
    if (m.mounts.need(old.parent!).shared !== undefined || target.ns !== m.self.ns.mnt) refuse("EINVAL")
  } else {
    // EINVAL: only the top of a detached tree moves, and to another tree
    if (old.ns !== 0 || old.parent !== undefined) refuse("EINVAL")
    if ((target.ns === 0 && topOf(m, target).id === old.id) || !usable(m, target)) refuse("EINVAL")
  }
  // EINVAL: something unbindable does not go to a shared mount (mount_namespaces(7))
  if (target.shared !== undefined && treeOf(m, old.id).some(({ unbindable }) => unbindable)) refuse("EINVAL")
  // ELOOP: into its own subtree
  for (let id: number | undefined = where.mount; id !== undefined; id = m.mounts.need(id).parent) {
    if (id === old.id) refuse("ELOOP")
  }
  const { mountpoint: _, parent: __, ...detached } = old
  m.mounts.set(old.id, detached)
  attach(m, old.id, where)
}

// ── umount2(2) ───────────────────────────────────────────────────────────────────────────────────────────────────────

const busy = (m: Machine, mount: number): boolean => childrenOf(m, mount).length > 0 || inUse(m, mount)

/** Whether a copy that would go with a mount is in use; one with mounts of its own stays (`propagate_mount_busy`). */
const busyElsewhere = (m: Machine, mount: Mount): boolean =>
  receivers(m, m.mounts.need(mount.parent!)).some((receiver) => {
    const copy = mountedOn(m, receiver.id, mount.mountpoint!)
    if (copy === undefined || copy.id === mount.id) return false
    const children = childrenOf(m, copy.id)
    return children.every(({ mountpoint }) => mountpoint === copy.root) && inUse(m, copy.id)
  })

/** Rules of `can_umount`, in its order. */
const mayUmount = (m: Machine, where: Location, flags: number): Mount => {
  mayMount(m)
  // EINVAL: not a mount point, of another namespace, or locked (umount2(2), mount_namespaces(7))
  if (!isRoot(m, where)) refuse("EINVAL")
  const mount = own(m, where)
  if (mount.locked) refuse("EINVAL")
  const owner = m.fileSystems.need(mount.fs).owner
  if ((flags & MNT.FORCE) !== 0 && !nsCapable(m, owner, CAP.SYS_ADMIN)) refuse("EPERM")
  return mount
}

/** The own root does not go, except lazily: its file system becomes read-only instead (`do_umount_root`). */
const umountRoot = (m: Machine, mount: Mount): void => {
  const fs = m.fileSystems.need(mount.fs)
  if (!nsCapable(m, fs.owner, CAP.SYS_ADMIN)) refuse("EPERM")
  if (!fs.readonly) noWriters(m, (other) => other.fs === fs.id)
  m.fileSystems.set(fs.id, { ...fs, readonly: true })
}

export const umount2 = (m: Machine, { flags, target }: Arguments<"umount2">): void => {
  if ((flags & ~(MNT.FORCE | MNT.DETACH | MNT.EXPIRE | UMOUNT.NOFOLLOW)) !== 0) refuse("EINVAL")
  // it looks through to the top mount also where the path ends in `.` or at the root (LOOKUP_MOUNTPOINT)
  const where = onTop(m, existing(m, AT.FDCWD, target, { follow: (flags & UMOUNT.NOFOLLOW) === 0 }))
  const mount = mayUmount(m, where, flags)
  const isOwnRoot = m.self.root.mount === mount.id
  if ((flags & MNT.EXPIRE) !== 0) {
    // EINVAL: of the own root, or with another flag; EBUSY: in use; EAGAIN: marked for a second call (umount2(2))
    if (isOwnRoot || (flags & (MNT.FORCE | MNT.DETACH)) !== 0) refuse("EINVAL")
    if (busy(m, mount.id)) refuse("EBUSY")
    m.unmodelled("MNT_EXPIRE of a mount that nothing uses")
  }
  const lazy = (flags & MNT.DETACH) !== 0
  if (isOwnRoot && !lazy) return umountRoot(m, mount)
  if (mount.parent === undefined) refuse("EINVAL")
  if (!lazy && (busy(m, mount.id) || busyElsewhere(m, mount))) refuse("EBUSY")
  detach(m, mount.id)
}

/** Takes a tree out of its namespace, and its copies out of others; what still uses it keeps it alive, detached. */
export const detach = (m: Machine, mount: number): void => {
  const tree = new Set(treeOf(m, mount).map(({ id }) => id))
  const all = new Set([...tree, ...followers(m, tree)])
  uncover(m, all)
  // a lazy umount takes the tree apart, except for what is locked to its parent (disconnect_mount)
  takeOff(m, all, ({ locked }) => locked)
}

/** Ends a detached tree whose descriptor was closed (`dissolve_on_fput`). */
export const dissolve = (m: Machine, mount: number): void => {
  const top = m.mounts.get(mount)
  if (top !== undefined && top.ns === 0 && top.parent === undefined) {
    takeOff(m, new Set(treeOf(m, mount).map(({ id }) => id)), () => true)
  }
}

// ── pivot_root(2) ────────────────────────────────────────────────────────────────────────────────────────────────────

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
  // pivot_root(2), EINVAL: nothing of it may propagate
  if (oldMount.shared !== undefined || sharedParent(nextMount) || sharedParent(rootMount)) refuse("EINVAL")
  if (own(m, root) !== rootMount || own(m, next) !== nextMount) refuse("EINVAL")
  if (nextMount.locked) refuse("EINVAL")
  if (unlinked(m, next.node)) refuse("ENOENT")
  // EBUSY: new_root or put_old on the current root's mount
  if (nextMount.id === rootMount.id || oldMount.id === rootMount.id) refuse("EBUSY")
  // EINVAL: current root not a mount point, or on the bottom of all (initramfs)
  if (root.node !== rootMount.root || rootMount.parent === undefined) refuse("EINVAL")
  // EINVAL: new_root is not a mount point
  if (next.node !== nextMount.root || nextMount.parent === undefined) refuse("EINVAL")
  // EINVAL: put_old not at or below new_root, new_root not below the root
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

// ── the new interface ────────────────────────────────────────────────────────────────────────────────────────────────

export const openTree = (m: Machine, { dirfd, flags, path }: Arguments<"open_tree">): number => {
  const known = OPEN_TREE.CLONE | OPEN_TREE.CLOEXEC | AT.RECURSIVE | AT.EMPTY_PATH | AT.SYMLINK_NOFOLLOW |
    AT.NO_AUTOMOUNT
  // EINVAL: unknown flags; AT_RECURSIVE only beside OPEN_TREE_CLONE (open_tree(2))
  if ((flags & ~known) !== 0) refuse("EINVAL")
  const clones = (flags & OPEN_TREE.CLONE) !== 0
  if ((flags & AT.RECURSIVE) !== 0 && !clones) refuse("EINVAL")
  if (clones) mayMount(m)
  const from = existing(m, dirfd, path, {
    follow: (flags & AT.SYMLINK_NOFOLLOW) === 0,
    emptyPath: (flags & AT.EMPTY_PATH) !== 0
  })
  const cloexec = (flags & OPEN_TREE.CLOEXEC) !== 0 ? O.CLOEXEC : 0
  const location = clones ? { mount: copyForBind(m, from, (flags & AT.RECURSIVE) !== 0), node: from.node } : from
  return Descriptors.open(m, { _tag: "Node", location }, O.PATH | cloexec, path)
}

export const moveMount = (m: Machine, args: Arguments<"move_mount">): void => {
  const { flags, fromDirfd, fromPath, toDirfd, toPath } = args
  mayMount(m)
  if ((flags & ~0x377) !== 0 || (flags & 0x300) === 0x300) refuse("EINVAL")
  // where it goes is looked up first (move_mount)
  const to = existing(m, toDirfd, toPath, {
    follow: (flags & MOVE_MOUNT.T_SYMLINKS) !== 0,
    emptyPath: (flags & MOVE_MOUNT.T_EMPTY_PATH) !== 0
  })
  const from = existing(m, fromDirfd, fromPath, {
    follow: (flags & MOVE_MOUNT.F_SYMLINKS) !== 0,
    emptyPath: (flags & MOVE_MOUNT.F_EMPTY_PATH) !== 0
  })
  if ((flags & 0x200) !== 0) m.unmodelled("MOVE_MOUNT_BENEATH")
  if ((flags & MOVE_MOUNT.SET_GROUP) !== 0) return setGroup(m, from, to)
  move(m, from, to)
}

/** MOVE_MOUNT_SET_GROUP: a private mount joins the groups of another of the same file system (`do_set_group`). */
const setGroup = (m: Machine, fromPlace: Location, toPlace: Location): void => {
  const [from, to] = [mountAt(m, fromPlace), mountAt(m, toPlace)]
  if (!isRoot(m, fromPlace) || !isRoot(m, toPlace)) refuse("EINVAL")
  mayPropagate(m, from)
  mayPropagate(m, to)
  if (from.fs !== to.fs || !isWithin(m, to.root, from.root)) refuse("EINVAL")
  // EINVAL: something locked in the way
  if (childrenOf(m, from.id).some((child) => child.locked && isWithin(m, child.mountpoint!, to.root))) refuse("EINVAL")
  if (to.shared !== undefined || to.master !== undefined) refuse("EINVAL")
  if (from.shared === undefined && from.master === undefined) refuse("EINVAL")
  m.mounts.set(to.id, {
    ...to,
    unbindable: from.shared === undefined && to.unbindable,
    ...from.shared === undefined ? {} : { shared: from.shared },
    ...from.master === undefined ? {} : { master: from.master }
  })
}

export const fsopen = (m: Machine, { flags, type }: Arguments<"fsopen">): number => {
  mayMount(m)
  if ((flags & ~1) !== 0) refuse("EINVAL")
  if (!m.facts.fileSystemTypes.includes(type)) refuse("ENODEV")
  return Descriptors.open(
    m,
    { _tag: "FsContext", type, options: [], source: "none", mounted: false },
    O.RDWR | (flags === 1 ? O.CLOEXEC : 0),
    "anon_inode:[fscontext]"
  )
}

type Context = Extract<OpenFile["kind"], { readonly _tag: "FsContext" }>

const contextOf = (m: Machine, fd: number): { readonly file: OpenFile; readonly context: Context } => {
  const file = Descriptors.usable(m, fd)
  return file.kind._tag === "FsContext" ? { file, context: file.kind } : refuse("EINVAL")
}

export const fsconfig = (m: Machine, { command, fd, key, value }: Arguments<"fsconfig">): void => {
  // EINVAL: a negative number is none, before anything is looked at (fsconfig)
  if (fd < 0) refuse("EINVAL")
  const { context, file } = contextOf(m, fd)
  const set = (next: Context): void => m.files.set(file.id, { ...file, kind: next })
  switch (command) {
    case FSCONFIG.SET_FLAG:
    case FSCONFIG.SET_STRING: {
      if (key === null || (command === FSCONFIG.SET_STRING) !== (value !== null)) return refuse("EINVAL")
      if (context.fs !== undefined) refuse("EBUSY")
      if (key === "source") return set({ ...context, source: value ?? "none" })
      // EINVAL: tmpfs looks at each option when it is given (shmem_parse_one)
      const option = value === null ? key : `${key}=${value}`
      if (context.type === "tmpfs" && option !== "ro" && option !== "rw") checkTmpfs([option])
      return set({ ...context, options: [...context.options, value === null ? key : `${key}=${value}`] })
    }
    case FSCONFIG.CMD_CREATE: {
      if (key !== null || value !== null) return refuse("EINVAL")
      if (context.fs !== undefined) refuse("EBUSY")
      const readonly = context.options.includes("ro")
      const options = context.options.filter((option) => option !== "ro" && option !== "rw")
      return set({ ...context, fs: makeFileSystem(m, context.type, context.source, options, readonly).id })
    }
    default:
      return m.unmodelled(`fsconfig command ${command}`)
  }
}

const attributesToFlags = (attributes: number): number => {
  const atime = attributes & MOUNT_ATTR._ATIME
  return ((attributes & MOUNT_ATTR.RDONLY) !== 0 ? MS.RDONLY : 0) |
    ((attributes & MOUNT_ATTR.NOSUID) !== 0 ? MS.NOSUID : 0) |
    ((attributes & MOUNT_ATTR.NODEV) !== 0 ? MS.NODEV : 0) |
    ((attributes & MOUNT_ATTR.NOEXEC) !== 0 ? MS.NOEXEC : 0) |
    ((attributes & MOUNT_ATTR.NODIRATIME) !== 0 ? MS.NODIRATIME : 0) |
    ((attributes & MOUNT_ATTR.NOSYMFOLLOW) !== 0 ? MS.NOSYMFOLLOW : 0) |
    (atime === MOUNT_ATTR.NOATIME ? MS.NOATIME : atime === MOUNT_ATTR.STRICTATIME ? 0 : MS.RELATIME)
}

const knownAttributes = MOUNT_ATTR.RDONLY | MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV | MOUNT_ATTR.NOEXEC |
  MOUNT_ATTR._ATIME | MOUNT_ATTR.NODIRATIME | MOUNT_ATTR.NOSYMFOLLOW

export const fsmount = (m: Machine, { attributes, fd, flags }: Arguments<"fsmount">): number => {
  mayMount(m)
  if ((flags & ~1) !== 0 || (attributes & ~knownAttributes) !== 0) refuse("EINVAL")
  if (![0, MOUNT_ATTR.NOATIME, MOUNT_ATTR.STRICTATIME].includes(attributes & MOUNT_ATTR._ATIME)) refuse("EINVAL")
  const { context, file } = contextOf(m, fd)
  // EINVAL: not created yet; EBUSY: mounted once already (fsmount(2))
  if (context.fs === undefined) return refuse("EINVAL")
  const fs = m.fileSystems.need(context.fs)
  const lockedFlags = tooRevealing(m, fs, attributesToFlags(attributes))
  if (context.mounted) refuse("EBUSY")
  m.files.set(file.id, { ...file, kind: { ...context, mounted: true } })
  const location = { mount: newMount(m, fs.id, fs.root, attributesToFlags(attributes), lockedFlags), node: fs.root }
  return Descriptors.open(m, { _tag: "Node", location }, O.PATH | (flags === 1 ? O.CLOEXEC : 0), "/")
}

export const mountSetattr = (m: Machine, args: Arguments<"mount_setattr">): void => {
  const { clear, dirfd, flags, path, propagation, set, usernsFd } = args
  const idmaps = (set & MOUNT_ATTR.IDMAP) !== 0
  if ((flags & ~(AT.EMPTY_PATH | AT.RECURSIVE | AT.SYMLINK_NOFOLLOW | AT.NO_AUTOMOUNT)) !== 0) refuse("EINVAL")
  mayMount(m)
  if (set === 0 && clear === 0 && propagation === 0) return
  if (((set | clear) & ~(knownAttributes | MOUNT_ATTR.IDMAP)) !== 0) refuse("EINVAL")
  // EINVAL: access times change only with the whole field cleared (mount_setattr(2))
  const clearsTime = (clear & MOUNT_ATTR._ATIME) !== 0
  if (clearsTime ? (clear & MOUNT_ATTR._ATIME) !== MOUNT_ATTR._ATIME : (set & MOUNT_ATTR._ATIME) !== 0) refuse("EINVAL")
  if ((clear & MOUNT_ATTR.IDMAP) !== 0) refuse("EINVAL")
  if ((propagation & ~propagationFlags) !== 0 || (propagation & (propagation - 1)) !== 0) refuse("EINVAL")
  // EINVAL: no such way to treat access times (build_mount_kattr)
  if (clearsTime && ![0, MOUNT_ATTR.NOATIME, MOUNT_ATTR.STRICTATIME].includes(set & MOUNT_ATTR._ATIME)) refuse("EINVAL")
  const where = existing(m, dirfd, path, {
    follow: (flags & AT.SYMLINK_NOFOLLOW) === 0,
    emptyPath: (flags & AT.EMPTY_PATH) !== 0
  })
  const top = mountAt(m, where)
  if (!isRoot(m, where)) refuse("EINVAL")
  // EINVAL: neither of the own namespace nor the top of a detached tree
  if (top.ns !== m.self.ns.mnt && (top.ns !== 0 || top.parent !== undefined)) refuse("EINVAL")
  const all = (flags & AT.RECURSIVE) !== 0 ? treeOf(m, top.id) : [top]
  const added = attributesToFlags(set) & ~MS.RELATIME
  const removed = attributesToFlags(clear & ~MOUNT_ATTR._ATIME) & ~MS.RELATIME
  for (const { id } of all) {
    const old = m.mounts.need(id)
    const time = clearsTime
      ? attributesToFlags(set) & (MS.NOATIME | MS.RELATIME)
      : old.flags & (MS.NOATIME | MS.RELATIME)
    const next = ((old.flags & ~removed & ~(MS.NOATIME | MS.RELATIME)) | (added & ~MS.NOATIME)) | time
    checkLocked(old, next)
    if ((next & ~old.flags & MS.RDONLY) !== 0) noWriters(m, (mount) => mount.id === id)
    m.mounts.set(id, { ...old, flags: next })
    if (idmaps) m.mounts.update(id, (mount) => ({ ...mount, idmap: idmap(m, mount, usernsFd) }))
    if (propagation !== 0) setPropagation(m, id, propagation)
  }
}

/** EBADF: no user namespace; EPERM: the initial one, or a mount with an idmap already; EINVAL: an attached mount. */
const idmap = (m: Machine, mount: Mount, fd: number): number => {
  const { kind } = Descriptors.fileOf(m, fd)
  const ns = kind._tag === "Node" ? Nodes.namespaceOf(kind.location.node) : undefined
  if (ns === undefined || m.namespaces.need(ns).type !== "user") return refuse("EINVAL")
  if (ns === initialUserNs(m)) refuse("EPERM")
  const fs = m.fileSystems.need(mount.fs)
  if (mount.idmap !== undefined || !nsCapable(m, fs.owner, CAP.SYS_ADMIN)) refuse("EPERM")
  if (mount.ns !== 0) refuse("EINVAL")
  if (["proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue"].includes(fs.type)) refuse("EINVAL")
  return ns
}
