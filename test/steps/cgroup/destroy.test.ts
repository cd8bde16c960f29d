/** Groups that the kernel is not done with yet: a busy machine takes its time. */
import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { defaultSpec } from "../../../src/config/defaults.ts"
import type { Call } from "../../../src/native/Kernel.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import { Check, Faults } from "../../../src/testing/Testing.ts"

const stateRoot = "/run/runfx"
const container = defaultSpec({ rootfs: "/srv/web", args: ["/bin/server"] })
const startAndRemove = Effect.andThen(
  Runtime.create({ id: "web", container, stateRoot }),
  Runtime.remove("web", { stateRoot, force: true })
)

/** Every group is busy for so many pauses, though no process is in it any more. */
const busyFor = (pauses: number) => {
  let paused = 0
  return (call: Call): boolean => {
    if (call._tag === "nanosleep") paused++
    return call._tag === "unlinkat" && call.path.includes("runfx-web") && paused < pauses
  }
}

describe("a group that is empty and busy", () => {
  for (const cgroup of ["v1", "v2", "hybrid"] as const) {
    it(`is waited for, and removed: ${cgroup}`, () => {
      const machine = { cgroup, files: { "/srv/web/bin/server": { mode: 0o755 } } }
      const checked = Check.run(startAndRemove, { machine, faults: Faults.failWhen(busyFor(60), "EBUSY") })
      Check.succeeded(checked)
      Check.unchanged(checked, ["cgroups"])
    })
  }

  it("is an error in the end, which names it", () => {
    const machine = { cgroup: "v2", files: { "/srv/web/bin/server": { mode: 0o755 } } } as const
    const checked = Check.run(startAndRemove, { machine, faults: Faults.failWhen(busyFor(10_000), "EBUSY") })
    Check.failed(checked, { message: "runfx-web can't be removed" })
  })
})
