import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, readFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Cgroup as Config } from "../../src/config/Container.ts"
import * as Step from "../../src/engine/Step.ts"
import { O, P, SIG, W } from "../../src/native/constants.ts"
import { sys } from "../../src/native/Kernel.ts"
import * as Cgroup from "../../src/steps/cgroup/Cgroup.ts"
import { freshId, here, hosts, live, on, rollback, seen, shell, shellIn, withCgroup } from "../support/cgroups.ts"

const read = (path: string): string => readFileSync(seen(path), "utf8").trim()

const fileOf = (manager: Cgroup.CgroupManager, controller: string, file: string): string =>
  read(`${Cgroup.groupOf(manager, controller)!.path}/${file}`)

const plain: Config = { devices: [] }

for (const host of hosts) {
  describe.skipIf(host.missing !== undefined)(`cgroups of a ${host.version} host${host.missing ?? ""}`, () => {
    it.effect("detect finds what is mounted", () =>
      Effect.gen(function*() {
        const { hierarchies, version } = yield* on(host, Cgroup.detect)
        assert.strictEqual(version, host.version)
        assert.strictEqual(hierarchies.some(({ keys }) => keys.includes("unified")), host.version !== "v1")
        assert.strictEqual(hierarchies.some(({ keys }) => keys.includes("freezer")), host.version !== "v2")
      }))

    it.effect("a process joins every group, is listed once, and is out of them at the end", () =>
      on(
        host,
        withCgroup((manager) =>
          Effect.gen(function*() {
            const pid = yield* shellIn(manager, "exec sleep 100")
            assert.deepStrictEqual(yield* Cgroup.pids(manager), [pid])
            for (const { path } of Cgroup.groups(manager)) {
              assert.include(read(`${path}/cgroup.procs`).split("\n"), String(pid))
            }
            assert.isAbove(manager.made.length, 0)
            return manager
          })
        )
      ).pipe(
        Effect.map((manager) => {
          for (const { path } of Cgroup.groups(manager)) {
            // v2 groups were seen through a mount of the child's; its root is the same as that of the host's mount
            assert.isFalse(existsSync(seen(path)), path)
          }
        })
      ))

    it.effect("a thread puts itself in", () =>
      on(
        host,
        withCgroup((manager) =>
          Effect.gen(function*() {
            const self = yield* sys.getpid({})
            yield* Cgroup.joinSelf(manager)
            const listed = yield* Cgroup.pids(manager)
            // back out, so that the groups can be removed
            for (const group of Cgroup.groups(manager)) {
              const fd = yield* sys.openat({
                dirfd: -100,
                path: `${group.mountpoint}/cgroup.procs`,
                flags: O.WRONLY,
                mode: 0
              })
              yield* sys.write({ fd, data: Buffer.from("0") })
              yield* sys.close({ fd })
            }
            assert.deepStrictEqual(listed, [self])
          })
        )
      ))

    it.effect("freezes and thaws, and tells of it", () =>
      on(
        host,
        withCgroup((manager) =>
          Effect.gen(function*() {
            yield* shellIn(manager, "while :; do :; done")
            assert.isFalse(yield* Cgroup.isFrozen(manager))
            yield* Cgroup.freeze(manager)
            assert.isTrue(yield* Cgroup.isFrozen(manager))
            const before = (yield* Cgroup.stats(manager)).cpu!.usage
            yield* sys.nanosleep({ nanoseconds: 50_000_000n })
            assert.strictEqual((yield* Cgroup.stats(manager)).cpu!.usage, before)
            yield* Cgroup.thaw(manager)
            yield* Cgroup.thaw(manager)
            assert.isFalse(yield* Cgroup.isFrozen(manager))
          })
        )
      ))

    it.effect("takes nested groups away, with those that were made below", () =>
      on(
        host,
        Effect.gen(function*() {
          const path = `/${freshId()}/a/b`
          const manager = yield* withCgroup((manager) => {
            for (const group of Cgroup.groups(manager)) assert.isTrue(group.path.endsWith(path))
            return Effect.as(
              Effect.forEach(
                Cgroup.groups(manager),
                (group) => sys.mkdirat({ dirfd: -100, path: `${group.path}/inner`, mode: 0o755 })
              ),
              manager
            )
          }, { path, devices: [] })
          for (const directory of manager.made) assert.isFalse(existsSync(seen(directory)), directory)
          assert.strictEqual(manager.made.length, Cgroup.groups(manager).length * 3)
          // once more: nothing is there, and that is fine
          yield* Cgroup.destroy(manager)
          assert.isFalse(yield* Cgroup.exists(manager))
        })
      ))

    it.effect("removes what it made where it fails half-way, and nothing else", () =>
      on(
        host,
        Effect.gen(function*() {
          const planned = yield* Cgroup.plan(yield* Cgroup.detect, { id: freshId() })
          const last = Cgroup.groups(planned).at(-1)!
          const undo = rollback()
          // in the way of the last of them
          yield* sys.mkdirat({ dirfd: -100, path: last.path, mode: 0o755 })
          const { pid, release } = yield* shell("exec sleep 100")
          yield* Cgroup.join({ ...planned, paths: { [last.keys[0]!]: last.path } }, pid)
          const failure = yield* Effect.flip(Effect.provideService(Cgroup.create(planned), Step.Rollback, undo.service))
          yield* undo.run
          const left = Cgroup.groups(planned).filter(({ path }) => existsSync(seen(path))).map(({ path }) => path)
          yield* sys.kill({ pid, signal: SIG.KILL })
          yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
          yield* release
          yield* Cgroup.destroy(planned)
          assert.strictEqual(failure._tag, "CgroupInUse")
          assert.include(failure.message, String(pid))
          assert.deepStrictEqual(left, [last.path])
        })
      ))

    it.effect("says who is in the way of a removal", () =>
      on(
        host,
        withCgroup((manager) =>
          Effect.gen(function*() {
            const pid = yield* shellIn(manager, "exec sleep 100")
            const failure = yield* Effect.flip(Cgroup.destroy(manager))
            assert.strictEqual(failure._tag, "CgroupNotEmpty")
            assert.include(failure.message, String(pid))
          })
        )
      ))

    it.effect("a limit without its controller is an error that says so, and no limit is none", () =>
      on(
        host,
        withCgroup((manager) =>
          Effect.gen(function*() {
            yield* Cgroup.applyLimits(manager, plain)
            const failure = yield* Effect.flip(
              Cgroup.applyLimits(manager, { ...plain, unified: { "nothing.max": "1" } })
            )
            assert.strictEqual(failure._tag, "CgroupControllerMissing")
            assert.include(failure.message, "the cgroup controller nothing")
            const file = yield* Effect.flip(
              Cgroup.applyLimits(manager, { ...plain, unified: { "cgroup.nothing": "1" } })
            )
            assert.strictEqual(file._tag, host.version === "v1" ? "CgroupControllerMissing" : "CgroupFileMissing")
          })
        )
      ))

    it.effect("device rules hold for the processes inside", () =>
      on(
        host,
        withCgroup((manager) =>
          Effect.gen(function*() {
            yield* Cgroup.applyLimits(manager, {
              devices: [
                { allow: false, type: "a", major: null, minor: null, access: "rwm" },
                { allow: true, type: "c", major: 1, minor: 5, access: "r" },
                { allow: true, type: "c", major: 1, minor: 3, access: "rw" }
              ]
            })
            const pid = yield* shellIn(
              manager,
              "exec 2>/dev/null; head -c 1 </dev/zero >/dev/null || exit 3; head -c 1 </dev/full && exit 4; exit 7"
            )
            const status = yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
            assert.strictEqual(status!.status, 7)
          })
        )
      ))
  })
}

const controllers = new Set(here?.hierarchies.flatMap(({ keys }) => keys))
const limited = ["memory", "cpu", "cpuset", "pids", "blkio"].every((name) => controllers.has(name))

describe.skipIf(!limited)("limits of v1", () => {
  it.effect("are written as they are asked for, raised and lowered", () =>
    live(withCgroup((manager) =>
      Effect.gen(function*() {
        const config = (memory: bigint, period: bigint): Config => ({
          devices: [],
          memory: { limit: memory, swap: memory * 2n, reservation: memory / 2n, swappiness: 10n },
          cpu: { shares: 512n, period, quota: period / 2n, cpus: "0", mems: "0" },
          pids: { limit: 40n }
        })
        // each of these would be refused in one order or the other: memory above swap, quota above its parent's share
        for (const [memory, period] of [[1n << 26n, 50_000n], [1n << 28n, 100_000n], [1n << 24n, 20_000n]] as const) {
          yield* Cgroup.applyLimits(manager, config(memory, period))
          assert.strictEqual(fileOf(manager, "memory", "memory.limit_in_bytes"), String(memory))
          assert.strictEqual(fileOf(manager, "memory", "memory.memsw.limit_in_bytes"), String(memory * 2n))
          assert.strictEqual(fileOf(manager, "memory", "memory.soft_limit_in_bytes"), String(memory / 2n))
          assert.strictEqual(fileOf(manager, "cpu", "cpu.cfs_quota_us"), String(period / 2n))
        }
        assert.strictEqual(fileOf(manager, "memory", "memory.swappiness"), "10")
        assert.strictEqual(fileOf(manager, "cpu", "cpu.shares"), "512")
        assert.strictEqual(fileOf(manager, "cpuset", "cpuset.cpus"), "0")
        assert.strictEqual(fileOf(manager, "pids", "pids.max"), "40")
        yield* Cgroup.applyLimits(manager, { devices: [], memory: { limit: -1n }, pids: { limit: -1n } })
        assert.strictEqual(fileOf(manager, "pids", "pids.max"), "max")
        const stats = yield* Cgroup.stats(manager)
        assert.deepStrictEqual({ ...stats.pids, peak: 0n }, { current: 0n, peak: 0n })
        assert.isUndefined(stats.memory!.limit)
        assert.isAbove(Object.keys(stats.memory!.stat).length, 10)
      })
    )))

  it.effect("a value that the kernel refuses is told from a file that is missing", () =>
    live(withCgroup((manager) =>
      Effect.gen(function*() {
        const refused = yield* Effect.flip(Cgroup.applyLimits(manager, { devices: [], cpu: { cpus: "999" } }))
        assert.strictEqual(refused._tag, "CgroupValueRefused")
        assert.include(refused.message, "cpu.cpus")
        assert.include(refused.message, "cpuset.cpus")
        assert.include(refused.message, "\"999\"")
        const missing = yield* Effect.flip(
          Cgroup.applyLimits(manager, { devices: [], blockIO: { leafWeight: 100 } })
        )
        assert.strictEqual(missing._tag, "CgroupFileMissing")
        assert.include(missing.message, "blkio.leaf_weight")
      })
    )))
})

const available = here?.version !== "v2" ? [] : read(`${here.hierarchies[0]!.mountpoint}/cgroup.controllers`).split(" ")
const limitedV2 = ["memory", "cpu", "cpuset", "pids", "io", "hugetlb"].every((name) => available.includes(name))

describe.skipIf(!limitedV2)("limits of v2", () => {
  const limits: Config = {
    path: `/${freshId()}/below`,
    devices: [],
    memory: { limit: 1n << 26n, swap: 1n << 27n, reservation: 1n << 25n },
    cpu: { shares: 512n, period: 50_000n, quota: 25_000n, cpus: "0", mems: "0" },
    pids: { limit: 40n },
    blockIO: { weight: 100 },
    hugepageLimits: [{ pageSize: "2MB", limit: 0n }],
    unified: { "memory.high": "60000000" }
  }

  it.effect("are written as they are asked for, raised and lowered", () =>
    live(withCgroup((manager) =>
      Effect.gen(function*() {
        const file = (name: string) => fileOf(manager, "unified", name)
        const has = (name: string) => existsSync(seen(`${manager.paths["unified"]}/${name}`))
        yield* Cgroup.applyLimits(manager, has("io.weight") || has("io.bfq.weight") ? limits : withoutWeight(limits))
        assert.strictEqual(file("memory.max"), String(1n << 26n))
        if (has("memory.swap.max")) assert.strictEqual(file("memory.swap.max"), String(1n << 26n))
        assert.strictEqual(file("memory.low"), String(1n << 25n))
        assert.strictEqual(file("memory.high"), String(60_000_000 - 60_000_000 % 4096))
        assert.strictEqual(file("cpu.weight"), "59")
        assert.strictEqual(file("cpu.max"), "25000 50000")
        assert.strictEqual(file("cpuset.cpus"), "0")
        assert.strictEqual(file("pids.max"), "40")
        assert.strictEqual(file("hugetlb.2MB.max"), "0")
        if (has("io.bfq.weight")) assert.strictEqual(file("io.bfq.weight"), "default 100")
        else if (has("io.weight")) assert.strictEqual(file("io.weight"), "default 910")
        for (const memory of [1n << 28n, 1n << 25n]) {
          yield* Cgroup.applyLimits(manager, { devices: [], memory: { limit: memory, swap: memory } })
          assert.strictEqual(file("memory.max"), String(memory))
        }
        const refused = yield* Effect.flip(Cgroup.applyLimits(manager, { devices: [], cpu: { cpus: "999" } }))
        assert.strictEqual(refused._tag, "CgroupValueRefused")
        const stats = yield* Cgroup.stats(manager)
        assert.deepStrictEqual({ ...stats.pids, peak: 0n }, { current: 0n, peak: 0n, limit: 40n })
        assert.strictEqual(stats.memory!.limit, 1n << 25n)
        assert.isDefined(stats.blkio)
      }), limits)))

  it.effect("hold for the processes inside", () =>
    live(withCgroup((manager) =>
      Effect.gen(function*() {
        yield* Cgroup.applyLimits(manager, { devices: [], pids: { limit: 1n } })
        const pid = yield* shellIn(manager, "(exit 0) && exit 1; exit 7")
        const status = yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
        assert.notStrictEqual(status!.status, 1)
      })
    )))

  it.effect("can't be had below a group that holds processes, which is said", () =>
    live(Effect.gen(function*() {
      const path = `/${freshId()}`
      yield* withCgroup((parent) =>
        Effect.gen(function*() {
          yield* shellIn(parent, "exec sleep 100")
          const planned = yield* Cgroup.plan(yield* Cgroup.detect, { id: "x", path: `${path}/child` })
          const undo = rollback()
          const failure = yield* Effect.flip(
            Effect.provideService(
              // a threaded controller, which the kernel would give to such a group if it were asked for alone
              Cgroup.create(planned, new Map([["pids", ["pids.limit"]]])),
              Step.Rollback,
              undo.service
            )
          )
          yield* undo.run
          assert.strictEqual(fileOf(parent, "unified", "cgroup.type"), "domain")
          assert.strictEqual(failure._tag, "CgroupControllerMissing")
          assert.include((failure as Cgroup.CgroupControllerMissing).advice, "processes in")
        }), { devices: [], path })
    })))
})

const withoutWeight = (config: Config): Config => {
  const { blockIO, ...rest } = config
  return blockIO === undefined ? config : rest
}

describe("a plain directory that looks like a hierarchy", () => {
  it.effect("is not taken for one, and nothing is written into it", () =>
    live(Effect.gen(function*() {
      const path = join(tmpdir(), freshId())
      yield* sys.mkdirat({ dirfd: -100, path, mode: 0o755 })
      yield* sys.mkdirat({ dirfd: -100, path: `${path}/group`, mode: 0o755 })
      const manager: Cgroup.CgroupManager = {
        version: "v1",
        paths: { cpu: `${path}/group` },
        mountpoints: { cpu: path },
        made: []
      }
      const failure = yield* Effect.flip(Cgroup.join(manager, 1))
      const left = existsSync(seen(`${path}/group/cgroup.procs`))
      yield* sys.unlinkat({ dirfd: -100, path: `${path}/group`, flags: 0x200 })
      yield* sys.unlinkat({ dirfd: -100, path, flags: 0x200 })
      assert.strictEqual(failure._tag, "NotACgroup")
      assert.isFalse(left)
    })))
})
