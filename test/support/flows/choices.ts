/** What random containers are drawn from: mounts, devices, parameters, namespaces. */
import fc from "fast-check"
import type { Mount } from "../../../src/config/Container.ts"
import { MS } from "../../../src/native/constants.ts"

/** How a container gets a namespace: its own, that of the process beside it, or the caller's. */
export type Origin = "new" | "joined" | "host"

export const joinable = ["pid", "net", "ipc", "uts"] as const

export const mount = (
  destination: string,
  type: string,
  source: string,
  flags: number,
  more: Partial<Mount> = {}
): Mount => ({
  destination,
  type,
  source,
  flags,
  clearedFlags: 0,
  propagation: [],
  recursiveAttributes: { set: 0, clear: 0 },
  data: [],
  copyUp: false,
  ...more
})

const restricted = MS.NOSUID | MS.NOEXEC | MS.NODEV

export const extraMounts = {
  shm: mount("/dev/shm", "tmpfs", "shm", restricted, { data: ["mode=1777"] }),
  sys: mount("/sys", "sysfs", "sysfs", restricted | MS.RDONLY),
  tmp: mount("/tmp", "tmpfs", "tmpfs", restricted, { data: ["mode=1777"] }),
  bind: mount("/data", "bind", "/srv/data", MS.BIND | MS.REC),
  bindReadonly: mount("/etc/hosts", "bind", "/etc/passwd", MS.BIND | MS.RDONLY | MS.NOSUID),
  slave: mount("/srv", "bind", "/srv/data", MS.BIND, { propagation: [MS.SLAVE] }),
  copied: mount("/etc", "tmpfs", "tmpfs", MS.NOSUID, { copyUp: true })
} satisfies Readonly<Record<string, Mount>>

export const extraDevices = {
  fuse: { path: "/dev/fuse", type: "c", major: 10, minor: 229, fileMode: 0o660, uid: 0, gid: 5 },
  loop: { path: "/dev/disk/a", type: "b", major: 7, minor: 0, fileMode: 0o600, uid: 7, gid: 7 },
  fifo: { path: "/dev/pipe", type: "p", major: 0, minor: 0, fileMode: 0o622, uid: 0, gid: 0 }
} as const

export const parameters = {
  "net.ipv4.ip_forward": "1",
  "kernel.shmmax": "65536",
  "fs.mqueue.msg_max": "20",
  "net.core.somaxconn": "128"
} as const

export const origin = fc.oneof(
  { arbitrary: fc.constant<Origin>("new"), weight: 5 },
  { arbitrary: fc.constant<Origin>("host"), weight: 2 },
  { arbitrary: fc.constant<Origin>("joined"), weight: 1 }
)
