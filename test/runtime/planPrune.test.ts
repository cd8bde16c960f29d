/** Plans of prune, of states that are written here: as anybody, without a container. */
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import process from "node:process"
import { defaultSpec } from "../../src/config/defaults.ts"
import type * as Plan from "../../src/engine/Plan.ts"
import { toHtml } from "../../src/engine/Plan.ts"
import * as PlanText from "../../src/engine/PlanText.ts"
import { planPrune } from "../../src/runtime/plan.ts"
import { ContainerId } from "../../src/runtime/Runtime.ts"
import { encode, type State } from "../../src/steps/state/State.ts"

let stateRoot: string
let running: ChildProcess
beforeEach(() => {
  stateRoot = fs.mkdtempSync(path.join(tmpdir(), "plan-prune-"))
  running = spawn("sleep", ["300"])
})
afterEach(() => {
  running.kill("SIGKILL")
  fs.rmSync(stateRoot, { recursive: true })
})

const numbering = { pidNamespace: fs.readlinkSync("/proc/self/ns/pid") }
const identity = (pid: number) => {
  const text = fs.readFileSync(`/proc/${pid}/stat`, "utf8")
  return { pid, startTime: BigInt(text.slice(text.lastIndexOf(")") + 2).split(" ")[19]!) }
}
/** A number that no process has. */
const gone = { pid: 4_194_305, startTime: 1n }

/** Writes a state as a runtime does, and returns where. */
const write = (id: string, known: Partial<State>): string => {
  const directory = path.join(stateRoot, id)
  fs.mkdirSync(directory)
  fs.chmodSync(directory, 0o711)
  const state: State = {
    id: ContainerId(id),
    nonce: id,
    directory: fs.statSync(directory, { bigint: true }).ino,
    numbering,
    namespacePaths: {},
    rootfs: "/",
    created: new Date().toISOString(),
    owner: process.geteuid!(),
    networks: [],
    container: defaultSpec({ rootfs: "/", args: ["/bin/sh"] }),
    ...known
  }
  fs.writeFileSync(path.join(directory, "state.json"), encode(state))
  return directory
}

const signals = ({ rows }: Plan.Plan) =>
  rows.flatMap(({ calls }) => calls).filter(({ name }) => name === "pidfd_send_signal").map(({ text }) => text)
const removals = ({ rows }: Plan.Plan) =>
  rows.flatMap(({ calls }) => calls).filter(({ args, name }) => name === "unlinkat" && args["flags"] === 0x200)
    .map(({ args }) => args["path"])

describe("a plan of prune", () => {
  it.live("tells of each container whether it is killed, removed or left alone, and why", () =>
    Effect.gen(function*() {
      write("cut-short", { runner: gone })
      write("detached", { init: gone })
      write("ended", { init: gone, runner: gone })
      write("lives", { init: identity(process.pid) })
      write("others", { init: gone, owner: process.geteuid!() + 1 })
      write("owned", { init: gone, runner: identity(process.pid) })
      write("runs-on", { init: identity(running.pid!), runner: gone })
      fs.mkdirSync(path.join(stateRoot, "strange"))
      const plan = yield* planPrune({ stateRoot })
      assert.strictEqual(plan.fails, undefined)
      const { containers = [] } = plan
      assert.deepStrictEqual(containers.map(({ id, what, why }) => `${id}: ${what}: ${why}`).slice(0, -1), [
        "cut-short: removed: its start was cut short",
        "detached: left alone: it was detached, and has ended: its maker may still ask for it",
        "ended: removed: it has ended, and so has its runtime",
        "lives: left alone: it runs",
        `others: left alone: it is of another user (uid ${process.geteuid!() + 1})`,
        `owned: left alone: its runtime, process ${process.pid}, lives`,
        "runs-on: killed and removed: it runs on without its runtime, which has ended"
      ])
      assert.deepStrictEqual(containers.at(-1)!.what, "failed")
      assert.deepStrictEqual(signals(plan), ["pidfd_send_signal(<pidfd of init of runs-on>, SIGKILL)"])
      assert.deepStrictEqual(removals(plan), ["cut-short", "ended", "runs-on"])
      const line = "container runs-on: killed and removed: it runs on without its runtime, which has ended\n"
      assert.include(PlanText.render(plan), `\n  ${line}`)
      assert.include(toHtml(plan), "<li><code>runs-on</code>: <strong>killed and removed</strong>: it runs on without")
      // nothing was done
      assert.isTrue(fs.existsSync(path.join(stateRoot, "ended", "state.json")))
      assert.isTrue(running.exitCode === null && running.signalCode === null)
    }))

  it.live("removes detached containers that have ended, if they are asked for, and no stranger that has a pid of theirs", () =>
    Effect.gen(function*() {
      write("detached", { init: { ...identity(process.pid), startTime: 1n } })
      const plan = yield* planPrune({ stateRoot, detached: true })
      assert.deepStrictEqual(plan.containers, [{
        id: "detached",
        what: "removed",
        why: "it was detached, and has ended"
      }])
      assert.deepStrictEqual(signals(plan), [])
    }))

  it.live("of a directory that is not there has no containers, and of one that can't be trusted fails", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* planPrune({ stateRoot: path.join(stateRoot, "missing") })).containers, [])
      fs.chmodSync(stateRoot, 0o777)
      assert.strictEqual((yield* planPrune({ stateRoot })).fails?.step, "readStates")
    }))
})
