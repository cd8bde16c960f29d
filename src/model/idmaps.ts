/**
 * ID-mapped mounts, which show other owners of files. @see mount_setattr(2), "ID-mapped mounts",
 * Documentation/filesystems/idmappings.rst
 */
import { noId, toKernel, toUser } from "./Credentials.ts"
import type { Machine } from "./Machine.ts"
import type { View } from "./Nodes.ts"
import type { Location } from "./State.ts"

/** The map of a mount, and the user namespace whose ids its file system stores. */
const mapOf = (m: Machine, mount: number): { readonly map: number; readonly owner: number } | undefined => {
  const found = m.mounts.get(mount)
  return found?.idmap === undefined ? undefined : { map: found.idmap, owner: m.fileSystems.need(found.fs).owner }
}

/** A file as seen through its mount: its ids are mapped (`make_vfsuid`). */
export const throughMount = (m: Machine, { mount }: Location, node: View): View => {
  const maps = mapOf(m, mount)
  if (maps === undefined) return node
  const shown = (kind: "uid" | "gid", id: number): number => {
    const stored = toUser(m, maps.owner, kind, id)
    return stored === undefined ? noId : toKernel(m, maps.map, kind, stored) ?? noId
  }
  return { ...node, uid: shown("uid", node.uid), gid: shown("gid", node.gid) }
}

/** The id to store for an id of a caller (`from_vfsuid`); `undefined` if the map has none. */
export const stored = (m: Machine, { mount }: Location, kind: "uid" | "gid", id: number): number | undefined => {
  const maps = mapOf(m, mount)
  if (maps === undefined) return id
  const inside = toUser(m, maps.map, kind, id)
  return inside === undefined ? undefined : toKernel(m, maps.owner, kind, inside)
}
