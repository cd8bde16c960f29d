/**
 * The files of control groups, by controller. @see the kernel's admin-guide/cgroup-v1 and cgroup-v2.rst
 */

/** Sizes of huge pages, as the files of their limits name them: x86-64 has these two. */
export const hugePages: Readonly<Record<string, bigint>> = { "2MB": 2n << 20n, "1GB": 1n << 30n }

const ofHugePages = (files: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.keys(hugePages).flatMap((size) =>
      Object.entries(files).map(([name, value]) => [`hugetlb.${size}.${name}`, value])
    )
  )

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
    // the model reads and writes no disks
    "blkio.bfq.io_service_bytes": "Total 0",
    "blkio.bfq.io_service_bytes_recursive": "Total 0",
    "blkio.bfq.io_serviced": "Total 0",
    "blkio.bfq.io_serviced_recursive": "Total 0",
    "blkio.throttle.io_service_bytes": "Total 0",
    "blkio.throttle.io_service_bytes_recursive": "Total 0",
    "blkio.throttle.io_serviced": "Total 0",
    "blkio.throttle.io_serviced_recursive": "Total 0"
  },
  pids: { "pids.max": "max", "pids.current": "0", "pids.peak": "0", "pids.events": "max 0" },
  hugetlb: ofHugePages({
    failcnt: "0",
    limit_in_bytes: "9223372036854771712",
    max_usage_in_bytes: "0",
    usage_in_bytes: "0",
    "rsvd.failcnt": "0",
    "rsvd.limit_in_bytes": "9223372036854771712",
    "rsvd.max_usage_in_bytes": "0",
    "rsvd.usage_in_bytes": "0"
  }),
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
  // the limits of a new group are in whole pages, and shown as numbers
  hugetlb: ofHugePages({
    current: "0",
    events: "max 0",
    "events.local": "max 0",
    max: "9223372036854771712",
    numa_stat: "total=0 N0=0",
    "rsvd.current": "0",
    "rsvd.max": "9223372036854771712"
  }),
  rdma: { "rdma.max": "", "rdma.current": "" },
  misc: { "misc.max": "", "misc.current": "" }
}

export const readonlyFile: RegExp =
  /\.(?:stat|stat\.local|list|current|peak|usage_in_bytes|usage_percpu|events|events\.local|effective|effective_cpus|effective_mems|io_service_bytes|io_service_bytes_recursive|io_serviced|io_serviced_recursive|numa_stat|slabinfo|pressure_level|usage_all|usage_sys|usage_user|usage_percpu_sys|usage_percpu_user|memory_pressure|controllers|self_freezing|parent_freezing)$/
export const writeOnly: ReadonlySet<string> = new Set([
  "devices.allow",
  "devices.deny",
  "cgroup.kill",
  "memory.force_empty",
  "cgroup.event_control",
  "blkio.reset_stats"
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

/** Controllers of version 2 that support threads; the others need whole processes (cgroup-v2.rst, "Threads"). */
export const threaded: ReadonlySet<string> = new Set(["cpu", "cpuset", "perf_event", "pids"])

/** The initial value of a file. */
export const initialValue = (version: 1 | 2, controllers: ReadonlyArray<string>, name: string): string => {
  const table = version === 1 ? files1 : files2
  const core = version === 1 ? {} : { "cgroup.max.depth": "max", "cgroup.max.descendants": "max" }
  const all: ReadonlyArray<Readonly<Record<string, string>> | undefined> = [
    core,
    ...controllers.map((controller) => table[controller])
  ]
  return all.map((values) => values?.[name]).find((value) => value !== undefined) ?? "0"
}

/** Files whose content is not modelled, by controller; the last ones are in every group. */
const unread: Readonly<Record<1 | 2, Readonly<Record<string, string>>>> = {
  1: {
    cpu: "cpu.stat.local",
    cpuacct:
      "cpuacct.usage_all cpuacct.usage_percpu_sys cpuacct.usage_percpu_user cpuacct.usage_sys cpuacct.usage_user",
    cpuset: "cpuset.memory_pressure cpuset.sched_relax_domain_level",
    memory: "cgroup.event_control memory.kmem.failcnt memory.kmem.max_usage_in_bytes memory.kmem.slabinfo " +
      "memory.kmem.tcp.failcnt memory.kmem.tcp.max_usage_in_bytes memory.kmem.tcp.usage_in_bytes " +
      "memory.kmem.usage_in_bytes memory.memsw.failcnt memory.memsw.max_usage_in_bytes " +
      "memory.move_charge_at_immigrate memory.numa_stat memory.pressure_level",
    blkio: "blkio.bfq.weight_device blkio.reset_stats"
  },
  2: { "": "cgroup.pressure cgroup.stat.local cpu.pressure cpu.stat.local io.pressure memory.pressure" }
}

/** The names of {@link unread} that a group has. */
export const unreadFiles = (version: 1 | 2, controllers: ReadonlyArray<string>): ReadonlyArray<string> =>
  ["", ...controllers].flatMap((controller) => unread[version][controller]?.split(" ") ?? [])
