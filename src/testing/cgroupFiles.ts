/**
 * The files of control groups, by controller. @see the kernel's admin-guide/cgroup-v1 and cgroup-v2.rst
 */

/** Files of version 1 by controller, with what they hold in a new group. Read-only ones are marked. */
export const files1: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  cpu: {
    "cpu.shares": "1024",
    "cpu.cfs_period_us": "100000",
    "cpu.cfs_quota_us": "-1",
    "cpu.cfs_burst_us": "0",
    "cpu.rt_period_us": "1000000",
    "cpu.rt_runtime_us": "0",
    "cpu.idle": "0",
    "cpu.stat": "nr_periods 0\nnr_throttled 0\nthrottled_time 0\nnr_bursts 0\nburst_time 0"
  },
  cpuacct: {
    "cpuacct.usage": "0",
    "cpuacct.usage_percpu": "0 0",
    "cpuacct.stat": "user 0\nsystem 0"
  },
  cpuset: {
    "cpuset.cpus": "",
    "cpuset.mems": "",
    "cpuset.effective_cpus": "",
    "cpuset.effective_mems": "",
    "cpuset.cpu_exclusive": "0",
    "cpuset.mem_exclusive": "0",
    "cpuset.mem_hardwall": "0",
    "cpuset.memory_migrate": "0",
    "cpuset.memory_spread_page": "0",
    "cpuset.memory_spread_slab": "0",
    "cpuset.sched_load_balance": "1"
  },
  memory: {
    "memory.limit_in_bytes": "9223372036854771712",
    "memory.soft_limit_in_bytes": "9223372036854771712",
    "memory.memsw.limit_in_bytes": "9223372036854771712",
    "memory.kmem.limit_in_bytes": "9223372036854771712",
    "memory.kmem.tcp.limit_in_bytes": "9223372036854771712",
    "memory.swappiness": "60",
    "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0",
    "memory.use_hierarchy": "1",
    "memory.usage_in_bytes": "0",
    "memory.max_usage_in_bytes": "0",
    "memory.memsw.usage_in_bytes": "0",
    "memory.failcnt": "0",
    "memory.force_empty": "",
    "memory.stat": "cache 0\nrss 0"
  },
  devices: { "devices.list": "a *:* rwm", "devices.allow": "", "devices.deny": "" },
  freezer: { "freezer.state": "THAWED", "freezer.self_freezing": "0", "freezer.parent_freezing": "0" },
  blkio: {
    "blkio.bfq.weight": "100",
    "blkio.throttle.read_bps_device": "",
    "blkio.throttle.write_bps_device": "",
    "blkio.throttle.read_iops_device": "",
    "blkio.throttle.write_iops_device": "",
    "blkio.throttle.io_service_bytes": "Total 0",
    "blkio.throttle.io_serviced": "Total 0"
  },
  pids: { "pids.max": "max", "pids.current": "0", "pids.peak": "0", "pids.events": "max 0" },
  hugetlb: { "hugetlb.2MB.limit_in_bytes": "9223372036854771712", "hugetlb.2MB.usage_in_bytes": "0" },
  net_cls: { "net_cls.classid": "0" },
  net_prio: { "net_prio.ifpriomap": "lo 0" }
}

export const files2: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  cpu: { "cpu.max": "max 100000", "cpu.max.burst": "0", "cpu.weight": "100", "cpu.idle": "0" },
  cpuset: {
    "cpuset.cpus": "",
    "cpuset.mems": "",
    "cpuset.cpus.effective": "0-1",
    "cpuset.mems.effective": "0"
  },
  io: { "io.max": "", "io.weight": "default 100", "io.bfq.weight": "default 100", "io.stat": "" },
  memory: {
    "memory.max": "max",
    "memory.high": "max",
    "memory.low": "0",
    "memory.min": "0",
    "memory.swap.max": "max",
    "memory.current": "0",
    "memory.oom.group": "0",
    "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0",
    "memory.stat": "anon 0\nfile 0"
  },
  pids: { "pids.max": "max", "pids.current": "0" },
  hugetlb: { "hugetlb.2MB.max": "max", "hugetlb.2MB.current": "0" },
  rdma: { "rdma.max": "", "rdma.current": "" },
  misc: { "misc.max": "", "misc.current": "" }
}

export const readonlyFile: RegExp =
  /\.(?:stat|stat\.local|list|current|peak|usage_in_bytes|usage_percpu|events|effective|effective_cpus|effective_mems|io_service_bytes|io_serviced|controllers|self_freezing|parent_freezing)$/
export const writeOnly: ReadonlySet<string> = new Set([
  "devices.allow",
  "devices.deny",
  "cgroup.kill",
  "memory.force_empty"
])

/** Controllers in the order in which the kernel lists them (`linux/cgroup_subsys.h`). */
export const order: ReadonlyArray<string> = [
  "cpuset",
  "cpu",
  "io",
  "memory",
  "hugetlb",
  "pids",
  "rdma",
  "misc",
  "dmem"
]

/** Controllers of version 2 that can tell threads apart; the others want whole processes (cgroup-v2.rst, "Threads"). */
export const threaded: ReadonlySet<string> = new Set(["cpu", "cpuset", "perf_event", "pids"])

/** A value as the kernel shows a new one. */
export const initialValue = (version: 1 | 2, controllers: ReadonlyArray<string>, name: string): string => {
  const table = version === 1 ? files1 : files2
  const core = version === 1 ? {} : { "cgroup.max.depth": "max", "cgroup.max.descendants": "max" }
  const all: ReadonlyArray<Readonly<Record<string, string>> | undefined> = [
    core,
    ...controllers.map((controller) => table[controller])
  ]
  return all.map((values) => values?.[name]).find((value) => value !== undefined) ?? "0"
}
