/**
 * What a `config.json` is made of: every property that the specification has for Linux.
 *
 * @see OCI runtime-spec config.md, config-linux.md
 */
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import { IOPRIO_CLASS, MPOL, MPOL_F, PER, SCHED, SCHED_FLAG } from "../native/constants.ts"
import type { NamespaceType } from "./Container.ts"
import { id, int32, int64, limit64, may, named, oneOf, texts, uint32, uint64, whole } from "./fields.ts"
import * as rlimits from "./rlimits.ts"
import { seccompActions, seccompFlags, seccompOperators } from "./validate.ts"

const prefixed = (prefix: string, family: Readonly<Record<string, number>>): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(family).map(([name, value]) => [prefix + name, value]))

/** Id mappings, of the container or of a mount. */
export const IdMappings = Schema.Array(Schema.Struct({ containerID: uint32, hostID: uint32, size: uint32 }))

const User = Schema.Struct({
  // Go's programs leave out what is 0
  uid: may(id),
  gid: may(id),
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
    bounding: may(texts),
    effective: may(texts),
    inheritable: may(texts),
    permitted: may(texts),
    ambient: may(texts)
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

/** One mount. */
export const OciMount = Schema.Struct({
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
    swappiness: may(limit64),
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

/** The types of namespaces by the names that the document has. */
export const namespaceTypes: Readonly<
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
    // a filter with neither action nor rules is none
    defaultAction: may(oneOf("", ...seccompActions)),
    defaultErrnoRet: may(uint32),
    // later ones are no machine that runfx runs on
    architectures: may(Schema.Array(
      Schema.String.check(
        Schema.isPattern(/^SCMP_ARCH_[A-Z0-9_]+$/, { expected: "must be an architecture: SCMP_ARCH_X86_64, …" })
      )
    )),
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

/** A document that was read, or what could be read of it. */
export type Config = typeof Partial.Type
/** Its `linux` section. */
export type Linux = NonNullable<Config["linux"]>
