/** What the limits of a cgroup are made of. */
import type { Cgroup, DeviceRule, ThrottleDevice } from "../Container.ts"
import {
  flag,
  int32,
  int64,
  limit64,
  list,
  may,
  number,
  oneOf,
  orNull,
  record,
  struct,
  text,
  uint32,
  uint64,
  whole
} from "./Shape.ts"

type Part<K extends keyof Cgroup> = NonNullable<Cgroup[K]>
type Weight = NonNullable<Part<"blockIO">["weightDevice"]>[number]

const weight = whole(0, 0xffff)
const throttle = may(list(struct<ThrottleDevice>({ major: int32, minor: int32, rate: uint64 })))

/** A cgroup. */
export const cgroup = struct<Cgroup>({
  path: may(text),
  devices: list(struct<DeviceRule>({
    allow: flag,
    type: oneOf("a", "c", "b"),
    major: orNull(number),
    minor: orNull(number),
    access: text
  })),
  memory: may(struct<Part<"memory">>({
    limit: may(limit64),
    reservation: may(limit64),
    swap: may(limit64),
    kernel: may(limit64),
    kernelTcp: may(limit64),
    swappiness: may(limit64),
    disableOomKiller: may(flag),
    useHierarchy: may(flag),
    checkBeforeUpdate: may(flag)
  })),
  cpu: may(struct<Part<"cpu">>({
    shares: may(uint64),
    quota: may(limit64),
    burst: may(uint64),
    period: may(uint64),
    realtimeRuntime: may(limit64),
    realtimePeriod: may(uint64),
    cpus: may(text),
    mems: may(text),
    idle: may(int64)
  })),
  pids: may(struct<Part<"pids">>({ limit: int64 })),
  blockIO: may(struct<Part<"blockIO">>({
    weight: may(weight),
    leafWeight: may(weight),
    weightDevice: may(list(struct<Weight>({
      major: int32,
      minor: int32,
      weight: may(weight),
      leafWeight: may(weight)
    }))),
    throttleReadBpsDevice: throttle,
    throttleWriteBpsDevice: throttle,
    throttleReadIOPSDevice: throttle,
    throttleWriteIOPSDevice: throttle
  })),
  hugepageLimits: may(list(struct<Part<"hugepageLimits">[number]>({ pageSize: text, limit: uint64 }))),
  network: may(struct<Part<"network">>({
    classID: may(uint32),
    priorities: may(list(struct<NonNullable<Part<"network">["priorities"]>[number]>({ name: text, priority: uint32 })))
  })),
  rdma: may(record(struct<Part<"rdma">[string]>({ hcaHandles: may(uint32), hcaObjects: may(uint32) }))),
  unified: may(record(text)),
  freezer: may(oneOf("FROZEN", "THAWED"))
})
