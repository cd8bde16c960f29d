/** Numbers as files of the kernel take them, each file with numbers that are odd, wrong or too large. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { CLONE } from "../../src/native/constants.ts"
import { markOf } from "../support/mark.ts"
import type { Scenario } from "../support/parityLines.ts"
import { fork, line, mkdir, readFile as look, rmdir, write } from "../support/vocabulary.ts"

const texts: ReadonlyArray<string> = [
  ..."5 +5 -5 0x10 0X1f 01 010 08 0x +0x5 5x x 5.0 1e3 -1 -0 + - --1 -+1 0b1 1_0 0 1 max MAX 5k 1K 1m 5,6".split(" "),
  ..."2147483647 2147483648 4294967295 4294967296 99999999999 18446744073709551615 18446744073709551616".split(" "),
  "",
  ..." 5|5 |5\n|5\n\n|\n5|\t5|5 6|5\0|5\0x|max\n| max|1000|-1000|+1000".split("|")
]

const each = (file: string, values: ReadonlyArray<string> = texts): Scenario =>
  values.flatMap((text) => [...write(file, text), ...look(file)])

const ofProcesses: Readonly<Record<string, Scenario>> = {
  "oom_score_adj takes a number of twelve bytes": [
    fork(0, each("/proc/self/oom_score_adj", [...texts, `5${" ".repeat(20)}`, `${"0".repeat(12)}5`]))
  ],
  "loginuid takes a number without a prefix, once": [
    "0",
    "+5",
    "-1",
    "x",
    "0x5",
    "08",
    "4294967295",
    "4294967296",
    "5\n"
  ].map((text) => fork(0, [...each("/proc/self/loginuid", [text, "7"]), fork(0, look("/proc/self/loginuid"))])),
  "maps of ids take numbers without a sign or a prefix": [
    "0 0 1|0 0 +1|0x0 0 1|00 0 1|0 0 01|0 0 0x1|+0 0 1|0,0,1|0 0 1 0|0 0|0\t0\t1\n| 0 0 1|0 0 1 \n|0 0 1\n\n|-1 0 1|0 0 1x",
    "0 0 1\0z|00000000000 0 1|0 0 4294967297|4294967296 0 1|\n0 0 1|0 0 1\n0 1 0|0\n0\n1"
  ].flatMap((list) => list.split("|")).map((text) => fork(CLONE.NEWUSER, each("/proc/self/uid_map", [text]))),
  "setgroups takes a word and blanks":
    "allow|deny|allow\n|deny\n|deny |deny\n\n|denyx| deny|allow\t|deny\0|deny\0x||DENY|deny  \n".split("|").map((
      text
    ) => fork(CLONE.NEWUSER, each("/proc/self/setgroups", [text]))),
  "offsets of clocks take numbers without a plus": [
    fork(0, [
      line("unshare", { flags: CLONE.NEWTIME }),
      ...each(
        "/proc/self/timens_offsets",
        "monotonic 5 0|monotonic +5 0|monotonic 0x5 0|1 5 0|7 5 0|1  5  0|boottime 5 0\n|boottime -5 0|1 010 0|1 5 +0|01 5 0"
          .split("|")
      ),
      ...each(
        "/proc/self/timens_offsets",
        "1 5 1000000000|+1 5 0|monotonic 5|monotonic 5 0 0|1 5 0\n7 6 0\n||\n|monotonic 5 0\0".split("|")
      )
    ])
  ],
  "parameters of namespaces take numbers of their kind": [
    fork(
      CLONE.NEWIPC | CLONE.NEWNET,
      [
        "kernel/msgmax",
        "kernel/shmmax",
        "kernel/shm_rmid_forced",
        "kernel/sem",
        "fs/mqueue/msg_max",
        "net/ipv4/ip_forward",
        "net/core/somaxconn",
        "net/ipv4/ip_local_port_range",
        "net/ipv4/ping_group_range",
        "net/ipv4/tcp_syncookies",
        "net/ipv4/ip_default_ttl"
      ].flatMap((file) => each(`/proc/sys/${file}`, [...texts, "1 2 3 4 5", "-0 5", "5 -0"]))
    )
  ]
}

const name = markOf("runfx-parity-")
const ofGroups = (controller: string, files: ReadonlyArray<string>): Scenario => {
  const group = `/sys/fs/cgroup/${controller}/${name}`
  return [mkdir(group), ...files.flatMap((file) => each(`${group}/${file}`)), rmdir(group)]
}

const ofVersion1: Readonly<Record<string, Scenario>> = {
  "limits of pids": ofGroups("pids", ["pids.max", "cgroup.clone_children", "notify_on_release", "pids.current"]),
  "shares of processors": ofGroups("cpu", [
    "cpu.shares",
    "cpu.cfs_quota_us",
    "cpu.cfs_period_us",
    "cpu.cfs_burst_us",
    "cpu.idle",
    "cpu.rt_runtime_us",
    "cpu.rt_period_us"
  ]),
  "amounts of memory": ofGroups("memory", [
    "memory.limit_in_bytes",
    "memory.soft_limit_in_bytes",
    "memory.swappiness",
    "memory.oom_control",
    "memory.use_hierarchy",
    "memory.kmem.tcp.limit_in_bytes",
    "memory.memsw.limit_in_bytes",
    "memory.failcnt"
  ]),
  "words for the freezer": ofGroups("freezer", ["freezer.state"]),
  "weights of block devices": ofGroups("blkio", ["blkio.bfq.weight"]),
  "lists of processors": ofGroups("cpuset", ["cpuset.cpus", "cpuset.mems", "cpuset.memory_migrate"]),
  "the time that was used": ofGroups("cpuacct", ["cpuacct.usage"])
}

const ofVersion2: Readonly<Record<string, Scenario>> = {
  "files of every group of version 2": ofGroups("unified", [
    "cgroup.max.depth",
    "cgroup.max.descendants",
    "cgroup.freeze",
    "cgroup.subtree_control",
    "cgroup.kill"
  ])
}

/** A block device of this machine, as `major:minor`. */
const device = (): string | undefined => {
  const names = existsSync("/sys/block") ? readdirSync("/sys/block") : []
  return names[0] === undefined ? undefined : readFileSync(`/sys/block/${names[0]}/dev`, "utf8").trim()
}

/** Limits of a block device, and of what is none. */
const ofDevices = (block: string): Readonly<Record<string, Scenario>> => {
  const group = `/sys/fs/cgroup/blkio/${name}`
  const amounts = "1000|0|18446744073709551615|99999999999| 5|5 6|5x|x|+5|-5|0x10||010|5\n|0".split("|")
  const limits = [
    ...amounts.map((text) => `${block} ${text}`),
    block,
    ` ${block} 7`,
    `${block}\t7`,
    `${block.replace(":", " :")} 7`,
    `${block.replace(":", ": ")} 7`,
    `0${block} 7`,
    `+${block} 7`,
    ..."254||x|-1:0 7|999:0 7|1:3 7|999:0 ".split("|"),
    `${block} `,
    `${block} \n`,
    `${block} 0`
  ]
  return {
    "limits of block devices": [
      mkdir(group),
      ...["read_bps", "write_iops"].flatMap((limit) => each(`${group}/blkio.throttle.${limit}_device`, limits)),
      rmdir(group)
    ]
  }
}

const block = device()

const exists = (controller: string): boolean => existsSync(`/sys/fs/cgroup/${controller}/cgroup.procs`)

export const numbers: Readonly<Record<string, Scenario>> = {
  ...ofProcesses,
  ...exists("pids") ? ofVersion1 : {},
  ...exists("blkio") && block !== undefined ? ofDevices(block) : {},
  ...exists("unified") ? ofVersion2 : {}
}
