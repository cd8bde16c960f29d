/** Values in files of control groups. */
import * as fc from "fast-check"
import { AT, O } from "../../../src/native/constants.ts"
import { cwd, type Scenario } from "../parityLines.ts"
import { as, line, see } from "../vocabulary.ts"
import { writing } from "./meetings.ts"
import { call, from, here, type Steps, weighted } from "./parts.ts"

const texts = fc.oneof(
  { weight: 3, arbitrary: from("0", "1", "2", "10", "100", "1000", "5000", "100000", "1000000", "max", "-1") },
  {
    weight: 2,
    arbitrary: from("4096", "4097", "1m", "2G", "0x1000", "010", "9223372036854771712", "18446744073709551616")
  },
  {
    weight: 2,
    arbitrary: from(
      "",
      " ",
      "x",
      "1 ",
      " 1",
      "1\n",
      "+1",
      "1 2",
      "0-1",
      "0,1",
      "FROZEN",
      "THAWED",
      "5000 10000",
      "max 1000"
    )
  }
)

const files: Readonly<Record<string, ReadonlyArray<string>>> = {
  cpu: ["cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.cfs_burst_us", "cpu.idle"],
  // no limit of what is in use, of which nobody knows how much it is
  memory: ["memory.soft_limit_in_bytes", "memory.kmem.tcp.limit_in_bytes", "memory.swappiness", "memory.oom_control"],
  cpuset: ["cpuset.cpus", "cpuset.mems", "cpuset.cpu_exclusive", "cpuset.memory_migrate"],
  freezer: ["freezer.state"],
  pids: ["pids.max"],
  unified: ["cgroup.max.depth", "cgroup.max.descendants", "cgroup.freeze", "hugetlb.2MB.max", "cgroup.subtree_control"]
}

/** @param top a directory of its own in each hierarchy; @param present the hierarchies that there are */
export const groupValueSteps = (name: string, present: ReadonlyArray<string>): Steps =>
  from(...present.length === 0 ? [""] : present).chain((controller): Steps => {
    if (controller === "") return fc.constant([])
    const top = `/sys/fs/cgroup/${controller}/${name}`
    const group = from(top, `${top}/a`, `${top}/a/b`)
    return weighted(
      [
        4,
        fc.tuple(group, from(...files[controller]!), texts).map(([path, file, text]): Scenario => [
          ...writing(`${path}/${file}`, text),
          line("openat", { dirfd: cwd, path: `${path}/${file}`, flags: O.RDONLY, mode: 0 }, as("r")),
          line("read", { fd: "$r", count: 200 }, see),
          line("close", { fd: "$r" })
        ])
      ],
      [2, call("mkdirat", { dirfd: here, path: group, mode: fc.constant(0o755) })],
      [1, call("unlinkat", { dirfd: here, path: group, flags: fc.constant(AT.REMOVEDIR) })]
    )
  })
