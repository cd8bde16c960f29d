/**
 * The container without a configuration: like the one that `runc spec` writes, for a given root and program.
 *
 * @category defaults
 * @since 0.1.0
 */
import { MS } from "../native/constants.ts"
import type { AnyGid, AnyUid } from "../native/Handle.ts"
import { numbers as capability } from "./capabilities.ts"
import type { Capabilities, Container, IdMapping, Mount, Namespace } from "./Container.ts"
import { defaultRules, denyAll, withDefaults } from "./devices.ts"
import { plainMount } from "./plainMount.ts"
import { numbers as rlimit } from "./rlimits.ts"

/** What may differ from the default. */
export interface Options {
  /** Absolute host path of the root file system, free of symlinks. */
  readonly rootfs: string
  readonly args: ReadonlyArray<string>
  /** `NAME=value`, in place of a `PATH` and `TERM`. A secret may be `Redacted`. */
  readonly env?: Container["process"]["env"]
  readonly cwd?: string
  /** `user[:group]`, looked up in the container; root if absent. */
  readonly user?: string
  readonly hostname?: string
  readonly terminal?: boolean
  /** Whether the root can't be written; true if absent. */
  readonly readonly?: boolean
  /** Adds a new user namespace with these mappings. */
  readonly mappings?: { readonly uid: ReadonlyArray<IdMapping>; readonly gid: ReadonlyArray<IdMapping> }
}

/** What the default program may: write audit records, signal others, bind low ports. */
const defaultCapabilities: Capabilities = {
  bounding: [capability.AUDIT_WRITE, capability.KILL, capability.NET_BIND_SERVICE],
  effective: [capability.AUDIT_WRITE, capability.KILL, capability.NET_BIND_SERVICE],
  permitted: [capability.AUDIT_WRITE, capability.KILL, capability.NET_BIND_SERVICE],
  // CVE-2022-29162: a program with file capabilities would gain whatever is inheritable
  inheritable: [],
  ambient: []
}

/** Paths that show or change too much of the host, hidden. */
const defaultMaskedPaths: ReadonlyArray<string> = [
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
const defaultReadonlyPaths: ReadonlyArray<string> = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger"
]

const restricted = MS.NOSUID | MS.NOEXEC | MS.NODEV

/** The group `tty`, which owns terminals. */
const ttyGroup = 5

const baseMounts = (hasTtyGroup: boolean): ReadonlyArray<Mount> => [
  plainMount("/proc", "proc", "proc", 0),
  plainMount("/dev", "tmpfs", "tmpfs", MS.NOSUID | MS.STRICTATIME, ["mode=755", "size=65536k"]),
  plainMount("/dev/pts", "devpts", "devpts", MS.NOSUID | MS.NOEXEC, [
    "newinstance",
    "ptmxmode=0666",
    "mode=0620",
    // a group that the user namespace does not map makes the kernel refuse the mount
    ...(hasTtyGroup ? [`gid=${ttyGroup}`] : [])
  ]),
  plainMount("/dev/shm", "tmpfs", "shm", restricted, ["mode=1777", "size=65536k"]),
  plainMount("/dev/mqueue", "mqueue", "mqueue", restricted),
  plainMount("/sys", "sysfs", "sysfs", restricted | MS.RDONLY)
]

const cgroupMount = plainMount("/sys/fs/cgroup", "cgroup", "cgroup", restricted | MS.RELATIME | MS.RDONLY)

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

const hasRoot = ({ gid, uid }: NonNullable<Options["mappings"]>): boolean => maps(uid, 0) && maps(gid, 0)

/** The default container: private pid, network, IPC, UTS, mount and cgroup namespaces; a user namespace if there are mappings. */
export const defaultSpec = (options: Options): Container => ({
  rootfs: options.rootfs,
  readonlyRootfs: options.readonly ?? true,
  noPivotRoot: false,
  namespaces: options.mappings === undefined ? newNamespaces : [{ type: "user" }, ...newNamespaces],
  uidMappings: options.mappings?.uid ?? [],
  gidMappings: options.mappings?.gid ?? [],
  timeOffsets: [],
  ...(options.hostname === undefined ? { defaultHostname: "runfx" } : { hostname: options.hostname }),
  mounts: [
    ...baseMounts(options.mappings === undefined || maps(options.mappings.gid, ttyGroup))
      // the kernel makes no devpts for a user namespace without a root (devpts, mknod_ptmx)
      .filter(({ type }) => type !== "devpts" || options.mappings === undefined || hasRoot(options.mappings)),
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
 * The default container for a caller without privileges: root inside is the caller outside, unless other ids are given
 * that the caller may map. Cgroups can't be changed without privileges or a delegation: so they are left alone, and not mounted.
 */
export const rootlessSpec = (
  options: Options & { readonly uid: AnyUid; readonly gid: AnyGid }
): Container => {
  const own = (hostId: number): ReadonlyArray<IdMapping> => [{ containerId: 0, hostId, size: 1 }]
  const { cgroup: _, ...container } = defaultSpec({
    ...options,
    mappings: options.mappings ?? { uid: own(options.uid), gid: own(options.gid) }
  })
  const kernels = (type: string) => type === "proc" || type === "sysfs"
  return {
    ...container,
    mounts: container.mounts
      .filter((mount) => mount !== cgroupMount)
      // in a container whose /proc is partly masked, the kernel refuses a new one
      .map((mount) => kernels(mount.type) ? { ...mount, orCallers: true } : mount)
  }
}
