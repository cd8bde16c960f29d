/**
 * Mounts by path, with propagation. @see mount(2), umount2(2), pivot_root(2), mount_namespaces(7)
 */
import { MS } from "../native/constants.ts"
import { type Machine, refuse } from "./Machine.ts"
import * as Nodes from "./Nodes.ts"
import { attach, cloneTree, followers, takeOff, treeOf, uncover } from "./Propagation.ts"
import { at, onTop, unlinked } from "./Resolve.ts"
import type { Location, Mount, NodeId } from "./State.ts"

export const propagationFlags = MS.SHARED | MS.PRIVATE | MS.SLAVE | MS.UNBINDABLE

/** The flags that belong to a mount. */
export const ofMount = MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC | MS.NOATIME | MS.NODIRATIME | MS.RELATIME |
  MS.NOSYMFOLLOW

export const atimeFlags = MS.NOATIME | MS.NODIRATIME | MS.RELATIME

/** The flags of a new mount: relatime, unless noatime or strictatime is requested (mount(2)). */
export const mountFlagsOf = (flags: number): number =>
  (flags & (MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC | MS.NODIRATIME | MS.NOSYMFOLLOW)) |
  ((flags & MS.STRICTATIME) !== 0 ? 0 : (flags & MS.NOATIME) !== 0 ? MS.NOATIME : MS.RELATIME)

export const isRoot = (m: Machine, location: Location): boolean => m.mounts.get(location.mount)?.root === location.node

export const mountAt = (m: Machine, location: Location): Mount => m.mounts.get(location.mount) ?? refuse("EINVAL")

/** The mount of a place in the caller's mount namespace (`check_mnt`). */
export const own = (m: Machine, location: Location): Mount => {
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
        // the copy is not unbindable (clone_mnt, since Linux 6.17)
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

/** Unmounts all mounts of a namespace that has ended. */
export const endNamespace = (m: Machine, ns: number): void =>
  takeOff(m, new Set(m.mounts.values().filter((mount) => mount.ns === ns).map(({ id }) => id)), ({ locked }) => locked)

// -- what can be attached where ---------------------------------------------------------------------------------------

/** ENOTDIR unless a directory is mounted on a directory, or a file on a file (graft_tree). */
const fits = (m: Machine, root: NodeId, where: Location): void => {
  if ((Nodes.view(m, root).type === "d") !== (at(m, where).type === "d")) refuse("ENOTDIR")
}

/** The place to mount on: on top of what is mounted there already (`do_lock_mount`). */
export const lockMount = (m: Machine, path: Location): Location => {
  const where = onTop(m, path)
  // ENOENT: the place is not mounted any more, or was removed
  if (mountAt(m, where).ns < 0 || unlinked(m, where.node)) refuse("ENOENT")
  own(m, where)
  return where
}

/** ENOENT: a tree whose root has lost its name could not be mounted on (`attach_recursive_mnt` asks for a mountpoint there). */
export const mayBeMountedOn = (m: Machine, tree: number): void => {
  if (unlinked(m, m.mounts.need(tree).root)) refuse("ENOENT")
}

export const attachChecked = (m: Machine, tree: number, path: Location): void => {
  const where = lockMount(m, path)
  fits(m, m.mounts.need(tree).root, where)
  mayBeMountedOn(m, tree)
  attach(m, tree, where)
}

/** Removes a tree from its namespace, and its copies from others. While it is in use, it stays alive, detached. */
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
