import { assert, describe, it } from "@effect/vitest"
import { IOPRIO_CLASS, SCHED } from "../../src/native/constants.ts"
import type { Call } from "../../src/native/Kernel.ts"
import { setInitialAffinity } from "../../src/steps/setInitialAffinity.ts"
import { setScheduling } from "../../src/steps/setScheduling.ts"
import { fail, succeed, withInit } from "../support/steps.ts"

const cpusSet = (given: Parameters<typeof withInit>[0]): ReadonlyArray<number> | undefined => {
  let cpus: ReadonlyArray<number> | undefined
  succeed(setScheduling, withInit(given), (call: Call) => {
    if (call._tag === "sched_setaffinity") cpus = call.cpus
    return undefined
  })
  return cpus
}

describe("setScheduling", () => {
  it("gives back all processors where nothing is configured", () => {
    assert.deepStrictEqual(succeed(setScheduling, withInit()).trace, ["sched_setaffinity(0, [0-8191])"])
  })

  it("goes on where a reset that nobody has asked for is refused; what is configured is not let pass", () => {
    const refuse = (call: Call) => call._tag === "sched_setaffinity" ? "EPERM" as const : undefined
    succeed(setScheduling, withInit(), refuse)
    assert.strictEqual(
      fail(setScheduling, withInit({ process: { cpuAffinity: { final: [1] } } }), refuse).code,
      "EPERM"
    )
    assert.strictEqual(
      fail(setScheduling, withInit({ process: { cpuAffinity: { initial: [1] } } }), refuse).code,
      "EPERM"
    )
  })

  it("sets processors first, then the rest", () => {
    const { trace } = succeed(
      setScheduling,
      withInit({
        container: { personality: 8, memoryPolicy: { mode: 2, nodes: [0] } },
        process: {
          cpuAffinity: { final: [1, 2] },
          ioPriority: { class: IOPRIO_CLASS.BE, priority: 4 },
          scheduler: { policy: SCHED.BATCH, nice: 5, priority: 0, flags: 1, runtime: 0n, deadline: 0n, period: 0n }
        }
      })
    )
    assert.deepStrictEqual(trace, [
      "sched_setaffinity(0, [1-2])",
      "sched_setattr(0, {policy=3, flags=1, nice=5, priority=0, runtime=0, deadline=0, period=0})",
      `ioprio_set(IOPRIO_WHO_PROCESS, 0, ${2 << 13 | 4})`,
      "personality(8)",
      "set_mempolicy(2, [0])"
    ])
  })

  it("gives back all processors after an initial affinity, and whatever the cgroup is", () => {
    assert.deepStrictEqual(cpusSet({ process: { cpuAffinity: { initial: [0], final: [1] } } }), [1])
    assert.strictEqual(cpusSet({ process: { cpuAffinity: { initial: [0] } } })?.length, 8192)
    assert.strictEqual(cpusSet({ container: { cgroup: { devices: [], cpu: { cpus: "0-1" } } } })?.length, 8192)
    assert.strictEqual(cpusSet({ container: { cgroup: { devices: [], cpu: { shares: 2n } } } })?.length, 8192)
  })
})

it("setInitialAffinity restricts the process, where that is configured", () => {
  const context = withInit({ process: { cpuAffinity: { initial: [0, 3] } } })
  assert.deepStrictEqual(succeed(setInitialAffinity, context).trace, ["sched_setaffinity(0, [0, 3])"])
  assert.deepStrictEqual(succeed(setInitialAffinity, withInit({ process: { cpuAffinity: { final: [1] } } })).trace, [])
})
