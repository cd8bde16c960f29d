import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { Cgroup } from "../../../src/config/Container.ts"
import {
  controllers,
  deviceWrites,
  ioWeightOfBlkio,
  swapOf,
  unifiedSettings,
  weightOfShares
} from "../../../src/steps/cgroup/settings.ts"

const written = (version: "settingsV1" | "settingsV2", cgroup: Partial<Cgroup>): ReadonlyArray<string> =>
  controllers.flatMap((controller) => controller[version]({ devices: [], ...cgroup })).map((setting) =>
    setting._tag === "Invalid"
      ? `! ${setting.limit}`
      : setting._tag === "Ignored"
      ? `- ${setting.limit}`
      : setting.candidates.map(({ file, value }) => `${file}=${value}`).join(" | ")
  )

const everything: Partial<Cgroup> = {
  memory: { limit: 100n, reservation: 50n, swap: 300n },
  cpu: { shares: 1024n, quota: 50_000n, period: 100_000n, burst: 7n, cpus: "0-1", mems: "0", idle: 0n },
  pids: { limit: 5n },
  blockIO: {
    weight: 500,
    weightDevice: [{ major: 8, minor: 0, weight: 10 }],
    throttleReadBpsDevice: [{ major: 8, minor: 16, rate: 1024n }],
    throttleWriteIOPSDevice: [{ major: 8, minor: 16, rate: 3n }]
  },
  hugepageLimits: [{ pageSize: "2MB", limit: 0n }],
  rdma: { mlx5: { hcaHandles: 1, hcaObjects: 2 } }
}

describe("the table of limits", () => {
  it("in v1", () =>
    assert.deepStrictEqual(
      written("settingsV1", {
        ...everything,
        network: { classID: 1048577, priorities: [{ name: "eth0", priority: 5 }] }
      }),
      [
        "memory.limit_in_bytes=100",
        "memory.memsw.limit_in_bytes=300",
        "memory.soft_limit_in_bytes=50",
        "cpu.shares=1024",
        "cpu.cfs_period_us=100000",
        "cpu.cfs_quota_us=50000",
        "cpu.cfs_burst_us=7",
        "cpu.idle=0",
        "cpuset.cpus=0-1",
        "cpuset.mems=0",
        "pids.max=5",
        "blkio.weight=500 | blkio.bfq.weight=500",
        "blkio.weight_device=8:0 10 | blkio.bfq.weight_device=8:0 10",
        "blkio.throttle.read_bps_device=8:16 1024",
        "blkio.throttle.write_iops_device=8:16 3",
        "hugetlb.2MB.limit_in_bytes=0",
        "hugetlb.2MB.rsvd.limit_in_bytes=0",
        "rdma.max=mlx5 hca_handle=1 hca_object=2",
        "net_cls.classid=1048577",
        "net_prio.ifpriomap=eth0 5"
      ]
    ))

  it("in v2", () =>
    assert.deepStrictEqual(written("settingsV2", everything), [
      "memory.max=100",
      "memory.swap.max=200",
      "memory.low=50",
      "cpu.weight=100",
      "cpu.max=50000 100000",
      "cpu.max.burst=7",
      "cpu.idle=0",
      "cpuset.cpus=0-1",
      "cpuset.mems=0",
      "pids.max=5",
      "io.bfq.weight=500 | io.weight=default 4950",
      "io.bfq.weight=8:0 10 | io.weight=8:0 1",
      "io.max=8:16 rbps=1024",
      "io.max=8:16 wiops=3",
      "hugetlb.2MB.max=0",
      "hugetlb.2MB.rsvd.max=0",
      "rdma.max=mlx5 hca_handle=1 hca_object=2"
    ]))

  it("asks for nothing where nothing is asked for, or zero", () => {
    const nothing: Partial<Cgroup> = {
      memory: { limit: 0n, swap: 0n, reservation: 0n },
      cpu: { shares: 0n, quota: 0n, period: 0n, cpus: "", mems: "" },
      blockIO: { weight: 0, leafWeight: 0 }
    }
    for (const version of ["settingsV1", "settingsV2"] as const) {
      assert.deepStrictEqual(written(version, {}), [])
      assert.deepStrictEqual(written(version, nothing), [])
    }
  })

  it("writes -1 as no limit", () => {
    const unlimited: Partial<Cgroup> = { memory: { limit: -1n }, cpu: { quota: -1n }, pids: { limit: -1n } }
    assert.deepStrictEqual(written("settingsV1", unlimited), [
      "memory.limit_in_bytes=-1",
      "memory.memsw.limit_in_bytes=-1",
      "cpu.cfs_quota_us=-1",
      "pids.max=max"
    ])
    assert.deepStrictEqual(written("settingsV2", unlimited), [
      "memory.max=max",
      "memory.swap.max=max",
      "cpu.max=max",
      "pids.max=max"
    ])
  })

  it("limits processes to none at all, which the one that is there survives", () => {
    for (const version of ["settingsV1", "settingsV2"] as const) {
      assert.deepStrictEqual(written(version, { pids: { limit: 0n } }), ["pids.max=1"])
    }
  })

  it("ignores in v2 what only v1 has, and says nothing about what it does anyway", () => {
    assert.deepStrictEqual(
      written("settingsV2", {
        memory: { kernel: 1n, kernelTcp: 1n, swappiness: 60n, useHierarchy: false, disableOomKiller: true },
        cpu: { realtimeRuntime: 1n, realtimePeriod: 2n },
        blockIO: { leafWeight: 10 },
        network: { classID: 1, priorities: [{ name: "eth0", priority: 5 }] }
      }),
      [
        "- memory.kernel",
        "- memory.kernelTcp",
        "- memory.swappiness",
        "- memory.useHierarchy",
        "- memory.disableOomKiller",
        "- cpu.realtimePeriod",
        "- cpu.realtimeRuntime",
        "- blockIO.leafWeight",
        "- network.classID",
        "- network.priorities"
      ]
    )
    assert.deepStrictEqual(written("settingsV2", { memory: { useHierarchy: true, disableOomKiller: false } }), [])
  })

  it("gives an idle group no weight", () =>
    assert.deepStrictEqual(written("settingsV2", { cpu: { shares: 1024n, idle: 1n } }), ["cpu.idle=1"]))

  it("takes unified keys as they are, a line a write, and none that is no limit", () => {
    const unified = {
      "io.max": "8:0 rbps=1\n8:16 rbps=2\n",
      "memory.high": "5",
      "cgroup.procs": "1",
      "../x.y": "1",
      a: ""
    }
    assert.deepStrictEqual(
      unifiedSettings({ devices: [], unified }).map((setting) =>
        setting._tag === "Setting" ? setting.candidates[0] : setting.limit
      ),
      [
        { file: "io.max", value: "8:0 rbps=1" },
        { file: "io.max", value: "8:16 rbps=2" },
        { file: "memory.high", value: "5" },
        "unified[\"cgroup.procs\"]",
        "unified[\"../x.y\"]",
        "unified[\"a\"]"
      ]
    )
  })
})

describe("conversions", () => {
  it("shares: the ends, the default, and never downwards in between", () => {
    assert.deepStrictEqual([0n, 2n, 1024n, 262144n, 10n ** 9n].map(weightOfShares), [1, 1, 100, 10000, 10000])
    fc.assert(fc.property(fc.bigInt(0n, 300_000n), fc.bigInt(0n, 1000n), (shares, more) => {
      const weight = weightOfShares(shares)
      assert.isAtLeast(weight, 1)
      assert.isAtMost(weight, 10000)
      assert.isAtLeast(weightOfShares(shares + more), weight)
    }))
  })

  it("block weights: the ends", () => assert.deepStrictEqual([10, 1000].map(ioWeightOfBlkio), [1, 10000]))

  it("swap: what is above memory, and why not", () => {
    assert.strictEqual(swapOf(300n, 100n), 200n)
    assert.strictEqual(swapOf(100n, 100n), 0n)
    assert.strictEqual(swapOf(-1n, 100n), -1n)
    // nothing can be taken away from no limit: it is the swap's alone, as runc has it
    assert.strictEqual(swapOf(300n, -1n), 300n)
    for (const [both, memory] of [[100n, 0n], [99n, 100n]] as const) {
      assert.isString(swapOf(both, memory))
    }
  })

  it("device rules: everything in a letter, both types where a number is given", () =>
    assert.deepStrictEqual(
      deviceWrites([
        { allow: false, type: "a", major: null, minor: null, access: "rwm" },
        { allow: true, type: "c", major: 136, minor: null, access: "rw" },
        { allow: true, type: "a", major: 7, minor: 0, access: "r" },
        { allow: true, type: "a", major: null, minor: null, access: "m" }
      ]).map(({ file, value }) => `${file} ${value}`),
      [
        "devices.deny a",
        "devices.allow c 136:* rw",
        "devices.allow b 7:0 r",
        "devices.allow c 7:0 r",
        "devices.allow b *:* m",
        "devices.allow c *:* m"
      ]
    ))
})
