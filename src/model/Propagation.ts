/**
 * Mount propagation: peer groups, and what reaches them. @see mount_namespaces(7), Documentation/filesystems/sharedsubtree
 *
 * `Mount.ns` is 0 for a mount of a detached tree (open_tree(2), fsmount(2)), and -1 for one that was unmounted while it is
 * in use.
 */
import { MS } from "../native/constants.ts"
import type { Machine } from "./Machine.ts"
import { isWithin, mountedOn } from "./Resolve.ts"
import type { Location, Mount, NodeId } from "./State.ts"

const lockable = MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC

const atimeFlags = MS.NOATIME | MS.NODIRATIME | MS.RELATIME

/** The mounts directly on a mount. */
export const childrenOf = (m: Machine, mount: number): ReadonlyArray<Mount> =>
  m.mounts.values().filter(({ parent }) => parent === mount)

/** A mount and all mounts below it, parents first. */
export const treeOf = (m: Machine, mount: number): ReadonlyArray<Mount> => [
  m.mounts.need(mount),
  ...childrenOf(m, mount).flatMap((child) => treeOf(m, child.id))
]

/** Copies a mount; with `recursive`, also all below it. The copy is detached. Returns a map from old to new ids. */
export const cloneTree = (
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
      // a bind of a subdirectory copies only what is mounted below that directory
      if (mount.id === location.mount && !isWithin(m, child.mountpoint!, root)) continue
      copy(child, id, child.root)
    }
  }
  copy(m.mounts.need(location.mount), undefined, location.node)
  return ids
}

/** Sets the peer group and the master of a mount. */
const relate = (m: Machine, id: number, shared: number | undefined, master: number | undefined): void => {
  const { master: _, shared: __, ...rest } = m.mounts.need(id)
  m.mounts.set(id, {
    ...rest,
    ...shared === undefined ? {} : { shared, unbindable: false },
    ...master === undefined ? {} : { master }
  })
}

/** Locks the flags of mounts from a more privileged namespace, and the mounts that hide something (`lock_mnt_tree`). */
const lockTree = (m: Machine, top: number): void => {
  for (const mount of treeOf(m, top)) {
    m.mounts.set(mount.id, {
      ...mount,
      locked: mount.locked || mount.id !== top,
      lockedFlags: mount.flags & lockable | atimeFlags
    })
  }
}

/** Leaves a peer group. The last member passes the group's slaves on to its own master (`transfer_propagation`). */
const leaveGroup = (m: Machine, id: number): void => {
  const { master, shared } = m.mounts.need(id)
  if (shared === undefined) return
  relate(m, id, undefined, master)
  if (m.mounts.find((other) => other.shared === shared) !== undefined) return
  for (const slave of m.mounts.values()) if (slave.master === shared) relate(m, slave.id, slave.shared, master)
}

/** Changes the type of a mount (`change_mnt_propagation`). @see mount_namespaces(7), "Propagation type transitions" */
export const setPropagation = (m: Machine, id: number, kind: number): void => {
  const { master, shared } = m.mounts.need(id)
  if (kind === MS.SHARED) return relate(m, id, shared ?? m.fresh(), master)
  leaveGroup(m, id)
  if (kind === MS.SLAVE) {
    // the last member of a group has no other master than that of the group
    const peers = m.mounts.find((other) => shared !== undefined && other.shared === shared) !== undefined
    return relate(m, id, undefined, peers ? shared : master)
  }
  relate(m, id, undefined, undefined)
  m.mounts.update(id, (mount) => ({ ...mount, unbindable: kind === MS.UNBINDABLE }))
}

/** All mounts that receive the events of a shared mount: its peers, the slaves of the group, and their slaves. */
export const receivers = (m: Machine, mount: Mount): ReadonlyArray<Mount> => {
  const groups: Array<number> = mount.shared === undefined ? [] : [mount.shared]
  const out: Array<Mount> = []
  for (const group of groups) {
    for (const other of m.mounts.values()) {
      if (other.shared !== group && other.master !== group) continue
      if (other.shared !== undefined && !groups.includes(other.shared)) groups.push(other.shared)
      if (other.id !== mount.id && !out.includes(other)) out.push(other)
    }
  }
  return out
}

/**
 * Mounts a copy of a tree on a receiver: below what is mounted there already, and locked if the receiver's user namespace
 * is another one.
 */
const putCopy = (m: Machine, tree: number, receiver: Mount, node: NodeId, slave: boolean): number => {
  const ids = cloneTree(m, { mount: tree, node: m.mounts.need(tree).root }, {
    recursive: true,
    ns: receiver.ns,
    keepUnbindable: true
  })
  for (const [from, to] of ids) {
    const { shared } = m.mounts.need(from)
    if (slave) relate(m, to, receiver.shared === undefined ? undefined : m.fresh(), shared)
  }
  const top = ids.get(tree)!
  const covering = mountedOn(m, receiver.id, node)
  m.mounts.update(top, (mount) => ({ ...mount, parent: receiver.id, mountpoint: node, locked: false }))
  const root = m.mounts.need(top).root
  if (covering !== undefined) m.mounts.set(covering.id, { ...covering, parent: top, mountpoint: root })
  const ownerOf = (ns: number): number | undefined => m.namespaces.get(ns)?.owner
  if (ownerOf(receiver.ns) !== ownerOf(m.self.ns.mnt)) lockTree(m, top)
  return top
}

/** Copies to the members of a peer group, then to the slaves of the group. `slave`: the tree comes from the master group. */
const spread = (m: Machine, group: number, tree: number, where: Location, slave: boolean): void => {
  const reached = ({ id, ns, root }: Mount): boolean => id !== where.mount && ns > 0 && isWithin(m, where.node, root)
  let [source, fromMaster] = [tree, slave]
  for (const peer of m.mounts.values().filter(({ shared }) => shared === group)) {
    if (!reached(peer)) continue
    const copy = putCopy(m, source, peer, where.node, fromMaster)
    // the other members of the group get peers of its copy
    if (fromMaster) [source, fromMaster] = [copy, false]
  }
  const slaves = m.mounts.values().filter(({ master }) => master === group)
  for (const mount of slaves) {
    if (mount.shared === undefined && reached(mount)) putCopy(m, source, mount, where.node, true)
  }
  for (const next of new Set(slaves.flatMap(({ shared }) => shared ?? []))) spread(m, next, source, where, true)
}

/** Attaches a detached tree. All receivers get copies, and a tree on a shared mount becomes shared. */
export const attach = (m: Machine, tree: number, where: Location): void => {
  const target = m.mounts.need(where.mount)
  if (target.shared !== undefined) {
    for (const { id, shared } of treeOf(m, tree)) if (shared === undefined) setPropagation(m, id, MS.SHARED)
    spread(m, target.shared, tree, where, false)
  }
  for (const { id } of treeOf(m, tree)) m.mounts.update(id, (mount) => ({ ...mount, ns: target.ns }))
  m.mounts.update(tree, (mount) => ({ ...mount, parent: where.mount, mountpoint: where.node }))
}

/** Whether a process or a descriptor uses a mount. */
export const inUse = (m: Machine, mount: number): boolean =>
  m.processes.find(({ cwd, root, status }) => status === "running" && (cwd.mount === mount || root.mount === mount)) !==
    undefined ||
  m.files.find(({ kind }) => "location" in kind && kind.location.mount === mount) !== undefined

/**
 * Unmounts mounts, which leave their groups. Those in use stay alive by themselves, or below another that does
 * (`umount_tree`).
 */
export const takeOff = (m: Machine, ids: ReadonlySet<number>, connected: (mount: Mount) => boolean): void => {
  for (const id of ids) {
    setPropagation(m, id, MS.PRIVATE)
    m.mounts.update(id, (mount) => ({ ...mount, ns: -1 }))
  }
  for (const id of ids) {
    const mount = m.mounts.need(id)
    if (mount.parent === undefined || (ids.has(mount.parent) && connected(mount))) continue
    const { mountpoint: _, parent: __, ...rest } = mount
    m.mounts.set(id, rest)
  }
  drop(m, [...ids])
}

/**
 * Ends mounts if neither they nor the mounts that they are connected to are in use. The mounts below them are then
 * unconnected.
 */
const drop = (m: Machine, ids: ReadonlyArray<number>): void => {
  const above = (id: number): boolean => {
    const { parent } = m.mounts.need(id)
    return parent !== undefined && (inUse(m, parent) || above(parent))
  }
  const gone = new Set(ids.filter((id) => !inUse(m, id) && !above(id)))
  for (const id of gone) m.mounts.delete(id)
  for (const mount of m.mounts.values()) {
    if (mount.parent === undefined || !gone.has(mount.parent)) continue
    const { mountpoint: _, parent: __, ...rest } = mount
    m.mounts.set(mount.id, rest)
  }
}

/** Ends mounts that were unmounted while in use, and have lost their last user (`mntput`). */
export const dropUnused = (m: Machine): void => {
  if (m.mounts.find(({ ns }) => ns < 0) === undefined) return
  drop(m, m.mounts.values().filter(({ ns }) => ns < 0).map(({ id }) => id))
}

/** The copies of a tree's mounts that are unmounted with it, unless something else is mounted on them (`propagate_umount`). */
export const followers = (m: Machine, tree: ReadonlySet<number>): ReadonlySet<number> => {
  const out = new Set<number>()
  for (const id of tree) {
    const { mountpoint, parent } = m.mounts.need(id)
    if (parent === undefined) continue
    for (const receiver of receivers(m, m.mounts.need(parent))) {
      const copy = mountedOn(m, receiver.id, mountpoint!)
      if (copy !== undefined && !tree.has(copy.id)) out.add(copy.id)
    }
  }
  const stays = (id: number): boolean => {
    const { locked, parent, root } = m.mounts.need(id)
    if (locked && parent !== undefined && !out.has(parent)) return true
    return childrenOf(m, id).some((child) => !out.has(child.id) && !tree.has(child.id) && child.mountpoint !== root)
  }
  for (let again = true; again;) {
    again = false
    for (const id of out) if (stays(id)) again = out.delete(id)
  }
  return out
}

/** What is mounted on the root of a mount that is removed takes its place. */
export const uncover = (m: Machine, going: ReadonlySet<number>): void => {
  for (const id of going) {
    const { mountpoint, parent } = m.mounts.need(id)
    for (const child of childrenOf(m, id)) {
      if (!going.has(child.id) && parent !== undefined) {
        m.mounts.set(child.id, { ...child, parent, mountpoint: mountpoint! })
      }
    }
  }
}
