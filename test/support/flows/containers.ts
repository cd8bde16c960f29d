/** The machine and the container that a setting stands for. */
import type { Cgroup, Container, NamespaceType, Process } from "../../../src/config/Container.ts"
import { defaultSpec } from "../../../src/config/defaults.ts"
import { withDefaults } from "../../../src/config/devices.ts"
import { MS, RLIMIT, SCHED } from "../../../src/native/constants.ts"
import type { Options, SeedFile } from "../../../src/testing/Testing.ts"
import { extraDevices, extraMounts, joinable, mount, type Origin, parameters } from "./choices.ts"
import { type ProcessSetting, type Setting } from "./settings.ts"

const dev = mount("/dev", "tmpfs", "tmpfs", MS.NOSUID | MS.STRICTATIME, { data: ["mode=755", "size=65536k"] })
const proc = mount("/proc", "proc", "proc", 0)

const pts = mount("/dev/pts", "devpts", "devpts", MS.NOSUID | MS.NOEXEC, {
  data: ["newinstance", "ptmxmode=0666", "mode=0620"]
})

/** Who calls where the caller is not root. */
const unprivileged = 1000
const named: Readonly<Record<number, string>> = { 0: "root", 7: "seven", 1000: "web" }

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

/** Where the container's files are. */
export const rootfs = "/srv/web"

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
