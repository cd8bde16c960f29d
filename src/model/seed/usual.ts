/** What a usual machine has: devices, kernel parameters, file systems, controllers. */
import type { SeedFile } from "../Seed.ts"

export const devices: Readonly<Record<string, readonly [number, number]>> = {
  null: [1, 3],
  zero: [1, 5],
  full: [1, 7],
  random: [1, 8],
  urandom: [1, 9],
  tty: [5, 0],
  ptmx: [5, 2],
  console: [5, 1]
}

export const usual: Readonly<Record<string, SeedFile>> = {
  "/bin/sh": { mode: 0o755, text: "\x7fELF" },
  "/bin/true": { mode: 0o755, text: "\x7fELF" },
  "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
  "/etc/group": "root:x:0:\n",
  "/tmp": { directory: true, mode: 0o1777 },
  "/root": { directory: true, mode: 0o700 },
  "/run": { directory: true }
}

export const usualSysctls: Readonly<Record<string, string>> = {
  "kernel/shmmax": "18446744073692774399",
  "kernel/msgmax": "8192",
  "kernel/overflowuid": "65534",
  "kernel/pid_max": "4194304",
  "kernel/ngroups_max": "65536",
  "net/ipv4/ip_forward": "0",
  "net/ipv4/ip_unprivileged_port_start": "1024",
  "net/ipv4/ping_group_range": "1\t0",
  "net/core/somaxconn": "4096",
  "vm/overcommit_memory": "0",
  "fs/mqueue/msg_max": "10"
}

/** File systems that the model can mount. */
export const usualTypes = [
  "sysfs",
  "tmpfs",
  "proc",
  "cgroup",
  "cgroup2",
  "devpts",
  "mqueue",
  "ramfs",
  "devtmpfs",
  "ext4",
  "overlay"
]

export const controllers1 = ["cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids"]

export const controllers2 = ["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc"]
