/**
 * Changes in an overlay: all go to the upper layer. @see Documentation/filesystems/overlayfs.rst
 */
import { type Machine, refuse } from "./Machine.ts"
import * as Nodes from "./Nodes.ts"
import * as Overlay from "./Overlay.ts"
import type { Content, NodeId } from "./State.ts"
import * as Tree from "./Tree.ts"

const contentOf = (node: Nodes.View): Content => {
  const content = node.stored?.content
  switch (node.type) {
    case "d":
      return { _tag: "Directory", entries: new Map() }
    case "f":
      // a file of the real machine is still read on demand only
      return content?._tag === "File" ? content : { _tag: "File", data: node.read!() }
    default:
      return content ?? refuse("EIO")
  }
}

/**
 * Makes sure that a node and the directories above it have copies in the upper layer (`ovl_copy_up`). Does nothing outside
 * of an overlay.
 */
export const copyUp = (m: Machine, id: NodeId): void => {
  const layers = Overlay.layersOf(m, id)
  if (layers === undefined || layers.upper !== undefined) return
  const node = Nodes.view(m, id)
  copyUp(m, node.parent)
  const above = Overlay.layersOf(m, node.parent)?.upper ?? refuse("EROFS")
  const real = Nodes.view(m, layers.lowers[0]!)
  const { gid, mode, uid } = real
  const upper = Tree.create(m, Nodes.view(m, above), node.name, { mode, uid, gid, content: contentOf(real) })
  const xattrs = real.stored?.xattrs
  if (xattrs !== undefined) m.nodes.update(upper, (stored) => ({ ...stored, xattrs }))
  Overlay.change(m, id, { upper, lowers: real.type === "d" ? layers.lowers : [] })
}

const whiteout = (m: Machine, directory: Nodes.View, name: string): void =>
  void Tree.create(m, directory, name, {
    mode: 0,
    uid: 0,
    gid: 0,
    content: { _tag: "Device", type: "c", major: 0, minor: 0 }
  })

/** Removes a name from the upper directory. If a lower layer has the name, a whiteout replaces it. */
const cover = (m: Machine, directory: NodeId, name: string): void => {
  const layers = Overlay.layersOf(m, directory)!
  const upper = Nodes.view(m, layers.upper!)
  if (upper.lookup!(name) !== undefined) Tree.leave(m, upper, name)
  const { upper: _, ...below } = layers
  const isBelow = Overlay.lookUp(below, name, (id) => Nodes.view(m, id)) !== undefined
  if (isBelow) whiteout(m, Nodes.view(m, layers.upper!), name)
  Overlay.forget(m, directory, name)
}

/** Removes a name from a directory of an overlay (`ovl_do_remove`); `false` for another directory. */
export const remove = (m: Machine, directory: NodeId, name: string): boolean => {
  if (Overlay.layersOf(m, directory) === undefined) return false
  copyUp(m, directory)
  cover(m, directory, name)
  return true
}

/**
 * Renames within an overlay (`ovl_rename`); `false` for another file system. EXDEV: a directory of a lower layer, since it
 * would have to be copied as a whole.
 */
export const rename = (
  m: Machine,
  from: { readonly directory: NodeId; readonly name: string },
  to: { readonly directory: NodeId; readonly name: string },
  flags: number
): boolean => {
  if (Overlay.layersOf(m, from.directory) === undefined) return false
  if ((flags & ~1) !== 0) m.unmodelled("RENAME_EXCHANGE and RENAME_WHITEOUT in an overlay")
  const id = Nodes.view(m, from.directory).lookup!(from.name)!
  const isDirectory = Nodes.view(m, id).type === "d"
  if (isDirectory && Overlay.layersOf(m, id)!.lowers.length > 0) refuse("EXDEV")
  copyUp(m, id)
  copyUp(m, from.directory)
  copyUp(m, to.directory)
  const upper = Overlay.layersOf(m, id)!.upper as number
  cover(m, from.directory, from.name)
  const target = Nodes.view(m, Overlay.layersOf(m, to.directory)!.upper!)
  const covers = target.lookup!(to.name) !== undefined
  if (covers) Tree.leave(m, target, to.name)
  const place = Nodes.view(m, target.id)
  Tree.enter(m, place, to.name, upper)
  m.nodes.update(upper, (node) => ({
    ...node,
    parent: place.id,
    name: to.name,
    ...isDirectory && covers ? { xattrs: new Map(node.xattrs).set(Overlay.opaque, new Uint8Array([0x79])) } : {}
  }))
  m.nodes.update(id as number, (node) => ({ ...node, parent: to.directory, name: to.name }))
  const entries = new Map(Overlay.layersOf(m, to.directory)!.entries).set(to.name, id)
  Overlay.change(m, to.directory, { entries })
  return true
}
