/**
 * The OCI runtime configuration: `config.json` of a bundle.
 *
 * Everything that the specification has for Linux decodes; what runfx does not apply yet is refused by name, never
 * ignored. Properties that the specification does not know are ignored, as it demands, and told as warnings.
 *
 * @see OCI runtime-spec config.md, config-linux.md
 */
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import * as nodePath from "node:path/posix"
import { IOPRIO_CLASS, MPOL, MPOL_F, MS, PER, SCHED, SCHED_FLAG } from "../native/constants.ts"
import * as capabilities from "./capabilities.ts"
import { pathOf, type Problem, problem } from "./ConfigError.ts"
import type { Cgroup, Container, IdMapping, Mount, Namespace, NamespaceType, Process, Seccomp } from "./Container.ts"
import { defaultRules, denyAll, withDefaults } from "./devices.ts"
import { id, int32, int64, limit64, may, named, oneOf, texts, uint32, uint64, whole } from "./fields.ts"
import * as mountOptions from "./mountOptions.ts"
import { parseNumberList } from "./numberList.ts"
import * as rlimits from "./rlimits.ts"
import { type Names, seccompActions, seccompArchitectures, seccompFlags, seccompOperators } from "./validate.ts"

const prefixed = (prefix: string, family: Readonly<Record<string, number>>): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(family).map(([name, value]) => [prefix + name, value]))

const capabilityNames = prefixed("CAP_", capabilities.numbers)
const capabilityList = Schema.Array(named(capabilityNames, "a capability: CAP_CHOWN to CAP_CHECKPOINT_RESTORE"))

const IdMappings = Schema.Array(Schema.Struct({ containerID: uint32, hostID: uint32, size: uint32 }))

const User = Schema.Struct({
  uid: id,
  gid: id,
  umask: may(whole(0, 0o777)),
  additionalGids: may(Schema.Array(id)),
  username: may(Schema.String)
})

const processFields = {
  terminal: may(Schema.Boolean),
  consoleSize: may(Schema.Struct({ height: whole(0, 0xffff), width: whole(0, 0xffff) })),
  cwd: Schema.String,
  env: may(texts),
  args: texts,
  commandLine: may(Schema.String),
  user: may(User),
  capabilities: may(Schema.Struct({
    bounding: may(capabilityList),
    effective: may(capabilityList),
    inheritable: may(capabilityList),
    permitted: may(capabilityList),
    ambient: may(capabilityList)
  })),
  rlimits: may(Schema.Array(Schema.Struct({
    type: named(rlimits.numbers, "a resource: RLIMIT_CPU to RLIMIT_RTTIME"),
    soft: uint64,
    hard: uint64
  }))),
  noNewPrivileges: may(Schema.Boolean),
  oomScoreAdj: may(whole(-1000, 1000)),
  apparmorProfile: may(Schema.String),
  selinuxLabel: may(Schema.String),
  scheduler: may(Schema.Struct({
    policy: named({
      SCHED_OTHER: SCHED.NORMAL,
      SCHED_FIFO: SCHED.FIFO,
      SCHED_RR: SCHED.RR,
      SCHED_BATCH: SCHED.BATCH,
      SCHED_IDLE: SCHED.IDLE,
      SCHED_DEADLINE: SCHED.DEADLINE
    }, "a policy: SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_IDLE or SCHED_DEADLINE"),
    nice: may(int32),
    priority: may(int32),
    flags: may(Schema.Array(named(prefixed("SCHED_FLAG_", SCHED_FLAG), "a flag: SCHED_FLAG_RESET_ON_FORK, …"))),
    runtime: may(uint64),
    deadline: may(uint64),
    period: may(uint64)
  })),
  ioPriority: may(Schema.Struct({
    class: named({
      IOPRIO_CLASS_RT: IOPRIO_CLASS.RT,
      IOPRIO_CLASS_BE: IOPRIO_CLASS.BE,
      IOPRIO_CLASS_IDLE: IOPRIO_CLASS.IDLE
    }, "a class: IOPRIO_CLASS_RT, IOPRIO_CLASS_BE or IOPRIO_CLASS_IDLE"),
    priority: may(int32)
  })),
  execCPUAffinity: may(Schema.Struct({ initial: may(Schema.String), final: may(Schema.String) }))
}

const OciMount = Schema.Struct({
  destination: Schema.String,
  type: may(Schema.String),
  source: may(Schema.String),
  options: may(texts),
  uidMappings: may(IdMappings),
  gidMappings: may(IdMappings)
})

const Throttle = Schema.Array(Schema.Struct({ major: int32, minor: int32, rate: uint64 }))

const resourceFields = {
  devices: may(Schema.Array(Schema.Struct({
    allow: Schema.Boolean,
    type: may(oneOf("a", "c", "b")),
    // -1 is how runtimes write "any"
    major: may(whole(-1, 0xfff)),
    minor: may(whole(-1, 0xfffff)),
    access: may(Schema.String)
  }))),
  memory: may(Schema.Struct({
    limit: may(limit64),
    reservation: may(limit64),
    swap: may(limit64),
    kernel: may(limit64),
    kernelTCP: may(limit64),
    swappiness: may(uint64),
    disableOOMKiller: may(Schema.Boolean),
    useHierarchy: may(Schema.Boolean),
    checkBeforeUpdate: may(Schema.Boolean)
  })),
  cpu: may(Schema.Struct({
    shares: may(uint64),
    quota: may(limit64),
    burst: may(uint64),
    period: may(uint64),
    realtimeRuntime: may(limit64),
    realtimePeriod: may(uint64),
    cpus: may(Schema.String),
    mems: may(Schema.String),
    idle: may(int64)
  })),
  pids: may(Schema.Struct({ limit: may(int64) })),
  blockIO: may(Schema.Struct({
    weight: may(whole(0, 0xffff)),
    leafWeight: may(whole(0, 0xffff)),
    weightDevice: may(Schema.Array(Schema.Struct({
      major: int32,
      minor: int32,
      weight: may(whole(0, 0xffff)),
      leafWeight: may(whole(0, 0xffff))
    }))),
    throttleReadBpsDevice: may(Throttle),
    throttleWriteBpsDevice: may(Throttle),
    throttleReadIOPSDevice: may(Throttle),
    throttleWriteIOPSDevice: may(Throttle)
  })),
  hugepageLimits: may(Schema.Array(Schema.Struct({ pageSize: Schema.String, limit: uint64 }))),
  network: may(Schema.Struct({
    classID: may(uint32),
    priorities: may(Schema.Array(Schema.Struct({ name: Schema.String, priority: uint32 })))
  })),
  rdma: may(Schema.Record(
    Schema.String,
    Schema.Struct({ hcaHandles: may(uint32), hcaObjects: may(uint32) })
  )),
  unified: may(Schema.Record(Schema.String, Schema.String))
}

const namespaceTypes: Readonly<
  Record<"pid" | "network" | "mount" | "ipc" | "uts" | "user" | "cgroup" | "time", NamespaceType>
> = {
  pid: "pid",
  network: "net",
  mount: "mnt",
  ipc: "ipc",
  uts: "uts",
  user: "user",
  cgroup: "cgroup",
  time: "time"
}

const TimeOffset = Schema.Struct({ secs: may(int64), nanosecs: may(uint32) })

const linuxFields = {
  namespaces: may(Schema.Array(Schema.Struct({
    type: oneOf("pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"),
    path: may(Schema.String)
  }))),
  uidMappings: may(IdMappings),
  gidMappings: may(IdMappings),
  timeOffsets: may(Schema.Struct({ monotonic: may(TimeOffset), boottime: may(TimeOffset) })),
  devices: may(Schema.Array(Schema.Struct({
    type: oneOf("c", "b", "u", "p"),
    path: Schema.String,
    major: may(int64),
    minor: may(int64),
    fileMode: may(uint32),
    uid: may(id),
    gid: may(id)
  }))),
  netDevices: may(Schema.Record(Schema.String, Schema.Unknown)),
  cgroupsPath: may(Schema.String),
  resources: may(Schema.Struct(resourceFields)),
  rootfsPropagation: may(Schema.String),
  seccomp: may(Schema.Struct({
    defaultAction: oneOf(...seccompActions),
    defaultErrnoRet: may(uint32),
    architectures: may(Schema.Array(oneOf(...seccompArchitectures))),
    flags: may(Schema.Array(oneOf(...seccompFlags))),
    listenerPath: may(Schema.String),
    listenerMetadata: may(Schema.String),
    syscalls: may(Schema.Array(Schema.Struct({
      names: texts,
      action: oneOf(...seccompActions),
      errnoRet: may(uint32),
      args: may(Schema.Array(Schema.Struct({
        index: whole(0, 5),
        value: uint64,
        valueTwo: may(uint64),
        op: oneOf(...seccompOperators)
      })))
    })))
  })),
  sysctl: may(Schema.Record(Schema.String, Schema.String)),
  maskedPaths: may(texts),
  readonlyPaths: may(texts),
  mountLabel: may(Schema.String),
  intelRdt: may(Schema.Record(Schema.String, Schema.Unknown)),
  personality: may(Schema.Struct({
    domain: named({ LINUX: PER.LINUX, LINUX32: PER.LINUX32 }, "LINUX or LINUX32"),
    flags: may(texts)
  })),
  memoryPolicy: may(Schema.Struct({
    mode: named(prefixed("MPOL_", MPOL), `a mode: ${Object.keys(prefixed("MPOL_", MPOL)).join(", ")}`),
    nodes: may(Schema.String),
    flags: may(Schema.Array(named(prefixed("MPOL_F_", MPOL_F), "a flag: MPOL_F_STATIC_NODES, …")))
  }))
}

const Section = Schema.Record(Schema.String, Schema.Unknown)

const fields = {
  ociVersion: Schema.String.check(
    Schema.isPattern(/^\d+\.\d+\.\d+([-+].*)?$/, { expected: "must be a version as 1.0.2 (SemVer 2.0.0)" })
  ),
  root: Schema.Struct({ path: Schema.String, readonly: may(Schema.Boolean) }),
  hostname: may(Schema.String),
  domainname: may(Schema.String),
  mounts: may(Schema.Array(OciMount)),
  hooks: may(Section),
  annotations: may(Schema.Record(Schema.String, Schema.String)),
  vm: may(Section),
  windows: may(Section),
  solaris: may(Section),
  zos: may(Section),
  freebsd: may(Section)
}

const ProcessSchema = Schema.Struct(processFields)
const LinuxSchema = Schema.Struct(linuxFields)

/** The schema of a `config.json`. */
export const Config = Schema.Struct({ ...fields, process: ProcessSchema, linux: may(LinuxSchema) })

/** The same with every field optional: what is left of a document whose broken fields were taken out. */
export const Partial = Schema.Struct({
  ...Schema.Struct(fields).mapFields(Struct.map(Schema.optionalKey)).fields,
  process: may(ProcessSchema.mapFields(Struct.map(Schema.optionalKey))),
  linux: may(LinuxSchema)
})

type Config = typeof Partial.Type
type Linux = NonNullable<Config["linux"]>

/** How `config.json` calls the parts of a container. */
export const names: Names = {
  sections: {
    rootfs: "root.path",
    readonlyRootfs: "root.readonly",
    rootPropagation: "linux.rootfsPropagation",
    namespaces: "linux.namespaces",
    uidMappings: "linux.uidMappings",
    gidMappings: "linux.gidMappings",
    timeOffsets: "linux.timeOffsets",
    devices: "linux.devices",
    cgroup: "linux.resources",
    "cgroup.path": "linux.cgroupsPath",
    sysctl: "linux.sysctl",
    maskedPaths: "linux.maskedPaths",
    readonlyPaths: "linux.readonlyPaths",
    seccomp: "linux.seccomp",
    mountLabel: "linux.mountLabel",
    personality: "linux.personality",
    memoryPolicy: "linux.memoryPolicy",
    "process.umask": "process.user.umask",
    "process.cpuAffinity": "process.execCPUAffinity"
  },
  fields: {
    containerId: "containerID",
    hostId: "hostID",
    rows: "height",
    columns: "width",
    nanoseconds: "nanosecs"
  },
  offsets: {}
}

// ── what is not applied ────────────────────────────────────────────────────────────────────────────────────────────

const isMeaningful = (value: unknown): boolean =>
  Array.isArray(value) ?
    value.length > 0
    : typeof value === "object" && value !== null ?
    Object.values(value).some(isMeaningful)
    : value !== undefined && value !== "" && value !== false

const otherPlatform = "is for another platform than Linux: remove it"

const refused = (config: Config): ReadonlyArray<Problem> => {
  const { linux, process } = config
  const list: ReadonlyArray<readonly [path: string, value: unknown, rule: string]> = [
    ["hooks", config.hooks, "hooks are not run by runfx yet: remove them, or add a step to the pipeline"],
    [
      "linux.netDevices",
      linux?.netDevices,
      "moving host network devices into a container is not supported yet: remove it"
    ],
    ["linux.intelRdt", linux?.intelRdt, "Intel RDT is not supported: remove it"],
    ["linux.seccomp.listenerPath", linux?.seccomp?.listenerPath, "a seccomp agent is not supported yet: remove it"],
    [
      "linux.seccomp.listenerMetadata",
      linux?.seccomp?.listenerMetadata,
      "is for a seccomp agent, which is not supported yet: remove it"
    ],
    ["linux.personality.flags", linux?.personality?.flags, "the specification defines no flags: remove them"],
    ["process.user.username", process?.user?.username, "is for another platform than Linux: give uid and gid"],
    ["process.commandLine", process?.commandLine, "is for another platform than Linux: give args"],
    ["vm", config.vm, otherPlatform],
    ["windows", config.windows, otherPlatform],
    ["solaris", config.solaris, otherPlatform],
    ["zos", config.zos, otherPlatform],
    ["freebsd", config.freebsd, otherPlatform]
  ]
  const notify = (linux?.seccomp?.syscalls ?? []).flatMap(({ action }, index) =>
    action !== "SCMP_ACT_NOTIFY" ? [] : [
      problem(`linux.seccomp.syscalls[${index}].action`, action, "needs a seccomp agent, which is not supported yet")
    ]
  )
  return [
    ...list.filter(([, value]) => isMeaningful(value)).map(([path, value, rule]) => problem(path, value, rule)),
    ...notify
  ]
}

// ── to the model ───────────────────────────────────────────────────────────────────────────────────────────────────

const some = <const K extends string, A>(key: K, value: A | undefined): { readonly [P in K]?: A } =>
  value === undefined ? {} : { [key]: value } as { readonly [P in K]?: A }

/** Go's programs write an empty text for what is not set. */
const text = <const K extends string>(key: K, value: string | undefined) => some(key, value === "" ? undefined : value)

const mappings = (list: typeof IdMappings.Type | undefined): ReadonlyArray<IdMapping> =>
  (list ?? []).map(({ containerID, hostID, size }) => ({ containerId: containerID, hostId: hostID, size }))

const toMount = (linux: Linux | undefined, bundle: string) => (mount: typeof OciMount.Type): Mount => {
  const { copyUp, data, clearedFlags, flags, idMap, propagation, recursiveAttributes } = mountOptions.parse(
    mount.options ?? []
  )
  // some writers say `"type": "bind"` and leave the option out
  const bind = (flags & MS.BIND) !== 0 || mount.type === "bind"
  const source = mount.source ?? ""
  const own = mount.uidMappings !== undefined || mount.gidMappings !== undefined
  return {
    // the specification has relative destinations mean "below /", for old writers
    destination: mount.destination.startsWith("/") ? mount.destination : `/${mount.destination}`,
    type: bind ? "bind" : mount.type ?? "",
    source: bind && source !== "" ? nodePath.resolve(bundle, source) : source,
    flags: bind ? flags | MS.BIND : flags,
    clearedFlags,
    propagation,
    recursiveAttributes,
    data,
    copyUp,
    ...(idMap === "none" && !own ? {} : {
      idMapping: {
        uidMappings: mappings(own ? mount.uidMappings : linux?.uidMappings),
        gidMappings: mappings(own ? mount.gidMappings : linux?.gidMappings),
        recursive: idMap === "tree"
      }
    })
  }
}

const wildcard = (number: number | undefined): number | null => number === undefined || number === -1 ? null : number

const toCgroup = (linux: Linux | undefined): Cgroup => {
  const { blockIO, cpu, devices = [], hugepageLimits, memory, network, pids, rdma, unified } = linux?.resources ?? {}
  const { kernelTCP, disableOOMKiller, ...plainMemory } = memory ?? {}
  const { cpus, mems, ...plainCpu } = cpu ?? {}
  return {
    ...text("path", linux?.cgroupsPath),
    devices: [
      denyAll,
      ...devices.map(({ access, allow, major, minor, type }) => ({
        allow,
        type: type ?? "a",
        major: wildcard(major),
        minor: wildcard(minor),
        access: access === undefined || access === "" ? "rwm" : access
      })),
      ...defaultRules
    ],
    ...(memory === undefined ? {} : {
      memory: { ...plainMemory, ...some("kernelTcp", kernelTCP), ...some("disableOomKiller", disableOOMKiller) }
    }),
    ...(cpu === undefined ? {} : { cpu: { ...plainCpu, ...text("cpus", cpus), ...text("mems", mems) } }),
    ...(pids?.limit === undefined ? {} : { pids: { limit: pids.limit } }),
    ...some("blockIO", blockIO),
    ...some("hugepageLimits", hugepageLimits),
    ...some("network", network),
    ...some("rdma", rdma),
    ...some("unified", unified)
  }
}

const toNamespace = ({ path, type }: NonNullable<Linux["namespaces"]>[number]): Namespace => ({
  type: namespaceTypes[type],
  ...text("path", path)
})

type OciSeccomp = NonNullable<Linux["seccomp"]>
type OciSyscall = NonNullable<OciSeccomp["syscalls"]>[number]

const toArgument = ({ index, op, value, valueTwo = 0n }: NonNullable<OciSyscall["args"]>[number]) => ({
  index,
  value,
  valueTwo,
  op
})

const toSyscall = ({ action, args = [], errnoRet, names }: OciSyscall): Seccomp["syscalls"][number] => ({
  names,
  action,
  ...some("errnoRet", errnoRet),
  args: args.map(toArgument)
})

const toSeccomp = (seccomp: OciSeccomp): Seccomp => ({
  defaultAction: seccomp.defaultAction,
  ...some("defaultErrnoRet", seccomp.defaultErrnoRet),
  architectures: seccomp.architectures ?? [],
  flags: seccomp.flags ?? [],
  syscalls: (seccomp.syscalls ?? []).map(toSyscall)
})

const toProcess = (process: Config["process"]): Process => {
  const { scheduler, ioPriority, user } = process ?? {}
  const sets = process?.capabilities
  const affinity = process?.execCPUAffinity
  const initial = parseNumberList(affinity?.initial ?? "")
  const final = parseNumberList(affinity?.final ?? "")
  return {
    args: process?.args ?? [],
    env: process?.env ?? [],
    cwd: process?.cwd ?? "/",
    user: { _tag: "Ids", uid: user?.uid ?? 0, gid: user?.gid ?? 0, additionalGids: user?.additionalGids ?? [] },
    ...some("umask", user?.umask),
    terminal: process?.terminal ?? false,
    ...(process?.consoleSize === undefined
      ? {}
      : { consoleSize: { rows: process.consoleSize.height, columns: process.consoleSize.width } }),
    // left out is none at all: whoever forgets them must not get all that the runtime has
    capabilities: {
      bounding: sets?.bounding ?? [],
      effective: sets?.effective ?? [],
      inheritable: sets?.inheritable ?? [],
      permitted: sets?.permitted ?? [],
      ambient: sets?.ambient ?? []
    },
    noNewPrivileges: process?.noNewPrivileges ?? false,
    rlimits: (process?.rlimits ?? []).map(({ hard, soft, type }) => ({ resource: type, soft, hard })),
    ...some("oomScoreAdj", process?.oomScoreAdj),
    ...text("apparmorProfile", process?.apparmorProfile),
    ...text("selinuxLabel", process?.selinuxLabel),
    ...(scheduler === undefined ? {} : {
      scheduler: {
        policy: scheduler.policy,
        nice: scheduler.nice ?? 0,
        priority: scheduler.priority ?? 0,
        flags: (scheduler.flags ?? []).reduce((bits, flag) => bits | flag, 0),
        runtime: scheduler.runtime ?? 0n,
        deadline: scheduler.deadline ?? 0n,
        period: scheduler.period ?? 0n
      }
    }),
    ...(ioPriority === undefined
      ? {}
      : { ioPriority: { class: ioPriority.class, priority: ioPriority.priority ?? 0 } }),
    ...(affinity === undefined ? {} : {
      cpuAffinity: {
        ...(initial === undefined || initial.length === 0 ? {} : { initial }),
        ...(final === undefined || final.length === 0 ? {} : { final })
      }
    })
  }
}

/** Texts that stand for something, and do not. */
const misread = (config: Config): ReadonlyArray<Problem> => {
  const { linux, ociVersion, process } = config
  const propagation = linux?.rootfsPropagation ?? ""
  const lists = [
    [["process", "execCPUAffinity", "initial"], process?.execCPUAffinity?.initial],
    [["process", "execCPUAffinity", "final"], process?.execCPUAffinity?.final],
    [["linux", "memoryPolicy", "nodes"], linux?.memoryPolicy?.nodes]
  ] as const
  return [
    ...(ociVersion !== undefined && Number.parseInt(ociVersion, 10) > 1
      ? [problem("ociVersion", ociVersion, "must be 1.x: this is written for a later specification")]
      : []),
    ...lists.flatMap(([path, list]) =>
      parseNumberList(list ?? "") === undefined
        ? [problem(pathOf(path), list, "must be a list of numbers and ranges: 0-3,7")]
        : []
    ),
    ...(propagation === "" || Object.hasOwn(mountOptions.propagations, propagation) ? [] : [
      problem(
        "linux.rootfsPropagation",
        propagation,
        `must be one of ${Object.keys(mountOptions.propagations).join(", ")}`
      )
    ]),
    ...(linux?.devices ?? []).flatMap(({ major, minor, type }, index) =>
      type === "p" || (major !== undefined && minor !== undefined)
        ? []
        : [problem(`linux.devices[${index}]`, undefined, "must have major and minor, as it is no fifo")]
    )
  ]
}

/**
 * The container that a decoded `config.json` describes, and what can't be applied of it. Relative paths of the root and
 * of bind sources are taken from `bundle`, an absolute path.
 */
export const toContainer = (
  config: Config,
  bundle: string
): { readonly container: Container; readonly problems: ReadonlyArray<Problem> } => {
  const { linux, root } = config
  const namespaces = (linux?.namespaces ?? []).map(toNamespace)
  const offsets = linux?.timeOffsets ?? {}
  const propagation = linux?.rootfsPropagation ?? ""
  const { memoryPolicy, seccomp } = linux ?? {}
  const container: Container = {
    rootfs: root?.path === undefined ? "/" : nodePath.resolve(bundle, root.path),
    readonlyRootfs: root?.readonly ?? false,
    noPivotRoot: false,
    ...some("rootPropagation", mountOptions.propagations[propagation]),
    namespaces,
    uidMappings: mappings(linux?.uidMappings),
    gidMappings: mappings(linux?.gidMappings),
    timeOffsets: (["monotonic", "boottime"] as const).flatMap((clock) => {
      const offset = offsets[clock]
      return offset === undefined ? [] : [{ clock, seconds: offset.secs ?? 0n, nanoseconds: offset.nanosecs ?? 0 }]
    }),
    ...text("hostname", config.hostname),
    ...text("domainname", config.domainname),
    mounts: (config.mounts ?? []).map(toMount(linux, bundle)),
    devices: withDefaults((linux?.devices ?? []).map((device) => ({
      path: device.path,
      // `u` is an unbuffered character device, which Linux does not tell apart
      type: device.type === "u" ? "c" : device.type,
      major: Number(device.major ?? 0n),
      minor: Number(device.minor ?? 0n),
      fileMode: (device.fileMode ?? 0o666) & 0o7777,
      uid: device.uid ?? 0,
      gid: device.gid ?? 0
    }))),
    // a new network namespace has a loopback that is down
    networks: namespaces.some(({ path, type }) => type === "net" && path === undefined)
      ? [{ strategy: "loopback", name: "lo" }]
      : [],
    routes: [],
    cgroup: toCgroup(linux),
    sysctl: linux?.sysctl ?? {},
    maskedPaths: linux?.maskedPaths ?? [],
    readonlyPaths: linux?.readonlyPaths ?? [],
    ...some("seccomp", seccomp === undefined ? undefined : toSeccomp(seccomp)),
    ...text("mountLabel", linux?.mountLabel),
    ...some("personality", linux?.personality?.domain),
    ...(memoryPolicy === undefined ? {} : {
      memoryPolicy: {
        mode: (memoryPolicy.flags ?? []).reduce((bits, flag) => bits | flag, memoryPolicy.mode),
        nodes: parseNumberList(memoryPolicy.nodes ?? "") ?? []
      }
    }),
    noNewKeyring: false,
    annotations: config.annotations ?? {},
    process: toProcess(config.process)
  }
  return { container, problems: [...misread(config), ...refused(config)] }
}
