/**
 * The container that one gets without a configuration: what `runc spec` writes, for a given root and program.
 */
import { MS } from "../native/constants.ts"
import { numbers as capability } from "./capabilities.ts"
import type { Capabilities, Container, IdMapping, Mount, Namespace } from "./Container.ts"
import { defaultRules, denyAll, withDefaults } from "./devices.ts"
import { numbers as rlimit } from "./rlimits.ts"

/** What may differ from the default. */
export interface Options {
  /** Absolute host path of the root file system, free of symlinks. */
  readonly rootfs: string
  readonly args: ReadonlyArray<string>
  /** In place of a `PATH` and `TERM`. */
  readonly env?: ReadonlyArray<string>
  readonly cwd?: string
  /** `user[:group]`, looked up in the container; root where absent. */
  readonly user?: string
  readonly hostname?: string
  readonly terminal?: boolean
  /** Whether the root can't be written; so where absent. */
  readonly readonly?: boolean
  /** Adds a new user namespace with these mappings; both must hold id 0. */
  readonly mappings?: { readonly uid: ReadonlyArray<IdMapping>; readonly gid: ReadonlyArray<IdMapping> }
}

/** What the default program may: write audit records, signal others, bind low ports. */
export const defaultCapabilities: Capabilities = {
  bounding: [capability.AUDIT_WRITE, capability.KILL, capability.NET_BIND_SERVICE],
  effective: [capability.AUDIT_WRITE, capability.KILL, capability.NET_BIND_SERVICE],
  permitted: [capability.AUDIT_WRITE, capability.KILL, capability.NET_BIND_SERVICE],
  // CVE-2022-29162: whatever is inheritable a program with file capabilities would gain
  inheritable: [],
  ambient: []
}

/** Paths that tell or change too much of the host, hidden. */
export const defaultMaskedPaths: ReadonlyArray<string> = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/sys/firmware",
  "/proc/scsi"
]

/** Paths that can be read and not written. */
export const defaultReadonlyPaths: ReadonlyArray<string> = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger"
]

const mount = (
  destination: string,
  type: string,
  source: string,
  flags: number,
  data: ReadonlyArray<string> = []
): Mount => ({
  destination,
  type,
  source,
  flags,
  clearedFlags: 0,
  propagation: [],
  recursiveAttributes: { set: 0, clear: 0 },
  data,
  copyUp: false
})

const restricted = MS.NOSUID | MS.NOEXEC | MS.NODEV

/** The group `tty`, which owns terminals. */
const ttyGroup = 5

const baseMounts = (hasTtyGroup: boolean): ReadonlyArray<Mount> => [
  mount("/proc", "proc", "proc", 0),
  mount("/dev", "tmpfs", "tmpfs", MS.NOSUID | MS.STRICTATIME, ["mode=755", "size=65536k"]),
  mount("/dev/pts", "devpts", "devpts", MS.NOSUID | MS.NOEXEC, [
    "newinstance",
    "ptmxmode=0666",
    "mode=0620",
    // a group that the user namespace does not map makes the kernel refuse the mount
    ...(hasTtyGroup ? [`gid=${ttyGroup}`] : [])
  ]),
  mount("/dev/shm", "tmpfs", "shm", restricted, ["mode=1777", "size=65536k"]),
  mount("/dev/mqueue", "mqueue", "mqueue", restricted),
  mount("/sys", "sysfs", "sysfs", restricted | MS.RDONLY)
]

const cgroupMount = mount("/sys/fs/cgroup", "cgroup", "cgroup", restricted | MS.RELATIME | MS.RDONLY)

const newNamespaces: ReadonlyArray<Namespace> = [
  { type: "pid" },
  { type: "net" },
  { type: "ipc" },
  { type: "uts" },
  { type: "mnt" },
  { type: "cgroup" }
]

const maps = (mappings: ReadonlyArray<IdMapping>, id: number): boolean =>
  mappings.some(({ containerId, size }) => containerId <= id && id < containerId + size)

/** The default container: private pid, network, IPC, UTS, mount and cgroup namespaces; a user namespace when asked. */
export const defaultSpec = (options: Options): Container => ({
  rootfs: options.rootfs,
  readonlyRootfs: options.readonly ?? true,
  noPivotRoot: false,
  namespaces: options.mappings === undefined ? newNamespaces : [{ type: "user" }, ...newNamespaces],
  uidMappings: options.mappings?.uid ?? [],
  gidMappings: options.mappings?.gid ?? [],
  timeOffsets: [],
  hostname: options.hostname ?? "runfx",
  mounts: [
    ...baseMounts(options.mappings === undefined || maps(options.mappings.gid, ttyGroup)),
    cgroupMount
  ],
  devices: withDefaults([]),
  networks: [{ strategy: "loopback", name: "lo" }],
  routes: [],
  cgroup: { devices: [denyAll, ...defaultRules] },
  sysctl: {},
  maskedPaths: defaultMaskedPaths,
  readonlyPaths: defaultReadonlyPaths,
  noNewKeyring: false,
  annotations: {},
  process: {
    args: options.args,
    env: options.env ?? ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
    cwd: options.cwd ?? "/",
    user: options.user === undefined
      ? { _tag: "Ids", uid: 0, gid: 0, additionalGids: [] }
      : { _tag: "Named", spec: options.user, additionalGids: [] },
    terminal: options.terminal ?? false,
    capabilities: defaultCapabilities,
    noNewPrivileges: true,
    rlimits: [{ resource: rlimit["RLIMIT_NOFILE"]!, soft: 1024n, hard: 1024n }]
  }
})

/**
 * The default container for a caller without privileges: root inside is the caller outside. Cgroups are left alone,
 * since they can't be changed without privileges or a delegation, and so their mount is left out.
 */
export const rootlessSpec = (
  options: Omit<Options, "mappings"> & { readonly uid: number; readonly gid: number }
): Container => {
  const own = (hostId: number): ReadonlyArray<IdMapping> => [{ containerId: 0, hostId, size: 1 }]
  const { cgroup: _, ...container } = defaultSpec({
    ...options,
    mappings: { uid: own(options.uid), gid: own(options.gid) }
  })
  return { ...container, mounts: container.mounts.filter((mount) => mount !== cgroupMount) }
}
