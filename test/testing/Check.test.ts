/** What checks say that fail: the texts themselves, since they are what a consumer has. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { buildSync } from "esbuild"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import * as Plan from "../../src/engine/Plan.ts"
import * as Step from "../../src/engine/Step.ts"
import { PR } from "../../src/native/constants.ts"
import { Fork } from "../../src/native/Fork.ts"
import { sys } from "../../src/native/Kernel.ts"
import { Check, Faults, PlanDiff } from "../../src/testing/Testing.ts"

class Name extends Context.Service<Name, string>()("Name") {}

const nameIt = Step.make("setHostname", {
  doc: "name the container",
  calls: ["sethostname"],
  requires: [Name],
  reversal: "irreversible",
  advice: { EPERM: "run it as root" },
  run: Effect.flatMap(Name, (name) => sys.sethostname({ name }))
})
const makeDirectory = Step.make("makeDirectory", {
  doc: "make a directory",
  calls: ["mkdirat", "unlinkat"],
  reversal: "compensated",
  run: sys.mkdirat({ dirfd: -100, path: "/made", mode: 0o755 }),
  undo: () => sys.unlinkat({ dirfd: -100, path: "/made", flags: 0x200 })
})
const become = Step.make("become", {
  doc: "become a user",
  calls: ["prctl", "setresuid"],
  reversal: "irreversible",
  run: Effect.gen(function*() {
    yield* sys.prctl({ option: PR.SET_NO_NEW_PRIVS, arg2: 1, arg3: 0, arg4: 0, arg5: 0 })
    yield* sys.setresuid({ ruid: 1000, euid: 1000, suid: 1000 })
  })
})
const exec = Step.make("exec", {
  doc: "become the program",
  calls: ["execve"],
  reversal: "terminal",
  run: sys.execve({ path: "/bin/true", argv: ["true"], envp: [] })
})
const init = Pipeline.make({ name: "init", doc: "", inputs: [Name] }, nameIt, makeDirectory, become, exec)
const flow = (name = "web") =>
  Effect.gen(function*() {
    const fork = yield* Fork
    yield* fork.spawn(0, Effect.provideService(Pipeline.run(init), Name, name))
    yield* sys.nanosleep({ nanoseconds: 1n })
  })
const alone = Effect.provideService(
  Pipeline.run(Pipeline.make({ name: "alone", doc: "", inputs: [Name] }, makeDirectory, nameIt, become)),
  Name,
  "web"
)

/** The text of a check that must not hold. */
const textOf = (check: () => unknown): string => {
  try {
    check()
  } catch (error) {
    assert.instanceOf(error, Check.CheckFailed)
    return error.message
  }
  throw new Error("the check holds")
}

describe("a check that does not hold", () => {
  it("of a program says what differs, capabilities by name, and the calls of the process", () => {
    const checked = Check.run(flow(), { shown: 3 })
    Check.program(checked, { path: "/bin/true", hostname: "web", process: { creds: { uid: 1000, noNewPrivs: true } } })
    assert.strictEqual(
      textOf(() =>
        Check.program(checked, { process: { creds: { uid: 0, ambient: 1n << 5n, groups: [7] } }, argv: ["true"] })
      ),
      `the program was not started as expected:
  process.creds.uid: 1000 in place of 0
  process.creds.ambient: {} in place of {CAP_KILL}
  process.creds.groups: [] in place of [7]

the last 3 of 5 calls of init:
  init/become
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) = 0
    setresuid(1000, 1000, 1000)
  init/exec
    execve("/bin/true", ["true"], /* 0 variables */) …`
    )
  })

  it("of success gives the error with its advice, and the undoing", () => {
    const checked = Check.run(alone, { faults: Faults.failWhen(({ _tag }) => _tag === "sethostname", "EPERM") })
    assert.strictEqual(
      textOf(() => Check.succeeded(checked)),
      `it failed:
  alone: setHostname: sethostname("web") = -1 EPERM (Operation not permitted)
    what to do: run it as root

the calls of parent:
  alone/makeDirectory
    mkdirat(AT_FDCWD, "/made", 0755)
  alone/setHostname
    sethostname("web") = -1 EPERM
  undo alone/makeDirectory
    unlinkat(AT_FDCWD, "/made", AT_REMOVEDIR)`
    )
    assert.strictEqual(checked.faults, 1)
    Check.unchanged(checked)
    Check.failed(checked, { step: "setHostname", code: "EPERM", message: "sethostname", undone: ["makeDirectory"] })
  })

  it("of a failure says which other one it was", () => {
    const checked = Check.run(alone, { faults: Faults.failNth(2, "EPERM"), shown: 1 })
    assert.strictEqual(
      textOf(() => Check.failed(checked, { step: "become", code: "EAGAIN" })),
      `it failed otherwise than expected:
  step: "setHostname" in place of "become"
  code: "EPERM" in place of "EAGAIN"
  alone: setHostname: sethostname("web") = -1 EPERM (Operation not permitted)
    what to do: run it as root

the last 1 of 3 calls of parent:
  undo alone/makeDirectory
    unlinkat(AT_FDCWD, "/made", AT_REMOVEDIR)`
    )
    assert.match(textOf(() => Check.failed(checked, { message: "nothing" })), /its message does not hold "nothing"/)
    assert.match(textOf(() => Check.failed(Check.run(Effect.void))), /^it succeeded, and should have failed\n\nno call/)
  })

  it("of a failure does not take a defect for one", () => {
    const checked = Check.run(Effect.andThen(sys.getpid({}), Effect.die(new Error("a bug"))))
    assert.strictEqual(
      textOf(() => Check.failed(checked)),
      "it did not fail, but died:\n  a bug\n\nthe calls:\n  parent: (outside of a step)\n    getpid() = 1000"
    )
  })

  it("of the machine says what it is in place of what, and what changed", () => {
    const checked = Check.run(alone, { shown: 1 })
    const text = textOf(() => Check.unchanged(checked, ["nodes", "processes"]))
    assert.match(text, /^the machine is not as it was before:\n/)
    assert.match(text, /\n {2}processes\.1000\.creds\.euid: 1000 in place of 0\n/)
    assert.match(text, /\n {2}processes\.1000\.creds\.effective: \{\} in place of 0x1ffffffffff\n/)
    assert.match(text, /\n {2}nodes\.\d+: \{.*"name":"made".*\} in place of nothing\n|\n {2}nodes\.\d+: \{.*…/)
    assert.strictEqual(
      textOf(() => Check.state(checked, "the caller", ({ processes }) => processes.get(1000), { umask: 0o77 })),
      `the caller is not as expected:
  umask: ${Check.run(Effect.void).before.processes.get(1000)!.umask} in place of 63

the last 1 of 4 calls:
  parent: alone/become
    setresuid(1000, 1000, 1000)`
    )
  })

  it("of the order says what is missing, or stands too early", () => {
    const checked = Check.run(flow(), { shown: 1 })
    Check.order(checked, ["setHostname: sethostname", "become: setresuid", "execve"])
    assert.match(
      textOf(() => Check.order(checked, ["setresuid", "prctl"])),
      /^there is no prctl after setresuid, only before\n/
    )
    assert.match(
      textOf(() => Check.order(checked, ["exec: prctl"])),
      /^there is no exec: prctl\n\nthe last 1 of 7 calls/
    )
  })

  it("of a program that was never executed tells the failure", () => {
    const checked = Check.run(alone, { faults: Faults.failNth(1, "EROFS") })
    assert.match(textOf(() => Check.program(checked)), /^it failed:\n {2}alone: makeDirectory: mkdirat/)
    assert.match(textOf(() => Check.program(Check.run(alone))), /^no program was executed\n/)
  })
})

describe("a machine", () => {
  it("goes on from one run to the next", () => {
    const { model } = Check.run(sys.sethostname({ name: "first" }))
    const second = Check.run(sys.uname({}), { machine: model })
    assert.strictEqual(Check.succeeded(second).nodename, "first")
  })
})

// ── plans ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const planOf = (name = "web", change: (plan: Plan.Plan) => Plan.Plan = (plan) => plan): Plan.Plan =>
  change(Check.plan(Check.run(flow(name)), { pipelines: [init] }))

describe("the difference of two plans", () => {
  const expected = planOf()

  it("is nothing between a plan and itself, also after it was written and read", () => {
    assert.deepStrictEqual(PlanDiff.diff(expected, planOf()), [])
    assert.strictEqual(PlanDiff.render([]), "")
    Check.planned(Check.run(flow()), Effect.runSync(Plan.fromText(Plan.toText(expected))))
  })

  it("is the one argument that changed", () => {
    assert.strictEqual(
      textOf(() => Check.planned(Check.run(flow("web2")), expected)),
      `these calls are not those of the expected plan:
init: init/setHostname
  ~ sethostname("web2")
      name: "web" → "web2"`
    )
  })

  const without = (step: string) => (plan: Plan.Plan) => ({
    ...plan,
    rows: plan.rows.filter((row) => row.step !== step)
  })

  it("is the step that came, or went", () => {
    const shorter = planOf("web", without("makeDirectory"))
    assert.strictEqual(
      PlanDiff.render(PlanDiff.diff(shorter, expected)),
      `init: init/makeDirectory
  is new, after setHostname
  + mkdirat(AT_FDCWD, "/made", 0755)`
    )
    assert.strictEqual(
      PlanDiff.render(PlanDiff.diff(expected, shorter)),
      `init: init/makeDirectory
  is gone; it was after setHostname
  - mkdirat(AT_FDCWD, "/made", 0755)`
    )
  })

  it("is the step that moved, and not those that it passed", () => {
    const moved = planOf("web", (plan) => {
      const row = plan.rows.find(({ step }) => step === "setHostname")!
      const rest = plan.rows.filter((other) => other !== row)
      const at = rest.findIndex(({ step }) => step === "exec")
      return { ...plan, rows: rest.toSpliced(at, 0, row) }
    })
    assert.strictEqual(
      PlanDiff.render(PlanDiff.diff(expected, moved)),
      `init: init/setHostname
  has moved: it was first, and is after become`
    )
  })

  it("is the call that came or went, and an outcome that is another", () => {
    const change = (edit: (calls: ReadonlyArray<Plan.PlannedCall>) => ReadonlyArray<Plan.PlannedCall>) =>
      planOf("web", (plan) => ({
        ...plan,
        rows: plan.rows.map((row) => row.step === "become" ? { ...row, calls: edit(row.calls) } : row)
      }))
    const dropped = change((calls) => calls.slice(1))
    assert.strictEqual(
      PlanDiff.render(PlanDiff.diff(expected, dropped)),
      "init: init/become\n  - prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)"
    )
    assert.strictEqual(
      PlanDiff.render(PlanDiff.diff(dropped, expected)),
      "init: init/become\n  + prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)"
    )
    const refused = change((calls) => calls.with(1, { ...calls[1]!, outcome: { _tag: "Failed", code: "EPERM" } }))
    assert.strictEqual(
      PlanDiff.render(PlanDiff.diff(expected, refused)),
      "init: init/become\n  ~ setresuid(1000, 1000, 1000) = -1 EPERM\n      outcome: success → = -1 EPERM"
    )
  })

  it("does not depend on which process goes first", () => {
    const sorted = { ...expected, rows: expected.rows.toSorted((a, b) => a.side.localeCompare(b.side)) }
    assert.deepStrictEqual(PlanDiff.diff(expected, sorted), [])
  })
})

describe("runfx/testing", () => {
  it("loads nothing that is native", () => {
    const { metafile: { inputs, outputs } } = buildSync({
      entryPoints: ["src/testing/Testing.ts"],
      bundle: true,
      write: false,
      platform: "node",
      format: "esm",
      packages: "external",
      outfile: "testing.mjs",
      metafile: true,
      logLevel: "silent"
    })
    assert.isAbove(Object.keys(inputs).length, 50)
    const packages = new Set(Object.values(outputs).flatMap(({ imports }) => imports.map(({ path }) => path)))
    assert.deepStrictEqual([...packages].filter((name) => !/^(effect\/|node:)/.test(name)), [])
  })
})
