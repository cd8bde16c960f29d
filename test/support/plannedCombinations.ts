/** Combinations of what a configuration and a command line can say, for plans beside the runs that follow. */
import * as fc from "fast-check"
import type { RunCommand } from "../../src/cli/run.ts"
import { bind, mount } from "./ociMounts.ts"

/** A document of a bundle, apart from its root. */
export interface Document {
  readonly process?: object
  readonly linux?: object
  readonly root?: object
  readonly mounts?: ReadonlyArray<object>
  readonly [key: string]: unknown
}

const one = <A>(...values: ReadonlyArray<A>): fc.Arbitrary<A> => fc.constantFrom(...values)

/** Each of these fields, or not: the more there are, the more they meet each other. */
const some = <A extends object>(fields: { readonly [K in keyof A]: fc.Arbitrary<A[K]> }): fc.Arbitrary<Partial<A>> =>
  fc.record(fields as { [K in keyof A]: fc.Arbitrary<A[K]> }, { requiredKeys: [] }) as fc.Arbitrary<Partial<A>>

/** Some of a list, in its order. */
const any = <A>(...values: ReadonlyArray<A>): fc.Arbitrary<ReadonlyArray<A>> => fc.subarray([...values])

const seccomp = one(
  {
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{ names: ["kexec_load", "bpf"], action: "SCMP_ACT_ERRNO", errnoRet: 1 }]
  },
  {
    defaultAction: "SCMP_ACT_ALLOW",
    flags: ["SECCOMP_FILTER_FLAG_LOG"],
    syscalls: [{ names: ["ptrace"], action: "SCMP_ACT_KILL" }]
  },
  { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["execve"], action: "SCMP_ACT_ERRNO", errnoRet: 13 }] }
)

const sets = (...names: ReadonlyArray<string>): object =>
  Object.fromEntries(["bounding", "effective", "permitted", "inheritable", "ambient"].map((kind) => [kind, names]))

const program = some({
  args: one(["/bin/true"], ["true"], ["/bin/sh", "-c", ":"], ["sh", "-c", "true"]),
  cwd: one("/", "/tmp", "/home/bob", "/new/directory"),
  env: one(["PATH=/bin"], [], ["PATH=/bin", "HOME=/x", "A=1"]),
  user: fc.record({
    uid: one(0, 0, 5, 1000, 65_534),
    gid: one(0, 5, 1000),
    additionalGids: one([], [5], [1000, 2000]),
    umask: one(0o22, 0o77, 0)
  }),
  capabilities: one(
    {},
    sets(),
    sets("CAP_KILL"),
    { ...sets("CAP_KILL", "CAP_CHOWN"), ambient: [] },
    { ...sets(), bounding: ["CAP_NET_RAW", "CAP_SYS_ADMIN"] },
    { ...sets("CAP_SYS_ADMIN", "CAP_SETUID", "CAP_SETPCAP"), ambient: ["CAP_SETUID"] }
  ),
  noNewPrivileges: one(true, false),
  oomScoreAdj: one(0, 100, 1000, -10),
  rlimits: any(
    { type: "RLIMIT_NOFILE", soft: 64, hard: 128 },
    { type: "RLIMIT_CORE", soft: 0, hard: 0 },
    { type: "RLIMIT_NPROC", soft: 512, hard: 512 },
    { type: "RLIMIT_AS", soft: 1 << 30, hard: 2 ** 31 },
    { type: "RLIMIT_STACK", soft: 1 << 20, hard: 8 << 20 }
  ),
  scheduler: one({ policy: "SCHED_BATCH", nice: 5 }, { policy: "SCHED_IDLE" }, { policy: "SCHED_OTHER", nice: -5 }, {
    policy: "SCHED_FIFO",
    priority: 3
  }),
  ioPriority: one({ class: "IOPRIO_CLASS_BE", priority: 4 }, { class: "IOPRIO_CLASS_IDLE", priority: 0 }, {
    class: "IOPRIO_CLASS_RT",
    priority: 1
  }),
  execCPUAffinity: one({ initial: "0", final: "0-1" }, { initial: "1" })
})

const mounts = any<object>(
  mount("/proc", "proc"),
  mount("/dev", "tmpfs", "nosuid", "mode=755", "size=65536k"),
  mount("/dev/pts", "devpts", "newinstance", "ptmxmode=0666", "mode=0620"),
  mount("/dev/shm", "tmpfs", "nosuid", "nodev", "noexec", "size=1m"),
  mount("/dev/mqueue", "mqueue", "nosuid"),
  mount("/sys", "sysfs", "ro", "nosuid"),
  mount("/sys/fs/cgroup", "cgroup", "ro"),
  mount("/tmp", "tmpfs", "mode=1777", "nosuid"),
  mount("/run/a/b", "tmpfs", "nr_inodes=10"),
  mount("/etc", "tmpfs", "tmpcopyup"),
  bind("/usr", "/mnt/usr", "rbind", "ro", "rslave"),
  bind("/etc/hostname", "/mnt/file", "bind", "ro", "nosuid"),
  bind("/opt", "/home/bob", "bind", "rprivate", "noatime"),
  bind("/opt", "/mnt/shared", "bind", "shared")
)

const types = one(
  ["pid", "mount", "ipc", "uts"],
  ["pid", "mount", "ipc", "uts", "network"],
  ["pid", "mount", "ipc", "uts", "network", "cgroup"],
  ["pid", "mount", "ipc", "uts", "network", "time"],
  ["mount", "uts"],
  ["mount"],
  ["pid", "mount", "user"],
  ["pid", "mount", "ipc", "uts", "network", "user", "cgroup", "time"]
)

const linux = (mark: string) =>
  fc.tuple(
    types,
    one([], [], [], [{ type: "ipc", path: "/proc/self/ns/ipc" }], [{ type: "network", path: "/proc/self/ns/net" }]),
    some({
      maskedPaths: any("/proc/kcore", "/proc/acpi", "/etc/passwd", "/home", "/missing", "/sys/firmware", "/proc/keys"),
      readonlyPaths: any("/proc/sys", "/proc/bus", "/etc", "/tmp", "/missing", "/proc/irq"),
      resources: some({
        pids: one({ limit: 50 }, { limit: -1 }),
        memory: one({ limit: 64 << 20 }, { limit: 128 << 20, reservation: 64 << 20 }, {
          limit: 64 << 20,
          swap: 64 << 20
        }),
        cpu: one({ shares: 100 }, { quota: 20_000, period: 100_000 }, { cpus: "0" }, {
          shares: 5,
          quota: 50_000,
          cpus: "0-1"
        }),
        devices: one([{ allow: false, access: "rwm" }], [{ allow: false, access: "rwm" }, {
          allow: true,
          type: "c",
          major: 10,
          access: "rw"
        }]),
        hugepageLimits: one([{ pageSize: "2MB", limit: 4 << 20 }])
      }),
      cgroupsPath: one(`/${mark}-combined/a/b`, `/${mark}-combined`),
      devices: any(
        { path: "/dev/x", type: "c", major: 10, minor: 229, fileMode: 0o600, uid: 5, gid: 6 },
        { path: "/dev/sub/block", type: "b", major: 8, minor: 0 },
        { path: "/tmp/fifo", type: "p" }
      ),
      personality: one({ domain: "LINUX32" }, { domain: "LINUX" }),
      memoryPolicy: one({ mode: "MPOL_BIND", nodes: "0" }, { mode: "MPOL_DEFAULT", nodes: "" }),
      rootfsPropagation: one("private", "slave", "shared", "unbindable"),
      seccomp
    }),
    one({ monotonic: { secs: 100 } }, { boottime: { secs: -5, nanosecs: 7 } }, undefined),
    one({ "net.ipv4.ip_forward": "1" }, { "net.core.somaxconn": "99" }, undefined)
  ).map(([types, joining, rest, timeOffsets, sysctl]) => {
    // a new user namespace has no power over an existing one
    const joined = types.includes("user") ? [] : joining
    const own = types.filter((type) => joined.every((other) => other.type !== type))
    const maps = [{ containerID: 0, hostID: 100_000, size: 65_536 }]
    return {
      namespaces: [...own.map((type) => ({ type })), ...joined],
      ...own.includes("user") ? { uidMappings: maps, gidMappings: maps } : {},
      ...own.includes("network") && sysctl !== undefined ? { sysctl } : {},
      ...own.includes("time") && timeOffsets !== undefined ? { timeOffsets } : {},
      ...rest
    }
  })

/** Documents; paths of cgroups in them begin with the mark. */
export const documents = (mark: string): fc.Arbitrary<Document> =>
  fc.record({ process: program, mounts, linux: linux(mark) }, { requiredKeys: ["process", "mounts", "linux"] })
    .chain((document) =>
      some({
        ...document.linux.namespaces.some(({ type }) => type === "uts")
          ? { hostname: one("box", "a.b"), domainname: one("example.org") }
          : {},
        root: one({ readonly: true }, {})
      }).map((
        rest
      ) => ({ ...document, ...rest }))
    )

/** Command lines with podman's words. */
export const commands = (root: string): fc.Arbitrary<Partial<RunCommand>> =>
  some<Omit<Partial<RunCommand>, "cmd">>({
    rootfs: one(root, root, undefined as unknown as string),
    rootless: one(true, false),
    network: one<RunCommand["network"]>("none", "loopback"),
    readOnly: one(true),
    user: one("bob", "1000:1000", "0:5", "nobody"),
    cwd: one("/", "/tmp"),
    hostname: one("pod"),
    env: one(["A=1", "B=2"]),
    volume: any(`${root}/etc:/data:ro`, "/usr:/mnt/usr:ro,nodev", "/opt:/opt"),
    mount: any("type=bind,src=/etc,dst=/e,ro", "type=tmpfs,dst=/t,tmpfs-size=1m"),
    tmpfs: any("/cache:size=4m,mode=755", "/tmp"),
    memory: one("64m", "1g"),
    cpus: one("0.5", "1.5"),
    pidsLimit: one("20", "-1"),
    ulimit: any("nofile=64:128", "core=0"),
    capAdd: any("NET_ADMIN", "SYS_PTRACE"),
    capDrop: one(["ALL"], ["CHOWN", "KILL"], []),
    seccomp: one("default", "strict", "none"),
    device: one(["/dev/null:/dev/again"], ["/dev/zero"], []),
    cgroups: one<RunCommand["cgroups"]>("none"),
    newKeyring: one(false),
    init: one(true)
  }).chain((command) => one(["true"], ["sh", "-c", ":"], ["true"]).map((cmd) => ({ ...command, cmd })))
