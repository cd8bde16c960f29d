/**
 * The working copy that one transition of the model kernel changes: tables that are copied on the first write.
 *
 * A call that is refused throws the copy away, so a refused call changes nothing.
 *
 * @category models
 * @since 0.1.0
 */
import type { Errno } from "../native/Errno.ts"
import type { Call } from "../native/Kernel.ts"
import type { View } from "./Nodes.ts"
import type * as S from "./State.ts"

/** Thrown inside a transition: the kernel refuses the call. */
export class Refusal {
  readonly code: Errno
  readonly detail: string | undefined
  constructor(code: Errno, detail: string | undefined) {
    this.code = code
    this.detail = detail
  }
}

/** Thrown inside a transition: the call can't continue yet. */
export class Blocked {
  readonly why: string
  /** Nanoseconds until the call stops waiting. */
  readonly timeout: bigint | undefined
  constructor(why: string, timeout: bigint | undefined) {
    this.why = why
    this.timeout = timeout
  }
}

/** Thrown inside a transition: the call fails, and what it changed stays (a socket's error is reported once). */
export class LateRefusal {
  readonly code: Errno
  constructor(code: Errno) {
    this.code = code
  }
}

/** Thrown inside a transition: the call makes a signal that ends the caller (SIGPIPE). */
export class KilledBySignal {
  readonly signal: number
  constructor(signal: number) {
    this.signal = signal
  }
}

/** Something that is not modelled. It is a defect, because a guess would be worse. */
export class UnmodelledError extends Error {
  override readonly name = "UnmodelledError"
  readonly call: Call
  constructor(call: Call, what: string) {
    super(`the model kernel does not know ${what}`)
    this.call = call
  }
}

/** Ends the transition with an errno. */
export const refuse = (code: Errno, detail?: string): never => {
  throw new Refusal(code, detail)
}

/** Ends the transition: the caller sleeps until something changes, at most `timeout` nanoseconds. */
export const block = (why: string, timeout?: bigint): never => {
  throw new Blocked(why, timeout)
}

/** A table that is copied when it is first written. */
class Table<K, V> {
  #map: ReadonlyMap<K, V>
  #own: Map<K, V> | undefined
  constructor(map: ReadonlyMap<K, V>) {
    this.#map = map
  }
  #writable(): Map<K, V> {
    if (this.#own === undefined) this.#map = this.#own = new Map(this.#map)
    return this.#own
  }
  get(key: K): V | undefined {
    return this.#map.get(key)
  }
  /** The value of a key that must be there by the rules of the model. */
  need(key: K): V {
    const value = this.#map.get(key)
    if (value === undefined) throw new Error(`the model kernel lost an object: ${String(key)}`)
    return value
  }
  has(key: K): boolean {
    return this.#map.has(key)
  }
  set(key: K, value: V): void {
    this.#writable().set(key, value)
  }
  update(key: K, change: (value: V) => V): void {
    this.#writable().set(key, change(this.need(key)))
  }
  delete(key: K): void {
    this.#writable().delete(key)
  }
  values(): ReadonlyArray<V> {
    return [...this.#map.values()]
  }
  /** The first value that a test picks, without a copy of the table. */
  find(picks: (value: V) => boolean): V | undefined {
    for (const value of this.#map.values()) if (picks(value)) return value
    return undefined
  }
  /** As {@link find}, the last one. */
  findLast(picks: (value: V) => boolean): V | undefined {
    let found: V | undefined
    for (const value of this.#map.values()) if (picks(value)) found = value
    return found
  }
  /** The map as it is now; later writes go to a copy. */
  seal(): ReadonlyMap<K, V> {
    this.#own = undefined
    return this.#map
  }
}

/** A file system whose nodes are computed on demand. The ids of its nodes have a prefix, such as `proc:`. */
interface Computed {
  /** The node with an id; `undefined` if it does not exist, or not any more. */
  readonly node: (m: Machine, id: string) => View | undefined
  /** Name and parent of a node, even if it does not exist any more; absent if only the node itself knows them. */
  readonly place?: (id: string) => { readonly name: string; readonly parent: string }
}

/** The computed file systems by the prefix of their nodes' ids. */
export type ComputedFileSystems = Readonly<Record<string, Computed>>

/** The working copy. */
export class Machine {
  readonly processes: Table<number, S.Process>
  readonly namespaces: Table<number, S.Namespace>
  readonly nodes: Table<number, S.Node>
  readonly fileSystems: Table<number, S.FileSystem>
  readonly mounts: Table<number, S.Mount>
  readonly files: Table<number, S.OpenFile>
  readonly sockets: Table<number, S.Socket>
  readonly ptys: Table<number, S.Pty>
  readonly hierarchies: Table<number, S.Hierarchy>
  readonly cgroups: Table<string, S.Cgroup>
  readonly keyrings: Table<number, S.Keyring>
  readonly links: Table<number, S.Link>
  readonly routes: Table<number, S.Route>
  readonly sysctls: Table<string, string>
  executed: ReadonlyArray<S.Executed>
  readonly waiting: ReadonlyArray<S.Waiting>
  time: bigint
  readonly facts: S.Facts
  readonly #computed: ComputedFileSystems
  #nextId: number

  /** The pid of the caller. */
  pid: number
  /** The call. */
  readonly call: Call
  /** Whether the call has slept, and its timeout has passed. */
  readonly timedOut: boolean
  constructor(computed: ComputedFileSystems, state: S.State, pid: number, call: Call, timedOut = false) {
    this.#computed = computed
    this.processes = new Table(state.processes)
    this.namespaces = new Table(state.namespaces)
    this.nodes = new Table(state.nodes)
    this.fileSystems = new Table(state.fileSystems)
    this.mounts = new Table(state.mounts)
    this.files = new Table(state.files)
    this.sockets = new Table(state.sockets)
    this.ptys = new Table(state.ptys)
    this.hierarchies = new Table(state.hierarchies)
    this.cgroups = new Table(state.cgroups)
    this.keyrings = new Table(state.keyrings ?? new Map<number, S.Keyring>())
    this.links = new Table(state.links)
    this.routes = new Table(state.routes)
    this.sysctls = new Table(state.sysctls)
    this.executed = state.executed
    this.waiting = state.waiting
    this.time = state.time
    this.facts = state.facts
    this.#nextId = state.nextId
    this.pid = pid
    this.call = call
    this.timedOut = timedOut
  }

  /** The calling process. */
  get self(): S.Process {
    return this.processes.need(this.pid)
  }
  /** Changes the calling process. */
  change(fields: Partial<S.Process>): void {
    this.processes.update(this.pid, (process) => ({ ...process, ...fields }))
    const { cwd, directories, root, umask } = this.self
    if (directories === undefined) return
    for (const other of this.processes.values()) {
      if (other.directories === directories) this.processes.set(other.pid, { ...other, cwd, root, umask })
    }
  }
  changeCreds(fields: Partial<S.Credentials>): void {
    this.processes.update(this.pid, (process) => ({ ...process, creds: { ...process.creds, ...fields } }))
  }
  /** The computed file system of a node's id. */
  computed(id: string): Computed {
    return this.#computed[id.slice(0, id.indexOf(":"))] ?? this.unmodelled(`the node ${id}`)
  }
  /** A new unique number. */
  fresh(): number {
    return this.#nextId++
  }
  /** A namespace of a known type. */
  namespace<T extends S.NamespaceType>(type: T, id: number): Extract<S.Namespace, { readonly type: T }> {
    const found = this.namespaces.need(id)
    if (found.type !== type) throw new Error(`namespace ${id} is ${found.type}, not ${type}`)
    return found as Extract<S.Namespace, { readonly type: T }>
  }
  unmodelled(what: string): never {
    throw new UnmodelledError(this.call, what)
  }

  seal(): S.State {
    return {
      processes: this.processes.seal(),
      namespaces: this.namespaces.seal(),
      nodes: this.nodes.seal(),
      fileSystems: this.fileSystems.seal(),
      mounts: this.mounts.seal(),
      files: this.files.seal(),
      sockets: this.sockets.seal(),
      ptys: this.ptys.seal(),
      hierarchies: this.hierarchies.seal(),
      cgroups: this.cgroups.seal(),
      keyrings: this.keyrings.seal(),
      links: this.links.seal(),
      routes: this.routes.seal(),
      sysctls: this.sysctls.seal(),
      executed: this.executed,
      waiting: this.waiting,
      time: this.time,
      nextId: this.#nextId,
      facts: this.facts
    }
  }
}

/** Bytes of a text. */
export const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Text of bytes. */
export const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** Concatenates bytes. */
export const concat = (a: Uint8Array, b: Uint8Array): Uint8Array => {
  const out = new Uint8Array(a.length + b.length)
  out.set(a)
  out.set(b, a.length)
  return out
}

/** Thrown by exit_group and execve: the caller never returns. */
export class Gone {
  readonly _tag = "Gone"
}
