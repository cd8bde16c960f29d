/** Changes the tree of stored nodes: a node gets a name, or loses it. */
import { encode, type Machine, refuse } from "./Machine.ts"
import { loaded, type View, view } from "./Nodes.ts"
import * as Overlay from "./Overlay.ts"
import { mayAdd } from "./Room.ts"
import type { Content, NodeId } from "./State.ts"

// -- changing stored nodes --------------------------------------------------------------------------------------------

/** Puts a new stored node into a stored directory, and returns its id. */
export const create = (
  m: Machine,
  parent: View,
  name: string,
  fields: { readonly mode: number; readonly uid: number; readonly gid: number; readonly content: Content }
): number => {
  if (parent.real !== undefined) return createInOverlay(m, parent, name, fields)
  mayAdd(m, parent.fs, fields.content)
  const id = m.fresh()
  m.nodes.set(id, { id, fs: parent.fs, parent: parent.id, name, ...fields })
  enter(m, parent, name, id)
  return id
}

/** Creates a node in an overlay, in its upper layer. A directory that replaces a whiteout hides the lower layers. */
const createInOverlay = (m: Machine, parent: View, name: string, fields: Parameters<typeof create>[3]): number => {
  const upper = view(m, parent.real!.id)
  const covers = upper.lookup!(name) !== undefined
  const id = create(m, upper, name, fields)
  if (covers && fields.content._tag === "Directory") {
    m.nodes.update(id, (node) => ({ ...node, xattrs: new Map([[Overlay.opaque, encode("y")]]) }))
  }
  Overlay.forget(m, parent.id, name)
  return view(m, parent.id).lookup!(name) as number
}

/** Adds a name for a node. */
export const enter = (m: Machine, parent: View, name: string, id: NodeId): void => {
  const node = parent.stored ?? refuse("EPERM")
  const entries = new Map(loaded(m, node)).set(name, id)
  m.nodes.set(node.id, { ...m.nodes.need(node.id), content: { _tag: "Directory", entries } })
}

/** Removes a name. */
export const leave = (m: Machine, parent: View, name: string): void => {
  const node = parent.stored ?? refuse("EPERM")
  const entries = new Map(loaded(m, node))
  entries.delete(name)
  m.nodes.set(node.id, { ...m.nodes.need(node.id), content: { _tag: "Directory", entries } })
}

/** A new anonymous node: a pipe, a memfd, the root of a file system. */
export const anonymous = (m: Machine, fs: number, mode: number, content: Content, name = ""): number => {
  const id = m.fresh()
  const { euid, egid } = m.self.creds
  m.nodes.set(id, { id, fs, parent: id, name, mode, uid: euid, gid: egid, content })
  return id
}
