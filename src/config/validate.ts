/**
 * The rules that hold for every container, wherever its configuration came from.
 *
 * {@link validate} needs no kernel and tells all problems at once; {@link validateHost} asks the host.
 */
import * as Effect from "effect/Effect"
import { isIP } from "node:net"
import { AT, IOPRIO_CLASS, MPOL, MPOL_F, MS, O, PER, RESOLVE, SCHED, STATX } from "../native/constants.ts"
import { type Kernel, sys, type SyscallError } from "../native/Kernel.ts"
import * as capabilities from "./capabilities.ts"
import { ConfigError, pathOf, type Problem, problem } from "./ConfigError.ts"
import {
  type Container,
  hasNamespace,
  hostId,
  type IdMapping,
  makesNamespace,
  type Mount,
  type NamespaceType
} from "./Container.ts"
import { parseNumberList } from "./numberList.ts"
import * as rlimits from "./rlimits.ts"
import * as signals from "./signals.ts"

/** The parts of a container that rules read and name. */
export type Section =
  | Exclude<keyof Container, "process">
  | "cgroup.path"
  | `process.${Exclude<keyof Container["process"], symbol | number>}`

/** How a format calls the parts of the model; what it does not name is called as in the model. */
export interface Names {
  readonly sections: Readonly<Partial<Record<Section, string>>>
  /** Names of fields below a section. */
  readonly fields: Readonly<Record<string, string>>
  /** How many entries of a list the model has in front of those that the document gave. */
  readonly offsets: Readonly<Partial<Record<Section, number>>>
}

/** The names of the model itself. */
export const modelNames: Names = { sections: {}, fields: {}, offsets: {} }

interface Found {
  readonly section: Section
  readonly at: ReadonlyArray<string | number>
  readonly value: unknown
  readonly rule: string
}

interface Rule {
  readonly reads: ReadonlyArray<Section>
  readonly check: (container: Container) => ReadonlyArray<Found>
}

const found = (section: Section, at: ReadonlyArray<string | number>, value: unknown, rule: string): Found => ({
  section,
  at,
  value,
  rule
})

/** Finds something in each entry of a list. */
const each = <A>(list: ReadonlyArray<A>, check: (entry: A, index: number) => ReadonlyArray<Found>) =>
  list.flatMap(check)

const when = (broken: boolean, problem: () => Found): ReadonlyArray<Found> => broken ? [problem()] : []

const noNul = "must not contain a NUL character"
const absolute = "must be an absolute path"

/** What is wrong with an absolute path, if anything. */
const pathRule = (path: string): string | undefined =>
  !path.startsWith("/") ? absolute : path.includes("\0") ? noNul : undefined

const paths = (section: Section, list: ReadonlyArray<string>): ReadonlyArray<Found> =>
  each(list, (path, index) => {
    const rule = pathRule(path)
    return rule === undefined ? [] : [found(section, [index], path, rule)]
  })

/** The highest uid or gid: 2^32-1 means "leave it" to the kernel. */
const highestId = 2 ** 32 - 2
const isId = (id: number): boolean => Number.isInteger(id) && id >= 0 && id <= highestId

const kindOf: Readonly<Record<NamespaceType, string>> = {
  user: "user",
  mnt: "mount",
  pid: "pid",
  net: "network",
  ipc: "IPC",
  uts: "UTS",
  cgroup: "cgroup",
  time: "time"
}

const needs = (type: NamespaceType): string => `needs a private ${kindOf[type]} namespace`

// ── root file system ───────────────────────────────────────────────────────────────────────────────────────────────

const rootfs: Rule = {
  reads: ["rootfs"],
  check: ({ rootfs }) => {
    const rule = pathRule(rootfs)
    if (rule !== undefined) return [found("rootfs", [], rootfs, rule)]
    const plain = rootfs === "/" ||
      rootfs.slice(1).split("/").every((part) => part !== "" && part !== "." && part !== "..")
    return when(
      !plain,
      () => found("rootfs", [], rootfs, "must be written without `.`, `..`, empty parts or a slash at the end")
    )
  }
}

const needsMountNamespace: Rule = {
  reads: ["namespaces", "mounts", "maskedPaths", "readonlyPaths", "readonlyRootfs", "rootPropagation"],
  check: (container) => {
    if (hasNamespace(container, "mnt")) return []
    const { maskedPaths, mounts, readonlyPaths, readonlyRootfs, rootPropagation } = container
    return [
      ...when(mounts.length > 0, () => found("mounts", [], undefined, needs("mnt"))),
      ...when(maskedPaths.length > 0, () => found("maskedPaths", [], undefined, needs("mnt"))),
      ...when(readonlyPaths.length > 0, () => found("readonlyPaths", [], undefined, needs("mnt"))),
      ...when(readonlyRootfs, () => found("readonlyRootfs", [], readonlyRootfs, needs("mnt"))),
      ...when(rootPropagation !== undefined, () => found("rootPropagation", [], undefined, needs("mnt")))
    ]
  }
}

const propagationFlags: ReadonlySet<number> = new Set([MS.PRIVATE, MS.SLAVE, MS.SHARED, MS.UNBINDABLE])

const rootPropagation: Rule = {
  reads: ["rootPropagation"],
  check: ({ rootPropagation }) =>
    when(
      rootPropagation !== undefined && !propagationFlags.has(rootPropagation & ~MS.REC),
      () => found("rootPropagation", [], rootPropagation, "must be private, slave, shared or unbindable")
    )
}

const maskedAndReadonly: Rule = {
  reads: ["maskedPaths", "readonlyPaths"],
  check: ({ maskedPaths, readonlyPaths }) => [
    ...paths("maskedPaths", maskedPaths),
    ...paths("readonlyPaths", readonlyPaths)
  ]
}

const mountProblems = (mount: Mount, index: number): ReadonlyArray<Found> => {
  const at = (field: string, value: unknown, rule: string) => found("mounts", [index, field], value, rule)
  const bind = (mount.flags & MS.BIND) !== 0
  const destination = pathRule(mount.destination)
  return [
    ...when(destination !== undefined, () => at("destination", mount.destination, destination!)),
    ...when(
      destination === undefined && /^[/.]*$/.test(mount.destination),
      () => at("destination", mount.destination, "must be below the root: nothing is mounted on the root itself")
    ),
    ...when(
      mount.destination.split("/").includes(".."),
      () => at("destination", mount.destination, "must not contain `..`")
    ),
    ...when(
      !bind && mount.type === "",
      () => at("type", mount.type, "must name a file system, as this is no bind mount")
    ),
    ...when(
      bind && pathRule(mount.source) !== undefined,
      () => at("source", mount.source, `${pathRule(mount.source)}, as it is bound`)
    ),
    ...when(
      bind && mount.data.length > 0,
      () => at("options", mount.data, "a bind mount takes no options of the file system")
    ),
    ...when(mount.data.some((option) => option.includes("\0")), () => at("options", mount.data, noNul)),
    ...when(mount.copyUp && mount.type !== "tmpfs", () => at("options", "tmpcopyup", "needs a tmpfs")),
    ...when(mount.idMapping !== undefined && !bind, () => at("options", "idmap", "needs a bind mount"))
  ]
}

const mounts: Rule = {
  reads: ["mounts"],
  check: ({ mounts }) => each(mounts, mountProblems)
}

const mountMappings: Rule = {
  reads: ["mounts"],
  check: ({ mounts }) =>
    each(mounts, ({ idMapping }, index) =>
      idMapping === undefined ? [] : [
        ...mappingProblems("mounts", [index, "uidMappings"], idMapping.uidMappings),
        ...mappingProblems("mounts", [index, "gidMappings"], idMapping.gidMappings),
        ...when(
          idMapping.uidMappings.length === 0,
          () => found("mounts", [index, "uidMappings"], undefined, "an id-mapped mount needs uid mappings")
        ),
        ...when(
          idMapping.gidMappings.length === 0,
          () => found("mounts", [index, "gidMappings"], undefined, "an id-mapped mount needs gid mappings")
        )
      ])
}

/** The kernel refuses a mount with `uid=` or `gid=` (devpts has `gid=5`) that the user namespace does not map: EINVAL. */
const mountOwners: Rule = {
  reads: ["namespaces", "mounts", "uidMappings", "gidMappings"],
  check: (container) =>
    !makesNamespace(container, "user") ? [] : each(container.mounts, ({ data }, index) =>
      data.flatMap((option) => {
        const [, kind, id] = /^(uid|gid)=(\d+)$/.exec(option) ?? []
        if (id === undefined) return []
        const mappings = kind === "uid" ? container.uidMappings : container.gidMappings
        return when(mappings.length > 0 && hostId(mappings, Number(id)) === undefined, () =>
          found("mounts", [index, "options"], option, `must be an id that the ${kind} mappings hold`))
      }))
}

const devices: Rule = {
  reads: ["devices"],
  check: ({ devices }) =>
    each(devices, (device, index) => {
      const at = (field: string, value: unknown, rule: string) => found("devices", [index, field], value, rule)
      const rule = pathRule(device.path)
      const number = device.type === "p" ? [] : [
        ...when(!(device.major >= 0 && device.major <= 0xfff), () =>
          at("major", device.major, "must be a whole number from 0 to 4095")),
        ...when(!(device.minor >= 0 && device.minor <= 0xfffff), () =>
          at("minor", device.minor, "must be a whole number from 0 to 1048575"))
      ]
      return [
        ...when(rule !== undefined, () =>
          at("path", device.path, rule!)),
        ...when(device.path.split("/").includes(".."), () =>
          at("path", device.path, "must not contain `..`")),
        ...when(
          devices.findIndex(({ path }) =>
            path === device.path
          ) < index,
          () => at("path", device.path, "must not be given twice")
        ),
        ...number,
        ...when((device.fileMode & ~0o7777) !== 0, () =>
          at("fileMode", device.fileMode, "must be permission bits, 0 to 4095 (07777)")),
        ...when(!isId(device.uid), () =>
          at("uid", device.uid, idRule)),
        ...when(!isId(device.gid), () => at("gid", device.gid, idRule))
      ]
    })
}

const idRule = `must be a whole number from 0 to ${highestId}`

// ── namespaces ─────────────────────────────────────────────────────────────────────────────────────────────────────

const namespaces: Rule = {
  reads: ["namespaces"],
  check: ({ namespaces }) =>
    each(namespaces, ({ path, type }, index) => [
      ...when(namespaces.findIndex((other) => other.type === type) < index, () =>
        found("namespaces", [index, "type"], type, "must not be given twice")),
      ...when(path !== undefined && pathRule(path) !== undefined, () =>
        found("namespaces", [index, "path"], path, pathRule(path!)!))
    ])
}

/**
 * A new user namespace owns the namespaces that are made with it. One that is joined by path belongs to another user
 * namespace, in which this process has no rights; and whoever prepares the root from outside would do it in that
 * namespace, which may be the host's.
 */
const newUserJoinsNothing: Rule = {
  reads: ["namespaces"],
  check: (container) =>
    !makesNamespace(container, "user") ?
      [] :
      each(container.namespaces, ({ path, type }, index) =>
        when(path !== undefined, () =>
          found(
            "namespaces",
            [index, "path"],
            path,
            `a new user namespace can't go with an existing ${
              kindOf[type]
            } namespace: make that one new, too, or join the user namespace that owns it`
          )))
}

const mappingProblems = (
  section: Section,
  at: ReadonlyArray<string | number>,
  mappings: ReadonlyArray<IdMapping>
): ReadonlyArray<Found> => {
  const overlap = (a: number, b: number, sizeA: number, sizeB: number) => a < b + sizeB && b < a + sizeA
  return [
    ...when(
      mappings.length > 340,
      () => found(section, at, mappings.length, "must have at most 340 lines, as the kernel takes no more")
    ),
    ...each(mappings, ({ containerId, hostId, size }, index) => {
      const earlier = mappings.slice(0, index)
      const field = (name: string, value: unknown, rule: string) => found(section, [...at, index, name], value, rule)
      return [
        ...when(!(size > 0), () => field("size", size, "must be greater than 0")),
        ...when(
          size > 0 && (!isId(containerId) || !isId(containerId + size - 1)),
          () => field("containerId", containerId, `with its size must stay within 0 to ${highestId}`)
        ),
        ...when(
          size > 0 && (!isId(hostId) || !isId(hostId + size - 1)),
          () => field("hostId", hostId, `with its size must stay within 0 to ${highestId}`)
        ),
        ...when(
          earlier.some((other) => overlap(other.containerId, containerId, other.size, size)),
          () => field("containerId", containerId, "must not overlap an earlier mapping")
        ),
        ...when(
          earlier.some((other) => overlap(other.hostId, hostId, other.size, size)),
          () => field("hostId", hostId, "must not overlap an earlier mapping")
        )
      ]
    })
  ]
}

const namespaceMappings = (container: Container) => (section: "uidMappings" | "gidMappings"): ReadonlyArray<Found> => {
  const list = container[section]
  const given = list.length > 0
  const isNew = makesNamespace(container, "user")
  return [
    ...mappingProblems(section, [], list),
    ...when(given && !hasNamespace(container, "user"), () => found(section, [], undefined, needs("user"))),
    ...when(
      !given && isNew,
      () => found(section, [], undefined, "must be given, as a new user namespace is asked for")
    ),
    ...when(
      given && isNew && hostId(list, 0) === undefined,
      () => found(section, [], undefined, "must map id 0: the namespace is set up by its root")
    )
  ]
}

const mappings: Rule = {
  reads: ["namespaces", "uidMappings", "gidMappings"],
  check: (container) => (["uidMappings", "gidMappings"] as const).flatMap(namespaceMappings(container))
}

const timeOffsets: Rule = {
  reads: ["namespaces", "timeOffsets"],
  check: (container) => [
    ...when(
      container.timeOffsets.length > 0 && !makesNamespace(container, "time"),
      () => found("timeOffsets", [], undefined, "needs a new time namespace")
    ),
    ...each(
      container.timeOffsets,
      ({ clock, nanoseconds }) =>
        when(
          !(nanoseconds >= 0 && nanoseconds < 1_000_000_000),
          () => found("timeOffsets", [clock, "nanoseconds"], nanoseconds, "must be a whole number from 0 to 999999999")
        )
    )
  ]
}

const nameProblems = (container: Container) => (section: "hostname" | "domainname"): ReadonlyArray<Found> => {
  const name = container[section]
  return name === undefined ? [] : [
    ...when(!hasNamespace(container, "uts"), () => found(section, [], name, needs("uts"))),
    ...when(Buffer.byteLength(name) > 64, () => found(section, [], name, "must be at most 64 bytes long")),
    ...when(name.includes("\0"), () => found(section, [], name, noNul))
  ]
}

const names: Rule = {
  reads: ["namespaces", "hostname", "domainname"],
  check: (container) => (["hostname", "domainname"] as const).flatMap(nameProblems(container))
}

// ── network ────────────────────────────────────────────────────────────────────────────────────────────────────────

const isCidr = (text: string, version?: 4 | 6): boolean => {
  const [ip = "", prefix = "", ...rest] = text.split("/")
  const found = isIP(ip)
  return rest.length === 0 && found !== 0 && (version === undefined || found === version) && /^\d{1,3}$/.test(prefix) &&
    Number(prefix) <= (found === 4 ? 32 : 128)
}

const interfaceNameRule = "must be an interface's name: 1 to 15 bytes without `/`, `:` or spaces, and not `.` or `..`"
const isInterfaceName = (name: string): boolean =>
  // oxlint-disable-next-line no-control-regex
  Buffer.byteLength(name) <= 15 && /^[^\s/:\0]+$/.test(name) && name !== "." && name !== ".."

const networks: Rule = {
  reads: ["namespaces", "networks"],
  check: (container) => [
    ...when(
      container.networks.length > 0 && !hasNamespace(container, "net"),
      () => found("networks", [], undefined, needs("net"))
    ),
    ...each(container.networks, (network, index) => {
      const at = (field: string, value: unknown, rule: string) => found("networks", [index, field], value, rule)
      const interfaceNames = (["bridge", "hostInterfaceName", "temporaryPeerName"] as const).flatMap((field) =>
        when(
          network[field] !== undefined && !isInterfaceName(network[field]),
          () => at(field, network[field], interfaceNameRule)
        )
      )
      // the addresses of a loopback and of a consumer's own strategy are up to these
      const veth = network.strategy !== "veth" ? [] : [
        ...when(!isInterfaceName(network.name), () => at("name", network.name, interfaceNameRule)),
        ...when(
          network.address !== undefined && !isCidr(network.address, 4),
          () => at("address", network.address, "must be an IPv4 address with a prefix: 10.0.0.2/24")
        ),
        ...when(
          network.gateway !== undefined && isIP(network.gateway) !== 4,
          () => at("gateway", network.gateway, "must be an IPv4 address")
        ),
        ...when(
          network.ipv6Address !== undefined && !isCidr(network.ipv6Address, 6),
          () => at("ipv6Address", network.ipv6Address, "must be an IPv6 address with a prefix: fd00::2/64")
        ),
        ...when(
          network.ipv6Gateway !== undefined && isIP(network.ipv6Gateway) !== 6,
          () => at("ipv6Gateway", network.ipv6Gateway, "must be an IPv6 address")
        ),
        ...when(
          network.createBridge !== undefined && !isCidr(network.createBridge.address),
          () => at("createBridge", network.createBridge, "must hold an address with a prefix: 10.0.0.1/24")
        ),
        ...when(
          network.createBridge !== undefined && network.bridge === undefined,
          () => at("bridge", undefined, "must be given, as a bridge is to be made")
        )
      ]
      return [
        ...when(
          network.strategy === "",
          () => at("strategy", "", "must be `loopback`, `veth` or a strategy of your own")
        ),
        ...when(
          container.networks.findIndex(({ name }) => name === network.name) < index,
          () => at("name", network.name, "must not be given twice")
        ),
        ...interfaceNames,
        ...veth,
        ...when(
          network.macAddress !== undefined && !/^[\da-f]{2}(:[\da-f]{2}){5}$/i.test(network.macAddress),
          () => at("macAddress", network.macAddress, "must be a MAC address: 02:42:ac:11:00:02")
        ),
        ...when(
          network.mtu !== undefined && !(network.mtu >= 68 && network.mtu <= 0x7fffffff),
          () => at("mtu", network.mtu, "must be at least 68")
        ),
        ...when(
          network.txQueueLength !== undefined && network.txQueueLength < 0,
          () => at("txQueueLength", network.txQueueLength, "must not be negative")
        )
      ]
    })
  ]
}

const routes: Rule = {
  reads: ["namespaces", "routes"],
  check: (container) => [
    ...when(
      container.routes.length > 0 && !hasNamespace(container, "net"),
      () => found("routes", [], undefined, needs("net"))
    ),
    ...each(container.routes, (route, index) => {
      const at = (field: string, value: unknown, rule: string) => found("routes", [index, field], value, rule)
      return [
        ...when(
          route.destination !== undefined && !isCidr(route.destination),
          () => at("destination", route.destination, "must be a network with a prefix: 10.1.0.0/16")
        ),
        ...when(
          route.source !== undefined && isIP(route.source) === 0,
          () => at("source", route.source, "must be an IP address without a prefix")
        ),
        ...when(
          route.gateway !== undefined && isIP(route.gateway) === 0,
          () => at("gateway", route.gateway, "must be an IP address")
        ),
        ...when(
          route.interfaceName !== undefined && !isInterfaceName(route.interfaceName),
          () => at("interfaceName", route.interfaceName, interfaceNameRule)
        ),
        ...when(
          route.gateway === undefined && route.interfaceName === undefined,
          () => at("gateway", undefined, "a route needs a gateway or an interface")
        )
      ]
    })
  ]
}

// ── kernel parameters, cgroup, seccomp, memory ─────────────────────────────────────────────────────────────────────

/** Kernel parameters that belong to the IPC namespace, apart from `fs.mqueue.*`. @see ipc_namespaces(7) */
const ipcParameters: ReadonlySet<string> = new Set([
  "kernel.msgmax",
  "kernel.msgmnb",
  "kernel.msgmni",
  "kernel.sem",
  "kernel.shmall",
  "kernel.shmmax",
  "kernel.shmmni",
  "kernel.shm_rmid_forced"
])

/** The namespace that keeps a kernel parameter apart from the host's; `undefined` where none does. */
const namespaceOf = (key: string): NamespaceType | undefined =>
  ipcParameters.has(key) || key.startsWith("fs.mqueue.") ?
    "ipc"
    : key.startsWith("net.") ?
    "net"
    : key === "kernel.domainname" ?
    "uts"
    : key.startsWith("user.") ?
    "user"
    : undefined

const sysctl: Rule = {
  reads: ["namespaces", "sysctl"],
  check: (container) =>
    Object.entries(container.sysctl).flatMap(([key, value]) => {
      const at = (rule: string) => [found("sysctl", [key], value, rule)]
      const dotted = dots(key)
      if (/(^|\.)(\.|$)|\0/.test(dotted)) return at("must be named with dots, as net.ipv4.ip_forward is")
      if (dotted === "kernel.hostname") return at("can't be set here: give a hostname")
      const type = namespaceOf(dotted)
      if (type === undefined) return at("is not kept apart by a namespace: setting it would change the host")
      return hasNamespace(container, type) ? [] : at(needs(type))
    })
}

/** The form with dots: as sysctl(8) has it, the separator that comes first counts, and the other one is literal. */
const dots = (key: string): string => {
  const separator = /[./]/.exec(key)?.[0]
  return separator === "/" ? key.replace(/[./]/g, (char) => char === "/" ? "." : "/") : key
}

const cgroupPath: Rule = {
  reads: ["cgroup.path"],
  check: ({ cgroup }) => {
    const path = cgroup?.path
    return when(
      path !== undefined && (path.split("/").includes("..") || path.includes("\0")),
      () => found("cgroup.path", [], path, "must not contain `..` or a NUL character")
    )
  }
}

const cgroup: Rule = {
  reads: ["cgroup"],
  check: ({ cgroup }) => {
    if (cgroup === undefined) return []
    const at = (path: ReadonlyArray<string | number>, value: unknown, rule: string) =>
      found("cgroup", path, value, rule)
    const { cpu, memory } = cgroup
    return [
      ...each(cgroup.devices, (rule, index) => [
        ...when(
          !/^[rwm]+$/.test(rule.access),
          () => at(["devices", index, "access"], rule.access, "must be some of `rwm`")
        ),
        ...when(
          rule.major !== null && rule.major < 0,
          () => at(["devices", index, "major"], rule.major, "must not be negative")
        ),
        ...when(
          rule.minor !== null && rule.minor < 0,
          () => at(["devices", index, "minor"], rule.minor, "must not be negative")
        )
      ]),
      ...when(
        memory?.swappiness !== undefined && memory.swappiness > 100n,
        () => at(["memory", "swappiness"], memory?.swappiness, "must be from 0 to 100")
      ),
      ...when(
        memory?.limit !== undefined && memory.swap !== undefined && memory.swap > 0n && memory.limit > memory.swap,
        () => at(["memory", "swap"], memory?.swap, "is memory and swap together: must not be below the memory limit")
      ),
      ...when(
        cpu?.burst !== undefined && cpu.quota !== undefined && cpu.quota > 0n && cpu.burst > cpu.quota,
        () => at(["cpu", "burst"], cpu?.burst, "must not be above the quota")
      ),
      ...when(
        cpu?.idle !== undefined && cpu.idle !== 0n && cpu.idle !== 1n,
        () => at(["cpu", "idle"], cpu?.idle, "must be 0 or 1")
      ),
      ...(["cpus", "mems"] as const).flatMap((field) =>
        when(
          cpu?.[field] !== undefined && parseNumberList(cpu[field]) === undefined,
          () => at(["cpu", field], cpu?.[field], "must be a list of numbers and ranges: 0-3,7")
        )
      ),
      ...Object.keys(cgroup.unified ?? {}).flatMap((file) =>
        when(
          !/^[a-z0-9_]+\.[\w.]+$/i.test(file),
          () => at(["unified", file], cgroup.unified?.[file], "must be a file of a cgroup, as memory.high is")
        )
      ),
      ...each(
        cgroup.hugepageLimits ?? [],
        ({ pageSize }, index) =>
          when(
            !/^[1-9]\d*[KMGTP]B$/.test(pageSize),
            () => at(["hugepageLimits", index, "pageSize"], pageSize, "must be a size as 64KB, 2MB or 1GB")
          )
      )
    ]
  }
}

/** The actions that OCI names. @see OCI config-linux.md, "Seccomp" */
export const seccompActions = [
  "SCMP_ACT_KILL",
  "SCMP_ACT_KILL_PROCESS",
  "SCMP_ACT_KILL_THREAD",
  "SCMP_ACT_TRAP",
  "SCMP_ACT_ERRNO",
  "SCMP_ACT_TRACE",
  "SCMP_ACT_ALLOW",
  "SCMP_ACT_LOG",
  "SCMP_ACT_NOTIFY"
] as const

/** The comparisons that OCI names. */
export const seccompOperators = [
  "SCMP_CMP_NE",
  "SCMP_CMP_LT",
  "SCMP_CMP_LE",
  "SCMP_CMP_EQ",
  "SCMP_CMP_GE",
  "SCMP_CMP_GT",
  "SCMP_CMP_MASKED_EQ"
] as const

/** The architectures that OCI names. */
export const seccompArchitectures = [
  "SCMP_ARCH_X86",
  "SCMP_ARCH_X86_64",
  "SCMP_ARCH_X32",
  "SCMP_ARCH_ARM",
  "SCMP_ARCH_AARCH64",
  "SCMP_ARCH_LOONGARCH64",
  "SCMP_ARCH_M68K",
  "SCMP_ARCH_MIPS",
  "SCMP_ARCH_MIPS64",
  "SCMP_ARCH_MIPS64N32",
  "SCMP_ARCH_MIPSEL",
  "SCMP_ARCH_MIPSEL64",
  "SCMP_ARCH_MIPSEL64N32",
  "SCMP_ARCH_PPC",
  "SCMP_ARCH_PPC64",
  "SCMP_ARCH_PPC64LE",
  "SCMP_ARCH_RISCV64",
  "SCMP_ARCH_S390",
  "SCMP_ARCH_S390X",
  "SCMP_ARCH_PARISC",
  "SCMP_ARCH_PARISC64",
  "SCMP_ARCH_SH",
  "SCMP_ARCH_SHEB"
] as const

/** The flags that OCI names. */
export const seccompFlags = [
  "SECCOMP_FILTER_FLAG_TSYNC",
  "SECCOMP_FILTER_FLAG_LOG",
  "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
  "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"
] as const

const takesErrno = (action: string): boolean => action === "SCMP_ACT_ERRNO" || action === "SCMP_ACT_TRACE"

const seccomp: Rule = {
  reads: ["seccomp"],
  check: ({ seccomp }) => {
    if (seccomp === undefined) return []
    const at = (path: ReadonlyArray<string | number>, value: unknown, rule: string) =>
      found("seccomp", path, value, rule)
    const known = (
      path: ReadonlyArray<string | number>,
      value: string,
      list: ReadonlyArray<string>
    ) => when(!list.includes(value), () => at(path, value, `must be one of ${list.join(", ")}`))
    return [
      ...known(["defaultAction"], seccomp.defaultAction, seccompActions),
      ...when(
        seccomp.defaultAction === "SCMP_ACT_NOTIFY",
        () => at(["defaultAction"], seccomp.defaultAction, "can't be the default: nobody could even start the program")
      ),
      ...when(
        seccomp.defaultErrnoRet !== undefined && !takesErrno(seccomp.defaultAction),
        () => at(["defaultErrnoRet"], seccomp.defaultErrnoRet, "needs SCMP_ACT_ERRNO or SCMP_ACT_TRACE")
      ),
      ...each(seccomp.architectures, (name, index) => known(["architectures", index], name, seccompArchitectures)),
      ...each(seccomp.flags, (name, index) => known(["flags", index], name, seccompFlags)),
      ...each(seccomp.syscalls, (entry, index) => [
        ...when(entry.names.length === 0, () => at(["syscalls", index, "names"], [], "must name a system call")),
        ...known(["syscalls", index, "action"], entry.action, seccompActions),
        ...when(
          entry.errnoRet !== undefined && !takesErrno(entry.action),
          () => at(["syscalls", index, "errnoRet"], entry.errnoRet, "needs SCMP_ACT_ERRNO or SCMP_ACT_TRACE")
        ),
        ...each(entry.args, (arg, position) => [
          ...when(
            !(arg.index >= 0 && arg.index <= 5),
            () => at(["syscalls", index, "args", position, "index"], arg.index, "must be from 0 to 5")
          ),
          ...known(["syscalls", index, "args", position, "op"], arg.op, seccompOperators)
        ])
      ])
    ]
  }
}

const personality: Rule = {
  reads: ["personality"],
  check: ({ personality }) =>
    when(
      personality !== undefined && personality !== PER.LINUX && personality !== PER.LINUX32,
      () => found("personality", [], personality, "must be LINUX or LINUX32")
    )
}

const memoryPolicy: Rule = {
  reads: ["memoryPolicy"],
  check: ({ memoryPolicy }) => {
    if (memoryPolicy === undefined) return []
    const { mode, nodes } = memoryPolicy
    const at = (path: string, value: unknown, rule: string) => [found("memoryPolicy", [path], value, rule)]
    const base = mode & ~(MPOL_F.STATIC_NODES | MPOL_F.RELATIVE_NODES | MPOL_F.NUMA_BALANCING)
    const takesNone = base === MPOL.DEFAULT || base === MPOL.LOCAL
    if (takesNone && nodes.length > 0) return at("nodes", nodes, "must be empty for MPOL_DEFAULT and MPOL_LOCAL")
    if (!takesNone && base !== MPOL.PREFERRED && nodes.length === 0) return at("nodes", nodes, "must name a node")
    return (mode & MPOL_F.STATIC_NODES) !== 0 && (mode & MPOL_F.RELATIVE_NODES) !== 0
      ? at("flags", mode, "MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other")
      : []
  }
}

const parentDeathSignal: Rule = {
  reads: ["parentDeathSignal"],
  check: ({ parentDeathSignal: signal }) =>
    when(
      signal !== undefined && !(signal >= 1 && signal <= signals.last),
      () => found("parentDeathSignal", [], signal, `must be a signal from 1 to ${signals.last}`)
    )
}

// ── process ────────────────────────────────────────────────────────────────────────────────────────────────────────

const args: Rule = {
  reads: ["process.args"],
  check: ({ process: { args } }) => [
    ...when(args.length === 0, () => found("process.args", [], args, "must name a program")),
    ...when(args[0] === "", () => found("process.args", [0], "", "must name a program")),
    ...each(args, (arg, index) => when(arg.includes("\0"), () => found("process.args", [index], arg, noNul)))
  ]
}

const env: Rule = {
  reads: ["process.env"],
  check: ({ process: { env } }) =>
    each(env, (entry, index) => [
      ...when(entry.indexOf("=") < 1, () => found("process.env", [index], entry, "must be NAME=value")),
      ...when(entry.includes("\0"), () => found("process.env", [index], entry, noNul))
    ])
}

const cwd: Rule = {
  reads: ["process.cwd"],
  check: ({ process: { cwd } }) =>
    when(pathRule(cwd) !== undefined, () => found("process.cwd", [], cwd, pathRule(cwd)!))
}

const user: Rule = {
  reads: ["process.user", "namespaces", "uidMappings", "gidMappings"],
  check: (container) => {
    const { user } = container.process
    const ids = user._tag === "Ids"
      ? [["uid", user.uid, container.uidMappings], ["gid", user.gid, container.gidMappings]] as const
      : []
    const inNew = makesNamespace(container, "user")
    const check = (
      at: ReadonlyArray<string | number>,
      id: number,
      mappings: ReadonlyArray<IdMapping>
    ): ReadonlyArray<Found> => [
      ...when(!isId(id), () => found("process.user", at, id, idRule)),
      ...when(
        isId(id) && inNew && mappings.length > 0 && hostId(mappings, id) === undefined,
        () => found("process.user", at, id, "must be an id that the mappings hold")
      )
    ]
    return [
      ...ids.flatMap(([name, id, mappings]) => check([name], id, mappings)),
      ...each(user.additionalGids, (gid, index) => check(["additionalGids", index], gid, container.gidMappings)),
      ...when(
        user._tag === "Named" && /[\0\n]/.test(user.spec),
        () => found("process.user", [], user._tag === "Named" ? user.spec : undefined, "must be user[:group]")
      )
    ]
  }
}

const capabilitySets: Rule = {
  reads: ["process.capabilities"],
  check: ({ process: { capabilities: sets } }) => {
    if (sets === undefined) return []
    const names = ["bounding", "effective", "inheritable", "permitted", "ambient"] as const
    return [
      ...names.flatMap((name) =>
        each(
          sets[name],
          (number, index) =>
            when(!(Number.isInteger(number) && number >= 0 && number <= capabilities.last), () =>
              found(
                "process.capabilities",
                [name, index],
                number,
                `must be a capability from 0 to ${capabilities.last}`
              ))
        )
      ),
      // capset(2) refuses it with EPERM
      ...each(sets.effective, (number, index) =>
        when(!sets.permitted.includes(number), () =>
          found(
            "process.capabilities",
            ["effective", index],
            capabilities.nameOf(number),
            "must be among the permitted ones, too"
          )))
    ]
  }
}

const limits: Rule = {
  reads: ["process.rlimits"],
  check: ({ process: { rlimits: list } }) =>
    each(list, ({ hard, resource, soft }, index) => [
      ...when(!Object.values(rlimits.numbers).includes(resource), () =>
        found("process.rlimits", [index, "type"], resource, "must be a resource from 0 to 15")),
      ...when(
        list.findIndex((other) =>
          other.resource === resource
        ) < index,
        () => found("process.rlimits", [index, "type"], rlimits.nameOf(resource), "must not be given twice")
      ),
      ...when(soft > hard, () =>
        found("process.rlimits", [index, "soft"], soft, `must not be above the hard limit ${hard}`))
    ])
}

const within = (value: number | undefined, low: number, high: number): boolean =>
  value === undefined || Number.isInteger(value) && value >= low && value <= high

const scores: Rule = {
  reads: ["process.oomScoreAdj", "process.umask", "process.ioPriority"],
  check: ({ process: { ioPriority, oomScoreAdj, umask } }) => [
    ...when(
      !within(oomScoreAdj, -1000, 1000),
      () => found("process.oomScoreAdj", [], oomScoreAdj, "must be from -1000 to 1000")
    ),
    ...when(!within(umask, 0, 0o777), () => found("process.umask", [], umask, "must be from 0 to 511 (0777)")),
    ...when(
      !within(ioPriority?.priority, 0, 7),
      () => found("process.ioPriority", ["priority"], ioPriority?.priority, "must be from 0 to 7")
    ),
    ...when(
      !within(ioPriority?.class, IOPRIO_CLASS.RT, IOPRIO_CLASS.IDLE),
      () => found("process.ioPriority", ["class"], ioPriority?.class, "must be a class from 1 to 3")
    )
  ]
}

const scheduler: Rule = {
  reads: ["process.scheduler"],
  check: ({ process: { scheduler } }) => {
    if (scheduler === undefined) return []
    const { deadline, nice, period, policy, priority, runtime } = scheduler
    const at = (field: string, value: unknown, rule: string) => found("process.scheduler", [field], value, rule)
    const realTime = policy === SCHED.FIFO || policy === SCHED.RR
    const timed = runtime !== 0n || deadline !== 0n || period !== 0n
    return [
      ...when(!within(nice, -20, 19), () => at("nice", nice, "must be from -20 to 19")),
      ...when(
        realTime && !within(priority, 1, 99),
        () => at("priority", priority, "must be from 1 to 99 for SCHED_FIFO and SCHED_RR")
      ),
      ...when(
        !realTime && priority !== 0,
        () => at("priority", priority, "must be 0 for policies other than SCHED_FIFO and SCHED_RR")
      ),
      ...when(
        policy !== SCHED.DEADLINE && timed,
        () => at("runtime", runtime, "runtime, deadline and period need SCHED_DEADLINE")
      ),
      ...when(
        policy === SCHED.DEADLINE && (runtime === 0n || runtime > deadline || period !== 0n && deadline > period),
        () => at("runtime", runtime, "must be above 0, and runtime ≤ deadline ≤ period")
      )
    ]
  }
}

const labels: Rule = {
  reads: ["process.apparmorProfile", "process.selinuxLabel", "mountLabel"],
  check: ({ mountLabel, process: { apparmorProfile, selinuxLabel } }) => [
    ...when(
      /[\0\n]/.test(apparmorProfile ?? ""),
      () => found("process.apparmorProfile", [], apparmorProfile, "must be one line")
    ),
    ...when(
      /[\0\n]/.test(selinuxLabel ?? ""),
      () => found("process.selinuxLabel", [], selinuxLabel, "must be one line")
    ),
    // the label is put between double quotes in the mount's options
    ...when(
      /[\0\n"]/.test(mountLabel ?? ""),
      () => found("mountLabel", [], mountLabel, "must be one line without double quotes")
    )
  ]
}

const consoleSize: Rule = {
  reads: ["process.consoleSize"],
  check: ({ process: { consoleSize } }) =>
    (["rows", "columns"] as const).flatMap((field) =>
      when(
        !within(consoleSize?.[field], 0, 0xffff),
        () => found("process.consoleSize", [field], consoleSize?.[field], "must be from 0 to 65535")
      )
    )
}

const rules: ReadonlyArray<Rule> = [
  args,
  env,
  cwd,
  user,
  capabilitySets,
  limits,
  scores,
  scheduler,
  consoleSize,
  labels,
  rootfs,
  namespaces,
  newUserJoinsNothing,
  mappings,
  timeOffsets,
  names,
  needsMountNamespace,
  rootPropagation,
  mounts,
  mountMappings,
  mountOwners,
  maskedAndReadonly,
  devices,
  networks,
  routes,
  sysctl,
  cgroupPath,
  cgroup,
  seccomp,
  personality,
  memoryPolicy,
  parentDeathSignal
]

const nameOf = (section: Section, names: Names): string => names.sections[section] ?? section

const inNames = (names: Names) => ({ at, rule, section, value }: Found): Problem => {
  const offset = names.offsets[section] ?? 0
  const parts = at.map((part, depth) =>
    typeof part !== "number" ? names.fields[part] ?? part : depth === 0 ? part - offset : part
  )
  return problem(nameOf(section, names) + (parts.length === 0 ? "" : suffix(parts)), value, rule)
}

const suffix = (parts: ReadonlyArray<string | number>): string => {
  const path = pathOf(parts)
  return path.startsWith("[") ? path : `.${path}`
}

/**
 * All problems of a container that can be told without a kernel, in the order of the rules.
 *
 * `names` says how the format calls things. Rules that read a section of `broken` (by the format's name) are left out:
 * what could not be read can't be judged.
 *
 * **Example** (A container made in code)
 *
 * ```ts
 * const problems = validate(defaultSpec({ rootfs: "/srv/alpine", args: ["sh"] }))
 * ```
 */
export const validate = (
  container: Container,
  names: Names = modelNames,
  broken: ReadonlyArray<string> = []
): ReadonlyArray<Problem> => {
  const isBroken = (section: Section): boolean => {
    const name = nameOf(section, names)
    return broken.some((path) => name === path || name.startsWith(`${path}.`) || path.startsWith(`${name}.`))
  }
  return rules.filter(({ reads }) => !reads.some(isBroken)).flatMap(({ check }) => check(container)).map(inNames(names))
}

// ── what only the host knows ───────────────────────────────────────────────────────────────────────────────────────

const advice: Readonly<Partial<Record<SyscallError["code"], string>>> = {
  ENOENT: "must exist on the host",
  ENOTDIR: "must be a directory on the host",
  ELOOP: "must be free of symlinks"
}

const refusal = (section: Section, at: ReadonlyArray<string | number>, value: unknown) => (error: SyscallError) => [
  found(section, at, value, advice[error.code] ?? error.message)
]

const rootfsExists = ({ rootfs }: Container): Effect.Effect<ReadonlyArray<Found>, never, Kernel> =>
  sys.openat2({
    dirfd: AT.FDCWD,
    path: rootfs,
    flags: O.PATH | O.DIRECTORY | O.CLOEXEC,
    mode: 0,
    resolve: RESOLVE.NO_SYMLINKS | RESOLVE.NO_MAGICLINKS
  }).pipe(
    Effect.flatMap((fd) => sys.close({ fd })),
    Effect.match({ onFailure: refusal("rootfs", [], rootfs), onSuccess: () => [] })
  )

const inodeOf = (path: string) =>
  sys.statx({ dirfd: AT.FDCWD, path, flags: 0, mask: STATX.BASIC_STATS }).pipe(
    Effect.map(({ dev, ino }) => `${dev.major}:${dev.minor}:${ino}`)
  )

const namespaceExists = (
  { path, type }: Container["namespaces"][number],
  index: number
): Effect.Effect<ReadonlyArray<Found>, never, Kernel> =>
  inodeOf(path ?? `/proc/self/ns/${type}`).pipe(Effect.match({
    onFailure: path === undefined
      ? () => [found("namespaces", [index, "type"], type, "is a namespace that this kernel does not have")]
      : refusal("namespaces", [index, "path"], path),
    onSuccess: () => []
  }))

/** A `net.*` parameter in a network namespace that is the caller's own would change the host. */
const networkIsNotHosts = (container: Container): Effect.Effect<ReadonlyArray<Found>, never, Kernel> => {
  const keys = Object.keys(container.sysctl).filter((key) => namespaceOf(dots(key)) === "net")
  const path = container.namespaces.find(({ type }) => type === "net")?.path
  if (keys.length === 0 || path === undefined) return Effect.succeed([])
  return Effect.all([inodeOf(path), inodeOf("/proc/self/ns/net")]).pipe(Effect.match({
    // a path that is not there is named by namespaceExists
    onFailure: () => [],
    onSuccess: ([theirs, ours]) =>
      theirs !== ours ?
        [] :
        keys.map((key) =>
          found(
            "sysctl",
            [key],
            container.sysctl[key],
            `would change the host: ${path} is the host's network namespace`
          )
        )
  }))
}

/**
 * Checks what only the host knows: the root file system is there and its path is free of symlinks, the kernel has the
 * namespaces, those to join are there, and no network parameter would change the host.
 *
 * Asks through the {@link Kernel}, so that a plan on a model kernel asks the model.
 */
export const validateHost = (
  container: Container,
  names: Names = modelNames
): Effect.Effect<void, ConfigError, Kernel> =>
  Effect.all([
    rootfsExists(container),
    ...container.namespaces.map(namespaceExists),
    networkIsNotHosts(container)
  ]).pipe(Effect.flatMap((lists) => {
    const problems = lists.flat().map(inNames(names))
    return problems.length === 0 ? Effect.void : Effect.fail(new ConfigError({ problems }))
  }))
