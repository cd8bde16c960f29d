/** What a container is made of. */
import type { Container, Device, IdMapping, Mount, Namespace, Network, Route, Seccomp } from "../Container.ts"
import { cgroup } from "./cgroup.ts"
import { process } from "./process.ts"
import {
  flag,
  int32,
  int64,
  list,
  may,
  number,
  oneOf,
  open,
  record,
  type Shape,
  struct,
  text,
  uint32,
  uint64,
  whole
} from "./Shape.ts"

const mappings = list(struct<IdMapping>({ containerId: uint32, hostId: uint32, size: uint32 }))

const mount = struct<Mount>({
  destination: text,
  type: text,
  source: text,
  flags: uint32,
  clearedFlags: uint32,
  propagation: list(uint32),
  recursiveAttributes: struct<Mount["recursiveAttributes"]>({ set: uint32, clear: uint32 }),
  data: list(text),
  copyUp: flag,
  orCallers: may(flag),
  links: may(list(oneOf("copy-symlink", "src-nofollow", "dest-nofollow"))),
  idMapping: may(struct<NonNullable<Mount["idMapping"]>>({
    uidMappings: mappings,
    gidMappings: mappings,
    recursive: flag
  }))
})

const device = struct<Device>({
  path: text,
  type: oneOf("c", "b", "p"),
  major: number,
  minor: number,
  fileMode: uint32,
  uid: number,
  gid: number
})

const networkFields = {
  strategy: text,
  name: text,
  bridge: may(text),
  createBridge: may(struct<NonNullable<Network["createBridge"]>>({ address: text })),
  macAddress: may(text),
  address: may(text),
  gateway: may(text),
  ipv6Address: may(text),
  ipv6Gateway: may(text),
  mtu: may(number),
  txQueueLength: may(int32),
  hostInterfaceName: may(text),
  temporaryPeerName: may(text)
}
const ownNetwork = struct<Network>(networkFields)
const anyNetwork = open<Network>(networkFields)

/** A consumer's own strategy may read fields of its own. */
const network: Shape = (value, at, tell) => {
  const strategy = typeof value === "object" && value !== null && "strategy" in value ? value.strategy : undefined
  const known = strategy === undefined || strategy === "loopback" || strategy === "veth"
  ;(known ? ownNetwork : anyNetwork)(value, at, tell)
}

type Syscall = Seccomp["syscalls"][number]

const seccomp = struct<Seccomp>({
  defaultAction: text,
  defaultErrnoRet: may(uint32),
  architectures: list(text),
  flags: list(text),
  listenerPath: may(text),
  listenerMetadata: may(text),
  syscalls: list(struct<Syscall>({
    names: list(text),
    action: text,
    errnoRet: may(uint32),
    args: list(struct<Syscall["args"][number]>({ index: number, value: uint64, valueTwo: uint64, op: text }))
  }))
})

/** A container. */
export const container = struct<Container>({
  rootfs: text,
  readonlyRootfs: flag,
  noPivotRoot: flag,
  rootPropagation: may(number),
  namespaces: list(struct<Namespace>({
    type: oneOf("user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"),
    path: may(text)
  })),
  uidMappings: mappings,
  gidMappings: mappings,
  timeOffsets: list(struct<Container["timeOffsets"][number]>({
    clock: oneOf("monotonic", "boottime"),
    seconds: int64,
    nanoseconds: number
  })),
  hostname: may(text),
  defaultHostname: may(text),
  domainname: may(text),
  mounts: list(mount),
  devices: list(device),
  networks: list(network),
  routes: list(struct<Route>({
    destination: may(text),
    source: may(text),
    gateway: may(text),
    interfaceName: may(text)
  })),
  cgroup: may(cgroup),
  sysctl: record(text),
  maskedPaths: list(text),
  readonlyPaths: list(text),
  seccomp: may(seccomp),
  mountLabel: may(text),
  personality: may(number),
  memoryPolicy: may(struct<NonNullable<Container["memoryPolicy"]>>({ mode: uint32, nodes: list(whole(0, 65_535)) })),
  parentDeathSignal: may(number),
  noNewKeyring: flag,
  annotations: record(text),
  process
})
