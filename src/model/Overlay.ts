/**
 * What overlayfs shows: layers, of which the upper one hides the lower ones. Changes are in `overlayChanges.ts`.
 *
 * A node of an overlay is separate from the nodes of the layers, which it refers to. Mounts on the layers are not visible,
 * as on Linux, which uses a private clone of each layer's mount.
 *
 * @see Documentation/filesystems/overlayfs.rst
 */
import type { Machine } from "./Machine.ts"
import type { View } from "./Nodes.ts"
import type { Content, Node, NodeId } from "./State.ts"

/** The content of a node of an overlay. */
type Layers = Extract<Content, { readonly _tag: "Overlay" }>

/** The attribute of a directory that hides the directories of lower layers. */
export const opaque = "trusted.overlay.opaque"

/** A device 0:0 hides a name of the layers below (`ovl_is_whiteout`). */
const isWhiteout = ({ device, type }: View): boolean => type === "c" && device?.major === 0 && device.minor === 0

const isOpaque = ({ stored }: View): boolean =>
  stored?.xattrs?.get(opaque)?.[0] === 0x79 || stored?.xattrs?.get("user.overlay.opaque")?.[0] === 0x79

/** The layers of a node; `undefined` for a node of another file system. */
export const layersOf = (m: Machine, id: NodeId): Layers | undefined => {
  const content = typeof id === "number" ? m.nodes.get(id)?.content : undefined
  return content?._tag === "Overlay" ? content : undefined
}

type Look = (id: NodeId) => View

/** The nodes in the layers for a name (`ovl_lookup`). */
export const lookUp = (
  { lowers, upper }: Layers,
  name: string,
  look: Look
): Pick<Layers, "lowers" | "upper"> | undefined => {
  const found: Array<NodeId> = []
  let above: NodeId | undefined
  for (const [index, layer] of [upper, ...lowers].entries()) {
    if (layer === undefined) continue
    const directory = look(layer)
    const id = directory.type === "d" ? directory.lookup!(name) : undefined
    if (id === undefined) continue
    const child = look(id)
    const isFirst = above === undefined && found.length === 0
    // only directories are merged
    if (isWhiteout(child) || (!isFirst && child.type !== "d")) break
    if (index === 0) above = id
    else found.push(id)
    if (child.type !== "d" || isOpaque(child)) break
  }
  if (above === undefined && found.length === 0) return undefined
  return { lowers: found, ...above === undefined ? {} : { upper: above } }
}

const names = (layers: Layers, look: Look): ReadonlyArray<string> => {
  const all = new Set<string>()
  for (const layer of [layers.upper, ...layers.lowers]) {
    if (layer === undefined) continue
    for (const name of look(layer).list?.() ?? []) all.add(name)
  }
  return [...all].filter((name) => lookUp(layers, name, look) !== undefined)
}

/** The node for a name, made when it is first looked up. */
const entry = (m: Machine, node: Node, name: string, look: Look): NodeId | undefined => {
  const layers = layersOf(m, node.id)!
  const known = layers.entries.get(name)
  if (known !== undefined) return known
  const found = lookUp(layers, name, look)
  if (found === undefined) return undefined
  const id = m.fresh()
  m.nodes.set(id, {
    id,
    fs: node.fs,
    parent: node.id,
    name,
    // not used: the view shows those of the layer's node
    mode: 0,
    uid: 0,
    gid: 0,
    content: { _tag: "Overlay", ...found, entries: new Map() }
  })
  change(m, node.id, { entries: new Map(layers.entries).set(name, id) })
  return id
}

/** Changes the layers of a node of an overlay. */
export const change = (m: Machine, id: NodeId, fields: Partial<Omit<Layers, "_tag">>): void =>
  m.nodes.update(id as number, (node) => ({ ...node, content: { ...node.content as Layers, ...fields } }))

/** Forgets a name, so that it is looked up again. */
export const forget = (m: Machine, directory: NodeId, name: string): void => {
  const entries = new Map(layersOf(m, directory)!.entries)
  entries.delete(name)
  change(m, directory, { entries })
}

/** The view of a node of an overlay: that of the highest layer that has it. */
export const view = (m: Machine, node: Node, layers: Layers, look: Look): View => {
  const real = look(layers.upper ?? layers.lowers[0]!)
  const { stored, ...shown } = real
  return {
    ...shown,
    id: node.id,
    fs: node.fs,
    parent: node.parent,
    name: node.name,
    real,
    ...layers.upper === undefined || stored === undefined ? {} : { stored },
    ...real.type !== "d" ? {} : {
      list: () => names(layersOf(m, node.id)!, look),
      lookup: (name: string) => entry(m, node, name, look)
    }
  }
}
