/**
 * Mounting overlayfs: its options, and what can be a layer. @see Documentation/filesystems/overlayfs.rst
 */
import { AT, MS } from "../native/constants.ts"
import { type Machine, refuse } from "./Machine.ts"
import * as Overlay from "./Overlay.ts"
import { childrenOf } from "./Propagation.ts"
import { at, existing, isWithin } from "./Resolve.ts"
import type { FileSystem, Location, NodeId } from "./State.ts"
import * as Tree from "./Tree.ts"

/** Options without visible effect. */
const others: Readonly<Record<string, RegExp>> = {
  redirect_dir: /^(?:on|off|follow|nofollow)$/,
  index: /^(?:on|off)$/,
  uuid: /^(?:on|off|null|auto)$/,
  nfs_export: /^(?:on|off)$/,
  xino: /^(?:on|off|auto)$/,
  metacopy: /^(?:on|off)$/,
  verity: /^(?:off|on|require)$/
}

const flags: ReadonlySet<string> = new Set(["userxattr", "volatile", "default_permissions"])

const layers: ReadonlySet<string> = new Set(["lowerdir", "upperdir", "workdir"])

const split = (text: string): ReadonlyArray<string> => {
  const parts: Array<string> = []
  let part = ""
  for (let at = 0; at < text.length; at++) {
    const letter = text[at]!
    if (letter === "\\" && at + 1 < text.length) part += text[++at]!
    else if (letter === ":") {
      parts.push(part)
      part = ""
    } else part += letter
  }
  return [...parts, part]
}

const pair = (option: string): readonly [string, string | undefined] => {
  const at = option.indexOf("=")
  return at < 0 ? [option, undefined] : [option.slice(0, at), option.slice(at + 1)]
}

/**
 * Checks the mount of a layer, which is cloned (`clone_private_mount`). EINVAL: it is in another namespace, is unbindable,
 * or has locked mounts.
 */
const checkMount = (m: Machine, { mount, node }: Location): void => {
  const found = m.mounts.get(mount)
  if (found === undefined || found.ns !== m.self.ns.mnt || found.unbindable) return refuse("EINVAL")
  if (childrenOf(m, mount).some((child) => child.locked && isWithin(m, child.mountpoint!, node))) refuse("EINVAL")
}

const directory = (m: Machine, path: string): Location => {
  if (path === "") return refuse("EINVAL")
  const location = existing(m, AT.FDCWD, path, { follow: true })
  return at(m, location).type === "d" ? location : refuse("EINVAL")
}

const isOverlay = (m: Machine, { node }: Location): boolean => Overlay.layersOf(m, node) !== undefined

/** The upper or the work directory. It must be writable, and not on an overlay. */
const writable = (m: Machine, path: string): Location => {
  const location = directory(m, path)
  if (isOverlay(m, location) || ((m.mounts.get(location.mount)?.flags ?? 0) & MS.RDONLY) !== 0) refuse("EINVAL")
  return location
}

/** How many overlays are stacked (`s_stack_depth`, at most 2). */
const depth = (m: Machine, node: NodeId): number => {
  const content = Overlay.layersOf(m, node)
  if (content === undefined) return 0
  return 1 + Math.max(...[content.upper, ...content.lowers].map((layer) => layer === undefined ? 0 : depth(m, layer)))
}

/** Checks an option (`ovl_parse_param`). EINVAL: overlayfs does not have it; or the errno of a layer's path. */
export const checkOption = (m: Machine, option: string): void => {
  const [name, value] = pair(option)
  if (value === undefined) return flags.has(name) ? undefined : refuse("EINVAL")
  if (!layers.has(name)) return others[name]?.test(value) === true ? undefined : refuse("EINVAL")
  if (name === "lowerdir") { for (const path of split(value)) directory(m, path) }
  else writable(m, value)
}

const workIn = (m: Machine, location: Location): void => {
  const { egid, euid } = m.self.creds
  const place = at(m, location)
  if (place.lookup!("work") !== undefined) return
  const content = { _tag: "Directory", entries: new Map<string, NodeId>() } as const
  Tree.create(m, place, "work", { mode: 0, uid: euid, gid: egid, content })
}

/** Makes the root of a new overlay; also returns whether it is read-only (`ovl_fill_super`). */
export const root = (
  m: Machine,
  fs: FileSystem["id"],
  options: ReadonlyArray<string>
): { readonly root: number; readonly readonly: boolean } => {
  for (const option of options) checkOption(m, option)
  const value = (name: string): string | undefined => options.map(pair).findLast((option) => option[0] === name)?.[1]
  const [lower, upper, work] = [value("lowerdir"), value("upperdir"), value("workdir")]
  if (lower === undefined) return refuse("EINVAL")
  const lowers = split(lower).map((path) => directory(m, path))
  // EINVAL: a single lower layer without an upper one (ovl_get_lowerstack)
  if (upper === undefined && lowers.length < 2) refuse("EINVAL")
  const above = upper === undefined ? undefined : writable(m, upper)
  if (above !== undefined) {
    // EINVAL: no work directory, one on another mount, or one that contains the other
    if (work === undefined) return refuse("EINVAL")
    const place = writable(m, work)
    if (place.mount !== above.mount) refuse("EINVAL")
    if (isWithin(m, place.node, above.node) || isWithin(m, above.node, place.node)) refuse("EINVAL")
    checkMount(m, above)
    workIn(m, place)
  }
  for (const layer of lowers) checkMount(m, layer)
  if (lowers.some(({ node }) => depth(m, node) >= 2)) refuse("EINVAL")
  const id = Tree.anonymous(m, fs, 0, {
    _tag: "Overlay",
    lowers: lowers.map(({ node }) => node),
    entries: new Map(),
    ...above === undefined ? {} : { upper: above.node }
  })
  return { root: id, readonly: above === undefined }
}
