/**
 * Random containers on random hosts, for the properties of the flows: small records that shrink towards a plain container.
 * `containers.ts` has what they stand for.
 */
import fc from "fast-check"
import { numbers as capabilityNumbers } from "../../../src/config/capabilities.ts"
import type { Capabilities } from "../../../src/config/Container.ts"
import * as OciSchema from "../../../src/config/OciSchema.ts"
import { MS, RLIMIT, SIG } from "../../../src/native/constants.ts"
import { fromSchema } from "../schemaGenerators.ts"
import { extraDevices, extraMounts, joinable, type Origin, origin, parameters } from "./choices.ts"
import "./seed.ts"

/** CHOWN, DAC_OVERRIDE, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, NET_ADMIN, SYS_ADMIN, SYS_RESOURCE, the last. */
const pool = [0, 1, 5, 6, 7, 8, 10, 12, 21, 24, 40] as const
const some = <const T>(values: ReadonlyArray<T>) => fc.subarray([...values])
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })
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

const resources = Object.keys(RLIMIT) as Array<keyof typeof RLIMIT>

const resource = fromSchema(rlimits.schema.value.fields.type).map((number) =>
  resources.find((name) => RLIMIT[name] === number) ?? "CORE"
)

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

/** A place in something, from 0 to less than 1; evenly, where `fc.double` mostly gives what is next to 0. */
export const part = fc.nat(99_999).map((n) => n / 100_000)

/** Containers on hosts. */
export const setting: fc.Arbitrary<Setting> = drawn.map(fitting)
