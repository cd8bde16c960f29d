/**
 * Path resolution: path_resolution(7), symlink(7), openat2(2), and the crossing of mounts.
 */
import { AT, MS, RESOLVE } from "../native/constants.ts"
import { throughMount } from "./idmaps.ts"
import { type Machine, refuse } from "./Machine.ts"
import * as Nodes from "./Nodes.ts"
import { parentOf as aboveNode, permitted, placeOf, type View, view, X } from "./Nodes.ts"
import type { Location, Mount, NodeId } from "./State.ts"
import { numberOf } from "./Sysctl.ts"

/** Whether a node is still in the tree. The directory of a process is gone with the process. */
export const linked = (m: Machine, id: Location["node"]): boolean => {
  if (typeof id !== "number") return !/^proc:\d+:\d+$/.test(id) || !Nodes.isGone(m, id)
  return !unlinked(m, id)
}

/** The result of a path look-up. */
export interface Resolved {
  /** The directory that holds the last name. */
  readonly directory: Location
  /** The last name; `.`, `..` or empty if there is none to create. */
  readonly name: string
  /** What the last name is (`LAST_NORM`, `LAST_DOT`, `LAST_DOTDOT`, `LAST_ROOT`). */
  readonly last: "name" | "dot" | "dotdot" | "root"
  /** The node of the last name in its directory, below whatever is mounted there. */
  readonly entry: NodeId | undefined
  /** The place that the path leads to; absent if the last name does not exist. */
  readonly location: Location | undefined
  /** Whether the path ended in a slash. */
  readonly trailingSlash: boolean
}

/** How a path is resolved. */
interface Options {
  /** Follow a symlink as the last name. */
  readonly follow: boolean
  /** `RESOLVE_*`. */
  readonly resolve?: number
  /** For calls that change a directory: neither a link nor a mount at the last name is followed. */
  readonly parent?: boolean
  /** Allow an empty path, which means the descriptor itself (`AT_EMPTY_PATH`). */
  readonly emptyPath?: boolean
}

/** The newest mount on a node of a mount. */
export const mountedOn = (m: Machine, mount: number, node: NodeId): Mount | undefined =>
  m.mounts.findLast((other) => other.parent === mount && other.mountpoint === node)

/** The top of the stack of mounts on a place. */
export const onTop = (m: Machine, location: Location): Location => {
  let at = location
  for (let next = mountedOn(m, at.mount, at.node); next !== undefined; next = mountedOn(m, at.mount, at.node)) {
    at = { mount: next.id, node: next.root }
  }
  return at
}

/** Whether two places are the same. */
export const same = (a: Location, b: Location): boolean => a.mount === b.mount && a.node === b.node

/** The place of a descriptor. EBADF if there is none; the caller checks for ENOTDIR. */
const locationOf = (m: Machine, fd: number): Location => {
  if (fd === AT.FDCWD) return m.self.cwd
  const entry = m.self.descriptors.get(fd) ?? refuse("EBADF")
  const { kind } = m.files.need(entry.file)
  return kind._tag === "Node" || kind._tag === "Pty" ? kind.location : refuse("ENOTDIR")
}

/** Whether a directory is still below the root of the mount that shows it (`path_connected`). */
const connected = (m: Machine, mount: Mount, node: NodeId): boolean =>
  aboveNode(m, mount.root) === mount.root || isWithin(m, node, mount.root)

/**
 * One directory up, through mounts; `undefined` if there is none: at the root of the process, and at the bottom of
 * all mounts (follow_dotdot, choose_mountpoint). ENOENT if the directory was moved out of what the mount shows.
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

/**
 * Whether a link may be followed: not one of another user in a sticky world-writable directory, if these are protected
 * (`may_follow_link`).
 */
const mayFollow = (m: Machine, directory: View, link: View): boolean =>
  (directory.mode & 0o1002) !== 0o1002 || link.uid === m.self.creds.euid || link.uid === directory.uid ||
  (numberOf(m, "fs/protected_symlinks") ?? 0) === 0

/** File systems whose names stay in the cache as long as they exist. */
const cached = new Set(["tmpfs", "devtmpfs", "ramfs"])

/** The names of a path, the last one first. */
const split = (text: string): Array<string> => text.split("/").filter((part) => part !== "").toReversed()

/** One walk along a path, from name to name (`link_path_walk`). */
class Walk {
  /** The current place. */
  at: Location
  /** Results for the last name; see {@link Resolved}. */
  directory: Location
  name = "."
  last: Resolved["last"]
  entry: NodeId
  trailingSlash: boolean

  readonly #m: Machine
  readonly #options: Options
  readonly #flags: number
  /** The place where `..` stops, and where absolute links start. */
  readonly #root: Location
  /** The remaining names, the last one first. */
  readonly #pending: Array<string>
  #links = 0

  constructor(m: Machine, path: string, start: Location, root: Location, options: Options) {
    this.#m = m
    this.#options = options
    this.#flags = options.resolve ?? 0
    this.#root = root
    this.#pending = split(path)
    this.at = start
    this.directory = start
    this.entry = start.node
    this.last = this.#pending.length === 0 ? "root" : "dot"
    this.trailingSlash = path.endsWith("/") && this.#pending.length > 0
  }

  /** Walks to the end. Returns whether the last name exists. */
  run(): boolean {
    while (this.#pending.length > 0) {
      if (!this.#step(this.#pending.pop()!, this.#pending.length === 0)) return false
    }
    return true
  }

  #has(flags: number): boolean {
    return (this.#flags & flags) !== 0
  }

  /** Fails with EXDEV; with EAGAIN if the walk may only use the cache (RESOLVE_CACHED in openat2(2)). */
  #outside(): never {
    return refuse(this.#has(RESOLVE.CACHED) ? "EAGAIN" : "EXDEV")
  }

  #crossing(next: Location): Location {
    return this.#has(RESOLVE.NO_XDEV) && next.mount !== this.at.mount ? this.#outside() : next
  }

  /** One directory up. At a root it stays there; RESOLVE_BENEATH refuses that (`follow_dotdot`). */
  #above(): Location {
    const next = up(this.#m, this.at, this.#root)
    if (next !== undefined) return this.#crossing(onTop(this.#m, this.#crossing(next)))
    return this.#has(RESOLVE.BENEATH) ? this.#outside() : this.at
  }

  /** Walks one name further. Returns `false` if the last name does not exist. */
  #step(part: string, isLast: boolean): boolean {
    const m = this.#m
    const fromCache = this.#has(RESOLVE.CACHED)
    const here = at(m, this.at)
    if (here.type !== "d") refuse(fromCache ? "EAGAIN" : "ENOTDIR")
    if (!permitted(m, here, X)) refuse(fromCache ? "EAGAIN" : "EACCES")
    this.directory = this.at
    this.name = part
    this.last = part === "." ? "dot" : part === ".." ? "dotdot" : "name"
    if (part === ".") return true
    const keepsLast = this.#options.parent === true && isLast
    if (part === "..") {
      if (!keepsLast) this.at = this.#above()
      return true
    }
    const found = this.#lookUp(here, part)
    if (found === undefined) return isLast ? false : refuse("ENOENT")
    this.entry = found
    const under = { mount: this.at.mount, node: found }
    // what is mounted on the name replaces it, also a mounted link
    const top = keepsLast ? under : this.#crossing(onTop(m, under))
    const child = at(m, top)
    const follows = !isLast || (!keepsLast && (this.#options.follow || this.trailingSlash))
    if (child.type === "l" && follows) this.#follow(here, top, child, isLast)
    else this.at = top
    return true
  }

  #lookUp(here: View, name: string): NodeId | undefined {
    if (name.length > 85 && bytesIn(name) > 255) refuse("ENAMETOOLONG")
    const found = here.lookup?.(name)
    // a mount point is always in the cache
    const isMountPoint = found !== undefined && mountedOn(this.#m, this.at.mount, found) !== undefined
    if (this.#has(RESOLVE.CACHED) && !isMountPoint) {
      if (!cached.has(this.#m.fileSystems.get(here.fs)?.type ?? "")) this.#m.unmodelled("which names are in the cache")
      if (found === undefined) refuse("EAGAIN")
    }
    return found
  }

  /** Follows a link: its names come before the remaining ones. */
  #follow(directory: View, link: Location, child: View, isLast: boolean): void {
    const m = this.#m
    // ELOOP: after 40 links, or at the first one under RESOLVE_NO_SYMLINKS; also on a mount with nosymfollow
    if (++this.#links > 40) refuse("ELOOP")
    if (isLast && !mayFollow(m, directory, child)) refuse("EACCES")
    if (this.#has(RESOLVE.NO_SYMLINKS)) refuse("ELOOP")
    if (link.mount !== 0 && (m.mounts.need(link.mount).flags & MS.NOSYMFOLLOW) !== 0) refuse("ELOOP")
    if (this.#has(RESOLVE.CACHED)) m.unmodelled("when a link was last followed")
    if (child.jump !== undefined) {
      this.at = this.#jump(child.jump)
      return
    }
    const text = child.link!()
    if (text === "") refuse("ENOENT")
    if (text.startsWith("/")) {
      if (this.#has(RESOLVE.BENEATH)) refuse("EXDEV")
      this.at = this.#crossing(this.#root)
      if (isLast) [this.directory, this.last, this.entry] = [this.at, "root", this.at.node]
    }
    if (isLast && text.endsWith("/")) this.trailingSlash = true
    this.#pending.push(...split(text))
  }

  /** Where a magic link leads, as those of `/proc/PID/fd` (`nd_jump_link`). */
  #jump(jump: () => Location): Location {
    // whether the process may be inspected is checked before the flags (proc_pid_get_link)
    const target = jump()
    // RESOLVE_NO_SYMLINKS implies RESOLVE_NO_MAGICLINKS (openat2(2))
    if (this.#has(RESOLVE.NO_MAGICLINKS | RESOLVE.NO_SYMLINKS)) refuse("ELOOP")
    if (this.#has(RESOLVE.NO_XDEV) && target.mount !== this.at.mount) refuse("EXDEV")
    // magic links jump out of any scope: BENEATH and IN_ROOT refuse them
    if (this.#has(RESOLVE.BENEATH | RESOLVE.IN_ROOT)) refuse("EXDEV")
    return target
  }
}

/** Resolves a path. Refuses with the errno that Linux returns. */
export const resolve = (m: Machine, dirfd: number, path: string, options: Options): Resolved => {
  checkPath(path, options.emptyPath)
  if (path === "") {
    const location = locationOf(m, dirfd)
    return { directory: location, name: "", last: "dot", location, entry: location.node, trailingSlash: false }
  }
  const flags = options.resolve ?? 0
  const scoped = (flags & (RESOLVE.BENEATH | RESOLVE.IN_ROOT)) !== 0
  // an absolute path ignores the descriptor, except under RESOLVE_IN_ROOT (path_init)
  if ((flags & RESOLVE.BENEATH) !== 0 && path.startsWith("/")) refuse("EXDEV")
  const start = path.startsWith("/") && !scoped ? m.self.root : locationOf(m, dirfd)
  if ((scoped || !path.startsWith("/")) && view(m, start.node).type !== "d") refuse("ENOTDIR")
  const walk = new Walk(m, path, start, scoped ? start : m.self.root, options)
  const exists = walk.run()
  const { at, directory, entry, last, name, trailingSlash } = walk
  if (!exists) return { directory, name, last, location: undefined, entry: undefined, trailingSlash }
  if (options.parent !== true && trailingSlash && view(m, at.node).type !== "d") refuse("ENOTDIR")
  return { directory, name, last, location: at, entry, trailingSlash }
}

/** As {@link resolve}, for calls on something that must exist. */
export const existing = (m: Machine, dirfd: number, path: string, options: Options): Location =>
  resolve(m, dirfd, path, options).location ?? refuse("ENOENT")

/** The view at a place, with the owner that the mount shows. */
export const at = (m: Machine, location: Location): View => throughMount(m, location, view(m, location.node))

/** Whether a node is in the subtree of another node of the same file system. */
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

/** The path of a place as seen from a root (`d_path`), and whether it is within that root. */
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
    // it was moved out of what the mount shows: the path ends here (prepend_path)
    if (node.parent === here.node) return { path: "/", reachable: false }
    parts.unshift(node.name)
    here = { mount: here.mount, node: node.parent }
  }
}
