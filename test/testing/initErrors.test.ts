/** What an init fails with, as the caller of its start gets it: typed, as it was, and with the way to its step. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { defaultSpec } from "../../src/config/defaults.ts"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import { DiedIn, PipelineError } from "../../src/engine/PipelineError.ts"
import * as Step from "../../src/engine/Step.ts"
import { standard } from "../../src/pipelines/standard.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import * as Sandbox from "../../src/sandbox.ts"
import { emptyReport } from "../../src/steps/init/initMain.ts"
import { await_ } from "../../src/steps/parent/conversation.ts"
import * as Check from "../../src/testing/Check.ts"
import { scripted } from "../support/scripted.ts"

class Refused extends Data.TaggedError("Refused")<{ readonly by: string }> {}

const refused = new Refused({ by: "the caller's own step" })

const failing = <E>(error: E) =>
  Step.make("failing", { doc: "fails", calls: [], reversal: "harmless", run: Effect.fail(error) })

const dying = (defect: unknown) =>
  Step.make("dying", { doc: "dies", calls: [], reversal: "harmless", run: Effect.die(defect) })

const options = {
  id: "web",
  container: defaultSpec({ rootfs: "/srv/web", args: ["/bin/server"] }),
  stateRoot: "/run/runfx"
}
const machine = { files: { "/srv/web/bin/server": { mode: 0o755 } } }

/** What must not be left; mount points in the root may be. */
const held = ["cgroups", "files", "links", "mounts", "processes"] as const

describe("an init that fails", () => {
  it("is told by its own error, with the way to its step", () => {
    const container = { ...options.container, process: { ...options.container.process, args: ["nosuch"] } }
    const checked = Check.run(Runtime.create({ ...options, container }), { machine })
    const error = Check.failed(checked, { step: "findProgram" })
    assert(error._tag === "PipelineError" && error.reason._tag === "ProgramNotFound")
    assert.strictEqual(error.reason.name, "nosuch")
    assert.deepStrictEqual(error.path, [
      { pipeline: "create", step: "releaseInit" },
      { pipeline: "standard", step: "findProgram" }
    ])
    assert.match(error.message, /^create: releaseInit: standard: findProgram: .*nosuch/)
    assert(error.cause !== undefined)
    assert.include(error.cause.residue, "enterRoot")
    Check.unchanged(checked, held)
  })

  it("brings the very error of a step of the caller's own, which can be caught by its tag", () => {
    const flow = Pipeline.insertAfter("setScheduling", failing(refused))
    const checked = Check.run(Runtime.create({ ...options, flow }), { machine })
    const error = Check.failed(checked, { step: "failing" })
    assert(error._tag === "PipelineError")
    assert.strictEqual(error.reason, refused)

    const caught = Check.run(
      Effect.catchReason(
        Runtime.create({ ...options, flow }),
        "PipelineError",
        "Refused",
        ({ by }) => Effect.succeed(by)
      ),
      { machine }
    )
    assert.strictEqual(Check.succeeded(caught), refused.by)
    Check.unchanged(caught, held)
  })

  it("brings it through the service, and through a sandbox by its tag", async () => {
    const flow = Pipeline.insertAfter("setScheduling", failing(refused))
    const byService = Effect.flatMap(
      Runtime.Containers,
      ({ run }) =>
        Effect.catchReason(run({ ...options, flow }), "PipelineError", "Refused", ({ by }) => Effect.succeed(by))
    )
    const caught = Check.run(Effect.provide(byService, Runtime.Containers.layer), { machine })
    assert.strictEqual(Check.succeeded(caught), refused.by)
    Check.unchanged(caught, held)

    const boxed = Sandbox.run(Sandbox.withFlow(Sandbox.make(), flow), ["/usr/bin/agent"])
    const machineOfAgent = { files: { "/usr/bin/agent": { mode: 0o755 } } }
    const error = Check.failed(await Check.runPromise(boxed, { machine: machineOfAgent }))
    assert(error._tag === "SandboxFailed")
    assert.strictEqual(error.code, "Refused")
    assert.match(error.step, /failing$/)
    assert(error.cause instanceof PipelineError)
    assert.strictEqual(error.cause.reason, refused)
  })

  it("brings it through exec", () => {
    const act = Effect.gen(function*() {
      yield* Runtime.create(options)
      const exec = Runtime.exec({
        id: options.id,
        stateRoot: options.stateRoot,
        process: options.container.process,
        flow: Pipeline.insertAfter("setScheduling", failing(refused))
      })
      return yield* Effect.catchReason(exec, "PipelineError", "Refused", ({ by }) => Effect.succeed(by))
    })
    assert.strictEqual(Check.succeeded(Check.run(act, { machine })), refused.by)
  })

  it("brings a defect as that defect, which says where it came up, and undoes what was done", () => {
    const defect = new TypeError("thrown")
    const flow = () => Pipeline.insertAfter(standard, "setScheduling", dying(defect))
    const checked = Check.run(Runtime.create({ ...options, flow }), { machine })
    assert(Exit.isFailure(checked.exit))
    const { cause } = checked.exit
    assert.deepStrictEqual(cause.reasons.filter(Cause.isDieReason).map((reason) => reason.defect), [defect])
    assert.isFalse(cause.reasons.some(Cause.isFailReason))
    assert.deepStrictEqual(Context.getOrUndefined(Cause.annotations(cause), DiedIn), {
      pipeline: "standard",
      step: "dying"
    })
    Check.unchanged(checked, held)
  })

  it("is not believed to have failed where only somebody on its channel says so", () => {
    const data = Buffer.from("{\"_tag\":\"Failed\"}")
    const { layer } = scripted(({ _tag }) =>
      _tag === "poll" ? [1] : _tag === "recvmsg" ? { data, fds: [], credentials: undefined } : undefined
    )
    const peer = { channel: 3, pidfd: 4, report: emptyReport(), patience: 1000, deadline: Infinity }
    const error = Effect.runSync(Effect.flip(Effect.provide(await_(peer, "Ready"), layer)))
    assert.deepInclude(error, { _tag: "ChannelGarbled", got: "\"Failed\"" })
  })
})
