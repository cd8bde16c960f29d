/** What a tracer is told of a start, and that nobody pays who has none. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Tracer from "effect/Tracer"
import { vi } from "vitest"
import { defaultSpec } from "../../src/config/defaults.ts"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import { act } from "../../src/engine/spans.ts"
import * as Step from "../../src/engine/Step.ts"
import { sys } from "../../src/native/Kernel.ts"
import * as Metrics from "../../src/runtime/Metrics.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { Check, Faults } from "../../src/testing/Testing.ts"

const options = {
  id: "web",
  container: defaultSpec({ rootfs: "/srv/web", args: ["/bin/server"] }),
  stateRoot: "/run/runfx"
}
const machine = { files: { "/srv/web/bin/server": { mode: 0o755 } } }
const refusing = Faults.failWhen(({ _tag }) => _tag === "pivot_root", "EPERM")

/** A tracer that keeps its spans. */
const tracing = () => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (given) => {
      const span = new Tracer.NativeSpan(given)
      spans.push(span)
      return span
    }
  })
  return { spans, traced: Effect.provideService(Tracer.Tracer, tracer) }
}

const parentOf = (span: Tracer.NativeSpan): string | undefined =>
  span.parent._tag === "Some" && span.parent.value._tag === "Span" ? span.parent.value.name : undefined

const exitOf = ({ name, status }: Tracer.NativeSpan): Exit.Exit<unknown, unknown> => {
  assert(status._tag === "Ended", `${name} has not ended`)
  return status.exit
}

describe("a tracer", () => {
  it("is told of the act, the pipelines, and each step of both sides", () => {
    const { spans, traced } = tracing()
    Check.succeeded(Check.run(traced(Runtime.create(options)), { machine }))
    const parents = new Map(spans.map((span) => [span.name, parentOf(span)]))
    assert.strictEqual(parents.get("create"), "Runtime.create")
    // the init goes on beside the step that has started it
    assert.strictEqual(parents.get("standard"), "create")
    assert.strictEqual(parents.get("create/cloneInit"), "create")
    assert.strictEqual(parents.get("standard/enterRoot"), "standard")
    for (const span of spans) {
      assert(Exit.isSuccess(exitOf(span)), span.name)
      assert.strictEqual(span.attributes.get("container.id"), "web")
    }
    const init = spans.find(({ name }) => name === "standard")!
    assert.deepStrictEqual(init.events.map(([name]) => name), ["exec"], "it became the program, and did not fail")
    assert.isFalse(parents.has("standard/exec"))
  })

  it("is told of what failed, by which call, and of what was undone", () => {
    const { spans, traced } = tracing()
    Check.failed(Check.run(traced(Runtime.create(options)), { machine, faults: refusing }), { step: "enterRoot" })
    for (const name of ["standard/enterRoot", "standard", "create/releaseInit", "create", "Runtime.create"]) {
      const span = spans.find((span) => span.name === name)!
      assert(Exit.isFailure(exitOf(span)), name)
      assert.deepStrictEqual(
        ["error.type", "runfx.call", "runfx.errno"].map((key) => span.attributes.get(key)),
        ["SyscallError", "pivot_root", "EPERM"],
        name
      )
    }
    const undone = spans.filter(({ name }) => name.endsWith(": undo"))
    assert.isAbove(undone.length, 2)
    assert.strictEqual(parentOf(undone[0]!), "create")
  })

  it("has the spans of a step of one's own within that step", () => {
    const { spans, traced } = tracing()
    const own = Step.make("own", {
      doc: "",
      calls: ["umask"],
      reversal: "harmless",
      run: sys.umask({ mask: 0o22 }).pipe(Effect.withSpan("mine"))
    })
    const pipeline = Pipeline.make({ name: "box", doc: "", inputs: [] }, own)
    Check.succeeded(Check.run(traced(Effect.withSpan(Pipeline.run(pipeline), "outside"))))
    assert.deepStrictEqual(spans.map((span) => [span.name, parentOf(span)]), [
      ["outside", undefined],
      ["box", "outside"],
      ["box/own", "box"],
      ["mine", "box/own"]
    ])
  })

  it("hears of no secret", () => {
    const { spans, traced } = tracing()
    const container = {
      ...options.container,
      process: { ...options.container.process, env: ["TOKEN=hunter2"], args: ["nosuch"] }
    }
    Check.failed(Check.run(traced(Runtime.create({ ...options, container })), { machine }))
    const told = spans.flatMap((span) => [...span.attributes.values(), ...span.events.map(String)])
    assert.notInclude(JSON.stringify(told), "hunter2")
  })
})

describe("without a tracer", () => {
  it("no span is made", () => {
    const span = vi.spyOn(Tracer.nativeTracer, "span")
    try {
      Check.succeeded(Check.run(Runtime.create(options), { machine }))
      assert.strictEqual(span.mock.calls.length, 0)
      // nor if somebody switches tracing off
      const { spans, traced } = tracing()
      Check.succeeded(Check.run(Effect.withTracerEnabled(traced(Runtime.create(options)), false), { machine }))
      assert.strictEqual(spans.length, 0)
    } finally {
      span.mockRestore()
    }
  })

  it("an act is one operation more, and its effect the same", () => {
    const effect = Effect.succeed(1)
    let made: unknown
    const acted = act("act", {})(Effect.suspend(() => made = effect))
    assert.strictEqual(Effect.runSync(acted), 1)
    assert.strictEqual(made, effect)
  })
})

describe("metrics", () => {
  it("count starts, steps, failures and rollbacks", () => {
    const seen = { value: [] as ReadonlyArray<Metric.Metric.Snapshot> }
    const measured = (faults: Faults.Rule) => {
      const run = Effect.flatMap(Effect.exit(Runtime.create(options)), () => Metric.snapshot).pipe(
        Effect.provide(Metrics.layer),
        Effect.provideService(Metric.MetricRegistry, new Map())
      )
      seen.value = Check.succeeded(Check.run(run, { machine, faults }))
      return (id: string, attributes: Readonly<Record<string, string>> = {}): unknown =>
        seen.value.find((one) =>
          one.id === id && Object.entries(attributes).every(([key, value]) => one.attributes?.[key] === value)
        )?.state
    }
    const good = measured(Faults.never)
    assert.deepInclude(good("runfx_starts", { pipeline: "create" }), { count: 1 })
    assert.deepInclude(good("runfx_containers"), { value: 1 })
    assert.deepInclude(good("runfx_start_duration", { pipeline: "create" }), { count: 1 })
    assert.deepInclude(good("runfx_step_duration", { pipeline: "standard", step: "enterRoot" }), { count: 1 })
    assert.isUndefined(good("runfx_failures"))
    const bad = measured(refusing)
    assert.isUndefined(bad("runfx_starts"))
    assert.deepInclude(bad("runfx_failures", { step: "enterRoot", error: "SyscallError", errno: "EPERM" }), {
      count: 1
    })
    assert.strictEqual(seen.value.filter(({ id }) => id === "runfx_failures").length, 1, "it is counted once")
    assert.deepInclude(bad("runfx_rollbacks", { step: "cloneInit", outcome: "undone" }), { count: 1 })
  })

  it("are not counted without the layer", () => {
    const registry: Metric.MetricRegistry = new Map()
    const run = Effect.provideService(Runtime.create(options), Metric.MetricRegistry, registry)
    Check.succeeded(Check.run(run, { machine }))
    assert.strictEqual(registry.size, 0)
  })
})
