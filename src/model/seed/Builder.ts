/** Builds a model machine: adds namespaces, file systems, mounts, cgroups and links. */
import { MS } from "../../native/constants.ts"
import { encode } from "../Machine.ts"
import type { SeedFile } from "../Seed.ts"
import type {
  Cgroup,
  Content,
  FileSystem,
  Hierarchy,
  Link,
  Location,
  Mount,
  Namespace,
  Node,
  NodeId
} from "../State.ts"

type Fields<T extends Namespace["type"]> = Omit<Extract<Namespace, { readonly type: T }>, "id" | "owner" | "type">

/** The content of a file of a seed. */
const contentOf = (seed: Exclude<SeedFile, string | Uint8Array>): Content => {
  if (seed.directory === true) return { _tag: "Directory", entries: new Map() }
  if (seed.symlink !== undefined) return { _tag: "Symlink", target: seed.symlink }
  if (seed.fifo === true) return { _tag: "Fifo", data: new Uint8Array() }
  if (seed.socket === true) return { _tag: "Socket", listening: true }
  if (seed.device !== undefined) {
    const [type, major, minor] = seed.device
    return { _tag: "Device", type, major, minor }
  }
  // by default, an executable file is what the model takes for a static program
  const program = ((seed.mode ?? 0) & 0o111) !== 0 ? "\x7fELF" : ""
  return { _tag: "File", data: encode(seed.text ?? program) }
}

/** A machine that is being built. */
export class Builder {
  readonly namespaces = new Map<number, Namespace>()
  readonly nodes = new Map<number, Node>()
  readonly fileSystems = new Map<number, FileSystem>()
  readonly mounts = new Map<number, Mount>()
  readonly hierarchies = new Map<number, Hierarchy>()
  readonly cgroups = new Map<string, Cgroup>()
  readonly links = new Map<number, Link>()
  /** The next id that is free. */
  next = 100_000

  fresh(): number {
    return this.next++
  }

  /** Adds a namespace; without `owner` it is a user namespace that owns itself. */
  namespace<T extends Namespace["type"]>(type: T, fields: Fields<T>, owner?: number, id = this.fresh()): number {
    this.namespaces.set(id, { id, owner: owner ?? id, type, ...fields } as Namespace)
    return id
  }

  /** Changes an existing namespace. */
  change<T extends Namespace["type"]>(id: number, type: T, fields: Partial<Fields<T>>): void {
    const before = this.namespaces.get(id)
    if (before?.type === type) this.namespaces.set(id, { ...before, ...fields })
  }

  /** Adds a node; without `parent` it is the root of its file system. */
  node(
    fs: number,
    parent: number | undefined,
    name: string,
    mode: number,
    content: Content,
    uid = 0,
    gid = 0
  ): number {
    const id = this.fresh()
    this.nodes.set(id, { id, fs, parent: parent ?? id, name, mode, uid, gid, content })
    if (parent !== undefined) {
      const above = this.nodes.get(parent)!
      if (above.content._tag === "Directory") (above.content.entries as Map<string, NodeId>).set(name, id)
    }
    return id
  }

  /** Adds an instance of a file system; its root is a new directory if none is passed. */
  fileSystem(
    type: string,
    root: NodeId | undefined,
    owner: number,
    fields: {
      readonly source?: string
      readonly shows?: number
      readonly mode?: number
      readonly options?: ReadonlyArray<string>
    } = {}
  ): number {
    const id = this.fresh()
    const directory = (): Content => ({ _tag: "Directory", entries: new Map() })
    this.fileSystems.set(id, {
      id,
      type,
      source: fields.source ?? type,
      readonly: false,
      owner,
      root: root ?? this.node(id, undefined, "", fields.mode ?? 0o755, directory()),
      options: fields.options ?? [],
      dev: { major: 0, minor: id - 99_990 },
      ...fields.shows === undefined ? {} : { shows: fields.shows }
    })
    return id
  }

  /** Mounts a file system; without `at` it is the root of its namespace. */
  mount(fs: number, ns: number, at?: Location, flags: number = MS.RELATIME): number {
    const id = this.fresh()
    this.mounts.set(id, {
      id,
      fs,
      root: this.fileSystems.get(fs)!.root,
      ns,
      flags,
      unbindable: false,
      locked: false,
      lockedFlags: 0,
      ...at === undefined ? {} : { parent: at.mount, mountpoint: at.node }
    })
    return id
  }

  /** The node of a name in a directory. */
  child(parent: number, name: string): NodeId | undefined {
    const { content } = this.nodes.get(parent)!
    return content._tag === "Directory" ? content.entries.get(name) : undefined
  }

  /** The directory at a path below a root; it and its parents are made if they are missing. */
  directories(root: number, path: ReadonlyArray<string>): number {
    return path.reduce((at, name) => {
      const there = this.child(at, name)
      return typeof there === "number"
        ? there
        : this.node(this.nodes.get(at)!.fs, at, name, 0o755, { _tag: "Directory", entries: new Map() })
    }, root)
  }

  /** Adds a file at a path below a root. An existing directory gets the mode and the owner. */
  file(root: number, path: string, seed: SeedFile): void {
    const parts = path.split("/").filter((part) => part !== "")
    const name = parts.at(-1)!
    const fields = typeof seed === "string" ? { text: seed } : seed instanceof Uint8Array ? {} : seed
    const content: Content = seed instanceof Uint8Array ? { _tag: "File", data: seed } : contentOf(fields)
    const { gid = 0, uid = 0 } = fields
    const usualMode = content._tag === "Directory" ? 0o755 : content._tag === "Symlink" ? 0o777 : 0o644
    const mode = fields.mode ?? usualMode
    const parent = this.directories(root, parts.slice(0, -1))
    const old = this.child(parent, name)
    if (typeof old === "number" && content._tag === "Directory") {
      this.nodes.set(old, { ...this.nodes.get(old)!, mode, uid, gid })
    } else this.node(this.nodes.get(root)!.fs, parent, name, mode, content, uid, gid)
  }
}
