/**
 * The one internal model of a container and of a process in it. Both configuration formats decode to it (libcontainer's
 * `initConfig` and the OCI `config.json`); steps read nothing else.
 *
 * Everything is resolved as far as it can be without a kernel: capability names are numbers, mount options are flags,
 * rlimits are the kernel's numbers. Absent means "leave as it is".
 *
 * @category models
 * @since 0.1.0
 */
import type { Redacted } from "effect/Redacted"
import type { AnyGid, AnyUid } from "../native/Handle.ts"
import type { LinkOption } from "./mountOptions.ts"

/** The eight types of namespace, by the names that `/proc/<pid>/ns` uses. @see namespaces(7) */
export type NamespaceType = "user" | "mnt" | "pid" | "net" | "ipc" | "uts" | "cgroup" | "time"

/** A namespace of the container: a new one, or, with `path`, an existing one to join. */
export interface Namespace {
  readonly type: NamespaceType
  readonly path?: string
}

/** A range of ids: `containerId … containerId + size - 1` inside is `hostId …` outside. @see user_namespaces(7) */
export interface IdMapping {
  readonly containerId: number
  readonly hostId: number
  readonly size: number
}

/** One mount of the container's file system. */
export interface Mount {
  /** Absolute path inside the container. */
  readonly destination: string
  /** File system type; `bind` for a bind mount, `cgroup` for the container's cgroups. */
  readonly type: string
  /** Host path of a bind mount, else what the file system calls its source. */
  readonly source: string
  /** `MS_*` flags to set, `MS_BIND` and `MS_REC` among them; no propagation flags. */
  readonly flags: number
  /** `MS_*` flags to clear, from options such as `dev`, `exec`, `suid`, `rw`. */
  readonly clearedFlags: number
  /** Propagation changes in order, each one of `MS_PRIVATE`, `MS_SLAVE`, `MS_SHARED`, `MS_UNBINDABLE`, maybe with `MS_REC`. */
  readonly propagation: ReadonlyArray<number>
  /** `MOUNT_ATTR_*` to set and to clear on the whole tree, from options such as `rro`, `rnosuid`. */
  readonly recursiveAttributes: { readonly set: number; readonly clear: number }
  /** Options for the file system itself: `mode=755`, `size=65536k`. */
  readonly data: ReadonlyArray<string>
  /** `tmpcopyup`: fill a new tmpfs with what it covers. */
  readonly copyUp: boolean
  /** What a bind mount does with links instead of following them. */
  readonly links?: ReadonlyArray<LinkOption>
  /**
   * Of a procfs or sysfs: if the kernel refuses a new one to a user namespace, since parts of the caller's are covered,
   * the caller's is bound, with what covers it, and read-only where it was. A warning says so.
   */
  readonly orCallers?: boolean
  /** Shift of ids on a bind mount. */
  readonly idMapping?: {
    readonly uidMappings: ReadonlyArray<IdMapping>
    readonly gidMappings: ReadonlyArray<IdMapping>
    readonly recursive: boolean
  }
}

/** A device node to create. */
export interface Device {
  readonly path: string
  /** Character, block, or (as OCI `p`) fifo. */
  readonly type: "c" | "b" | "p"
  readonly major: number
  readonly minor: number
  /** Permission bits. */
  readonly fileMode: number
  /** Owner, as ids of the container. */
  readonly uid: AnyUid
  readonly gid: AnyGid
}

/** One network interface of the container. Which fields matter is up to the strategy. */
export interface Network {
  /** `loopback`, `veth`, or the name of a consumer's own strategy. */
  readonly strategy: string
  /** Name of the interface inside. */
  readonly name: string
  /** Name of the bridge on the host. */
  readonly bridge?: string
  /** Make the bridge with this address (CIDR) if it is not there, and remove what was made at the end. */
  readonly createBridge?: { readonly address: string }
  readonly macAddress?: string
  /** CIDR. */
  readonly address?: string
  readonly gateway?: string
  /** CIDR. */
  readonly ipv6Address?: string
  readonly ipv6Gateway?: string
  /** In bytes; left alone if absent. */
  readonly mtu?: number
  readonly txQueueLength?: number
  /** Name of the host's end. */
  readonly hostInterfaceName?: string
  /** Temporary name of the container's end until it is moved and renamed; the parent chooses it. */
  readonly temporaryPeerName?: string
}

/** One route inside the container. */
export interface Route {
  /** CIDR. */
  readonly destination?: string
  /** IP, the preferred source address. */
  readonly source?: string
  readonly gateway?: string
  readonly interfaceName?: string
}

/** One rule of the device controller, as `devices.allow` knows it. `null` is "any". */
export interface DeviceRule {
  readonly allow: boolean
  readonly type: "a" | "c" | "b"
  readonly major: number | null
  readonly minor: number | null
  /** Some of `r`, `w`, `m`. */
  readonly access: string
}

/** The container's cgroup and its limits. Sizes are in bytes, times in microseconds. For the limits of OCI, -1 is "no limit". */
export interface Cgroup {
  /** Path below the hierarchy's root; relative paths are below the caller's own cgroup. Absent: made from the id. */
  readonly path?: string
  readonly devices: ReadonlyArray<DeviceRule>
  readonly memory?: {
    readonly limit?: bigint
    readonly reservation?: bigint
    /** Memory and swap together. */
    readonly swap?: bigint
    readonly kernel?: bigint
    readonly kernelTcp?: bigint
    readonly swappiness?: bigint
    readonly disableOomKiller?: boolean
    readonly useHierarchy?: boolean
    readonly checkBeforeUpdate?: boolean
  }
  readonly cpu?: {
    readonly shares?: bigint
    readonly quota?: bigint
    readonly burst?: bigint
    readonly period?: bigint
    readonly realtimeRuntime?: bigint
    readonly realtimePeriod?: bigint
    readonly cpus?: string
    readonly mems?: string
    readonly idle?: bigint
  }
  readonly pids?: { readonly limit: bigint }
  readonly blockIO?: {
    readonly weight?: number
    readonly leafWeight?: number
    readonly weightDevice?: ReadonlyArray<
      { readonly major: number; readonly minor: number; readonly weight?: number; readonly leafWeight?: number }
    >
    readonly throttleReadBpsDevice?: ReadonlyArray<ThrottleDevice>
    readonly throttleWriteBpsDevice?: ReadonlyArray<ThrottleDevice>
    readonly throttleReadIOPSDevice?: ReadonlyArray<ThrottleDevice>
    readonly throttleWriteIOPSDevice?: ReadonlyArray<ThrottleDevice>
  }
  readonly hugepageLimits?: ReadonlyArray<{ readonly pageSize: string; readonly limit: bigint }>
  readonly network?: {
    readonly classID?: number
    readonly priorities?: ReadonlyArray<{ readonly name: string; readonly priority: number }>
  }
  readonly rdma?: Readonly<Record<string, { readonly hcaHandles?: number; readonly hcaObjects?: number }>>
  /** cgroup v2 files and values, as given. */
  readonly unified?: Readonly<Record<string, string>>
  /** What a libcontainer document says of the freezer. It has no effect: a container is started to run. */
  readonly freezer?: "FROZEN" | "THAWED"
}

/** Bytes or operations per second for one block device. */
export interface ThrottleDevice {
  readonly major: number
  readonly minor: number
  readonly rate: bigint
}

/** The OCI form of a seccomp filter, names resolved only when it is compiled. @see seccomp(2), OCI config-linux.md#seccomp */
export interface Seccomp {
  /** `SCMP_ACT_*`. */
  readonly defaultAction: string
  readonly defaultErrnoRet?: number
  /** `SCMP_ARCH_*`; empty: the native one. */
  readonly architectures: ReadonlyArray<string>
  /** `SECCOMP_FILTER_FLAG_*`. */
  readonly flags: ReadonlyArray<string>
  readonly listenerPath?: string
  readonly listenerMetadata?: string
  readonly syscalls: ReadonlyArray<{
    readonly names: ReadonlyArray<string>
    readonly action: string
    readonly errnoRet?: number
    readonly args: ReadonlyArray<{
      /** 0 to 5. */
      readonly index: number
      readonly value: bigint
      readonly valueTwo: bigint
      /** `SCMP_CMP_*`. */
      readonly op: string
    }>
  }>
}

/** A resource limit: the kernel's number and its two values; `2n ** 64n - 1n` is `RLIM_INFINITY`. @see getrlimit(2) */
export interface Rlimit {
  readonly resource: number
  readonly soft: bigint
  readonly hard: bigint
}

/** The five capability sets, as numbers. @see capabilities(7) */
export interface Capabilities {
  readonly bounding: ReadonlyArray<number>
  readonly effective: ReadonlyArray<number>
  readonly inheritable: ReadonlyArray<number>
  readonly permitted: ReadonlyArray<number>
  readonly ambient: ReadonlyArray<number>
}

/** The user that the process runs as: by ids, or by a `user[:group]` text that is looked up in the container's files. */
export type User =
  | { readonly _tag: "Ids"; readonly uid: AnyUid; readonly gid: AnyGid; readonly additionalGids: ReadonlyArray<AnyGid> }
  | { readonly _tag: "Named"; readonly spec: string; readonly additionalGids: ReadonlyArray<AnyGid> }

/** A process of the container: its first one, or one that is executed in it later. */
export interface Process {
  /** The program and its arguments; at least one. */
  readonly args: ReadonlyArray<string>
  /**
   * `NAME=value`, in order. One that is `Redacted` is shown nowhere, and is not written down: the caller gives it
   * again for a further process in the container.
   */
  readonly env: ReadonlyArray<string | Redacted<string>>
  /** Absolute path inside the container. */
  readonly cwd: string
  readonly user: User
  readonly umask?: number
  readonly terminal: boolean
  readonly consoleSize?: { readonly rows: number; readonly columns: number }
  /** If absent, an init leaves the sets as they are, and `Runtime` gives the program none at all. */
  readonly capabilities?: Capabilities
  readonly noNewPrivileges: boolean
  readonly rlimits: ReadonlyArray<Rlimit>
  readonly oomScoreAdj?: number
  readonly apparmorProfile?: string
  readonly selinuxLabel?: string
  readonly scheduler?: {
    /** `SCHED_*` value. */
    readonly policy: number
    readonly nice: number
    readonly priority: number
    /** `SCHED_FLAG_*` bits. */
    readonly flags: number
    /** Nanoseconds. */
    readonly runtime: bigint
    readonly deadline: bigint
    readonly period: bigint
  }
  /** `IOPRIO_CLASS_*` value and level 0 to 7. */
  readonly ioPriority?: { readonly class: number; readonly priority: number }
  readonly cpuAffinity?: { readonly initial?: ReadonlyArray<number>; readonly final?: ReadonlyArray<number> }
}

/** A container. */
export interface Container {
  /** Absolute host path of the root file system, free of symlinks. */
  readonly rootfs: string
  readonly readonlyRootfs: boolean
  /** `MS_MOVE` and chroot in place of pivot_root, for a root on initramfs. */
  readonly noPivotRoot: boolean
  /** Propagation of `/` in the end, `MS_*`; absent: recursively slave while setting up, private inside. */
  readonly rootPropagation?: number
  readonly namespaces: ReadonlyArray<Namespace>
  readonly uidMappings: ReadonlyArray<IdMapping>
  readonly gidMappings: ReadonlyArray<IdMapping>
  /** Offsets of a new time namespace. */
  readonly timeOffsets: ReadonlyArray<
    { readonly clock: "monotonic" | "boottime"; readonly seconds: bigint; readonly nanoseconds: number }
  >
  readonly hostname?: string
  /** The host name if `hostname` is absent. Nobody has asked for it: if it can't be set, the container keeps the host's. */
  readonly defaultHostname?: string
  readonly domainname?: string
  readonly mounts: ReadonlyArray<Mount>
  readonly devices: ReadonlyArray<Device>
  readonly networks: ReadonlyArray<Network>
  readonly routes: ReadonlyArray<Route>
  /** Absent: no cgroup is made. */
  readonly cgroup?: Cgroup
  /** Names with dots: `net.ipv4.ip_forward`. */
  readonly sysctl: Readonly<Record<string, string>>
  readonly maskedPaths: ReadonlyArray<string>
  readonly readonlyPaths: ReadonlyArray<string>
  readonly seccomp?: Seccomp
  readonly mountLabel?: string
  /** `PER_*`. */
  readonly personality?: number
  /** `set_mempolicy(2)`: `MPOL_*` with `MPOL_F_*`, and the nodes. */
  readonly memoryPolicy?: { readonly mode: number; readonly nodes: ReadonlyArray<number> }
  /** Signal number that the init gets when its parent dies; absent: none. */
  readonly parentDeathSignal?: number
  /** Leave the session keyring as it is. */
  readonly noNewKeyring: boolean
  readonly annotations: Readonly<Record<string, string>>
  readonly process: Process
}

/**
 * Whether the container has a namespace of a type: a new one or one that is joined.
 *
 * @category guards
 */
export const hasNamespace = (container: Container, type: NamespaceType): boolean =>
  container.namespaces.some((namespace) => namespace.type === type)

/**
 * Whether the container has a new namespace of a type, one that it makes itself.
 *
 * @category guards
 */
export const makesNamespace = (container: Container, type: NamespaceType): boolean =>
  container.namespaces.some((namespace) => namespace.type === type && namespace.path === undefined)

/**
 * The id that stands for root in a user namespace: 0, or the lowest one that is mapped.
 *
 * @since 0.2.0
 */
export const rootId = (mappings: ReadonlyArray<IdMapping>): number =>
  mappings.length === 0 ? 0 : Math.min(...mappings.map(({ containerId }) => containerId))

/**
 * Mappings as `uid_map` and `gid_map` hold them, one on each line.
 *
 * @see user_namespaces(7)
 * @since 0.2.0
 */
export const mapText = (mappings: ReadonlyArray<IdMapping>): string =>
  mappings.map(({ containerId, hostId, size }) => `${containerId} ${hostId} ${size}\n`).join("")

/** The host's id for an id of the container; `undefined` if no mapping holds it. Without mappings, the id itself. */
export const hostId = (mappings: ReadonlyArray<IdMapping>, id: number): number | undefined => {
  if (mappings.length === 0) return id
  const mapping = mappings.find(({ containerId, size }) => containerId <= id && id < containerId + size)
  return mapping === undefined ? undefined : mapping.hostId + (id - mapping.containerId)
}
