/**
 * The OCI runtime configuration: `config.json` of a bundle.
 *
 * Everything that the specification has for Linux decodes; what runfx does not apply yet is refused by name, never
 * ignored. The specification leaves some sets open (properties, capabilities, architectures): a member that is not known has
 * no effect, and is reported.
 *
 * @see OCI runtime-spec config.md, config-linux.md
 * @category decoding
 * @since 0.1.0
 */
import * as nodePath from "node:path/posix"
import { given } from "../engine/given.ts"
import { MS } from "../native/constants.ts"
import * as capabilities from "./capabilities.ts"
import { type Notice, notice, pathOf, type Problem, problem } from "./ConfigError.ts"
import type { Cgroup, Container, IdMapping, Mount, Namespace, Process, Seccomp } from "./Container.ts"
import { defaultRules, denyAll, withDefaults } from "./devices.ts"
import * as mountOptions from "./mountOptions.ts"
import { parseNumberList } from "./numberList.ts"
import { type Config, IdMappings, type Linux, namespaceTypes, OciMount } from "./OciSchema.ts"
import { seccompArchitectures } from "./validate.ts"

// -- open sets -------------------------------------------------------------------------------------------------------

const capabilitySets = ["bounding", "effective", "inheritable", "permitted", "ambient"] as const

/** What is written down for a later kernel or machine, and has no effect here. Each is reported once. */
const notices = ({ linux, process }: Config): ReadonlyArray<Notice> => {
  const sets = process?.capabilities ?? {}
  const unknown = new Set(
    capabilitySets.flatMap((set) => sets[set] ?? []).filter((name) => capabilityOf(name) === undefined)
  )
  return [
    // config.md: a value that can't be mapped MUST be logged as a warning, and SHOULD NOT make the start fail
    ...(unknown.size === 0 ? [] : [notice(
      "warning",
      problem("process.capabilities", [...unknown], "has no effect: runfx knows no such capability")
    )]),
    ...(linux?.seccomp?.architectures ?? []).flatMap((name, index) =>
      isArchitecture(name) ? [] : [notice(
        "warning",
        problem(`linux.seccomp.architectures[${index}]`, name, "has no effect: runfx knows no such architecture")
      )]
    )
  ]
}

/** A filter for another machine has no effect here, whatever its name is. */
const isArchitecture = (name: string): boolean => (seccompArchitectures as ReadonlyArray<string>).includes(name)

const capabilityOf = (name: string): number | undefined =>
  name.startsWith("CAP_") ? capabilities.numberOf(name) : undefined

const capabilitiesOf = (names: ReadonlyArray<string> = []): ReadonlyArray<number> =>
  names.flatMap((name) => capabilityOf(name) ?? [])

// -- what is not applied --------------------------------------------------------------------------------------------

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

// -- to the model ---------------------------------------------------------------------------------------------------

/** Go's programs write an empty text for what is not set. */
const text = (value: string | undefined) => value === "" ? undefined : value

const mappings = (list: typeof IdMappings.Type | undefined): ReadonlyArray<IdMapping> =>
  (list ?? []).map(({ containerID, hostID, size }) => ({ containerId: containerID, hostId: hostID, size }))

/** What podman writes beside `bind` for a volume: whether it has copied the image's files into it. */
const ofVolumes: ReadonlySet<string> = new Set(["copy", "nocopy"])

const toMount = (linux: Linux | undefined, bundle: string) => (mount: typeof OciMount.Type): Mount => {
  const { copyUp, data, clearedFlags, flags, idMap, links, propagation, recursiveAttributes } = mountOptions.parse(
    mount.options ?? []
  )
  // the options say so, whatever the type is; a rule refuses the type alone
  const bind = (flags & MS.BIND) !== 0
  const source = mount.source ?? ""
  const own = mount.uidMappings !== undefined || mount.gidMappings !== undefined
  return {
    // config.md: a relative destination is below /, for old writers
    destination: mount.destination.startsWith("/") ? mount.destination : `/${mount.destination}`,
    type: bind ? "bind" : mount.type ?? "",
    source: bind && source !== "" ? nodePath.resolve(bundle, source) : source,
    flags,
    clearedFlags,
    propagation,
    recursiveAttributes,
    data: bind ? data.filter((option) => !ofVolumes.has(option)) : data,
    copyUp,
    ...(links.length === 0 ? {} : { links }),
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

/** docker writes -1 for what was not asked for, podman the same number without a sign. */
const swappinessOf = (value: bigint | undefined): bigint | undefined =>
  value === -1n || value === 2n ** 64n - 1n ? undefined : value

const toCgroup = (linux: Linux | undefined): Cgroup => {
  const { blockIO, cpu, devices = [], hugepageLimits, memory, network, pids, rdma, unified } = linux?.resources ?? {}
  const { kernelTCP, disableOOMKiller, swappiness, ...plainMemory } = memory ?? {}
  const { cpus, mems, ...plainCpu } = cpu ?? {}
  return {
    ...given({ path: text(linux?.cgroupsPath) }),
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
      memory: {
        ...plainMemory,
        ...given({ swappiness: swappinessOf(swappiness), kernelTcp: kernelTCP, disableOomKiller: disableOOMKiller })
      }
    }),
    ...(cpu === undefined ? {} : { cpu: { ...plainCpu, ...given({ cpus: text(cpus), mems: text(mems) }) } }),
    ...(pids?.limit === undefined ? {} : { pids: { limit: pids.limit } }),
    ...given({ blockIO, hugepageLimits, network, rdma, unified })
  }
}

const toNamespace = ({ path, type }: NonNullable<Linux["namespaces"]>[number]): Namespace => ({
  type: namespaceTypes[type],
  ...given({ path: text(path) })
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
  ...given({ errnoRet }),
  args: args.map(toArgument)
})

/** A filter without a default action and rules is none: Go's programs write `{}` for what is not set. */
const toSeccomp = (seccomp: OciSeccomp | undefined): Seccomp | undefined => {
  const { defaultAction = "", syscalls = [] } = seccomp ?? {}
  return seccomp === undefined || defaultAction === "" && syscalls.length === 0 ? undefined : {
    defaultAction,
    ...given({ defaultErrnoRet: seccomp.defaultErrnoRet }),
    architectures: (seccomp.architectures ?? []).filter(isArchitecture),
    flags: seccomp.flags ?? [],
    syscalls: syscalls.map(toSyscall)
  }
}

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
    ...given({ umask: user?.umask }),
    terminal: process?.terminal ?? false,
    ...(process?.consoleSize === undefined
      ? {}
      : { consoleSize: { rows: process.consoleSize.height, columns: process.consoleSize.width } }),
    // without them a program has none: it must not get all that the runtime has
    capabilities: {
      bounding: capabilitiesOf(sets?.bounding),
      effective: capabilitiesOf(sets?.effective),
      inheritable: capabilitiesOf(sets?.inheritable),
      permitted: capabilitiesOf(sets?.permitted),
      ambient: capabilitiesOf(sets?.ambient)
    },
    noNewPrivileges: process?.noNewPrivileges ?? false,
    rlimits: (process?.rlimits ?? []).map(({ hard, soft, type }) => ({ resource: type, soft, hard })),
    ...given({
      oomScoreAdj: process?.oomScoreAdj,
      apparmorProfile: text(process?.apparmorProfile),
      selinuxLabel: text(process?.selinuxLabel)
    }),
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

/** What a schema accepts, and nothing can be made of: texts that are no list or no name, devices without numbers. */
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
): {
  readonly container: Container
  readonly problems: ReadonlyArray<Problem>
  readonly notices: ReadonlyArray<Notice>
} => {
  const { linux, root } = config
  const listed = (linux?.namespaces ?? []).map(toNamespace)
  // in the mount namespace of its caller the container's mounts would be the host's, and stay
  const adds = (config.mounts ?? []).length > 0 && !listed.some(({ type }) => type === "mnt")
  const namespaces: ReadonlyArray<Namespace> = adds ? [...listed, { type: "mnt" }] : listed
  const offsets = linux?.timeOffsets ?? {}
  const propagation = linux?.rootfsPropagation ?? ""
  const { memoryPolicy, seccomp } = linux ?? {}
  const container: Container = {
    rootfs: root?.path === undefined ? "/" : nodePath.resolve(bundle, root.path),
    readonlyRootfs: root?.readonly ?? false,
    noPivotRoot: false,
    ...given({ rootPropagation: mountOptions.propagations[propagation] }),
    namespaces,
    uidMappings: mappings(linux?.uidMappings),
    gidMappings: mappings(linux?.gidMappings),
    timeOffsets: (["monotonic", "boottime"] as const).flatMap((clock) => {
      const offset = offsets[clock]
      return offset === undefined ? [] : [{ clock, seconds: offset.secs ?? 0n, nanoseconds: offset.nanosecs ?? 0 }]
    }),
    ...given({ hostname: text(config.hostname), domainname: text(config.domainname) }),
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
    ...given({
      seccomp: toSeccomp(seccomp),
      mountLabel: text(linux?.mountLabel),
      personality: linux?.personality?.domain
    }),
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
  const added = adds
    ? [notice(
      "warning",
      problem("linux.namespaces", undefined, "has no mount namespace: the container gets one, for it has mounts")
    )]
    : []
  return { container, problems: [...misread(config), ...refused(config)], notices: [...notices(config), ...added] }
}
