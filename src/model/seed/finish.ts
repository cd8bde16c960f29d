/** Makes the state of a machine from what was built. */
import { O } from "../../native/constants.ts"
import type { Options } from "../Seed.ts"
import type { Descriptor, NodeId, OpenFile, Process, State } from "../State.ts"
import type { Builder } from "./Builder.ts"
import { caller, init, neighbour } from "./firstProcesses.ts"
import type { Caller } from "./hostCaller.ts"
import type { Inherited } from "./hostDescriptors.ts"
import type { Neighbour } from "./hostNamespaces.ts"
import type { initialNamespaces } from "./objects.ts"
import { usualSysctls, usualTypes } from "./usual.ts"

/** What a machine gets besides what was built. */
interface Finish extends Options {
  /** The mount that is the root of all processes. */
  readonly root: number
  /** The caller's cgroup in each hierarchy. */
  readonly memberships: ReadonlyMap<number, string>
  readonly release?: string
  readonly uptime?: bigint
  /** The open descriptors; standard input, output and error on /dev/null if absent. */
  readonly descriptors?: ReadonlyArray<Inherited>
  /** What is known of the caller; replaces the defaults. */
  readonly caller?: Caller
  /** Other processes; one of them may be process 1. */
  readonly neighbours?: ReadonlyArray<Neighbour>
}

const usualDescriptors: ReadonlyArray<Inherited> = [0, 1, 2].map((fd) => ({
  fd,
  content: { _tag: "Device", type: "c", major: 1, minor: 3 },
  mode: 0o666,
  uid: 0,
  gid: 0,
  flags: fd === 0 ? O.RDONLY : O.WRONLY,
  cloexec: false,
  path: "/dev/null"
}))

const allBits = (last: number): bigint => (1n << BigInt(last + 1)) - 1n

/** Opens the files that a process begins with; several descriptors may share one. */
const inheritedFiles = (
  make: Builder,
  given: ReadonlyArray<Inherited>,
  opener: OpenFile["opener"]
): { readonly descriptors: Process["descriptors"]; readonly files: Map<number, OpenFile> } => {
  const files = new Map<number, OpenFile>()
  const descriptors = new Map<number, Descriptor>()
  const nodes = new Map<string, NodeId>()
  const known = new Map<string, number>()
  for (const { cloexec, content, fd, flags, gid, inode, mode, outside, path, shared, uid } of given) {
    const same = shared === undefined ? undefined : files.get(known.get(shared) ?? -1)
    const id = same?.id ?? make.fresh()
    const node = nodes.get(inode ?? "") ??
      make.node(0, undefined, path.split("/").at(-1)!, mode, content, uid, gid)
    if (inode !== undefined) nodes.set(inode, node)
    if (shared !== undefined) known.set(shared, id)
    files.set(id, {
      id,
      refs: (same?.refs ?? 0) + 1,
      kind: { _tag: "Node", location: { mount: 0, node } },
      flags,
      offset: 0,
      path,
      opener,
      ...outside === undefined ? {} : { outside }
    })
    descriptors.set(fd, { file: id, cloexec })
  }
  return { descriptors, files }
}

/** Makes the mounts shared, as systemd leaves them. */
const share = (make: Builder, root: number): void => {
  for (const mount of make.mounts.values()) {
    // `mount --make-rshared /` does not reach the mount below /
    if (mount.id === root || mount.parent !== undefined) make.mounts.set(mount.id, { ...mount, shared: make.fresh() })
  }
}

/** Makes the machine with its first processes. The last of them is the caller, which makes the calls. */
export const finish = (make: Builder, ns: ReturnType<typeof initialNamespaces>, options: Finish): State => {
  const base = make.mounts.get(options.root)!
  const lastCapability = options.lastCapability ?? 40
  const cpus = options.cpus ?? 2
  const surroundings = { ns, root: { mount: base.id, node: base.root }, cpus, all: allBits(lastCapability) }
  const first = init(surroundings, make.hierarchies.keys())
  const second = caller(first, surroundings, options)
  const others = (options.neighbours ?? []).map((one) => neighbour(first, one, second.pid))
  const opener = { pid: second.pid, creds: second.creds, userNs: ns.user }
  const { descriptors, files } = inheritedFiles(make, options.descriptors ?? usualDescriptors, opener)
  make.change(ns.pid, "pid", { nextPid: second.pid + 1 })
  if (options.propagation === "shared") share(make, options.root)
  return {
    processes: new Map([first, ...others, { ...second, descriptors }].map((one) => [one.pid, one])),
    namespaces: make.namespaces,
    nodes: make.nodes,
    fileSystems: make.fileSystems,
    mounts: make.mounts,
    files,
    sockets: new Map(),
    ptys: new Map(),
    hierarchies: make.hierarchies,
    cgroups: make.cgroups,
    links: make.links,
    routes: new Map(),
    sysctls: new Map(
      Object.entries({ ...usualSysctls, ...options.sysctls }).map(([path, value]) => [`0:${path}`, value])
    ),
    executed: [],
    waiting: [],
    time: 0n,
    nextId: make.next,
    facts: {
      lastCapability,
      release: options.release ?? "6.18.0",
      machine: "x86_64",
      uptime: options.uptime ?? 1_000_000_000_000n,
      cpus,
      fileSystemTypes: options.fileSystemTypes ?? usualTypes,
      freezingReads: options.freezingReads ?? 0,
      securityModules: options.securityModules ?? []
    }
  }
}
