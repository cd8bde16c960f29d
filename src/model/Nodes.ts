/**
 * Nodes of file systems, stored and computed, behind one view; and the permission rules of inode(7).
 */
import { closeSync, lstatSync, opendirSync, openSync, readFileSync, readlinkSync, readSync } from "node:fs"
import { S } from "../native/constants.ts"
import { CAP, capableOver } from "./Credentials.ts"
import { encode, type Machine, refuse } from "./Machine.ts"
import * as Overlay from "./Overlay.ts"
import type { Content, FileSystem, Location, Node, NodeId, OpenFile } from "./State.ts"

/** A node as path resolution and file calls see it. */
export interface View {
  readonly id: NodeId
  readonly fs: number
  readonly parent: NodeId
  readonly name: string
  /** Its inode number, if the id does not tell it. */
  readonly ino?: number | undefined
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly type: "f" | "d" | "l" | "c" | "b" | "p" | "s"
  /** A directory's names, and a node by name. */
  readonly list?: () => ReadonlyArray<string>
  readonly lookup?: (name: string) => NodeId | undefined
  /** A symlink's text, and where a magic link leads (symlink(7), "Magic links"). */
  readonly link?: () => string
  readonly jump?: () => Location
  /** A file's content, whole. */
  readonly read?: () => Uint8Array
  /** The content must be read from its start: a read at another offset returns nothing. */
  readonly whole?: boolean
  /** A write does not move the file's offset. */
  readonly rewritable?: boolean
  /** For computed files: writes a whole text. Returns the number of bytes taken, if not all were. */
  readonly write?: (text: string, opener: OpenFile["opener"], offset: number) => number | void
  /** The caller may do anything with it, regardless of the permission bits. */
  readonly always?: boolean
  /** Decides about an access instead of the permission bits. */
  readonly allows?: ((wanted: number) => boolean) | undefined
  /** Further checks of open(2), besides permission bits. */
  readonly onOpen?: (writing: boolean) => void
  readonly device?: { readonly major: number; readonly minor: number }
  /** The stored node. Of an overlay's node, that of the upper layer; absent if there is none. */
  readonly stored?: Node
  /** For a node of an overlay: the node of the layer that it shows. */
  readonly real?: View
}

/** The nsfs node of a namespace, which bind mounts and descriptors refer to. */
const namespaceNode = (id: NodeId): View => ({
  id,
  fs: 0,
  parent: id,
  name: String(id),
  mode: 0o444,
  uid: 0,
  gid: 0,
  type: "f",
  read: () => refuse("EINVAL"),
  // EPERM: there is nothing to write (ns_open)
  onOpen: (writing) => writing ? refuse("EPERM") : undefined
})

/** A node of sockfs, to which only links of /proc lead. */
const socketNode = (id: NodeId): View => ({
  id,
  fs: 0,
  parent: id,
  name: String(id),
  mode: 0o777,
  uid: 0,
  gid: 0,
  type: "s"
})

/** Whether a node is an open socket, not a socket's name in a directory. */
export const isOpenSocket = ({ id }: View): boolean => typeof id === "string" && id.startsWith("socket:")

/** Whether nobody may change a node: namespaces, and directories of processes (`S_IMMUTABLE`). */
export const isImmutable = ({ id }: View): boolean => typeof id === "string" && /^(?:ns:|proc:\d+:\d+$)/.test(id)

const typeOf = (content: Content): View["type"] => {
  switch (content._tag) {
    case "Directory":
      return "d"
    case "File":
      return "f"
    case "Symlink":
      return "l"
    case "Device":
      return content.type
    case "Fifo":
      return "p"
    case "Socket":
      return "s"
    // the type is that of the layer's node
    case "Overlay":
      return "d"
  }
}

/** The view of a stored node. One is made for every step of a path, so it is a single object literal. */
const storedView = (m: Machine, node: Node): View => {
  const { content, fs, gid, id, mode, name, number: ino, parent, uid } = node
  const type = typeOf(content)
  switch (content._tag) {
    case "Directory": {
      const list = (): ReadonlyArray<string> => [...loaded(m, node).keys()]
      const lookup = (child: string): NodeId | undefined => loaded(m, node).get(child)
      return { id, ino, fs, parent, name, mode, uid, gid, type, stored: node, list, lookup }
    }
    case "File": {
      const read = (): Uint8Array => content.host === undefined ? content.data : hostData(content.host)
      return { id, ino, fs, parent, name, mode, uid, gid, type, stored: node, read }
    }
    case "Symlink":
      return { id, ino, fs, parent, name, mode, uid, gid, type, stored: node, link: () => content.target }
    case "Device":
      return { id, ino, fs, parent, name, mode, uid, gid, type, stored: node, device: content }
    case "Overlay":
      return Overlay.view(m, node, content, (real) => view(m, real))
    default:
      return { id, ino, fs, parent, name, mode, uid, gid, type, stored: node }
  }
}

/** Whether the process of a file of /proc still exists. */
const isAlive = (m: Machine, id: string): boolean => m.computed(id).node(m, id.split("/")[0]!) !== undefined

/** Whether a node belongs to a process that is gone. */
export const isGone = (m: Machine, id: NodeId): boolean =>
  typeof id === "string" && /^proc:\d+:\d/.test(id) && !isAlive(m, id)

/** Name and parent of a node. A file of /proc has them even if its process is gone. */
export const placeOf = (m: Machine, id: NodeId): { readonly name: string; readonly parent: NodeId } =>
  typeof id === "number" ? m.nodes.need(id) : placeOfComputed(m, id) ?? view(m, id)

const placeOfComputed = (m: Machine, id: string): { readonly name: string; readonly parent: string } | undefined =>
  /^(?:ns|socket):/.test(id) ? undefined : m.computed(id).place?.(id)

/** The directory above a node; the node itself for a root. */
export const parentOf = (m: Machine, id: NodeId): NodeId => placeOf(m, id).parent

/** The node with an id. */
export const view = (m: Machine, id: NodeId): View => {
  if (typeof id === "number") return storedView(m, m.nodes.need(id))
  if (id.startsWith("ns:")) return namespaceNode(id)
  if (id.startsWith("socket:")) return socketNode(id)
  const found = m.computed(id).node(m, id)
  // a process or a cgroup that is gone while something still refers to it (proc_pid_permission: ESRCH)
  return found ?? refuse(isGone(m, id) ? "ESRCH" : "ENOENT")
}

// -- content of the real machine, read when it is first looked at -----------------------------------------------------
const hostData = (path: string): Uint8Array => {
  try {
    return readFileSync(path)
  } catch {
    return refuse("EACCES")
  }
}

/** The first bytes of a file. A file of the real machine is not read whole. */
export const head = (m: Machine, node: View, length: number): Uint8Array => {
  if (node.real !== undefined) return head(m, node.real, length)
  const content = node.stored?.content
  if (content?._tag !== "File" || content.host === undefined) return (node.read?.() ?? encode("")).slice(0, length)
  try {
    const fd = openSync(content.host, "r")
    try {
      const out = new Uint8Array(length)
      return out.slice(0, readSync(fd, out, 0, length, 0))
    } finally {
      closeSync(fd)
    }
  } catch {
    return m.unmodelled(`what is in ${content.host}, which can't be read here`)
  }
}

const major = (dev: number): number => Math.floor(dev / 256) & 0xfff

const minor = (dev: number): number => (dev & 0xff) | (Math.floor(dev / 4096) & 0xfff00)

/** Major and minor of a device, from the number that Node returns. */
export const deviceOf = (dev: number): { readonly major: number; readonly minor: number } => ({
  major: major(dev),
  minor: minor(dev)
})

/** The content of a path of the real machine; `undefined` if it can't be read. */
const hostContent = (
  path: string
): Pick<Node, "mode" | "uid" | "gid" | "number" | "content"> | undefined => {
  try {
    const stat = lstatSync(path)
    const content = (): Content => {
      switch (stat.mode & S.IFMT) {
        case S.IFDIR:
          return { _tag: "Directory", entries: new Map(), host: path }
        case S.IFLNK:
          return { _tag: "Symlink", target: readlinkSync(path) }
        case S.IFCHR:
        case S.IFBLK:
          return {
            _tag: "Device",
            type: (stat.mode & S.IFMT) === S.IFCHR ? "c" : "b",
            ...deviceOf(stat.rdev)
          }
        case S.IFIFO:
          return { _tag: "Fifo", data: new Uint8Array() }
        case S.IFSOCK:
          return { _tag: "Socket", listening: true }
        default:
          return { _tag: "File", data: new Uint8Array(), host: path }
      }
    }
    return { mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, number: stat.ino, content: content() }
  } catch {
    return undefined
  }
}

/** The names in a directory of the real machine, in the kernel's order; none if it can't be read. */
const namesOnHost = (path: string): ReadonlyArray<string> => {
  try {
    const directory = opendirSync(path)
    try {
      const names: Array<string> = []
      for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) names.push(entry.name)
      return names
    } finally {
      directory.closeSync()
    }
  } catch {
    return []
  }
}

const fromHost = (m: Machine, parent: Node, name: string, directory: string): NodeId | undefined => {
  const found = hostContent(directory === "/" ? `/${name}` : `${directory}/${name}`)
  if (found === undefined) return undefined
  const id = m.fresh()
  m.nodes.set(id, { id, fs: parent.fs, parent: parent.id, name, ...found, fromHost: true })
  return id
}

export const loaded = (m: Machine, node: Node): ReadonlyMap<string, NodeId> => {
  const { content } = node
  if (content._tag !== "Directory") return new Map()
  if (content.host === undefined) return content.entries
  const known = content.entries
  const entries = new Map<string, NodeId>()
  for (const name of namesOnHost(content.host)) {
    const found = known.get(name) ?? fromHost(m, node, name, content.host)
    if (found !== undefined) entries.set(name, found)
  }
  for (const [name, id] of known) entries.set(name, id)
  m.nodes.set(node.id, { ...node, content: { _tag: "Directory", entries } })
  return entries
}

// -- permissions ------------------------------------------------------------------------------------------------------

/** `R_OK`, `W_OK`, `X_OK`. */
export const R = 4

export const W = 2

export const X = 1

/** Whether the caller may access a node (`generic_permission`; path_resolution(7), "Permissions"). */
export const permitted = (m: Machine, node: View, wanted: number): boolean => {
  if (node.allows !== undefined) return node.allows(wanted)
  const { egid, euid, groups } = m.self.creds
  const bits = node.uid === euid ? node.mode >> 6 : node.gid === egid || groups.includes(node.gid)
    ? node.mode >> 3
    : node.mode
  if (node.always === true || (bits & wanted) === wanted) return true
  if (node.type === "d") {
    return (wanted & W) === 0 && capableOver(m, node, CAP.DAC_READ_SEARCH) || capableOver(m, node, CAP.DAC_OVERRIDE)
  }
  if (wanted === R && capableOver(m, node, CAP.DAC_READ_SEARCH)) return true
  // even root may execute a file only if it has an execute bit
  return ((wanted & X) === 0 || (node.mode & 0o111) !== 0) && capableOver(m, node, CAP.DAC_OVERRIDE)
}

/** Whether the mount or the file system of a place is read-only. */
export const readonlyAt = (m: Machine, location: Location): boolean => {
  if (location.mount === 0) return false
  const mount = m.mounts.need(location.mount)
  return (mount.flags & 1) !== 0 || m.fileSystems.need(mount.fs).readonly
}

/** The file system of a node; `undefined` for anonymous ones. */
export const fileSystemOf = (m: Machine, node: View): FileSystem | undefined => m.fileSystems.get(node.fs)
