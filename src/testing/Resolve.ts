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
  /** What the last name is (`LAST_NORM`, `LAST_DOT`, `LAST_DOTDOT`, `LAST_ROOT`). */
  readonly last: "name" | "dot" | "dotdot" | "root"
  /** What the last name stands for in its directory, below whatever is mounted there. */
  readonly entry: NodeId | undefined
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
  /** For calls that change a directory: the last name is neither followed nor looked through to what is mounted there. */
  readonly parent?: boolean
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

/** Whether a directory is still below the root of the mount that shows it (`path_connected`). */
const connected = (m: Machine, mount: Mount, node: NodeId): boolean =>
  aboveNode(m, mount.root) === mount.root || isWithin(m, node, mount.root)

/**
 * One directory up, through mounts; `undefined` where there is none: at the root of the process, and at the bottom of
 * all mounts (follow_dotdot, choose_mountpoint). ENOENT where the directory was moved out of what the mount shows.
 */
const up = (m: Machine, at: Location, root: Location): Location | undefined => {
  let here = at
  for (;;) {
    if (same(here, root)) return undefined
    const mount = m.mounts.get(here.mount)
    if (mount === undefined) return undefined
    if (here.node !== mount.root) {
      const above = aboveNode(m, here.node)
      return connected(m, mount, above) ? { mount: here.mount, node: above } : refuse("ENOENT")
    }
    if (mount.parent === undefined) return undefined
    here = { mount: mount.parent, node: mount.mountpoint! }
  }
}

const bytesIn = (text: string): number => new TextEncoder().encode(text).length

/** ENOENT for none, ENAMETOOLONG for 4096 bytes and more (path_resolution(7)). */
const checkPath = (path: string, emptyPath: boolean | undefined): void => {
  if (path === "" && emptyPath !== true) refuse("ENOENT")
  if (path.length >= 1024 && bytesIn(path) >= 4096) refuse("ENAMETOOLONG")
}

/** Resolves a path. Refuses with the errno that Linux gives. */
export const resolve = (m: Machine, dirfd: number, path: string, options: Options): Resolved => {
  const flags = options.resolve ?? 0
  // RESOLVE_NO_SYMLINKS implies RESOLVE_NO_MAGICLINKS (openat2(2))
  const noMagic = (flags & (RESOLVE.NO_MAGICLINKS | RESOLVE.NO_SYMLINKS)) !== 0
  const scoped = (flags & (RESOLVE.BENEATH | RESOLVE.IN_ROOT)) !== 0
  const beneath = (flags & RESOLVE.BENEATH) !== 0
  const noXdev = (flags & RESOLVE.NO_XDEV) !== 0

  checkPath(path, options.emptyPath)
  if (path === "") {
    const location = locationOf(m, dirfd)
    return { directory: location, name: "", last: "dot", location, entry: location.node, trailingSlash: false }
  }
  // an absolute path does not look at the descriptor, except under RESOLVE_IN_ROOT (path_init)
  if (beneath && path.startsWith("/")) refuse("EXDEV")
  const start = path.startsWith("/") && !scoped ? m.self.root : locationOf(m, dirfd)
  if ((scoped || !path.startsWith("/")) && view(m, start.node).type !== "d") refuse("ENOTDIR")
  const root = scoped ? start : m.self.root
  let at = start
  let links = 0
  const crossing = (next: Location): Location => noXdev && next.mount !== at.mount ? refuse("EXDEV") : next
  // the way up stays where it is at a root, which RESOLVE_BENEATH refuses (follow_dotdot)
  const above = (): Location => {
    const next = up(m, at, root)
    return next !== undefined ? crossing(onTop(m, crossing(next))) : beneath ? refuse("EXDEV") : at
  }

  const split = (text: string): Array<string> => text.split("/").filter((part) => part !== "").toReversed()
  const pending = split(path)
  let trailingSlash = path.endsWith("/") && pending.length > 0
  let directory = at
  let name = "."
  let last: Resolved["last"] = pending.length === 0 ? "root" : "dot"
  let entry: NodeId = at.node
  while (pending.length > 0) {
    const part = pending.pop()!
    const isLast = pending.length === 0
    const here = view(m, at.node)
    if (here.type !== "d") refuse("ENOTDIR")
    if (!permitted(m, here, X)) refuse("EACCES")
    directory = at
    name = part
    last = part === "." ? "dot" : part === ".." ? "dotdot" : "name"
    if (part === ".") continue
    if (part === "..") {
      if (options.parent !== true || !isLast) at = above()
      continue
    }
    if (part.length > 85 && bytesIn(part) > 255) refuse("ENAMETOOLONG")
    const found = here.lookup?.(part)
    if (found === undefined) {
      if (!isLast) refuse("ENOENT")
      return { directory, name, last, location: undefined, entry: undefined, trailingSlash }
    }
    entry = found
    const child = view(m, found)
    const follows = !isLast || (options.parent !== true && (options.follow || trailingSlash))
    if (child.type === "l" && follows) {
      // ELOOP: after 40 links, or at the first one under RESOLVE_NO_SYMLINKS; also on a mount with nosymfollow
      if (++links > 40 || (flags & RESOLVE.NO_SYMLINKS) !== 0) refuse("ELOOP")
      if (at.mount !== 0 && (m.mounts.need(at.mount).flags & MS.NOSYMFOLLOW) !== 0) refuse("ELOOP")
      if (child.jump !== undefined) {
        // a process that may not be looked into is told before the flags (proc_pid_get_link)
        const target = child.jump()
        if (noMagic) refuse("ELOOP")
        if (noXdev && target.mount !== at.mount) refuse("EXDEV")
        // magic links jump out of any scope: BENEATH and IN_ROOT refuse them (nd_jump_link)
        if (scoped) refuse("EXDEV")
        at = target
        continue
      }
      const text = child.link!()
      if (text === "") refuse("ENOENT")
      if (text.startsWith("/")) {
        if (beneath) refuse("EXDEV")
        at = crossing(root)
        if (isLast) [directory, last, entry] = [at, "root", at.node]
      }
      if (isLast && text.endsWith("/")) trailingSlash = true
      pending.push(...split(text))
      continue
    }
    if (options.parent !== true || !isLast) at = crossing(onTop(m, { mount: at.mount, node: found }))
    else at = { mount: at.mount, node: found }
  }
  if (options.parent !== true && trailingSlash && view(m, at.node).type !== "d") refuse("ENOTDIR")
  return { directory, name, last, location: at, entry, trailingSlash }
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

/** Whether a stored node has lost its name (`d_unlinked`). */
export const unlinked = (m: Machine, id: NodeId): boolean => {
  if (typeof id !== "number") return false
  const { name, parent } = m.nodes.need(id)
  return parent !== id && view(m, parent).lookup?.(name) !== id
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
    // moved out of what the mount shows: no more is told (prepend_path)
    if (node.parent === here.node) return { path: "/", reachable: false }
    parts.unshift(node.name)
    here = { mount: here.mount, node: node.parent }
  }
}
