/**
 * A unit test of a container: what would be done, and what would be left if something fails. It runs on a kernel in
 * memory, without root, on any system.
 *
 *     npx vitest run examples/dryRun.test.ts
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { numbers as capability } from "runfx/config/capabilities"
import { defaultSpec } from "runfx/config/defaults"
import * as Pipeline from "runfx/engine/Pipeline"
import { create } from "runfx/pipelines/create"
import * as Runtime from "runfx/runtime/Runtime"
import { Launch } from "runfx/steps/parent/Launch"
import { Faults, ModelKernel, Recorder } from "runfx/testing"
import { expect, test } from "vitest"

const container = defaultSpec({ rootfs: "/srv/web", args: ["/bin/server"], user: "web", hostname: "web" })

/** The machine before the start. */
const machine = () =>
  ModelKernel.make({
    cgroup: "v2",
    files: {
      "/srv/web/bin/server": { mode: 0o755, text: "\x7fELF" },
      "/srv/web/etc/passwd": "root:x:0:0::/root:/bin/sh\nweb:x:1000:1000::/home/web:/bin/sh\n"
    }
  })

/** What `runfx run` does until the program runs. */
const start = Effect.gen(function*() {
  const launch = yield* Runtime.launchOf({ id: "web", container, stateRoot: "/run/runfx" })
  return yield* Effect.provideService(Pipeline.run(create), Launch, launch)
})

test("the server runs as the user web, behind the walls that it is meant to have", () => {
  const model = machine()
  const recorder = Recorder.make()
  Effect.runSync(Effect.provide(start, Layer.provide(recorder.layer, model.layer)))

  const [program] = model.executed()
  expect(program).toMatchObject({ path: "/bin/server", hostname: "web", process: { creds: { uid: 1000, gid: 1000 } } })
  expect(program?.process.creds.noNewPrivs).toBe(true)
  expect(program?.process.creds.bounding).toBe(
    1n << BigInt(capability.AUDIT_WRITE) | 1n << BigInt(capability.KILL) | 1n << BigInt(capability.NET_BIND_SERVICE)
  )
  // every call is on record, with the step that made it: here, that the root is changed before anything is masked
  const steps = recorder.entries().filter(({ side }) => side === "init").map(({ step }) => step)
  expect(steps.indexOf("enterRoot")).toBeLessThan(steps.indexOf("maskPaths"))
})

test("nothing is left of a container whose root can't be entered", () => {
  const model = machine()
  const before = model.state()
  const faults = Faults.make(Faults.failWhen(({ _tag }) => _tag === "pivot_root", "EPERM"))
  const exit = Effect.runSyncExit(Effect.provide(start, Layer.provide(faults.layer, model.layer)))

  expect(Exit.isFailure(exit)).toBe(true)
  expect(String(exit)).toContain("enterRoot: pivot_root(\".\", \".\") = -1 EPERM")
  const after = model.state()
  expect(after.cgroups).toEqual(before.cgroups)
  expect([...after.processes.keys()]).toEqual([...before.processes.keys()])
  expect(model.executed()).toEqual([])
})
