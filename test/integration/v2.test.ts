/**
 * Containers on a host with pure cgroup v2, all controllers, and all capabilities: what the development hosts of many
 * have not, and most users have. `npm run test:guest` runs this in a guest that is such a host.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { numbers as capability } from "../../src/config/capabilities.ts"
import { RLIMIT } from "../../src/native/constants.ts"
import { sys } from "../../src/native/Kernel.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import {
  containerOf,
  failureOf,
  leavesNothing,
  makePlace,
  on,
  options,
  type Place,
  said,
  sh
} from "../support/containers.ts"
import { isolate } from "../support/host.ts"

const controllers = (): ReadonlyArray<string> => {
  try {
    return fs.readFileSync("/sys/fs/cgroup/cgroup.controllers", "utf8").trim().split(" ")
  } catch {
    return []
  }
}
const missing = ["cpu", "memory", "pids"].filter((name) => !controllers().includes(name))
const held = BigInt(`0x${/^CapEff:\s*(\w+)$/m.exec(fs.readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0"}`)
const lacksResource = (held >> BigInt(capability.SYS_RESOURCE) & 1n) === 0n
if (missing.length > 0) console.log(`v2 suite skipped: /sys/fs/cgroup is no cgroup2 with ${missing.join(", ")}`)
if (lacksResource) {
  console.log("suite of privileged limits skipped: the bounding set of this host lacks CAP_SYS_RESOURCE")
}

let place: Place
beforeAll(async () => {
  await Effect.runPromise(isolate)
  place = makePlace()
})
afterAll(() => place.remove())

describe.skipIf(missing.length > 0)("a container under cgroup v2", () => {
  it.live("has the limits that were asked for, and is gone afterwards", () =>
    leavesNothing(
      place,
      Effect.gen(function*() {
        const container = containerOf(
          place,
          sh("cd /sys/fs/cgroup && cat memory.max pids.max cpu.weight cpu.max >/tmp/out && echo x >/dev/null"),
          {
            cgroup: {
              devices: [
                { allow: false, type: "a", major: null, minor: null, access: "rwm" },
                { allow: true, type: "c", major: 1, minor: 3, access: "rwm" }
              ],
              memory: { limit: 64n * 1024n * 1024n },
              pids: { limit: 32n },
              cpu: { shares: 512n, quota: 50_000n, period: 100_000n }
            },
            readonlyRootfs: false
          }
        )
        const { code } = yield* on(Runtime.run(options(place, container)))
        assert.strictEqual(code, 0)
        assert.deepStrictEqual(said(place).trim().split("\n"), ["67108864", "32", "59", "50000 100000"])
      })
    ))

  it.live("is killed with all that it has forked", () =>
    leavesNothing(
      place,
      Effect.gen(function*() {
        const container = containerOf(place, sh("for i in 1 2 3 4 5; do sleep 1000 & done; wait"), {
          readonlyRootfs: false
        })
        const given = options(place, container)
        yield* on(Effect.gen(function*() {
          const { pidfd } = yield* Runtime.create(given)
          yield* Runtime.kill(given.id, 9, { stateRoot: place.stateRoot })
          yield* Runtime.remove(given.id, { stateRoot: place.stateRoot })
          yield* sys.close({ fd: pidfd })
        }))
      })
    ))
})

describe.skipIf(lacksResource)("a runtime with all capabilities", () => {
  it.live("raises hard limits, protects from the out-of-memory killer, and gives every capability", () =>
    leavesNothing(
      place,
      Effect.gen(function*() {
        const all = Object.values(capability)
        const hard = 2n ** 20n
        const container = containerOf(
          place,
          sh("{ ulimit -H -n; cat /proc/self/oom_score_adj; grep CapEff /proc/self/status; } >/tmp/out"),
          {
            readonlyRootfs: false,
            process: {
              oomScoreAdj: -500,
              rlimits: [{ resource: RLIMIT.NOFILE, soft: 1024n, hard }],
              capabilities: { bounding: all, effective: all, permitted: all, inheritable: [], ambient: [] }
            }
          }
        )
        const { code } = yield* on(Runtime.run(options(place, container)))
        assert.strictEqual(code, 0)
        assert.deepStrictEqual(said(place).trim().split("\n"), [String(hard), "-500", "CapEff:\t000001ffffffffff"])
      })
    ))
})

describe.skipIf(!lacksResource)("a runtime without CAP_SYS_RESOURCE", () => {
  it.live("says which capability it can't give", () =>
    leavesNothing(
      place,
      Effect.gen(function*() {
        const sets = [capability.SYS_RESOURCE]
        const container = containerOf(place, ["/bin/true"], {
          process: {
            capabilities: { bounding: sets, effective: sets, permitted: sets, inheritable: [], ambient: [] }
          }
        })
        const exit = yield* Effect.exit(on(Runtime.run(options(place, container))))
        assert.include(failureOf(exit).message, "CAP_SYS_RESOURCE")
      })
    ))
})
