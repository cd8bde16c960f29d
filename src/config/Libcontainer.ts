/**
 * libcontainer's configuration: the `initConfig` that its init process reads, with the `Config` in it.
 *
 * Keys are taken exactly as libcontainer wrote them, and a key that it did not have is refused: the format is closed, so
 * such a key is a mistake, and a container that starts without a setting is worse than one that does not start. The keys of older
 * samples that libcontainer itself had dropped (`restrict_sys`, `environment`, `tty`, `user` in the config, a mount's `type`,
 * `veth_prefix`) are reported as warnings and have no effect, as they had none there.
 * Differences by intent: the inheritable set stays empty (CVE-2022-29162); a device without a mode gets 0666, not 000; the devpts of
 * a new user namespace that does not map gid 5 is mounted without it.
 *
 * @category decoding
 * @since 0.1.0
 */
import * as nodePath from "node:path/posix"
import { given } from "../engine/given.ts"
import { MS, SIG } from "../native/constants.ts"
import * as capabilities from "./capabilities.ts"
import { type Problem, problem } from "./ConfigError.ts"
import {
  type Cgroup,
  type Container,
  type Device,
  hostId,
  type IdMapping,
  type Mount,
  type Namespace,
  type NamespaceType,
  type Network,
  type Route
} from "./Container.ts"
import { allowAll, denyAll } from "./devices.ts"
import { names } from "./libcontainerNames.ts"
import { type InitConfig, isOfProcess } from "./LibcontainerSchema.ts"
import { plainMount } from "./plainMount.ts"
import { type Names } from "./validate.ts"

export { bareConfig, initConfig, partial } from "./LibcontainerSchema.ts"

const namespaceTypes = {
  NEWNET: "net",
  NEWPID: "pid",
  NEWNS: "mnt",
  NEWUTS: "uts",
  NEWIPC: "ipc",
  NEWUSER: "user",
  NEWCGROUP: "cgroup",
  NEWTIME: "time"
} as const satisfies Readonly<Record<string, NamespaceType>>

type Config = NonNullable<InitConfig["config"]>
type ConfigMount = NonNullable<Config["mounts"]>[number]

// -- documents ------------------------------------------------------------------------------------------------------

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Whether a document is a bare `Config` and no initConfig. */
export const isBare = (document: unknown): boolean =>
  isObject(document) && !("config" in document) && "rootfs" in document

/** The initConfig that a document is, or, for a bare `Config`, the one that it makes with the process fields alongside it. */
export const wrap = (document: unknown): unknown => {
  if (!isObject(document) || !isBare(document)) return document
  const entries = Object.entries(document)
  return {
    ...Object.fromEntries(entries.filter(([name]) => isOfProcess(name))),
    config: Object.fromEntries(entries.filter(([name]) => !isOfProcess(name)))
  }
}

// -- to the model ---------------------------------------------------------------------------------------------------

/** Go has no "not set": an empty text, and a 0 where 0 means nothing, stand for it. */
const set = <A extends string | number | bigint>(value: A | undefined) =>
  value === "" || value === 0 || value === 0n ? undefined : value

const mappings = (list: Config["uid_mappings"]): ReadonlyArray<IdMapping> =>
  (list ?? []).map(({ container_id, host_id, size }) => ({ containerId: container_id, hostId: host_id, size }))

const propagationFlags = [MS.PRIVATE, MS.SLAVE, MS.SHARED, MS.UNBINDABLE]

/** Splits at commas, except between double quotes: a label has commas of its own. */
const options = (data: string): ReadonlyArray<string> => data.match(/(?:[^,"]|"[^"]*"?)+/g) ?? []

const toMount = (mount: ConfigMount): Mount => {
  const flags = mount.flags ?? 0
  return {
    ...plainMount(
      mount.destination,
      mount.device ?? "",
      mount.source ?? "",
      propagationFlags.reduce((rest, flag) => rest & ~flag, flags),
      options(mount.data ?? "")
    ),
    propagation: propagationFlags.filter((flag) => (flags & flag) !== 0)
  }
}

/** The mounts that libcontainer made by itself, ahead of those of the configuration. */
const baseMounts = (gidMappings: ReadonlyArray<IdMapping>): ReadonlyArray<Mount> => [
  plainMount("/proc", "proc", "proc", MS.NOEXEC | MS.NOSUID | MS.NODEV),
  plainMount("/dev", "tmpfs", "tmpfs", MS.NOSUID | MS.STRICTATIME, ["mode=755"]),
  plainMount("/dev/pts", "devpts", "devpts", MS.NOSUID | MS.NOEXEC, [
    "newinstance",
    "ptmxmode=0666",
    "mode=620",
    ...(hostId(gidMappings, 5) === undefined ? [] : ["gid=5"])
  ])
]

const types = { 99: "c", 98: "b", 112: "p" } as const

const toDevice = (device: NonNullable<Config["devices"]>[number]): Device => ({
  path: device.path ?? "",
  type: types[device.type],
  major: device.major ?? 0,
  minor: device.minor ?? 0,
  // the mode from lstat(2) includes the type
  fileMode: device.file_mode === undefined || device.file_mode === 0 ? 0o666 : device.file_mode & 0o7777,
  uid: device.uid ?? 0,
  gid: device.gid ?? 0
})

const toNetwork = (network: NonNullable<Config["networks"]>[number]): Network => ({
  strategy: network.type,
  name: network.type === "loopback" && (network.name ?? "") === "" ? "lo" : network.name ?? "",
  ...given({
    bridge: set(network.bridge),
    macAddress: set(network.mac_address),
    address: set(network.address),
    gateway: set(network.gateway),
    ipv6Address: set(network.ipv6_address),
    ipv6Gateway: set(network.ipv6_gateway),
    mtu: set(network.mtu),
    txQueueLength: set(network.txqueuelen),
    hostInterfaceName: set(network.host_interface_name),
    temporaryPeerName: set(network.temp_veth_peer_name)
  })
})

const toNamespace = ({ path, type }: NonNullable<Config["namespaces"]>[number]): Namespace => ({
  type: namespaceTypes[type],
  ...given({ path: set(path) })
})

const toRoute = (route: NonNullable<Config["routes"]>[number]): Route =>
  given({
    destination: set(route.destination),
    source: set(route.source),
    gateway: set(route.gateway),
    interfaceName: set(route.interface_name)
  })

const wildcard = (number: number | undefined): number | null => number === -1 ? null : number ?? 0

const nonEmpty = <A extends object>(value: A): A | undefined => Object.keys(value).length === 0 ? undefined : value

const toCgroup = (cgroup: NonNullable<Config["cgroups"]>): Cgroup => ({
  ...given({ path: set(cgroup.name || cgroup.parent ? nodePath.join(cgroup.parent ?? "", cgroup.name ?? "") : "") }),
  devices: cgroup.allow_all_devices === true ? [allowAll] : [
    denyAll,
    ...(cgroup.allowed_devices ?? []).map(({ major, minor, permissions, type }) => ({
      allow: true,
      type: type === 98 ? "b" as const : "c" as const,
      major: wildcard(major),
      minor: wildcard(minor),
      access: permissions ?? ""
    }))
  ],
  ...given({
    memory: nonEmpty(given({
      limit: set(cgroup.memory),
      reservation: set(cgroup.memory_reservation),
      swap: set(cgroup.memory_swap)
    })),
    cpu: nonEmpty(given({
      shares: set(cgroup.cpu_shares),
      quota: set(cgroup.cpu_quota),
      period: set(cgroup.cpu_period),
      cpus: set(cgroup.cpuset_cpus),
      mems: set(cgroup.cpuset_mems)
    })),
    blockIO: nonEmpty(given({ weight: set(cgroup.blkio_weight) })),
    freezer: cgroup.freezer === "" ? undefined : cgroup.freezer
  })
})

const refusedOfMount = (
  { relabel = "" }: ConfigMount,
  index: number
): ReadonlyArray<Problem> => {
  const path = `config.mounts[${index}].relabel`
  return relabel === ""
    ? []
    : [problem(path, relabel, "relabelling the source for SELinux is not supported: remove it")]
}

const refused = (config: Config): ReadonlyArray<Problem> => [
  ...(config.console === undefined || config.console === "" ? [] : [
    problem(
      "config.console",
      config.console,
      "a terminal of the host can't be given by its path: leave it empty and ask for a terminal, which is made inside the container"
    )
  ]),
  ...(config.mounts ?? []).flatMap(refusedOfMount)
]

const idle = (config: Config): ReadonlyArray<Problem> => [
  ...(config.pivot_dir === undefined || config.pivot_dir === "" ? [] : [
    problem("config.pivot_dir", config.pivot_dir, "has no effect: changing the root needs no directory inside it")
  ]),
  ...(config.cgroups?.slice === undefined || config.cgroups.slice === "" ? [] : [
    problem("config.cgroups.slice", config.cgroups.slice, "has no effect: cgroups are made without systemd")
  ]),
  ...(config.cgroups?.freezer !== "FROZEN" ? [] : [
    problem("config.cgroups.freezer", config.cgroups.freezer, "has no effect yet: the container is started to run")
  ])
]

/** The container that a decoded initConfig describes, what can't be applied of it, and what has no effect. */
export const toContainer = (init: InitConfig): {
  readonly container: Container
  readonly problems: ReadonlyArray<Problem>
  readonly warnings: ReadonlyArray<Problem>
  readonly names: Names
} => {
  const config: Config = init.config ?? {}
  const namespaces = (config.namespaces ?? []).map(toNamespace)
  const gidMappings = mappings(config.gid_mappings)
  const base = namespaces.some(({ type }) => type === "mnt") ? baseMounts(gidMappings) : []
  const whitelist = (config.capabilities ?? []).map((name) => capabilities.numbers[name])
  const signal = config.parent_death_signal ?? 0
  const networks = init.network !== undefined && init.network.length > 0 ? init.network : config.networks ?? []
  const container: Container = {
    rootfs: config.rootfs ?? "/",
    readonlyRootfs: config.readonlyfs ?? false,
    noPivotRoot: config.no_pivot_root ?? false,
    namespaces,
    uidMappings: mappings(config.uid_mappings),
    gidMappings,
    timeOffsets: [],
    ...given({ hostname: set(config.hostname) }),
    mounts: [...base, ...(config.mounts ?? []).map(toMount)],
    devices: (config.devices ?? []).map(toDevice),
    networks: networks.map(toNetwork),
    routes: (config.routes ?? []).map(toRoute),
    ...given({ cgroup: config.cgroups === undefined ? undefined : toCgroup(config.cgroups) }),
    sysctl: {},
    maskedPaths: config.mask_paths ?? [],
    readonlyPaths: config.readonly_paths ?? [],
    ...given({ mountLabel: set(config.mount_label) }),
    parentDeathSignal: signal > 0 ? signal : SIG.KILL,
    noNewKeyring: false,
    annotations: {},
    process: {
      args: init.args ?? [],
      env: init.env ?? [],
      cwd: init.cwd === undefined || init.cwd === "" ? "/" : init.cwd,
      user: { _tag: "Named", spec: init.user ?? "", additionalGids: config.additional_groups ?? [] },
      terminal: false,
      capabilities: {
        bounding: whitelist,
        effective: whitelist,
        permitted: whitelist,
        // a program with file capabilities would gain whatever is inheritable
        inheritable: [],
        ambient: []
      },
      noNewPrivileges: false,
      rlimits: (config.rlimits ?? []).map(({ hard, soft, type }) => ({ resource: type, soft, hard })),
      ...given({ apparmorProfile: set(config.apparmor_profile), selinuxLabel: set(config.process_label) })
    }
  }
  return { container, problems: refused(config), warnings: idle(config), names: names(base.length) }
}
