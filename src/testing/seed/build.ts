/**
 * Putting the state of a model machine together, piece by piece.
 */
import { MS, O, RLIMIT, SIG } from "../../native/constants.ts"
import * as Cgroups from "../Cgroups.ts"
import { infinity } from "../Descriptors.ts"
import { encode } from "../Machine.ts"
import type { Options, SeedFile } from "../Seed.ts"
import type { Cgroup, Content, Hierarchy, Link, Mount, Namespace, Node, NodeId, Process, State } from "../State.ts"

const devices: Readonly<Record<string, readonly [number, number]>> = {
  null: [1, 3],
  zero: [1, 5],
  full: [1, 7],
  random: [1, 8],
  urandom: [1, 9],
  tty: [5, 0],
  ptmx: [5, 2],
  console: [5, 1]
}

export const usual: Readonly<Record<string, SeedFile>> = {
  "/bin/sh": { mode: 0o755, text: "\x7fELF" },
  "/bin/true": { mode: 0o755, text: "\x7fELF" },
  "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
  "/etc/group": "root:x:0:\n",
  "/tmp": { directory: true, mode: 0o1777 },
  "/root": { directory: true, mode: 0o700 },
  "/run": { directory: true }
}

const usualSysctls: Readonly<Record<string, string>> = {
  "kernel/shmmax": "18446744073692774399",
  "kernel/msgmax": "8192",
  "kernel/overflowuid": "65534",
  "kernel/pid_max": "4194304",
  "kernel/ngroups_max": "65536",
  "net/ipv4/ip_forward": "0",
  "net/ipv4/ip_unprivileged_port_start": "1024",
  "net/ipv4/ping_group_range": "1\t0",
  "net/core/somaxconn": "4096",
  "vm/overcommit_memory": "0",
  "fs/mqueue/msg_max": "10"
}

/** File systems that the model can mount. */
export const usualTypes = [
  "sysfs",
  "tmpfs",
  "proc",
  "cgroup",
  "cgroup2",
  "devpts",
  "mqueue",
  "ramfs",
  "devtmpfs",
  "ext4",
  "overlay"
]

const controllers1 = ["cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids"]
const controllers2 = ["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc"]

/** A machine in the making. */
interface Building {
  readonly namespaces: Map<number, Namespace>
  readonly nodes: Map<number, Node>
  readonly fileSystems: Map<number, State["fileSystems"] extends ReadonlyMap<number, infer F> ? F : never>
  readonly mounts: Map<number, Mount>
  readonly hierarchies: Map<number, Hierarchy>
  readonly cgroups: Map<string, Cgroup>
  readonly links: Map<number, Link>
  next: number
}

export const builder = () => {
  const b: Building = {
    namespaces: new Map(),
    nodes: new Map(),
    fileSystems: new Map(),
    mounts: new Map(),
    hierarchies: new Map(),
    cgroups: new Map(),
    links: new Map(),
    next: 100_000
  }
  const fresh = (): number => b.next++
  const namespace = <T extends Namespace["type"]>(
    type: T,
    fields: Omit<Extract<Namespace, { readonly type: T }>, "id" | "owner" | "type">,
    owner?: number
  ): number => {
    const id = fresh()
    b.namespaces.set(id, { id, owner: owner ?? id, type, ...fields } as Namespace)
    return id
  }
  const node = (
    fs: number,
    parent: number | undefined,
    name: string,
    mode: number,
    content: Content,
    uid = 0,
    gid = 0
  ) => {
    const id = fresh()
    b.nodes.set(id, { id, fs, parent: parent ?? id, name, mode, uid, gid, content })
    if (parent !== undefined) {
      const above = b.nodes.get(parent)!
      if (above.content._tag === "Directory") (above.content.entries as Map<string, NodeId>).set(name, id)
    }
    return id
  }
  const directory = (): Content => ({ _tag: "Directory", entries: new Map() })
  const fileSystem = (
    type: string,
    root: NodeId | undefined,
    owner: number,
    fields: {
      readonly source?: string
      readonly shows?: number
      readonly mode?: number
      readonly options?: ReadonlyArray<string>
    } = {}
  ): number => {
    const id = fresh()
    b.fileSystems.set(id, {
      id,
      type,
      source: fields.source ?? type,
      readonly: false,
      owner,
      root: root ?? node(id, undefined, "", fields.mode ?? 0o755, directory()),
      options: fields.options ?? [],
      dev: { major: 0, minor: id - 99_990 },
      ...fields.shows === undefined ? {} : { shows: fields.shows }
    })
    return id
  }
  const mount = (
    fs: number,
    ns: number,
    at?: { readonly mount: number; readonly node: NodeId },
    flags: number = MS.RELATIME
  ): number => {
    const id = fresh()
    b.mounts.set(id, {
      id,
      fs,
      root: b.fileSystems.get(fs)!.root,
      ns,
      flags,
      unbindable: false,
      locked: false,
      lockedFlags: 0,
      ...at === undefined ? {} : { parent: at.mount, mountpoint: at.node }
    })
    return id
  }
  const child = (parent: number, name: string): NodeId | undefined => {
    const { content } = b.nodes.get(parent)!
    return content._tag === "Directory" ? content.entries.get(name) : undefined
  }
  const directories = (root: number, path: ReadonlyArray<string>): number =>
    path.reduce((at, name) => {
      const there = child(at, name)
      return typeof there === "number" ? there : node(b.nodes.get(at)!.fs, at, name, 0o755, directory())
    }, root)
  const file = (root: number, path: string, seed: SeedFile): void => {
    const parts = path.split("/").filter((part) => part !== "")
    const fields = typeof seed === "string" || seed instanceof Uint8Array ? {} : seed
    // the model's word for a static program, where nothing else is said of a file that can be executed
    const program = ((fields.mode ?? 0) & 0o111) !== 0 ? "\x7fELF" : ""
    const text = typeof seed === "string" ? seed : fields.text ?? program
    const content: Content = fields.directory === true
      ? directory()
      : fields.symlink !== undefined
      ? { _tag: "Symlink", target: fields.symlink }
      : fields.fifo === true
      ? { _tag: "Fifo", data: new Uint8Array() }
      : fields.socket === true
      ? { _tag: "Socket", listening: true }
      : fields.device !== undefined
      ? { _tag: "Device", type: fields.device[0], major: fields.device[1], minor: fields.device[2] }
      : { _tag: "File", data: seed instanceof Uint8Array ? seed : encode(text) }
    const mode = fields.mode ?? (fields.directory === true ? 0o755 : fields.symlink === undefined ? 0o644 : 0o777)
    const parent = directories(root, parts.slice(0, -1))
    const old = child(parent, parts.at(-1)!)
    if (typeof old === "number" && fields.directory === true) {
      const there = b.nodes.get(old)!
      b.nodes.set(old, { ...there, mode, uid: fields.uid ?? 0, gid: fields.gid ?? 0 })
      return
    }
    node(b.nodes.get(root)!.fs, parent, parts.at(-1)!, mode, content, fields.uid ?? 0, fields.gid ?? 0)
  }
  return { b, fresh, namespace, node, fileSystem, mount, directories, file, child, directory }
}

const range = { inside: 0, outside: 0, count: 4294967295 }

/** The initial namespaces, all owned by the initial user namespace. */
export const initialNamespaces = (make: ReturnType<typeof builder>, hostname: string) => {
  const user = make.namespace("user", {
    parent: undefined,
    level: 0,
    ownerUid: 0,
    ownerGid: 0,
    uidMap: [range],
    gidMap: [range],
    setgroups: "allow",
    creatorHadSetfcap: true
  })
  return {
    user,
    pid: make.namespace("pid", { parent: undefined, level: 0, nextPid: 2 }, user),
    uts: make.namespace("uts", { nodename: hostname, domainname: "(none)" }, user),
    ipc: make.namespace("ipc", {}, user),
    net: make.namespace("net", { nextIndex: 2 }, user),
    cgroup: make.namespace("cgroup", { roots: new Map() }, user),
    time: make.namespace(
      "time",
      { offsets: "monotonic           0         0\nboottime            0         0\n", fixed: true },
      user
    ),
    mnt: make.namespace("mnt", { root: 0 }, user)
  }
}

export const link = (
  make: ReturnType<typeof builder>,
  ns: number,
  index: number,
  name: string,
  fields: Partial<Link>
): void => {
  const id = make.fresh()
  make.b.links.set(id, {
    id,
    ns,
    index,
    name,
    kind: "",
    up: true,
    mtu: 1500,
    mac: "02:00:00:00:00:01",
    txQueueLength: 1000,
    addresses: [],
    ...fields
  })
}

export const hierarchy = (
  make: ReturnType<typeof builder>,
  version: 1 | 2,
  controllers: ReadonlyArray<string>,
  cpus: number,
  paths: ReadonlyArray<string>,
  name?: string,
  id = make.b.hierarchies.size + 1
): number => {
  make.b.hierarchies.set(id, { id, version, controllers, ...name === undefined ? {} : { name } })
  const values = new Map(
    controllers.includes("cpuset") ? [["cpuset.cpus", cpus === 1 ? "0" : `0-${cpus - 1}`], ["cpuset.mems", "0"]] : []
  )
  for (const path of new Set(["/", ...paths.flatMap(ancestors)])) {
    make.b.cgroups.set(Cgroups.keyOf(id, path), {
      hierarchy: id,
      path,
      uid: 0,
      gid: 0,
      mode: 0o755,
      values,
      freeze: false,
      freezingReads: 0,
      controllersOn: version === 2 && path === "/" ? controllers : [],
      programs: []
    })
  }
  return id
}

const ancestors = (path: string): ReadonlyArray<string> =>
  path.split("/").filter((part) => part !== "").map((_, index, all) => `/${all.slice(0, index + 1).join("/")}`)

const allBits = (last: number): bigint => (1n << BigInt(last + 1)) - 1n

export const finish = (
  make: ReturnType<typeof builder>,
  ns: ReturnType<typeof initialNamespaces>,
  options: Options & {
    readonly root: number
    readonly memberships: ReadonlyMap<number, string>
    readonly release?: string
    readonly uptime?: bigint
    readonly cwd?: string
  }
): State => {
  const { b } = make
  const last = options.lastCapability ?? 40
  const uid = options.uid ?? 0
  const gid = options.gid ?? uid
  const all = allBits(last)
  const capabilities = options.capabilities ?? (uid === 0 ? options.bounding ?? all : 0n)
  const base = b.mounts.get(options.root)!
  const root = { mount: base.id, node: base.root }
  const set = { ...ns, pidForChildren: ns.pid, timeForChildren: ns.time }
  const cpus = options.cpus ?? 2
  const first: Process = {
    pid: 1,
    numbers: new Map([[ns.pid, 1]]),
    parent: 0,
    group: 1,
    session: 1,
    status: "running",
    comm: "init",
    exe: "/sbin/init",
    argv: ["/sbin/init"],
    envp: [],
    executed: true,
    startTime: 1,
    creds: {
      uid: 0,
      euid: 0,
      suid: 0,
      gid: 0,
      egid: 0,
      sgid: 0,
      groups: [],
      effective: all,
      permitted: all,
      inheritable: 0n,
      bounding: all,
      ambient: 0n,
      securebits: 0,
      noNewPrivs: false
    },
    ns: set,
    descriptors: new Map(),
    root,
    cwd: root,
    umask: 0o22,
    cgroups: new Map([...b.hierarchies.keys()].map((id) => [id, "/"])),
    limits: new Map(),
    dispositions: new Map(),
    blocked: [],
    pending: [],
    stopped: false,
    parentDeathSignal: 0,
    dumpable: 1,
    subreaper: false,
    filters: [],
    sessionKeyring: 1,
    personality: 0,
    affinity: Array.from({ length: cpus }, (_, cpu) => cpu),
    scheduler: { policy: 0, flags: 0n, nice: 0, priority: 0, runtime: 0n, deadline: 0n, period: 0n },
    ioPriority: 0,
    memoryPolicy: { mode: 0, nodes: [] },
    oomScoreAdj: 0,
    oomScoreAdjMin: 0,
    attributes: new Map()
  }
  const pid = options.pid ?? 1000
  const limits = new Map(
    Object.entries({
      [RLIMIT.NOFILE]: { soft: 1024n, hard: 4096n },
      [RLIMIT.STACK]: { soft: 8388608n, hard: infinity },
      [RLIMIT.NPROC]: { soft: 65536n, hard: 65536n },
      [RLIMIT.MEMLOCK]: { soft: 65536n, hard: 65536n },
      ...options.limits
    }).map(([resource, limit]) => [Number(resource), limit])
  )
  const caller: Process = {
    ...first,
    pid,
    numbers: new Map([[ns.pid, pid]]),
    parent: 1,
    // as under a shell: leader of its own group, in another's session
    group: pid,
    session: 1,
    comm: "node",
    exe: "/usr/bin/node",
    argv: ["node"],
    executed: false,
    startTime: 100,
    creds: {
      ...first.creds,
      uid,
      euid: uid,
      suid: uid,
      gid,
      egid: gid,
      sgid: gid,
      groups: options.groups ?? [],
      effective: capabilities,
      permitted: capabilities,
      bounding: options.bounding ?? all
    },
    cgroups: options.memberships,
    limits,
    dispositions: new Map((options.ignored ?? [SIG.PIPE, SIG.XFSZ]).map((signal) => [signal, "SIG_IGN" as const]))
  }
  // standard input, output and error: /dev/null
  const stdio = make.node(0, undefined, "null", 0o666, { _tag: "Device", type: "c", major: 1, minor: 3 })
  const files = new Map([0, 1, 2].map((fd) => {
    const id = make.fresh()
    return [id, {
      id,
      refs: 1,
      kind: { _tag: "Node", location: { mount: 0, node: stdio } },
      flags: fd === 0 ? O.RDONLY : O.WRONLY,
      offset: 0,
      path: "/dev/null",
      opener: { pid, creds: caller.creds, userNs: ns.user }
    }] as const
  }))
  const pidNs = b.namespaces.get(ns.pid)
  if (pidNs?.type === "pid") b.namespaces.set(ns.pid, { ...pidNs, nextPid: pid + 1 })
  if (options.propagation === "shared") {
    for (const mount of b.mounts.values()) {
      // `mount --make-rshared /` does not reach the mount that / lies on
      if (mount.id === options.root || mount.parent !== undefined) {
        b.mounts.set(mount.id, { ...mount, shared: make.fresh() })
      }
    }
  }
  return {
    processes: new Map([[1, first], [pid, {
      ...caller,
      descriptors: new Map([...files.keys()].map((file, fd) => [fd, { file, cloexec: false }]))
    }]]),
    namespaces: b.namespaces,
    nodes: b.nodes,
    fileSystems: b.fileSystems,
    mounts: b.mounts,
    files,
    sockets: new Map(),
    ptys: new Map(),
    hierarchies: b.hierarchies,
    cgroups: b.cgroups,
    links: b.links,
    routes: new Map(),
    sysctls: new Map(
      Object.entries({ ...usualSysctls, ...options.sysctls }).map(([path, value]) => [`0:${path}`, value])
    ),
    executed: [],
    waiting: [],
    time: 0n,
    nextId: b.next,
    facts: {
      lastCapability: last,
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

/** Mounts `/proc`, `/sys`, `/dev` and the cgroups on a root. */
export const kernelMounts = (
  make: ReturnType<typeof builder>,
  ns: ReturnType<typeof initialNamespaces>,
  root: { readonly mount: number; readonly node: number },
  layout: NonNullable<Options["cgroup"]>,
  cpus: number,
  group: string
): ReadonlyMap<number, string> => {
  const on = (mount: number, base: number, path: string): { readonly mount: number; readonly node: NodeId } => ({
    mount,
    node: make.directories(base, path.split("/").filter((part) => part !== ""))
  })
  const proc = make.fileSystem("proc", "proc::", ns.user, { shows: ns.pid })
  const procFs = make.b.fileSystems.get(proc)!
  make.b.fileSystems.set(proc, { ...procFs, root: `proc:${proc}:` })
  make.mount(proc, ns.mnt, on(root.mount, root.node, "proc"))
  const sys = make.fileSystem("sysfs", undefined, ns.user, { shows: ns.net, mode: 0o555 })
  const sysRoot = make.b.fileSystems.get(sys)!.root as number
  make.directories(sysRoot, ["fs", "cgroup"])
  make.directories(sysRoot, ["kernel", "security"])
  make.directories(sysRoot, ["firmware"])
  make.directories(sysRoot, ["devices", "system", "cpu"])
  const sysMount = make.mount(sys, ns.mnt, on(root.mount, root.node, "sys"))
  const dev = make.fileSystem("devtmpfs", undefined, ns.user)
  const devRoot = make.b.fileSystems.get(dev)!.root as number
  for (const [name, [major, minor]] of Object.entries(devices)) {
    make.node(dev, devRoot, name, name === "console" ? 0o600 : 0o666, { _tag: "Device", type: "c", major, minor })
  }
  make.file(devRoot, "fd", { symlink: "/proc/self/fd" })
  const devMount = make.mount(dev, ns.mnt, on(root.mount, root.node, "dev"))
  const pts = make.fileSystem("devpts", undefined, ns.user, { options: ["mode=620", "ptmxmode=000"] })
  make.node(pts, make.b.fileSystems.get(pts)!.root as number, "ptmx", 0, {
    _tag: "Device",
    type: "c",
    major: 5,
    minor: 2
  })
  make.mount(pts, ns.mnt, on(devMount, devRoot, "pts"))
  make.mount(make.fileSystem("tmpfs", undefined, ns.user, { mode: 0o1777 }), ns.mnt, on(devMount, devRoot, "shm"))

  const memberships = new Map<number, string>()
  const add = (
    version: 1 | 2,
    controllers: ReadonlyArray<string>,
    where: { mount: number; node: NodeId },
    name?: string
  ): void => {
    const id = hierarchy(make, version, controllers, cpus, [group], name)
    memberships.set(id, group)
    const fs = make.fileSystem(version === 1 ? "cgroup" : "cgroup2", Cgroups.directoryOf(id, "/"), ns.user, {
      shows: id,
      options: version === 1 ? [name === undefined ? controllers.join(",") : `name=${name}`] : []
    })
    make.mount(fs, ns.mnt, where)
  }
  if (layout === "v2") add(2, controllers2, on(sysMount, sysRoot, "fs/cgroup"))
  if (layout === "v1" || layout === "hybrid") {
    const tmp = make.fileSystem("tmpfs", undefined, ns.user)
    const tmpRoot = make.b.fileSystems.get(tmp)!.root as number
    const tmpMount = make.mount(tmp, ns.mnt, on(sysMount, sysRoot, "fs/cgroup"))
    for (const controller of controllers1) add(1, [controller], on(tmpMount, tmpRoot, controller))
    add(1, [], on(tmpMount, tmpRoot, "systemd"), "systemd")
    if (layout === "hybrid") add(2, ["hugetlb"], on(tmpMount, tmpRoot, "unified"))
  }
  const cgroupNs = make.b.namespaces.get(ns.cgroup)
  if (cgroupNs?.type === "cgroup") {
    make.b.namespaces.set(ns.cgroup, { ...cgroupNs, roots: new Map([...memberships.keys()].map((id) => [id, "/"])) })
  }
  return memberships
}
