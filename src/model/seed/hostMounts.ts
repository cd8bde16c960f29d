/** The mounts of the machine that this runs on. @see proc_pid_mountinfo(5) */
import { statSync } from "node:fs"
import { MS } from "../../native/constants.ts"
import { directoryOf, keyOf } from "../cgroupTree.ts"
import type { Node, NodeId } from "../State.ts"
import type { Builder } from "./Builder.ts"
import { hostControllers } from "./hostCgroups.ts"
import { initialNamespaces } from "./objects.ts"

const unescape = (text: string): string =>
  text.replaceAll(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))

const optionFlags: Readonly<Record<string, number>> = {
  ro: MS.RDONLY,
  nosuid: MS.NOSUID,
  nodev: MS.NODEV,
  noexec: MS.NOEXEC,
  noatime: MS.NOATIME,
  nodiratime: MS.NODIRATIME,
  relatime: MS.RELATIME,
  nosymfollow: MS.NOSYMFOLLOW
}

const relativeTo = (parent: string, path: string): ReadonlyArray<string> =>
  path.slice(parent === "/" ? 0 : parent.length).split("/").filter((part) => part !== "")

/** A line of mountinfo. */
export interface HostMount {
  readonly id: number
  readonly parent: number
  readonly type: string
  readonly source: string
  readonly point: string
  readonly root: string
  readonly flags: number
  readonly options: ReadonlyArray<string>
  readonly dev: readonly [number, number]
  readonly shared: number | undefined
  readonly master: number | undefined
}

/** The first number of the machine's peer groups in the model, above the model's own. */
const firstPeerGroup = 1_000_000

/** Reads a line of mountinfo. */
export const parse = (line: string): HostMount => {
  const [left = "", right = ""] = line.split(" - ")
  const [id = "", parent = "", dev = "", root = "", point = "", options = "", ...tags] = left.split(" ")
  const [type = "", source = "", superOptions] = right.split(" ")
  const [major = 0, minor = 0] = dev.split(":").map(Number)
  const peer = (name: string): number | undefined => {
    const found = tags.find((tag) => tag.startsWith(`${name}:`))
    return found === undefined ? undefined : firstPeerGroup + Number(found.slice(name.length + 1))
  }
  return {
    id: Number(id),
    parent: Number(parent),
    dev: [major, minor],
    root: unescape(root),
    point: unescape(point),
    flags: options.split(",").reduce((flags, option) => flags | (optionFlags[option] ?? 0), 0),
    type,
    source: unescape(source),
    options: superOptions?.split(",") ?? [],
    shared: peer("shared"),
    master: peer("master")
  }
}

/** What making the mounts of this machine needs. */
export interface Making {
  readonly make: Builder
  readonly ns: ReturnType<typeof initialNamespaces>
  readonly hierarchies: ReadonlyMap<string, number>
  /** Known file systems, by device and directory. */
  readonly instances: Map<string, number>
  /** The namespace of a mount whose root has such a name, as `net:[4026531833]`. */
  readonly namespaceOf: (root: string) => number | undefined
}

/** Makes the mounts of a mountinfo; returns the one that is the root there. */
export const hostMountTree = (
  making: Making,
  { below = "", bottom, mntNs, text }: {
    readonly text: string
    readonly mntNs: number
    /** The mount below all others. */
    readonly bottom: number
    /** Where its `/` can be reached; `/` itself if absent. */
    readonly below?: string
  }
): number => {
  const { instances, make } = making
  const lines = text.trim().split("\n").map(parse)
  const byHostId = new Map<number, number>()
  // a parent may be listed after its child: place those whose parent is known first
  const waiting = [...lines]
  for (let before = -1; waiting.length > 0 && waiting.length !== before;) {
    before = waiting.length
    for (const line of waiting.splice(0)) {
      const isRoot = line.point === "/" && !byHostId.has(line.parent)
      const parent = isRoot ? bottom : byHostId.get(line.parent)
      if (parent === undefined) {
        waiting.push(line)
        continue
      }
      const key = `${line.dev.join(":")} ${line.root}`
      const fs = instances.get(key) ?? hostFileSystem(making, line, below)
      instances.set(key, fs)
      const mountpoint = isRoot
        ? make.mounts.get(bottom)!.root
        : hostMountpoint(make, parent, relativeTo(lines.find(({ id }) => id === line.parent)?.point ?? "/", line.point))
      const id = make.mount(fs, mntNs, { mount: parent, node: mountpoint }, line.flags)
      byHostId.set(line.id, id)
      const mount = make.mounts.get(id)!
      make.mounts.set(id, {
        ...mount,
        ...line.shared === undefined ? {} : { shared: line.shared },
        ...line.master === undefined ? {} : { master: line.master }
      })
    }
  }
  return byHostId.get(lines.findLast(({ point }) => point === "/")?.id ?? -1) ?? bottom
}

/** The controllers of a mount of version 1, among its other options. */
const controllersOf = ({ options }: HostMount): ReadonlyArray<string> =>
  options.filter((option) =>
    !["rw", "ro", "nsdelegate", "memory_recursiveprot", "xattr", "clone_children"].includes(option)
  )

/** The cgroup hierarchy that a mount shows; `undefined` if it is of another kind. */
export const hierarchyOf = (hierarchies: Making["hierarchies"], line: HostMount): number | undefined => {
  if (line.type === "cgroup2") return hierarchies.get("")
  if (line.type !== "cgroup") return undefined
  const names = controllersOf(line)
  return hierarchies.get(names.join(",")) ?? hierarchies.get(names[0] ?? "")
}

/** The group that is the root of such a mount. */
export const shownGroup = (make: Builder, hierarchy: number, { root }: HostMount): string =>
  make.cgroups.has(keyOf(hierarchy, root)) ? root : "/"

const hostFileSystem = ({ hierarchies, make, namespaceOf, ns }: Making, line: HostMount, below: string): number => {
  const place = `${below}${line.point}`
  const kept = { source: line.source }
  const set = (id: number, root: NodeId, shows?: number): number => {
    const fs = make.fileSystems.get(id)!
    make.fileSystems.set(id, {
      ...fs,
      root,
      dev: { major: line.dev[0], minor: line.dev[1] },
      ...shows === undefined ? {} : { shows }
    })
    return id
  }
  if (line.type === "proc") {
    const id = make.fileSystem("proc", "proc::", ns.user, kept)
    return set(id, `proc:${id}:`, ns.pid)
  }
  const hierarchyId = hierarchyOf(hierarchies, line)
  if (hierarchyId !== undefined) {
    if (line.type === "cgroup2") hostControllers(make, hierarchyId, place)
    const options = line.type === "cgroup" ? controllersOf(line) : []
    const id = make.fileSystem(line.type, "", ns.user, { ...kept, options })
    return set(id, directoryOf(hierarchyId, shownGroup(make, hierarchyId, line)), hierarchyId)
  }
  const id = make.fileSystem(line.type, "", ns.user, kept)
  const namespace = line.type === "nsfs" ? namespaceOf(line.root) : undefined
  if (namespace !== undefined) return set(id, `ns:${namespace}`)
  const isDirectory = isDirectoryOnHost(place)
  const { gid, mode, uid } = ownerOnHost(place)
  const root = make.node(
    id,
    undefined,
    "",
    mode,
    isDirectory
      ? { _tag: "Directory", entries: new Map(), host: place }
      : { _tag: "File", data: new Uint8Array(), host: place },
    uid,
    gid
  )
  return set(id, root, line.type === "sysfs" ? ns.net : undefined)
}

/** Mode and owner of what is on top at a mount point. */
const ownerOnHost = (path: string): { readonly mode: number; readonly uid: number; readonly gid: number } => {
  try {
    const { gid, mode, uid } = statSync(path)
    return { mode: mode & 0o7777, uid, gid }
  } catch {
    return { mode: 0o755, uid: 0, gid: 0 }
  }
}

export const isDirectoryOnHost = (path: string): boolean => {
  try {
    return statSync(path).isDirectory()
  } catch {
    return true
  }
}

/** The mount point of a mount of the real machine, made as an empty directory; its siblings are read on demand. */
const hostMountpoint = (
  make: Builder,
  parent: number,
  path: ReadonlyArray<string>
): NodeId => {
  let at: NodeId = make.mounts.get(parent)!.root
  for (const [index, name] of path.entries()) {
    if (typeof at !== "number") {
      const text: string = at
      at = text.startsWith("cg:")
        ? `${text}${text.endsWith("/") ? "" : "/"}${name}`
        : `${text}${text.endsWith(":") ? "" : "/"}${name}`
      continue
    }
    const here: Node = make.nodes.get(at)!
    const there = make.child(at, name)
    if (there !== undefined) {
      at = there
      continue
    }
    const host = here.content._tag === "Directory" ? here.content.host : undefined
    const full = host === undefined ? undefined : host === "/" ? `/${name}` : `${host}/${name}`
    // what a mount covers can't be seen; usually it is empty
    const isCovered = index === path.length - 1
    const { gid, mode, uid } = full === undefined || isCovered ? { mode: 0o755, uid: 0, gid: 0 } : ownerOnHost(full)
    at = make.node(
      here.fs,
      at,
      name,
      mode,
      full !== undefined && !isDirectoryOnHost(full)
        ? { _tag: "File", data: new Uint8Array(), host: full }
        : full === undefined || isCovered
        ? { _tag: "Directory", entries: new Map() }
        : { _tag: "Directory", entries: new Map(), host: full },
      uid,
      gid
    )
  }
  return at
}
