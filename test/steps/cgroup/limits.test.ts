/** What the limits of a configuration come to, on hosts of each kind. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import type { Cgroup } from "../../../src/config/Container.ts"
import { defaultSpec } from "../../../src/config/defaults.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import { ModelKernel } from "../../../src/testing/Testing.ts"

const base = defaultSpec({ rootfs: "/srv/web", args: ["/bin/server"] })
const files = {
  "/srv/web/bin/server": { mode: 0o755, text: "\x7fELF" },
  "/srv/web/etc/passwd": "root:x:0:0::/root:/bin/sh\n"
}

/** Starts a container; what was logged, by level. */
const startOn = (version: "v1" | "v2", limits: Partial<Cgroup>) => {
  const lines: Array<string> = []
  const logger = Logger.make<unknown, void>(({ logLevel, message }) =>
    void lines.push(`${logLevel} ${String(message)}`)
  )
  const model = ModelKernel.make({ cgroup: version, files })
  const container = { ...base, cgroup: { ...base.cgroup!, ...limits } }
  const exit = Effect.runSyncExit(
    Runtime.create({ id: "web", container, stateRoot: "/run/runfx" }).pipe(
      Effect.provide(model.layer),
      Effect.provideService(Logger.CurrentLoggers, new Set([logger])),
      Effect.provideService(References.MinimumLogLevel, "Debug")
    )
  )
  return { exit, lines }
}

describe("limits that only cgroup v1 has", () => {
  const limits: Partial<Cgroup> = {
    memory: { swappiness: 60n, disableOomKiller: true, kernel: 1n << 30n },
    cpu: { realtimeRuntime: 1000n, realtimePeriod: 1_000_000n },
    blockIO: { leafWeight: 10 },
    network: { classID: 5, priorities: [{ name: "lo", priority: 1 }] }
  }
  it("start no worse on v2: each is a line for whoever debugs, and no warning", () => {
    const { exit, lines } = startOn("v2", limits)
    assert.isTrue(Exit.isSuccess(exit), String(exit))
    const none = "has no effect: cgroup v2 has no such limit"
    assert.deepStrictEqual(lines.filter((line) => line.includes(none)), [
      `Debug memory.kernel ${none}`,
      `Debug memory.swappiness ${none}`,
      `Debug memory.disableOomKiller ${none}`,
      `Debug cpu.realtimePeriod ${none}`,
      `Debug cpu.realtimeRuntime ${none}`,
      `Debug blockIO.leafWeight ${none}`,
      `Debug network.classID ${none}`,
      `Debug network.priorities ${none}`
    ])
  })

  it("are set on v1", () => {
    const { exit, lines } = startOn("v1", { memory: { swappiness: 60n } })
    assert.isTrue(Exit.isSuccess(exit), String(exit))
    assert.deepStrictEqual(lines.filter((line) => line.includes("no effect")), [])
  })
})
