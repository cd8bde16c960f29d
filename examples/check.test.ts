/**
 * A step and a flow of your own, and their tests: on a kernel in memory, without root, on any system.
 *
 *     npx vitest run examples/check.test.ts
 *
 * docs/testing.md goes through it.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { defaultSpec } from "runfx/config/defaults"
import * as Pipeline from "runfx/engine/Pipeline"
import * as Step from "runfx/engine/Step"
import { IOPRIO_WHO, SIG } from "runfx/native/constants"
import { sys } from "runfx/native/Kernel"
import { create } from "runfx/pipelines/create"
import { standard } from "runfx/pipelines/standard"
import * as Runtime from "runfx/runtime/Runtime"
import { Launch } from "runfx/steps/parent/Launch"
import { Check, Faults, PlanDiff } from "runfx/testing"
import { expect, test } from "vitest"

// ── a step ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const yieldDisk = Step.make("yieldDisk", {
  doc: "let the program use the disk when nobody else does",
  calls: ["ioprio_set"],
  reversal: "irreversible",
  advice: { EPERM: "run it with CAP_SYS_ADMIN or CAP_SYS_NICE" },
  run: sys.ioprio_set({ which: IOPRIO_WHO.PROCESS, who: 0, ioprio: 3 << 13 })
})

test("the step sets the class of idle processes", () => {
  const alone = Pipeline.make({ name: "alone", doc: "", inputs: [] }, yieldDisk)
  const checked = Check.run(Pipeline.run(alone))
  Check.succeeded(checked)
  Check.state(checked, "the caller", ({ processes }) => processes.get(checked.model.pid), { ioPriority: 3 << 13 })
})

// ── a flow ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const flow = Pipeline.check(Pipeline.insertAfter(standard, "setScheduling", yieldDisk))

const container = defaultSpec({ rootfs: "/srv/web", args: ["/bin/server"], user: "web", hostname: "web" })

const machine = {
  files: {
    "/srv/web/bin/server": { mode: 0o755 },
    "/srv/web/etc/passwd": "root:x:0:0::/root:/bin/sh\nweb:x:1000:1000::/home/web:/bin/sh\n"
  }
}

/** What `runfx run` does until the program runs. */
const start = (init: Pipeline.Any) =>
  Effect.gen(function*() {
    const flow = () => Effect.succeed(init)
    const launch = yield* Runtime.launchOf({ id: "web", container, stateRoot: "/run/runfx", flow })
    return yield* Effect.provideService(Pipeline.run(create), Launch, launch)
  })

test("the program is the user web, without privileges, and yields the disk", () => {
  const checked = Check.run(start(flow), { machine })
  Check.program(checked, {
    path: "/bin/server",
    hostname: "web",
    process: { ioPriority: 3 << 13, creds: { uid: 1000, gid: 1000, effective: 0n, noNewPrivs: true } }
  })
  Check.order(checked, ["enterRoot: pivot_root", "yieldDisk: ioprio_set", "setupUser: setresuid"])
})

// ── a fault ──────────────────────────────────────────────────────────────────────────────────────────────────────────

test("nothing is left where the disk can't be yielded", () => {
  const faults = Faults.failWhen(({ _tag }) => _tag === "ioprio_set", "EPERM")
  const checked = Check.run(start(flow), { machine, faults })
  Check.failed(checked, { step: "yieldDisk", code: "EPERM", message: "CAP_SYS_NICE" })
  Check.unchanged(checked, ["cgroups", "files", "links", "mounts", "processes"])
  expect(checked.executed).toEqual([])
})

// ── a whole life ─────────────────────────────────────────────────────────────────────────────────────────────────────

test("it is killed after an hour, and removed", () => {
  const checked = Check.run(
    Effect.gen(function*() {
      yield* Runtime.create({ id: "web", container })
      yield* Effect.sleep("1 hour")
      yield* Runtime.kill("web", SIG.KILL)
      yield* Effect.retry(Runtime.remove("web"), { schedule: Schedule.spaced("1 second"), times: 10 })
    }),
    { machine, programs: { "/bin/server": { after: "never" } } }
  )
  Check.succeeded(checked)
})

// ── a plan ───────────────────────────────────────────────────────────────────────────────────────────────────────────

test("the flow is the preset and one step", () => {
  const plan = (init: Pipeline.Any) => Check.plan(Check.run(start(init), { machine }), { pipelines: [create, init] })
  const difference = PlanDiff.render(
    PlanDiff.diff(plan(standard), plan(flow)).filter(({ place }) =>
      place.side === "init" && place.step !== "reportReady"
    )
  )
  expect(difference).toBe(
    `init: standard/yieldDisk
  is new, after setScheduling
  + ioprio_set(IOPRIO_WHO_PROCESS, 0, 24576)`
  )
})
