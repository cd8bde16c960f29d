/**
 * Path resolution: path_resolution(7), symlink(7), openat2(2), and the crossing of mounts.
 */
import { AT, MS, RESOLVE } from "../native/constants.ts"
import { type Machine, refuse } from "./Machine.ts"
import { parentOf as aboveNode, permitted, placeOf, type View, view, X } from "./Nodes.ts"
import type { Location, Mount, NodeId } from "./State.ts"

/** What a path led to. */
export interface Resolved {
  /** The directory that holds the last name. */
  readonly directory: Location
  /** The last name; `.`, `..` or empty where there is none to create. */
  readonly name: string
  /** Where it leads; absent where the last name does not exist. */
  readonly location: Location | undefined
  /** Whether the path ended in a slash. */
  readonly trailingSlash: boolean
}

/** How a path is resolved. */
export interface Options {
  /** Follow a symlink in the last place. */
  readonly follow: boolean
  /** `RESOLVE_*`. */
  readonly resolve?: number
  /** Allow an empty path, which means the descriptor itself (`AT_EMPTY_PATH`). */
  readonly emptyPath?: boolean
}

/** The mount that lies on a node of a mount, the newest on top. */
export const mountedOn = (m: Machine, mount: number, node: NodeId): Mount | undefined =>
  m.mounts.findLast((other) => other.parent === mount && other.mountpoint === node)

/** Goes up the stack of mounts on a place. */
export const onTop = (m: Machine, location: Location): Location => {
  let at = location
  for (let next = mountedOn(m, at.mount, at.node); next !== undefined; next = mountedOn(m, at.mount, at.node)) {
    at = { mount: next.id, node: next.root }
  }
  return at
}

/** Whether two places are one. */
export const same = (a: Location, b: Location): boolean => a.mount === b.mount && a.node === b.node

/** The place of a descriptor. EBADF for none; ENOTDIR is the caller's to find. */
export const locationOf = (m: Machine, fd: number): Location => {
  if (fd === AT.FDCWD) return m.self.cwd
  const entry = m.self.descriptors.get(fd) ?? refuse("EBADF")
  const { kind } = m.files.need(entry.file)
  return kind._tag === "Node" || kind._tag === "Pty" ? kind.location : refuse("ENOTDIR")
}

/** One directory up, through mounts; the same place at a root. */
const up = (m: Machine, at: Location, root: Location): Location => {
  let here = at
  while (!same(here, root)) {
    const mount = m.mounts.get(here.mount)
    if (mount === undefined) return here
    if (here.node !== mount.root) return onTop(m, { mount: here.mount, node: aboveNode(m, here.node) })
    if (mount.parent === undefined) return here
    here = { mount: mount.parent, node: mount.mountpoint! }
  }
  return here
}

/** Where `..` of a place leads, for umount's parents and getcwd. */
export const parentOf = up

/** Resolves a path. Refuses with the errno that Linux gives. */
export const resolve = (m: Machine, dirfd: number, path: string, options: Options): Resolved => {
  const flags = options.resolve ?? 0
  // RESOLVE_NO_SYMLINKS implies RESOLVE_NO_MAGICLINKS (openat2(2))
  const noMagic = (flags & (RESOLVE.NO_MAGICLINKS | RESOLVE.NO_SYMLINKS)) !== 0
  const scoped = (flags & (RESOLVE.BENEATH | RESOLVE.IN_ROOT)) !== 0
  const beneath = (flags & RESOLVE.BENEATH) !== 0
  const noXdev = (flags & RESOLVE.NO_XDEV) !== 0

  if (path === "" && !options.emptyPath) refuse("ENOENT")
  if (path.length >= 4096) refuse("ENAMETOOLONG")
  if (path === "") {
    const location = locationOf(m, dirfd)
    return { directory: location, name: "", location, trailingSlash: false }
  }

  const start = path.startsWith("/") && !scoped ? m.self.root : locationOf(m, dirfd)
  const root = scoped ? start : m.self.root
  let at = start
  let links = 0
  const crossing = (next: Location): Location => noXdev && next.mount !== at.mount ? refuse("EXDEV") : next

  // an absolute path: EXDEV under BENEATH; under IN_ROOT it starts at the descriptor (openat2(2))
  const absolute = (text: string): void => {
    if (!text.startsWith("/")) return
    if (beneath) refuse("EXDEV")
    at = crossing(root)
  }
  absolute(path)

  const pending = path.split("/").filter((part) => part !== "").toReversed()
  const trailingSlash = path.endsWith("/") && pending.length > 0
  let directory = at
  let name = "."
  while (pending.length > 0) {
    const part = pending.pop()!
    const last = pending.length === 0
    const here = view(m, at.node)
    if (here.type !== "d") refuse("ENOTDIR")
    if (!permitted(m, here, X)) refuse("EACCES")
    if (part.length > 255) refuse("ENAMETOOLONG")
    directory = at
    name = part
    if (part === ".") continue
    if (part === "..") {
      if (same(at, root) && beneath) refuse("EXDEV")
      at = crossing(up(m, at, root))
      continue
    }
    const found = here.lookup?.(part)
    if (found === undefined) {
      if (!last) refuse("ENOENT")
      return { directory, name, location: undefined, trailingSlash }
    }
    const child = view(m, found)
    if (child.type === "l" && (!last || options.follow || trailingSlash)) {
      // ELOOP: after 40 links, or at the first one under RESOLVE_NO_SYMLINKS; also on a mount with nosymfollow
      if (++links > 40 || (flags & RESOLVE.NO_SYMLINKS) !== 0) refuse("ELOOP")
      if (child.jump !== undefined) {
        if (noMagic) refuse("ELOOP")
        const target = child.jump()
        if (noXdev && target.mount !== at.mount) refuse("EXDEV")
        // magic links jump out of any scope: BENEATH and IN_ROOT refuse them (nd_jump_link)
        if (scoped) refuse("EXDEV")
        at = target
        continue
      }
      if (at.mount !== 0 && (m.mounts.need(at.mount).flags & MS.NOSYMFOLLOW) !== 0) refuse("ELOOP")
      const text = child.link!()
      if (text === "") refuse("ENOENT")
      absolute(text)
      const parts = text.split("/").filter((piece) => piece !== "").toReversed()
      pending.push(...parts)
      continue
    }
    at = crossing(onTop(m, { mount: at.mount, node: found }))
  }
  if (trailingSlash && view(m, at.node).type !== "d") refuse("ENOTDIR")
  return { directory, name, location: at, trailingSlash }
}

/** As {@link resolve}, for calls that want something that exists. */
export const existing = (m: Machine, dirfd: number, path: string, options: Options): Location =>
  resolve(m, dirfd, path, options).location ?? refuse("ENOENT")

/** The view at a place. */
export const at = (m: Machine, location: Location): View => view(m, location.node)

/** Whether a node lies in the subtree of another node of the same file system. */
export const isWithin = (m: Machine, node: NodeId, ancestor: NodeId): boolean => {
  for (let here = node;;) {
    if (here === ancestor) return true
    const parent = aboveNode(m, here)
    if (parent === here) return false
    here = parent
  }
}

/**
 * The path of a place as a root sees it (`d_path`), and whether it lies within that root.
 */
export const pathOf = (m: Machine, location: Location, root: Location): { path: string; reachable: boolean } => {
  const parts: Array<string> = []
  let here = location
  for (;;) {
    if (same(here, root)) return { path: `/${parts.join("/")}`, reachable: true }
    const mount = m.mounts.get(here.mount)
    if (mount === undefined) return { path: placeOf(m, here.node).name, reachable: false }
    if (here.node === mount.root) {
      if (mount.parent === undefined) return { path: `/${parts.join("/")}`, reachable: false }
      here = { mount: mount.parent, node: mount.mountpoint! }
      continue
    }
    const node = placeOf(m, here.node)
    parts.unshift(node.name)
    here = { mount: here.mount, node: node.parent }
  }
}
