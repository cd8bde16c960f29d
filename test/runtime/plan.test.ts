import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { chmodSync, existsSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { defaultSpec } from "../../src/config/defaults.ts"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import * as Plan from "../../src/engine/Plan.ts"
import * as PlanText from "../../src/engine/PlanText.ts"
import * as Step from "../../src/engine/Step.ts"
import { type Architecture, executable } from "../../src/native/elf.ts"
import { sys } from "../../src/native/Kernel.ts"
import { difference, planDelete, planExec, planKill, planRun } from "../../src/runtime/plan.ts"
import { layeredRoot } from "../../src/steps/rootfs/layeredRoot.ts"
import type { MadeRoot } from "../../src/steps/state/State.ts"

// needs no root: whatever this machine would refuse, the plan says, and the plan is the same kind of value
const container = defaultSpec({ rootfs: "/", args: ["/bin/sh"] })

describe("plan", () => {
  it.live("of run can be written, and read back as the same value", () =>
    Effect.gen(function*() {
      const plan = yield* planRun({ id: "plan-test", container })
      const again = yield* Plan.fromText(Plan.toText(plan))
      assert.deepStrictEqual(again, plan)
      assert.strictEqual(difference(plan, again), "")
      assert.isAbove(plan.rows.length, 1)
      assert.strictEqual(plan.rows.find(({ step }) => step !== "")?.step, "createState")
    }))

  it.live("of run tells what fails, with the step, or what would be undone", () =>
    Effect.gen(function*() {
      const plan = yield* planRun({ id: "plan-test", container })
      const text = PlanText.render(plan)
      if (plan.fails === undefined) {
        // the exec is the last thing that can fail, and then everything is undone, the last first
        const undone = plan.rollback.map(({ step }) => step)
        assert.strictEqual(undone.at(-1), "createState")
        assert.isBelow(undone.indexOf("cloneInit"), undone.indexOf("createCgroup"))
        assert.include(text, "If the last step failed, this would be undone:")
      } else {
        assert.isNotEmpty(plan.fails.step)
        assert.include(text, `This would fail: ${plan.fails.pipeline}: ${plan.fails.step}`)
      }
    }))

  it.live("of run with a process 1 of runfx's own tells what would be undone", () =>
    Effect.gen(function*() {
      const plan = yield* planRun({ id: "plan-test", container, init: true })
      if (plan.fails !== undefined) return
      assert.include(plan.rollback.map(({ step }) => step), "cloneInit")
    }))

  it.live("of run without a root of its own has the overlay of the host's files", () =>
    Effect.gen(function*() {
      const scratch = { ...container, rootfs: "/run/plan-test-root" }
      const plan = yield* planRun({ id: "plan-test", container: scratch, scratch: true })
      if (plan.fails !== undefined) assert.notInclude(plan.fails.error, "does not know")
      else assert.include(plan.rows.map(({ step }) => step), "scratchRoot")
    }))

  it.live("of run makes read-only, and masks, what this machine has of it", () =>
    Effect.gen(function*() {
      const plan = yield* planRun({ id: "plan-test", container })
      if (plan.fails !== undefined) return
      const asked = plan.rows.filter(({ step }) => step === "readonlyPaths" || step === "maskPaths")
        .flatMap(({ calls }) => calls).filter(({ name }) => name === "openat2")
      for (const path of [...container.readonlyPaths, ...container.maskedPaths]) {
        // it is asked for as a whole, or below the handle of its file system
        const found = asked.filter(({ args }) => path.endsWith(`/${String(args["path"]).replace(/^\//, "")}`))
        assert.isNotEmpty(found, path)
        assert.strictEqual(found.some(({ outcome }) => outcome._tag !== "Failed"), existsSync(path), path)
      }
    }))

  it.live("of run refuses a flow whose order is wrong, by the name of the step, before anything is planned", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(planRun({
        id: "plan-test",
        container,
        flow: (preset) => Pipeline.remove(preset, "setupUser")
      }))
      assert.include(String(error), "verifyWorkingDirectory")
      assert.include(String(error), "runfx/ExecUser")
    }))

  it.live("of exec and of kill are of a container that is started in the model", () =>
    Effect.gen(function*() {
      const start = yield* planRun({ id: "plan-test", container })
      if (start.fails !== undefined) return
      const process = { ...container.process, args: ["/bin/ls"] }
      const exec = yield* planExec(container, undefined, { id: "plan-test", process })
      assert.strictEqual(exec.fails, undefined)
      assert.include(exec.rows.map(({ step }) => step), "joinNamespaces")
      assert.notInclude(exec.rows.map(({ step }) => step), "createCgroup")
      const kill = yield* planKill("plan-test", container, undefined, 9)
      assert.strictEqual(kill.fails, undefined)
      assert.deepStrictEqual(
        [...new Set(kill.rows.map(({ step }) => step).filter((step) => step !== ""))],
        ["freeze", "listProcesses", "signalAll", "thaw", "reap"]
      )
      const term = yield* planKill("plan-test", container, undefined, 15, { all: true })
      assert.strictEqual(term.fails, undefined)
      assert.deepStrictEqual(
        [...new Set(term.rows.map(({ step }) => step).filter((step) => step !== ""))],
        ["listReceivers", "sendSignal"]
      )
    }))

  it.live("of exec, kill and delete is also of a container whose root was made for it", () =>
    Effect.gen(function*() {
      const stateRoot = "/run/plan-test-states"
      const scratch = { ...container, rootfs: `${stateRoot}/plan-test` }
      const start = yield* planRun({ id: "plan-test", container: scratch, scratch: true, stateRoot })
      if (start.fails !== undefined) return
      const process = { ...container.process, args: ["/bin/ls"] }
      const exec = yield* planExec(scratch, undefined, { id: "plan-test", process, stateRoot })
      assert.strictEqual(exec.fails, undefined)
      const kill = yield* planKill("plan-test", scratch, undefined, 9, { stateRoot })
      assert.strictEqual(kill.fails, undefined)
      const removal = yield* planDelete("plan-test", scratch, undefined, { force: true, stateRoot: `${stateRoot}/` })
      assert.strictEqual(removal.fails, undefined)
    }))

  it.live("of exec finds its program in the layers of the container's root, and not among the host's files", () =>
    Effect.gen(function*() {
      const stateRoot = "/run/plan-test-states"
      const layer = mkdtempSync(join(tmpdir(), "layer-"))
      chmodSync(layer, 0o755)
      const program = executable(process.arch as Architecture, new Uint8Array(64), 0)
      for (const name of ["first", "only-there"]) writeFileSync(join(layer, name), program, { mode: 0o755 })
      const layered = {
        ...container,
        rootfs: `${stateRoot}/plan-test`,
        process: { ...container.process, args: ["/first"] }
      }
      const start = yield* planRun({ id: "plan-test", container: layered, makeRoot: layeredRoot([layer]), stateRoot })
      const fails = (program: string, madeRoot: MadeRoot) => {
        const process = { ...container.process, args: [program] }
        const known = { stateRoot, madeRoot }
        return planExec(layered, undefined, { id: "plan-test", process, stateRoot }, known).pipe(
          Effect.map(({ fails }) => fails)
        )
      }
      if (start.fails === undefined) {
        const made = { step: "layeredRoot", layers: [layer] }
        assert.strictEqual(yield* fails("/only-there", made), undefined)
        assert.include((yield* fails("/bin/sh", made))?.error, "\"/bin/sh\" does not exist")
        const error = yield* Effect.flip(fails("/bin/sh", { step: "ofMyOwn" }))
        assert.include(String(error), "its root was made by a step of its own, ofMyOwn: what is in it can't be planned")
      }
      rmSync(layer, { recursive: true })
    }))

  it.live("of one configuration is the same twice, also as JSON", () =>
    Effect.gen(function*() {
      const [first, second] = [
        yield* planRun({ id: "plan-test", container }),
        yield* planRun({ id: "plan-test", container })
      ]
      assert.strictEqual(Plan.toText(second), Plan.toText(first))
      assert.strictEqual(difference(first, second), "")
      const other = { ...container, hostname: "other" }
      const changes = difference(first, yield* planRun({ id: "plan-test", container: other }))
      if (first.fails === undefined) assert.include(changes, "~ sethostname(\"other\")")
    }))

  it.live("says what each descriptor is, and ends with a summary", () =>
    Effect.gen(function*() {
      // one that is there already: otherwise it stays, as on a machine that has just been started
      const stateRoot = mkdtempSync(join(tmpdir(), "states-"))
      const plan = yield* planRun({ id: "plan-test", container, stateRoot })
      rmdirSync(stateRoot)
      for (const { calls } of plan.rows) {
        for (const { name, text } of calls) {
          if (["write", "read", "close", "sendmsg", "recvmsg", "fchmod", "move_mount"].includes(name)) {
            // standard input, output and error are what they are called by
            assert.match(text, /^\w+\((?:<|[012]\b)/)
          }
        }
      }
      if (plan.fails !== undefined) return
      const text = PlanText.render(plan)
      assert.match(
        text,
        /\nSummary of run \/bin\/sh:\n {2}\d+ calls \(\d+ by \w+, \d+ by \w+\), of which \d+ only look\n {2}made: /
      )
      if (plan.fails === undefined) assert.match(text, /\n {2}at the end nothing stays on the machine\n$/)
    }))

  it.live("of run goes on to the removal", () =>
    Effect.gen(function*() {
      const plan = yield* planRun({ id: "plan-test", container })
      if (plan.fails !== undefined) return
      const steps = plan.rows.map(({ step }) => step)
      assert.isAbove(steps.indexOf("removeState"), steps.indexOf("exec"))
      assert.isAbove(steps.indexOf("removeState"), steps.lastIndexOf("removeCgroup"))
    }))

  it.live("of run has the calls of machine code: the load of a filter, and the exec behind it", () =>
    Effect.gen(function*() {
      const seccomp = { defaultAction: "SCMP_ACT_ALLOW", architectures: [], flags: [], syscalls: [] }
      const plan = yield* planRun({ id: "plan-test", container: { ...container, seccomp } })
      if (plan.fails !== undefined) return
      const calls = plan.rows.filter(({ step }) => step === "exec").flatMap((row) => row.calls.map(({ name }) => name))
      assert.deepStrictEqual(calls.slice(-4), ["execveat", "fcntl", "seccomp", "execve"])
    }))

  it.live("of delete is of a container that has stopped; one that runs takes force", () =>
    Effect.gen(function*() {
      const start = yield* planRun({ id: "plan-test", container })
      if (start.fails !== undefined) return
      const stopped = yield* planDelete("plan-test", container, undefined, {}, { status: "stopped" })
      assert.strictEqual(stopped.fails, undefined)
      assert.include(stopped.rows.map(({ step }) => step), "removeState")
      const running = yield* planDelete("plan-test", container, undefined)
      assert.strictEqual(running.fails?.step, "checkStopped")
      const forced = yield* planDelete("plan-test", container, undefined, { force: true })
      assert.strictEqual(forced.fails, undefined)
      assert.include(forced.rows.map(({ step }) => step), "signalAll")
    }))

  it.live("of delete is also of a container whose state can't be read", () =>
    Effect.gen(function*() {
      const start = yield* planRun({ id: "plan-test", container })
      if (start.fails !== undefined) return
      const steps = ({ rows }: Plan.Plan) => [...new Set(rows.map(({ step }) => step).filter((step) => step !== ""))]
      const damaged = yield* planDelete("plan-test", container, undefined, { force: true }, { broken: "damaged" })
      assert.strictEqual(damaged.fails, undefined)
      assert.includeMembers(steps(damaged), ["findRemains", "signalAll", "removeRemains", "removeEntry"])
      const known = { status: "stopped", broken: "missing" } as const
      const missing = yield* planDelete("plan-test", container, undefined, { force: true }, known)
      assert.strictEqual(missing.fails, undefined)
      assert.includeMembers(steps(missing), ["findRemains", "removeEntry"])
    }))

  it.live("runs what is JavaScript once, and undoes it once", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const mine = Step.make("mine", {
        doc: "",
        calls: [],
        reversal: "compensated",
        run: Effect.sync(() => void seen.push("run")),
        undo: () => Effect.sync(() => void seen.push("undo"))
      })
      const plan = yield* planRun({
        id: "plan-test",
        container,
        flow: (preset) =>
          Effect.sync(() => {
            seen.push("flow")
            return { ...preset, steps: [mine, ...preset.steps] }
          })
      })
      if (plan.fails !== undefined) return
      assert.deepStrictEqual(seen, ["flow", "run", "undo"])
      assert.deepStrictEqual(plan.rows.filter(({ step }) => step === "mine").map(({ calls, doc }) => [calls, doc]), [[
        [],
        ""
      ]])
    }))

  it.live("of a step that writes to standard error does not fail, whatever that is, and writes nothing", () =>
    Effect.gen(function*() {
      const announce = Step.make("announce", {
        doc: "say who starts",
        calls: ["write"],
        reversal: "harmless",
        run: sys.write({ fd: 2, data: new TextEncoder().encode("web starts\n") })
      })
      const flow = (preset: Pipeline.Any) => Effect.succeed({ ...preset, steps: [announce, ...preset.steps] })
      const plan = yield* planRun({ id: "plan-test", container, flow })
      if (plan.fails?.step === "createCgroup") return
      const row = plan.rows.find(({ step }) => step === "announce")
      assert.deepStrictEqual(row?.calls.map(({ outcome, text }) => [text, outcome._tag]), [
        ["write(2, \"web starts\\n\")", "Returned"]
      ])
    }))
})
