/**
 * Random containers and hosts for the properties of the flows: small records that shrink towards a plain container, and
 * the container and the machine that they stand for.
 */
import fc from "fast-check"
import { numbers as capabilityNumbers } from "../../src/config/capabilities.ts"
import type { Capabilities, Cgroup, Container, Mount, NamespaceType, Process } from "../../src/config/Container.ts"
import { defaultSpec } from "../../src/config/defaults.ts"
import { withDefaults } from "../../src/config/devices.ts"
import * as OciSchema from "../../src/config/OciSchema.ts"
import { MS, RLIMIT, SCHED, SIG } from "../../src/native/constants.ts"
import type { Options, SeedFile } from "../../src/testing/Testing.ts"
import { fromSchema } from "./schemaGenerators.ts"

// the same cases each time, so that what fails a test is a change; RUNFX_SEED draws others
fc.configureGlobal({ seed: Number(process.env["RUNFX_SEED"] ?? 1) })

/** How a container gets a namespace: its own, that of the process beside it, or the caller's. */
type Origin = "new" | "joined" | "host"

const joinable = ["pid", "net", "ipc", "uts"] as const

/** One container on one host, as plain data. */
export interface Setting {
  readonly host: {
    readonly cgroup: "v1" | "v2" | "hybrid"
    readonly cgroupPath: string
    readonly user: "root" | "nobody"
    /** Capabilities that the caller lacks. */
    readonly missing: ReadonlyArray<number>
    readonly freezingReads: number
    readonly nofile: readonly [number, number]
    readonly shared: boolean
    readonly lastCapability: number
    readonly children: boolean
  }
  readonly userns: boolean
  readonly origins: Readonly<Record<typeof joinable[number], Origin>>
  readonly cgroupNs: boolean
  readonly timeNs: boolean
  readonly cgroup: "none" | "plain" | "limits"
  readonly mounts: ReadonlyArray<keyof typeof extraMounts>
  readonly devices: ReadonlyArray<keyof typeof extraDevices>
  readonly masked: ReadonlyArray<string>
  readonly readonlyPaths: ReadonlyArray<string>
  readonly readonlyRootfs: boolean
  readonly propagation: number | undefined
  readonly hostname: string | undefined
  readonly domainname: string | undefined
  readonly sysctl: ReadonlyArray<keyof typeof parameters>
  readonly network: "none" | "loopback" | "veth"
  readonly noNewKeyring: boolean
  readonly personality: boolean
  readonly process: ProcessSetting
}

/** What is random about a process. */
export interface ProcessSetting {
  readonly uid: number
  readonly gid: number
  readonly groups: ReadonlyArray<number>
  readonly named: boolean
  readonly capabilities: Capabilities | undefined
  readonly noNewPrivileges: boolean
  readonly seccomp: boolean
  readonly rlimits: ReadonlyArray<readonly [keyof typeof RLIMIT, number, number]>
  readonly env: ReadonlyArray<string>
  readonly cwd: string
  readonly umask: number | undefined
  readonly terminal: boolean
  readonly oomScoreAdj: number | undefined
  readonly nice: number | undefined
  readonly ioPriority: boolean
  readonly affinity: boolean
  readonly parentDeathSignal: number | undefined
  readonly preserved: number
}

// ── what is drawn from ───────────────────────────────────────────────────────────────────────────────────────────────

const mount = (
  destination: string,
  type: string,
  source: string,
  flags: number,
  more: Partial<Mount> = {}
): Mount => ({
  destination,
  type,
  source,
  flags,
  clearedFlags: 0,
  propagation: [],
  recursiveAttributes: { set: 0, clear: 0 },
  data: [],
  copyUp: false,
  ...more
})

const restricted = MS.NOSUID | MS.NOEXEC | MS.NODEV
const dev = mount("/dev", "tmpfs", "tmpfs", MS.NOSUID | MS.STRICTATIME, { data: ["mode=755", "size=65536k"] })
const proc = mount("/proc", "proc", "proc", 0)
const pts = mount("/dev/pts", "devpts", "devpts", MS.NOSUID | MS.NOEXEC, {
  data: ["newinstance", "ptmxmode=0666", "mode=0620"]
})
const extraMounts = {
  shm: mount("/dev/shm", "tmpfs", "shm", restricted, { data: ["mode=1777"] }),
  sys: mount("/sys", "sysfs", "sysfs", restricted | MS.RDONLY),
  tmp: mount("/tmp", "tmpfs", "tmpfs", restricted, { data: ["mode=1777"] }),
  bind: mount("/data", "bind", "/srv/data", MS.BIND | MS.REC),
  bindReadonly: mount("/etc/hosts", "bind", "/etc/passwd", MS.BIND | MS.RDONLY | MS.NOSUID),
  slave: mount("/srv", "bind", "/srv/data", MS.BIND, { propagation: [MS.SLAVE] }),
  copied: mount("/etc", "tmpfs", "tmpfs", MS.NOSUID, { copyUp: true })
} satisfies Readonly<Record<string, Mount>>

const extraDevices = {
  fuse: { path: "/dev/fuse", type: "c", major: 10, minor: 229, fileMode: 0o660, uid: 0, gid: 5 },
  loop: { path: "/dev/disk/a", type: "b", major: 7, minor: 0, fileMode: 0o600, uid: 7, gid: 7 },
  fifo: { path: "/dev/pipe", type: "p", major: 0, minor: 0, fileMode: 0o622, uid: 0, gid: 0 }
} as const

const parameters = {
  "net.ipv4.ip_forward": "1",
  "kernel.shmmax": "65536",
  "fs.mqueue.msg_max": "20",
  "net.core.somaxconn": "128"
} as const

/** CHOWN, DAC_OVERRIDE, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, NET_ADMIN, SYS_ADMIN, SYS_RESOURCE, the last. */
const pool = [0, 1, 5, 6, 7, 8, 10, 12, 21, 24, 40] as const

// ── generators ───────────────────────────────────────────────────────────────────────────────────────────────────────

const some = <const T>(values: ReadonlyArray<T>) => fc.subarray([...values])
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })

/** A place in something, from 0 to less than 1; evenly, where `fc.double` mostly gives what is next to 0. */
export const part = fc.nat(99_999).map((n) => n / 100_000)

const rarely = (weight: number) => fc.nat(weight).map((n) => n === weight)

// What the schema of a field gives is taken where a container can be started with most of it. Made by hand is what must fit
// the machine or another field: ids that have a mapping, paths and mounts that are there, parameters that the kernel has,
// sizes below the caller's limits, names of system calls, priorities within the range of their class. Of these a schema
// knows the type, and its values are nearly all refused: `test/config/generated.test.ts` tries those.
const { oomScoreAdj, rlimits } = OciSchema.Config.fields.process.fields
const capabilityList = fc.oneof(
  { arbitrary: some(pool), weight: 3 },
  { arbitrary: some(Object.values(capabilityNumbers)), weight: 1 }
)
const resources = Object.keys(RLIMIT) as Array<keyof typeof RLIMIT>
const resource = fromSchema(rlimits.schema.value.fields.type).map((number) =>
  resources.find((name) => RLIMIT[name] === number) ?? "CORE"
)
const umask = fromSchema(OciSchema.Config.fields.process.fields.user.schema.fields.umask.schema)

/** Five sets that the rules of configurations allow; mostly such that the kernel allows them, too. */
const capabilities: fc.Arbitrary<Capabilities> = fc.tuple(
  capabilityList,
  capabilityList,
  capabilityList,
  capabilityList,
  capabilityList,
  rarely(19)
).map(([bounding, permitted, a, b, c, wild]) => {
  const within = (set: ReadonlyArray<number>, ...others: ReadonlyArray<ReadonlyArray<number>>) =>
    set.filter((one) => others.every((other) => other.includes(one)))
  const inheritable = wild ? b : within(b, bounding)
  return {
    bounding,
    permitted,
    effective: within(a, permitted),
    inheritable,
    ambient: wild ? c : within(c, permitted, inheritable)
  }
})

const limit = fc.tuple(
  fc.oneof(
    { arbitrary: fc.constantFrom("NOFILE" as const, "CORE" as const, "STACK" as const, "FSIZE" as const), weight: 3 },
    { arbitrary: resource, weight: 1 }
  ),
  fc.nat(2),
  fc.nat(2)
).map(
  ([resource, a, b]): readonly [keyof typeof RLIMIT, number, number] => {
    const sizes = resource === "FSIZE" ? [0, 64, 4096] : [64, 1024, 4096]
    return [resource, sizes[Math.min(a, b)]!, sizes[Math.max(a, b)]!]
  }
)

export const processSetting: fc.Arbitrary<ProcessSetting> = fc.record({
  uid: fc.constantFrom(0, 1000, 7),
  gid: fc.constantFrom(0, 1000, 5),
  groups: some([0, 5, 20, 1000]),
  named: rarely(7),
  capabilities: fc.oneof(
    { arbitrary: capabilities, weight: 6 },
    { arbitrary: fc.constant(undefined), weight: 1 }
  ),
  noNewPrivileges: fc.boolean(),
  seccomp: rarely(3),
  rlimits: fc.uniqueArray(limit, { maxLength: 3, selector: ([resource]) => resource }),
  env: fc.array(fc.constantFrom("PATH=/bin", "PATH=/usr/bin:/bin", "TERM=xterm", "HOME=/data", "HOME=", "A=b=c", "A=")),
  cwd: fc.constantFrom("/", "/data", "/data/../data/./", "/new/dir", "/secret"),
  umask: maybe(umask),
  terminal: rarely(4),
  oomScoreAdj: maybe(fc.oneof(
    { arbitrary: fc.constantFrom(0, 100, 1000), weight: 3 },
    { arbitrary: fromSchema(oomScoreAdj.schema), weight: 1 }
  )),
  nice: maybe(fc.constantFrom(0, 5)),
  ioPriority: rarely(4),
  affinity: rarely(4),
  parentDeathSignal: maybe(fc.constantFrom(SIG.KILL, SIG.TERM)),
  preserved: fc.constantFrom(0, 0, 0, 1, 2)
})

const origin = fc.oneof(
  { arbitrary: fc.constant<Origin>("new"), weight: 5 },
  { arbitrary: fc.constant<Origin>("host"), weight: 2 },
  { arbitrary: fc.constant<Origin>("joined"), weight: 1 }
)

const drawn: fc.Arbitrary<Setting> = fc.record({
  host: fc.record({
    cgroup: fc.constantFrom("v2", "v2", "v2", "v2", "v1", "hybrid"),
    cgroupPath: fc.constantFrom("/", "/user/shell"),
    user: fc.oneof(
      { arbitrary: fc.constant("root" as const), weight: 4 },
      { arbitrary: fc.constant("nobody" as const), weight: 1 }
    ),
    missing: fc.oneof({ arbitrary: fc.constant([]), weight: 5 }, { arbitrary: some(pool), weight: 1 }),
    freezingReads: fc.nat(2),
    nofile: fc.constantFrom<readonly [number, number]>([1024, 4096], [64, 1024], [40, 40]),
    shared: fc.boolean(),
    lastCapability: fc.constantFrom(40, 40, 40, 40, 40, 37),
    children: fc.boolean()
  }),
  userns: rarely(3),
  origins: fc.record({ pid: origin, net: origin, ipc: origin, uts: origin }),
  cgroupNs: fc.boolean(),
  timeNs: rarely(7),
  cgroup: fc.constantFrom("plain", "limits", "none"),
  mounts: fc.uniqueArray(fc.constantFrom(...Object.keys(extraMounts) as Array<keyof typeof extraMounts>), {
    maxLength: 3
  }),
  devices: some(Object.keys(extraDevices) as Array<keyof typeof extraDevices>),
  masked: some(["/proc/kcore", "/proc/keys", "/sys/firmware", "/etc/passwd", "/data"]),
  readonlyPaths: some(["/proc/sys", "/data", "/etc", "/nothing"]),
  readonlyRootfs: fc.boolean(),
  propagation: maybe(fc.constantFrom(MS.PRIVATE, MS.SLAVE, MS.SLAVE | MS.REC, MS.PRIVATE | MS.REC)),
  hostname: maybe(fc.constantFrom("web", "a.b")),
  domainname: maybe(fc.constant("example.org")),
  sysctl: some(Object.keys(parameters) as Array<keyof typeof parameters>),
  network: fc.constantFrom("none", "loopback", "veth"),
  noNewKeyring: fc.boolean(),
  personality: rarely(5),
  process: processSetting
})

/** Takes out what can't go together, so that the rules of configurations have nothing to say. */
const fitting = (setting: Setting): Setting => {
  const rootless = setting.host.user === "nobody"
  const userns = setting.userns || rootless
  const origins = Object.fromEntries(
    joinable.map((type) => [type, userns && setting.origins[type] === "joined" ? "new" : setting.origins[type]])
  ) as Setting["origins"]
  // a joined pid namespace has a /proc of its own; sysctls and networks want a namespace of the container's own
  const own = (type: typeof joinable[number]): boolean => origins[type] === "new"
  const { process } = setting
  return {
    ...setting,
    userns,
    // a procfs shows a pid namespace that the user namespace owns
    origins: userns ? { ...origins, pid: "new" } : origins,
    cgroup: rootless ? "none" : setting.cgroup,
    sysctl: setting.sysctl.filter((name) => own(name.startsWith("net.") ? "net" : "ipc") && !userns),
    network: !own("net") ? "none" : rootless && setting.network === "veth" ? "loopback" : setting.network,
    hostname: own("uts") ? setting.hostname : undefined,
    domainname: own("uts") ? setting.domainname : undefined,
    // names are looked up in it
    masked: process.named ? setting.masked.filter((path) => path !== "/etc/passwd") : setting.masked,
    devices: rootless ? [] : setting.devices,
    process: rootless ? { ...process, uid: 0, gid: 0, groups: [] } : process
  }
}

/** Containers on hosts. */
export const setting: fc.Arbitrary<Setting> = drawn.map(fitting)

// ── what it stands for ───────────────────────────────────────────────────────────────────────────────────────────────

/** Where the container's files are. */
export const rootfs = "/srv/web"

/** Who calls where the caller is not root. */
const unprivileged = 1000

/** Where the states of containers are kept. */
export const stateRoot = "/run/states"

/** The machine. */
export const hostOf = ({ host }: Setting): Options => {
  const uid = host.user === "root" ? 0 : unprivileged
  const owner = { uid, gid: uid }
  const directory: SeedFile = { directory: true, ...owner }
  const all = (1n << BigInt(host.lastCapability + 1)) - 1n
  const held = host.missing.reduce((set, capability) => set & ~(1n << BigInt(capability)), all)
  return {
    uid,
    cgroup: host.cgroup,
    cgroupPath: host.cgroupPath,
    freezingReads: host.freezingReads,
    propagation: host.shared ? "shared" : "private",
    lastCapability: host.lastCapability,
    ...(uid === 0 ? { capabilities: held, bounding: held } : {}),
    limits: { [RLIMIT.NOFILE]: { soft: BigInt(host.nofile[0]), hard: BigInt(host.nofile[1]) } },
    files: {
      "/bin/neighbour": { mode: 0o755 },
      [stateRoot]: directory,
      [rootfs]: directory,
      "/srv/data": { ...directory, mode: 0o777 },
      "/srv/data/file": { text: "data", ...owner },
      [`${rootfs}/bin/server`]: { mode: 0o755, text: "\x7fELF", ...owner },
      [`${rootfs}/bin/tool`]: { mode: 0o755, text: "\x7fELF", ...owner },
      [`${rootfs}/etc/passwd`]: {
        text: "root:x:0:0::/root:/bin/sh\nweb:x:1000:1000::/data:/bin/sh\nseven:x:7:5::/:/bin/sh\n",
        ...owner
      },
      [`${rootfs}/etc/group`]: { text: "root:x:0:\ntty:x:5:web\nusers:x:1000:\nstaff:x:20:web\n", ...owner },
      [`${rootfs}/etc/hosts`]: { text: "", ...owner },
      [`${rootfs}/data`]: { ...directory, mode: 0o755 },
      [`${rootfs}/srv`]: directory,
      [`${rootfs}/tmp`]: { ...directory, mode: 0o1777 },
      [`${rootfs}/proc`]: directory,
      [`${rootfs}/sys`]: directory,
      [`${rootfs}/dev`]: directory,
      [`${rootfs}/secret`]: { ...directory, mode: 0o700 }
    }
  }
}

const named: Readonly<Record<number, string>> = { 0: "root", 7: "seven", 1000: "web" }

/** The process. */
export const processOf = ({ host }: Setting, setting: ProcessSetting, program = "server"): Process => ({
  args: [`/bin/${program}`, "--flag"],
  env: setting.env,
  cwd: setting.cwd,
  user: setting.named
    ? { _tag: "Named", spec: named[setting.uid]!, additionalGids: host.user === "root" ? setting.groups : [] }
    : { _tag: "Ids", uid: setting.uid, gid: setting.gid, additionalGids: setting.groups },
  ...(setting.umask === undefined ? {} : { umask: setting.umask }),
  terminal: setting.terminal,
  ...(setting.capabilities === undefined ? {} : { capabilities: setting.capabilities }),
  noNewPrivileges: setting.noNewPrivileges,
  rlimits: setting.rlimits.map(([resource, soft, hard]) => ({
    resource: RLIMIT[resource],
    soft: BigInt(soft),
    hard: BigInt(hard)
  })),
  ...(setting.oomScoreAdj === undefined ? {} : { oomScoreAdj: setting.oomScoreAdj }),
  ...(setting.nice === undefined ? {} : {
    scheduler: {
      policy: SCHED.NORMAL,
      nice: setting.nice,
      priority: 0,
      flags: 0,
      runtime: 0n,
      deadline: 0n,
      period: 0n
    }
  }),
  ...(setting.ioPriority ? { ioPriority: { class: 2, priority: 4 } } : {}),
  ...(setting.affinity ? { cpuAffinity: { initial: [0], final: [1] } } : {})
})

/** The mappings of a new user namespace: the own id alone, or ranges that hold all ids that a setting names. */
export const mappingsOf = ({ host }: Setting): Container["uidMappings"] =>
  host.user === "nobody"
    ? [{ containerId: 0, hostId: unprivileged, size: 1 }]
    : [{ containerId: 0, hostId: 100_000, size: 1000 }, { containerId: 1000, hostId: 200_000, size: 10 }]

/** The container; `neighbour` is the process whose namespaces are joined. */
export const containerOf = (setting: Setting, neighbour: number): Container => {
  const rootless = setting.host.user === "nobody"
  const { cgroup, hostname: _, ...plain } = defaultSpec({ rootfs, args: ["/bin/server"] })
  const types: ReadonlyArray<readonly [NamespaceType, Origin]> = [
    ["user", setting.userns ? "new" : "host"],
    ["mnt", "new"],
    ...joinable.map((type) => [type, setting.origins[type]] as const),
    ["cgroup", setting.cgroupNs ? "new" : "host"],
    ["time", setting.timeNs ? "new" : "host"]
  ]
  const mappings = setting.userns ? mappingsOf(setting) : []
  // a user namespace without a network or pid namespace of its own can't mount sysfs or procfs
  // what is filled from below comes first: it takes no file of another mount; sysfs wants a network namespace of one's own
  const inOrder = setting.mounts.toSorted((a, b) => Number(b === "copied") - Number(a === "copied"))
  const mountable = inOrder.filter((name) => name !== "sys" || setting.origins.net === "new")
  return {
    ...plain,
    readonlyRootfs: setting.readonlyRootfs,
    ...(setting.propagation === undefined ? {} : { rootPropagation: setting.propagation }),
    namespaces: types.flatMap(([type, origin]) =>
      origin === "host" ? [] : [{ type, ...(origin === "joined" ? { path: `/proc/${neighbour}/ns/${type}` } : {}) }]
    ),
    uidMappings: mappings,
    gidMappings: mappings,
    timeOffsets: setting.timeNs ? [{ clock: "monotonic", seconds: 100n, nanoseconds: 0 }] : [],
    ...(setting.hostname === undefined ? {} : { hostname: setting.hostname }),
    ...(setting.domainname === undefined ? {} : { domainname: setting.domainname }),
    mounts: [proc, dev, pts, ...mountable.map((name) => extraMounts[name])],
    devices: withDefaults(setting.devices.map((name) => extraDevices[name])),
    networks: networksOf(setting),
    ...(setting.cgroup === "none" || cgroup === undefined ? {} : { cgroup: limited(setting, cgroup) }),
    sysctl: Object.fromEntries(setting.sysctl.map((name) => [name, parameters[name]])),
    maskedPaths: setting.masked,
    readonlyPaths: setting.readonlyPaths,
    ...(setting.process.seccomp ? { seccomp } : {}),
    ...(setting.personality ? { personality: 8 } : {}),
    ...(setting.process.parentDeathSignal === undefined
      ? {}
      : { parentDeathSignal: setting.process.parentDeathSignal }),
    noNewKeyring: setting.noNewKeyring || rootless,
    process: processOf(setting, setting.process)
  }
}

const networksOf = ({ network }: Setting): Container["networks"] => {
  const loopback = { strategy: "loopback", name: "lo" }
  switch (network) {
    case "none":
      return []
    case "loopback":
      return [loopback]
    case "veth":
      return [loopback, {
        strategy: "veth",
        name: "eth0",
        bridge: "br7",
        createBridge: { address: "10.7.0.1/24" },
        address: "10.7.0.2/24",
        gateway: "10.7.0.1"
      }]
  }
}

const limited = (setting: Setting, cgroup: Cgroup): Cgroup =>
  setting.cgroup === "plain"
    ? cgroup
    : { ...cgroup, pids: { limit: 50n }, memory: { limit: 67_108_864n }, cpu: { shares: 512n } }

/** Refuses one call that no step makes. */
const seccomp: NonNullable<Container["seccomp"]> = {
  defaultAction: "SCMP_ACT_ALLOW",
  architectures: [],
  flags: [],
  syscalls: [{ names: ["swapon"], action: "SCMP_ACT_ERRNO", errnoRet: 1, args: [] }]
}
