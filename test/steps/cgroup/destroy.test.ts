/** Groups that the kernel is not done with yet: a busy machine takes its time. */
import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { defaultSpec } from "../../../src/config/defaults.ts"
import { AT, O, RLIMIT } from "../../../src/native/constants.ts"
import * as Files from "../../../src/native/Files.ts"
import { type Call, sys } from "../../../src/native/Kernel.ts"
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

/** Nests groups in one of a container, deeper than this process may have descriptors: its process is in the last. */
const nest = (pid: number, controller: string) =>
  Effect.gen(function*() {
    const line = (yield* Files.readText(`/proc/${pid}/cgroup`)).split("\n").find((line) =>
      line.includes(`:${controller}:`)
    )
    let path = `/sys/fs/cgroup/${controller}${line!.split(":")[2]}`
    for (let depth = 0; depth < 100; depth++) {
      path += "/a"
      yield* sys.mkdirat({ dirfd: AT.FDCWD, path, mode: 0o755 })
    }
    const procs = { dirfd: AT.FDCWD, path: `${path}/cgroup.procs`, flags: O.WRONLY | O.CLOEXEC, mode: 0 }
    yield* Files.using(sys.openat(procs), (fd) => sys.write({ fd, data: Buffer.from(String(pid)) }))
    yield* sys.prlimit64({ pid: 0, resource: RLIMIT.NOFILE, limit: { soft: 64n, hard: 64n } })
  })

describe("groups that a container has nested deeper than there are descriptors", () => {
  for (const [cgroup, controller] of [["v1", "pids"], ["v1", "freezer"], ["v2", ""]] as const) {
    it(`are emptied and removed: ${cgroup} ${controller}`, () => {
      const program = Effect.gen(function*() {
        const { pid } = yield* Runtime.create({ id: "web", container, stateRoot })
        yield* nest(Number(pid), controller)
        yield* Runtime.remove("web", { stateRoot, force: true })
      })
      const checked = Check.run(program, { machine: { cgroup, files: { "/srv/web/bin/server": { mode: 0o755 } } } })
      Check.succeeded(checked)
      Check.unchanged(checked, ["cgroups"])
    })
  }
})
