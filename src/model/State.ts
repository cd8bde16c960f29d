/**
 * The state of the model kernel: immutable tables with a record for each kernel object.
 *
 * The keys of all tables are numbers that are unique in the whole model. What a process sees (pids, ids in its user
 * namespace, descriptors) is computed when it asks. User and group ids are stored as in the initial user namespace ("kernel
 * ids").
 *
 * @category models
 * @since 0.1.0
 */
import type { Call } from "../native/Kernel.ts"
import type { Limit, SchedulerAttributes } from "../native/results.ts"
import type { FileSystem, Location, Mount, Node, OpenFile, Pty, Socket } from "./FileState.ts"

export type * from "./FileState.ts"

/** One line of a uid_map or gid_map; `outside` is a kernel id. */
export interface IdRange {
  readonly inside: number
  readonly outside: number
  readonly count: number
}

/** What a namespace holds, by type. `id` is also its inode number. */
export type Namespace =
  /** `madeBy`: the effective uid of its maker, for which it counts; absent if the machine began with it. */
  & { readonly id: number; readonly owner: number; readonly madeBy?: number }
  & (
    | {
      readonly type: "user"
      /** `undefined` for the initial one. */
      readonly parent: number | undefined
      readonly level: number
      readonly ownerUid: number
      readonly ownerGid: number
      readonly uidMap: ReadonlyArray<IdRange> | undefined
      readonly gidMap: ReadonlyArray<IdRange> | undefined
      readonly setgroups: "allow" | "deny"
      /** Whether its creator had CAP_SETFCAP, which mapping uid 0 needs. */
      readonly creatorHadSetfcap: boolean
      /** How many processes of its owner may be in it and in namespaces below; absent: any number. */
      readonly processLimit?: bigint
    }
    | { readonly type: "pid"; readonly parent: number | undefined; readonly level: number; readonly nextPid: number }
    /** `root`: the mount at the very bottom. */
    | { readonly type: "mnt"; readonly root: number }
    | { readonly type: "uts"; readonly nodename: string; readonly domainname: string }
    | { readonly type: "net"; readonly nextIndex: number }
    /** `maker`: the ids that own its mqueue; root's if absent. */
    | { readonly type: "ipc"; readonly maker?: { readonly uid: number; readonly gid: number } }
    /** `roots`: the group that is the root, by hierarchy. */
    | { readonly type: "cgroup"; readonly roots: ReadonlyMap<number, string> }
    /** `offsets`: as in the file of /proc; `fixed`: a process has been in it. */
    | { readonly type: "time"; readonly offsets: string; readonly fixed?: true }
  )

/** The types of namespace. */
export type NamespaceType = Namespace["type"]

/** The namespaces of a process by type, and those that its children will be in. */
export type NamespaceSet = Readonly<Record<NamespaceType | "pidForChildren" | "timeForChildren", number>>

/** Credentials. Ids are kernel ids; capability sets are bit sets. @see credentials(7), capabilities(7) */
export interface Credentials {
  readonly uid: number
  readonly euid: number
  readonly suid: number
  readonly gid: number
  readonly egid: number
  readonly sgid: number
  readonly groups: ReadonlyArray<number>
  readonly effective: bigint
  readonly permitted: bigint
  readonly inheritable: bigint
  readonly bounding: bigint
  readonly ambient: bigint
  readonly securebits: number
  readonly noNewPrivs: boolean
}

/** One entry of a descriptor table. */
export interface Descriptor {
  readonly file: number
  readonly cloexec: boolean
}

/** A process. */
export interface Process {
  /** The model's own number, which is its pid in the initial pid namespace. */
  readonly pid: number
  /** Its number in each pid namespace that sees it. */
  readonly numbers: ReadonlyMap<number, number>
  /** The parent; 0 for none. */
  readonly parent: number
  /** The leader of its process group, and of its session, by the model's own numbers. */
  readonly group: number
  readonly session: number
  /** The session leader's numbers in pid namespaces, which outlive the leader; absent if setsid(2) was not called. */
  readonly leaderNumbers?: ReadonlyMap<number, number>
  readonly status: "running" | "zombie"
  /** How it ended, as waitid(2) reports it; present on a zombie. */
  readonly ended?: { readonly code: number; readonly status: number }
  /** The last stop or continuation that no waitid(2) has reported yet. */
  readonly untold?: { readonly code: number; readonly status: number }
  readonly comm: string
  readonly exe: string
  readonly argv: ReadonlyArray<string>
  readonly envp: ReadonlyArray<string>
  /** Whether it runs a program of its own, after execve(2). */
  readonly executed: boolean
  /** In clock ticks after boot, as field 22 of `/proc/pid/stat`. */
  readonly startTime: number
  readonly creds: Credentials
  readonly ns: NamespaceSet
  readonly descriptors: ReadonlyMap<number, Descriptor>
  readonly root: Location
  readonly cwd: Location
  readonly umask: number
  /**
   * The number of the structure (root, working directory, umask) that it shares with other processes (CLONE_FS); absent if
   * it shares none.
   */
  readonly directories?: number
  /** The file that it executes, and the user namespace in which it began to, which owns its memory; absent: the seed's. */
  readonly program?: Location
  readonly memoryUserNs?: number
  /** The group it is in, by hierarchy. */
  readonly cgroups: ReadonlyMap<number, string>
  readonly limits: ReadonlyMap<number, Limit>
  readonly dispositions: ReadonlyMap<number, "SIG_IGN">
  readonly blocked: ReadonlyArray<number>
  /** It became a user with too many processes; its next exec checks that again (`PF_NPROC_EXCEEDED`). */
  readonly nprocExceeded?: true
  readonly pending: ReadonlyArray<number>
  readonly stopped: boolean
  readonly parentDeathSignal: number
  readonly dumpable: number
  readonly subreaper: boolean
  /** Of a process 1 of runfx's own: its program, whose signals and end are its own. */
  readonly reaps?: number
  readonly filters: ReadonlyArray<Uint8Array>
  /** One of its filters has a listener. */
  readonly listened?: true
  readonly sessionKeyring: number
  readonly personality: number
  readonly affinity: ReadonlyArray<number>
  /** The processors that it requested, also if its cpuset did not have them (`user_cpus_ptr`). */
  readonly askedAffinity?: ReadonlyArray<number>
  readonly scheduler: SchedulerAttributes
  readonly ioPriority: number
  readonly memoryPolicy: { readonly mode: number; readonly nodes: ReadonlyArray<number> }
  readonly oomScoreAdj: number
  /** Bytes that its program uses, as its test says; absent: none that count. */
  readonly memory?: bigint
  /** The login uid of audit; absent if it is not set. */
  readonly loginUid?: number
  readonly oomScoreAdjMin: number
  /** Values of `/proc/self/attr/*`. */
  readonly attributes: ReadonlyMap<string, string>
  /** The pty that is the controlling terminal of its session. */
  readonly terminal?: number
}

/** A cgroup hierarchy. */
export interface Hierarchy {
  readonly id: number
  readonly version: 1 | 2
  readonly controllers: ReadonlyArray<string>
  /** `name=` of a hierarchy without controllers. */
  readonly name?: string
}

/** A control group. Keyed by hierarchy and path. */
export interface Cgroup {
  readonly hierarchy: number
  readonly path: string
  /** Its inode number, which no other group ever has (kernfs_nodes' ids); absent if the machine began with it. */
  readonly number?: number
  readonly uid: number
  readonly gid: number
  readonly mode: number
  /** Values that were written. */
  readonly values: ReadonlyMap<string, string>
  /** v1: self-freezing state; v2: `cgroup.freeze`. */
  readonly freeze: boolean
  /** v1 only: FREEZING is reported this many more times before FROZEN. */
  readonly freezingReads: number
  readonly controllersOn: ReadonlyArray<string>
  readonly programs: ReadonlyArray<Uint8Array>
  /** `BPF_F_ALLOW_*` that they were attached with. */
  readonly programFlags?: number
  /** v1: what the devices controller lets through; absent: everything. */
  readonly devices?: DevicePolicy
  /** v2: a threaded group. */
  readonly threaded?: true
  /** The owner of the files, if the directory was given to another owner. */
  readonly filesOwner?: { readonly uid: number; readonly gid: number }
  /** Files whose owner or mode was changed. */
  readonly owners?: ReadonlyMap<string, { readonly uid: number; readonly gid: number; readonly mode?: number }>
}

/** A keyring. `rights`: a byte each for possessor, user, group and others. @see keyrings(7) */
export interface Keyring {
  readonly id: number
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly rights: number
  readonly userNs: number
}

/** Devices and what may be done with them; an absent number is any. */
export interface DeviceException {
  readonly type: "b" | "c"
  readonly major: number | undefined
  readonly minor: number | undefined
  /** Some of `r`, `w` and `m`, in this order. */
  readonly access: string
}

/** The policy of the devices controller: everything except the exceptions, or only the exceptions. */
export interface DevicePolicy {
  readonly allow: boolean
  readonly exceptions: ReadonlyArray<DeviceException>
}

/** A network interface. */
export interface Link {
  readonly id: number
  readonly ns: number
  readonly index: number
  readonly name: string
  readonly kind: string
  readonly alias?: string
  readonly up: boolean
  readonly mtu: number
  readonly mac: string
  readonly txQueueLength: number
  readonly master?: number
  /** The other end of a veth pair, by id. */
  readonly peer?: number
  /** IPv4 first, each family in the order in which the kernel lists it. */
  readonly addresses: ReadonlyArray<string>
  /** IPv6 addresses that are usable without duplicate address detection. */
  readonly nodad?: ReadonlyArray<string>
  /** Its 127.0.0.1/8 was added by the kernel, with host scope. */
  readonly ownLoopback?: true
  /** `net.ipv6.conf.<name>.disable_ipv6`. */
  readonly ipv6Off?: true
  /**
   * For a bridge: `carrierLost`: no port forwards any more. The others: its MTU or its hardware address was set, and does
   * not follow the ports.
   */
  readonly carrierLost?: true
  readonly ownMtu?: true
  readonly ownMac?: true
}

/** A route. */
export interface Route {
  readonly id: number
  readonly ns: number
  readonly family: 4 | 6
  /** `null`: the default route. */
  readonly destination: string | null
  readonly gateway: string | null
  readonly source: string | null
  readonly link: number | null
  readonly table: number
  /** Whether it was added with an address. */
  readonly automatic: boolean
  /** The type of the route; absent for unicast. */
  readonly type?: "local" | "broadcast" | "multicast"
  /** `RT_SCOPE_*`: how far away the destination may be. */
  readonly scope: number
  /** The model's time from which it exists: an IPv6 address is first checked for duplicates on the link. */
  readonly from?: bigint
}

/** A program that was executed: its arguments, and the whole process at that moment. */
export interface Executed {
  readonly pid: number
  /** The path as given, and the path that it led to in the process's root. */
  readonly path: string
  readonly file: string
  readonly argv: ReadonlyArray<string>
  readonly envp: ReadonlyArray<string>
  /** After the rules of execve(2): close-on-exec descriptors are gone, capabilities are transformed. */
  readonly process: Process
  readonly hostname: string
  readonly domainname: string
  /** `/proc/self/mountinfo` at that moment. */
  readonly mountinfo: string
  /** Open descriptors, as `/proc/self/fd` shows them. */
  readonly descriptors: ReadonlyMap<number, string>
  readonly cwd: string
}

/** A call that can't continue yet. */
export interface Waiting {
  readonly id: number
  readonly pid: number
  readonly call: Call
  /** What it waits for, in words. */
  readonly why: string
  /** When the wait ends, in the model's nanoseconds. */
  readonly deadline?: bigint
}

/** The whole machine. */
export interface State {
  readonly processes: ReadonlyMap<number, Process>
  readonly namespaces: ReadonlyMap<number, Namespace>
  readonly nodes: ReadonlyMap<number, Node>
  readonly fileSystems: ReadonlyMap<number, FileSystem>
  readonly mounts: ReadonlyMap<number, Mount>
  readonly files: ReadonlyMap<number, OpenFile>
  readonly sockets: ReadonlyMap<number, Socket>
  readonly ptys: ReadonlyMap<number, Pty>
  readonly hierarchies: ReadonlyMap<number, Hierarchy>
  readonly cgroups: ReadonlyMap<string, Cgroup>
  /** Absent: none. */
  readonly keyrings?: ReadonlyMap<number, Keyring>
  readonly links: ReadonlyMap<number, Link>
  readonly routes: ReadonlyMap<number, Route>
  /** Keys of the form `<namespace or 0>:<path below /proc/sys>`. */
  readonly sysctls: ReadonlyMap<string, string>
  readonly executed: ReadonlyArray<Executed>
  readonly waiting: ReadonlyArray<Waiting>
  /** Nanoseconds since the model began. */
  readonly time: bigint
  readonly nextId: number
  readonly facts: Facts
}

/** What does not change while the machine runs. */
export interface Facts {
  readonly lastCapability: number
  readonly release: string
  readonly machine: string
  /** Nanoseconds from boot to the model's start. */
  readonly uptime: bigint
  readonly cpus: number
  readonly fileSystemTypes: ReadonlyArray<string>
  /** How often `freezer.state` reads FREEZING before FROZEN. */
  readonly freezingReads: number
  readonly securityModules: ReadonlyArray<string>
  /** Parameters of `/proc/sys` without a rule in the model are read from the machine that this runs on. */
  readonly hostSysctls?: true
  /** So are the files of `/proc` that do not belong to a process. */
  readonly hostProc?: true
}
