/**
 * Mounts, old and new interface, with propagation. @see mount(2), umount2(2), pivot_root(2), mount_namespaces(7),
 * open_tree(2), move_mount(2), fsopen(2), mount_setattr(2)
 */
import { AT, FSCONFIG, MNT, MOUNT_ATTR, MOVE_MOUNT, MS, O, OPEN_TREE, UMOUNT } from "../native/constants.ts"
import type { Arguments } from "../native/Kernel.ts"
import * as Cgroups from "./Cgroups.ts"
import { CAP, capable, initialUserNs, nsCapable, toKernel } from "./Credentials.ts"
import * as Descriptors from "./Descriptors.ts"
import { type Machine, refuse } from "./Machine.ts"
import * as Nodes from "./Nodes.ts"
import { at, existing, isWithin, mountedOn, onTop, same } from "./Resolve.ts"
import type { FileSystem, Location, Mount, NodeId, OpenFile } from "./State.ts"

const propagationFlags = MS.SHARED | MS.PRIVATE | MS.SLAVE | MS.UNBINDABLE

/** The flags that belong to a mount. */
const ofMount = MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC | MS.NOATIME | MS.NODIRATIME | MS.RELATIME | MS.NOSYMFOLLOW
const atimeFlags = MS.NOATIME | MS.NODIRATIME | MS.RELATIME

/** mount(2): relatime unless noatime or strictatime is asked for. */
const mountFlagsOf = (flags: number): number =>
  (flags & (MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC | MS.NODIRATIME | MS.NOSYMFOLLOW)) |
  ((flags & MS.NOATIME) !== 0 ? MS.NOATIME : (flags & MS.STRICTATIME) !== 0 ? 0 : MS.RELATIME)

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

// ── trees ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const childrenOf = (m: Machine, mount: number): ReadonlyArray<Mount> =>
  m.mounts.values().filter(({ parent }) => parent === mount)

const treeOf = (m: Machine, mount: number): ReadonlyArray<Mount> => [
  m.mounts.need(mount),
  ...childrenOf(m, mount).flatMap((child) => treeOf(m, child.id))
]

/** Copies a mount, with `recursive` all below; the copy is detached. Gives old id to new id. */
const cloneTree = (
  m: Machine,
  location: Location,
  options: {
    readonly recursive: boolean
    readonly ns: number
    readonly keepUnbindable?: boolean
    readonly change?: (mount: Mount) => Partial<Mount>
  }
): ReadonlyMap<number, number> => {
  const ids = new Map<number, number>()
  const copy = (mount: Mount, parent: number | undefined, root: NodeId): void => {
    const id = m.fresh()
    ids.set(mount.id, id)
    const { mountpoint: _, parent: __, ...rest } = mount
    m.mounts.set(id, {
      ...rest,
      id,
      root,
      ns: options.ns,
      ...parent === undefined ? {} : { parent, mountpoint: mount.mountpoint! },
      ...options.change?.(mount)
    })
    if (!options.recursive) return
    for (const child of childrenOf(m, mount.id)) {
      if (child.unbindable && options.keepUnbindable !== true) continue
      // a bind of a subdirectory takes only what is mounted below it
      if (mount.id === location.mount && !isWithin(m, child.mountpoint!, root)) continue
      copy(child, id, child.root)
    }
  }
  copy(m.mounts.need(location.mount), undefined, location.node)
  return ids
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
          locked: mount.parent !== undefined,
          lockedFlags: mount.flags & (MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC) | atimeFlags,
          ...mount.shared === undefined ? {} : { master: mount.shared, shared: undefined as never }
        }
        : {}
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
export const endNamespace = (m: Machine, ns: number): void => {
  for (const mount of m.mounts.values()) if (mount.ns === ns) m.mounts.delete(mount.id)
}

// ── propagation ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** All mounts that receive what happens on a shared mount: its peers, the slaves of the group, and theirs. */
const receivers = (m: Machine, mount: Mount): ReadonlyArray<Mount> => {
  if (mount.shared === undefined) return []
  const groups = new Set([mount.shared])
  const out: Array<Mount> = []
  for (let grown = true; grown;) {
    grown = false
    for (const other of m.mounts.values()) {
      if (other.id === mount.id || out.some(({ id }) => id === other.id)) continue
      const receives = (other.shared !== undefined && groups.has(other.shared)) ||
        (other.master !== undefined && groups.has(other.master))
      if (!receives) continue
      out.push(other)
      if (other.shared !== undefined) groups.add(other.shared)
      grown = true
    }
  }
  return out
}

/** Attaches a detached tree; copies go to all that receive, and a tree on a shared mount becomes shared. */
const attach = (m: Machine, tree: number, where: Location): void => {
  const target = m.mounts.need(where.mount)
  if (target.shared !== undefined) {
    for (const { id } of treeOf(m, tree)) {
      const mount = m.mounts.need(id)
      if (mount.shared === undefined) m.mounts.set(id, { ...mount, shared: m.fresh() })
    }
  }
  for (const receiver of receivers(m, target)) {
    if (!isWithin(m, where.node, receiver.root)) continue
    const fromMaster = receiver.shared !== target.shared
    const foreign = m.namespaces.need(receiver.ns).owner !== m.namespaces.need(target.ns).owner
    const source = m.mounts.need(tree)
    const ids = cloneTree(m, { mount: tree, node: source.root }, {
      recursive: true,
      ns: receiver.ns,
      keepUnbindable: true,
      change: (mount) => ({
        ...fromMaster && mount.shared !== undefined ? { master: mount.shared } : {},
        ...foreign ? { locked: true, lockedFlags: mount.flags & 15 | atimeFlags } : {}
      })
    })
    for (const id of ids.values()) {
      const { shared, ...rest } = m.mounts.need(id)
      if (!fromMaster) continue
      m.mounts.set(id, receiver.shared === undefined || shared === undefined ? rest : { ...rest, shared: m.fresh() })
    }
    m.mounts.update(ids.get(tree)!, (mount) => ({ ...mount, parent: receiver.id, mountpoint: where.node }))
  }
  for (const { id } of treeOf(m, tree)) m.mounts.update(id, (mount) => ({ ...mount, ns: target.ns }))
  m.mounts.update(tree, (mount) => ({ ...mount, parent: where.mount, mountpoint: where.node }))
}

const drop = (m: Machine, mount: number): void => {
  for (const { id } of treeOf(m, mount)) m.mounts.delete(id)
}

// ── what can be attached where ───────────────────────────────────────────────────────────────────────────────────────

/** ENOTDIR: a directory goes on a directory, a file on a file (graft_tree). */
const fits = (m: Machine, root: NodeId, where: Location): void => {
  if ((Nodes.view(m, root).type === "d") !== (at(m, where).type === "d")) refuse("ENOTDIR")
}

const attachChecked = (m: Machine, tree: number, path: Location): void => {
  // a mount goes on top of what is stacked on the place already (lock_mount)
  const where = onTop(m, path)
  own(m, where)
  fits(m, m.mounts.need(tree).root, where)
  // ENOENT: the mountpoint was removed
  attach(m, tree, where)
}

const newMount = (m: Machine, fs: number, root: NodeId, flags: number): number => {
  const id = m.fresh()
  m.mounts.set(id, { id, fs, root, ns: 0, flags, unbindable: false, locked: false, lockedFlags: 0 })
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
      // EPERM: a user namespace gets a new proc only while one is fully visible (mount_too_revealing)
      if (owner !== initialUserNs(m) && !fullyVisible(m, "proc")) refuse("EPERM")
      return make(`proc:${id}:`, m.self.ns.pid)
    }
    case "sysfs": {
      if (owner !== initialUserNs(m) && !fullyVisible(m, "sysfs")) refuse("EPERM")
      const seen = existingOne(m.self.ns.net)
      if (seen !== undefined) return seen
      const model = m.fileSystems.values().find((fs) => fs.type === "sysfs")
      return make(model?.root ?? directory(0o555), m.self.ns.net)
    }
    case "mqueue":
      return existingOne(m.self.ns.ipc) ?? make(directory(0o1777), m.self.ns.ipc)
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
      for (const option of options) {
        const name = option.split("=")[0]!
        // EINVAL: options of tmpfs(5)
        if (!tmpfsOptions.has(name)) refuse("EINVAL")
      }
      return make(directory(Number.parseInt(value("mode") ?? (type === "tmpfs" ? "1777" : "755"), 8)))
    }
    default:
      return m.unmodelled(`how to mount ${type}`)
  }
}

const tmpfsOptions = new Set([
  "mode",
  "size",
  "nr_inodes",
  "nr_blocks",
  "uid",
  "gid",
  "huge",
  "mpol",
  "inode32",
  "inode64",
  "noswap",
  "context"
])

/** Whether the mount namespace has an instance of a type that nothing covers. */
const fullyVisible = (m: Machine, type: string): boolean =>
  m.mounts.values().some((mount) => {
    const fs = m.fileSystems.need(mount.fs)
    return mount.ns === m.self.ns.mnt && fs.type === type && mount.root === fs.root &&
      // mounts on empty directories cover nothing (mnt_already_visible)
      !childrenOf(m, mount.id).some((child) =>
        child.locked && (Nodes.view(m, child.mountpoint!).list?.().length ?? 1) > 0
      )
  })

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
  const fs = makeFileSystem(m, type, source ?? "none", optionsOf(data), (flags & MS.RDONLY) !== 0)
  const [top, place] = [mountAt(m, onTop(m, where)), onTop(m, where)]
  // EBUSY: the same file system once more on the same place (do_add_mount)
  if (top.fs === fs.id && top.root === place.node && top.root === fs.root) refuse("EBUSY")
  const id = newMount(m, fs.id, fs.root, mountFlagsOf(flags))
  attachChecked(m, id, where)
}

const bind = (m: Machine, source: string | null, where: Location, flags: number): void => {
  if (source === null || source === "") return refuse("EINVAL")
  const from = existing(m, AT.FDCWD, source, { follow: true })
  own(m, where)
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
  if (old.unbindable) refuse("EINVAL")
  if (old.ns !== m.self.ns.mnt && old.ns !== 0) refuse("EINVAL")
  const lockedBelow = !recursive &&
    childrenOf(m, old.id).some((child) => child.locked && isWithin(m, child.mountpoint!, from.node))
  if (lockedBelow) refuse("EINVAL")
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

const remount = (m: Machine, where: Location, flags: number, data: string | null): void => {
  const old = own(m, where)
  // EINVAL: not the root of a mount
  if (!isRoot(m, where)) refuse("EINVAL")
  const wanted = (flags & (MS.NOATIME | MS.STRICTATIME | MS.RELATIME)) === 0
    ? (flags & (MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC | MS.NODIRATIME | MS.NOSYMFOLLOW)) |
      (old.flags & atimeFlags)
    : mountFlagsOf(flags)
  checkLocked(old, wanted)
  if ((flags & MS.BIND) === 0) {
    const fs = m.fileSystems.need(old.fs)
    // EPERM: the file system itself belongs to another user namespace (do_remount)
    if (!nsCapable(m, fs.owner, CAP.SYS_ADMIN)) refuse("EPERM")
    if (fs.type === "tmpfs") {
      for (const option of optionsOf(data)) if (!tmpfsOptions.has(option.split("=")[0]!)) refuse("EINVAL")
    }
    m.fileSystems.set(fs.id, { ...fs, readonly: (flags & MS.RDONLY) !== 0 })
  }
  m.mounts.set(old.id, { ...old, flags: wanted & ofMount })
}

const changePropagation = (m: Machine, where: Location, flags: number): void => {
  const kind = flags & propagationFlags
  // EINVAL: exactly one kind, and nothing else but MS_REC (flags_to_propagation_type)
  if ((flags & ~(propagationFlags | MS.REC)) !== 0 || (kind & (kind - 1)) !== 0) refuse("EINVAL")
  if (!isRoot(m, where)) refuse("EINVAL")
  const top = own(m, where)
  const all = (flags & MS.REC) !== 0 ? treeOf(m, top.id) : [top]
  for (const { id } of all) setPropagation(m, id, kind)
}

/** @see mount_namespaces(7), "Propagation type transitions" */
const setPropagation = (m: Machine, id: number, kind: number): void => {
  const { master, shared, ...rest } = m.mounts.need(id)
  const kept = master === undefined ? {} : { master }
  switch (kind) {
    case MS.SHARED:
      return m.mounts.set(id, { ...rest, ...kept, unbindable: false, shared: shared ?? m.fresh() })
    case MS.SLAVE: {
      // the last of its group has no master to follow: it becomes private
      const peers = m.mounts.values().some((other) => other.id !== id && other.shared === shared)
      return m.mounts.set(
        id,
        shared !== undefined && peers
          ? { ...rest, unbindable: false, master: shared }
          : { ...rest, ...kept, unbindable: false }
      )
    }
    default:
      return m.mounts.set(id, { ...rest, unbindable: kind === MS.UNBINDABLE })
  }
}

const move = (m: Machine, from: Location, path: Location): void => {
  const where = onTop(m, path)
  const old = mountAt(m, from)
  const attached = old.parent !== undefined
  // EINVAL: not the root of a mount (move_mount(2))
  if (!isRoot(m, from)) refuse("EINVAL")
  own(m, where)
  if (attached ? old.ns !== m.self.ns.mnt : old.ns !== 0) refuse("EINVAL")
  if (attached && old.locked) refuse("EINVAL")
  // EINVAL: out of or, with something unbindable, into a shared mount (mount_namespaces(7))
  if (attached && m.mounts.need(old.parent!).shared !== undefined) refuse("EINVAL")
  const target = m.mounts.need(where.mount)
  if (target.shared !== undefined && treeOf(m, old.id).some(({ unbindable }) => unbindable)) refuse("EINVAL")
  fits(m, old.root, where)
  // ELOOP: into its own subtree
  for (let id: number | undefined = where.mount; id !== undefined; id = m.mounts.need(id).parent) {
    if (id === old.id) refuse("ELOOP")
  }
  const { mountpoint: _, parent: __, ...detached } = old
  m.mounts.set(old.id, detached)
  attach(m, old.id, where)
}

// ── umount2(2) ───────────────────────────────────────────────────────────────────────────────────────────────────────

const busy = (m: Machine, mount: number): boolean =>
  childrenOf(m, mount).length > 0 ||
  m.processes.values().some(({ cwd, root, status }) =>
    status === "running" && (cwd.mount === mount || root.mount === mount)
  ) ||
  m.files.values().some(({ kind }) => "location" in kind && kind.location.mount === mount)

export const umount2 = (m: Machine, { flags, target }: Arguments<"umount2">): void => {
  if ((flags & ~(MNT.FORCE | MNT.DETACH | MNT.EXPIRE | UMOUNT.NOFOLLOW)) !== 0) refuse("EINVAL")
  if ((flags & MNT.EXPIRE) !== 0 && (flags & (MNT.FORCE | MNT.DETACH)) !== 0) refuse("EINVAL")
  // umount looks through to the top mount also where the path ends in `.` or at the root (LOOKUP_MOUNTPOINT)
  const where = onTop(m, existing(m, AT.FDCWD, target, { follow: (flags & UMOUNT.NOFOLLOW) === 0 }))
  mayMount(m)
  // EINVAL: not a mount point, of another namespace, or locked (umount2(2), mount_namespaces(7))
  const mount = own(m, where)
  if (!isRoot(m, where) || mount.locked) refuse("EINVAL")
  if ((flags & MNT.FORCE) !== 0 && !capable(m, CAP.SYS_ADMIN)) refuse("EPERM")
  if ((flags & MNT.EXPIRE) !== 0) m.unmodelled("MNT_EXPIRE")
  if (mount.parent === undefined) refuse("EINVAL")
  const lazy = (flags & MNT.DETACH) !== 0
  if (!lazy && busy(m, mount.id)) refuse("EBUSY")
  const parent = m.mounts.need(mount.parent!)
  for (const receiver of receivers(m, parent)) {
    const copy = mountedOn(m, receiver.id, mount.mountpoint!)
    if (copy !== undefined && copy.fs === mount.fs && !copy.locked && (lazy || !busy(m, copy.id))) detach(m, copy.id)
  }
  detach(m, mount.id)
}

/** Takes a tree out of its namespace; what still uses it keeps it alive, detached. */
const detach = (m: Machine, mount: number): void => {
  const tree = treeOf(m, mount)
  const used = tree.some(({ id }) => {
    const here = (place: Location): boolean => place.mount === id
    return m.processes.values().some(({ cwd, root, status }) => status === "running" && (here(cwd) || here(root))) ||
      m.files.values().some(({ kind }) => "location" in kind && here(kind.location))
  })
  if (!used) return drop(m, mount)
  for (const { id } of tree) {
    const { master: _, mountpoint, parent, shared: __, ...rest } = m.mounts.need(id)
    // a lazy umount takes the tree apart: each mount goes by itself (umount_tree)
    void mountpoint
    void parent
    m.mounts.set(id, { ...rest, ns: 0 })
  }
}

// ── pivot_root(2) ────────────────────────────────────────────────────────────────────────────────────────────────────

export const pivotRoot = (m: Machine, { newRoot, putOld }: Arguments<"pivot_root">): void => {
  mayMount(m)
  const next = existing(m, AT.FDCWD, newRoot, { follow: true })
  const old = existing(m, AT.FDCWD, putOld, { follow: true })
  if (at(m, next).type !== "d" || at(m, old).type !== "d") refuse("ENOTDIR")
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
  // EBUSY: new_root or put_old on the current root's mount
  if (nextMount.id === rootMount.id || oldMount.id === rootMount.id) refuse("EBUSY")
  // EINVAL: current root not a mount point, or on the bottom of all (initramfs)
  if (root.node !== rootMount.root || rootMount.parent === undefined) refuse("EINVAL")
  // EINVAL: new_root is not a mount point
  if (next.node !== nextMount.root || nextMount.parent === undefined) refuse("EINVAL")
  // EINVAL: put_old not at or below new_root, new_root not below the root
  if (!reachable(m, old, next) || !reachable(m, next, root)) refuse("EINVAL")

  const place = { parent: rootMount.parent!, mountpoint: rootMount.mountpoint! }
  m.mounts.set(nextMount.id, { ...nextMount, ...place, locked: rootMount.locked })
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
  if ((flags & ~0x177) !== 0) refuse("EINVAL")
  if ((flags & MOVE_MOUNT.SET_GROUP) !== 0) m.unmodelled("MOVE_MOUNT_SET_GROUP")
  const from = existing(m, fromDirfd, fromPath, {
    follow: (flags & MOVE_MOUNT.F_SYMLINKS) !== 0,
    emptyPath: (flags & MOVE_MOUNT.F_EMPTY_PATH) !== 0
  })
  const to = existing(m, toDirfd, toPath, {
    follow: (flags & MOVE_MOUNT.T_SYMLINKS) !== 0,
    emptyPath: (flags & MOVE_MOUNT.T_EMPTY_PATH) !== 0
  })
  move(m, from, to)
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
  const { context, file } = contextOf(m, fd)
  const set = (next: Context): void => m.files.set(file.id, { ...file, kind: next })
  switch (command) {
    case FSCONFIG.SET_FLAG:
    case FSCONFIG.SET_STRING: {
      if (key === null || (command === FSCONFIG.SET_STRING) !== (value !== null)) return refuse("EINVAL")
      if (context.fs !== undefined) refuse("EBUSY")
      if (key === "source") return set({ ...context, source: value ?? "none" })
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
  const { context, file } = contextOf(m, fd)
  // EINVAL: not created yet; EBUSY: mounted once already (fsmount(2))
  if (context.fs === undefined) return refuse("EINVAL")
  if (context.mounted) refuse("EBUSY")
  m.files.set(file.id, { ...file, kind: { ...context, mounted: true } })
  const fs = m.fileSystems.need(context.fs)
  const location = { mount: newMount(m, fs.id, fs.root, attributesToFlags(attributes)), node: fs.root }
  return Descriptors.open(m, { _tag: "Node", location }, O.PATH | (flags === 1 ? O.CLOEXEC : 0), "/")
}

export const mountSetattr = (m: Machine, args: Arguments<"mount_setattr">): void => {
  const { clear, dirfd, flags, path, propagation, set, usernsFd } = args
  const idmaps = (set & MOUNT_ATTR.IDMAP) !== 0
  if ((flags & ~(AT.EMPTY_PATH | AT.RECURSIVE | AT.SYMLINK_NOFOLLOW | AT.NO_AUTOMOUNT)) !== 0) refuse("EINVAL")
  if (((set | clear) & ~(knownAttributes | MOUNT_ATTR.IDMAP)) !== 0) refuse("EINVAL")
  // EINVAL: access times change only with the whole field cleared (mount_setattr(2))
  const clearsTime = (clear & MOUNT_ATTR._ATIME) !== 0
  if (clearsTime ? (clear & MOUNT_ATTR._ATIME) !== MOUNT_ATTR._ATIME : (set & MOUNT_ATTR._ATIME) !== 0) refuse("EINVAL")
  if ((clear & MOUNT_ATTR.IDMAP) !== 0) refuse("EINVAL")
  if ((propagation & ~propagationFlags) !== 0 || (propagation & (propagation - 1)) !== 0) refuse("EINVAL")
  mayMount(m)
  const where = existing(m, dirfd, path, {
    follow: (flags & AT.SYMLINK_NOFOLLOW) === 0,
    emptyPath: (flags & AT.EMPTY_PATH) !== 0
  })
  const top = mountAt(m, where)
  if (!isRoot(m, where)) refuse("EINVAL")
  if (top.ns !== 0 && top.ns !== m.self.ns.mnt) refuse("EINVAL")
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
