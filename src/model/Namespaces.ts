/**
 * Namespaces: making them, joining them. @see namespaces(7), clone(2), unshare(2), setns(2)
 */
import { namespaceOf } from "./ids.ts"
import type { Machine } from "./Machine.ts"
import * as Mounts from "./Mounts.ts"
import * as Network from "./Network.ts"
import type { NodeId } from "./State.ts"

/** The namespaces that are in use: by a process, a descriptor, a bind mount, or another namespace. */
const kept = (m: Machine): ReadonlySet<number> => {
  const ids = new Set<number>()
  const keep = (node: NodeId): void => {
    const id = namespaceOf(node)
    if (id !== undefined) ids.add(id)
  }
  for (const { ns, numbers, status } of m.processes.values()) {
    for (const id of numbers.keys()) ids.add(id)
    // a zombie still has its credentials, with their user namespace
    ids.add(ns.user)
    if (status === "running") { for (const id of Object.values(ns)) ids.add(id) }
  }
  for (const { kind } of m.files.values()) if (kind._tag === "Node") keep(kind.location.node)
  for (const { root } of m.mounts.values()) keep(root)
  for (const ns of m.namespaces.values()) {
    if (ns.owner !== ns.id) ids.add(ns.owner)
    if ((ns.type === "user" || ns.type === "pid") && ns.parent !== undefined) ids.add(ns.parent)
  }
  return ids
}

/** Ends namespaces that are not in use; their mounts and links end with them (namespaces(7), "Namespace lifetime"). */
export const collect = (m: Machine): void => {
  for (let again = true; again;) {
    again = false
    const ids = kept(m)
    for (const { id, type } of m.namespaces.values()) {
      if (ids.has(id)) continue
      m.namespaces.delete(id)
      if (type === "net") Network.endNamespace(m, id)
      if (type === "mnt") Mounts.endNamespace(m, id)
      again = true
    }
  }
}
