/** What a kill must do, and must not, where things happen meanwhile: on the model, which can make them happen. */
import { assert, describe, it, vi } from "@effect/vitest"
import * as Exit from "effect/Exit"
import { CLD, SIG } from "../../../src/native/constants.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import type { State } from "../../../src/testing/Testing.ts"
import { damaged } from "../../support/damaged.ts"
import { stateRoot } from "../../support/flows/containers.ts"
import { frozen } from "../../support/flows/leftovers.ts"
import { type Hooks, perform, verdict } from "../../support/flows/runs.ts"
import { id } from "../../support/flows/scenes.ts"
import { running } from "../../support/runningContainer.ts"
import { withoutTraces } from "../../support/shortTraces.ts"

withoutTraces()
vi.setConfig({ testTimeout: 120_000 })

const kill = (state: State.State, children: ReadonlyArray<number>, hooks?: Hooks) =>
  perform(state, Runtime.kill(id, SIG.KILL, { stateRoot, children }), hooks)

const change = (state: State.State, pid: number, fields: Partial<State.Process>): State.State => {
  const process = state.processes.get(pid)!
  return { ...state, processes: new Map(state.processes).set(pid, { ...process, ...fields }) }
}

describe.each(["v1", "v2"] as const)("killing a container on cgroup %s", (cgroup) => {
  it("signals every member before it lets them go on", () => {
    const { state, tool } = running(cgroup)
    const ran = kill(state, [tool])
    assert.isTrue(Exit.isSuccess(ran.exit))
    assert.isUndefined(ran.model.state().processes.get(tool))
    const inStep = (name: string) => ran.seen.filter(({ step }) => step === name).map(({ call }) => call)
    const signals = inStep("signalAll").filter(({ _tag }) => _tag === "pidfd_send_signal").length
    const killed = inStep("signalAll").some((call) => call._tag === "openat2" && call.path === "cgroup.kill")
    assert.isTrue(killed || signals >= 2)
    assert.strictEqual(inStep("reap").filter(({ _tag }) => _tag === "pidfd_send_signal").length, 0)
  })

  it("lists and signals nobody who could fork away meanwhile", () => {
    const { state, tool } = running(cgroup)
    const moments = new Map<string, boolean>()
    const isHeld = ({ freeze, freezingReads }: State.Cgroup) => freeze && (cgroup === "v2" || freezingReads === 0)
    kill(state, [tool], {
      before: ({ step, undoing }, model) => {
        if (step === undefined || undoing || moments.has(step)) return
        moments.set(step, [...model.state().cgroups.values()].some(isHeld))
      }
    })
    assert.deepStrictEqual([...moments].filter(([step]) => step === "listProcesses" || step === "signalAll"), [
      ["listProcesses", true],
      ["signalAll", true]
    ])
  })

  it("thaws what it has frozen where a signal is refused", () => {
    const { state, tool } = running(cgroup)
    const ran = kill(state, [tool], {
      rule: ({ call, step }) =>
        step === "signalAll" && call._tag === "openat2" && /^cgroup\.(procs|kill)$/.test(call.path) ? "EIO" : undefined
    })
    assert.isTrue(Exit.isFailure(ran.exit))
    assert.isTrue(ran.seen.some(({ step, undoing }) => step === "freeze" && undoing))
    verdict(frozen(ran.model.state()), ran)
  })

  it("does not take another child of the caller for a member whose pid that has by now", () => {
    const { caller, state, tool } = running(cgroup)
    let done = false
    const ran = kill(state, [], {
      before: ({ step }, model) => {
        if (done || step !== "reap") return
        done = true
        model.set((now) =>
          change(now, tool, {
            parent: caller,
            startTime: now.processes.get(tool)!.startTime + 1,
            status: "zombie",
            ended: { code: CLD.EXITED, status: 7 },
            cgroups: now.processes.get(caller)!.cgroups
          })
        )
      }
    })
    assert.isTrue(done)
    assert.isTrue(Exit.isSuccess(ran.exit))
    // its status is its own parent's to ask for
    assert.deepStrictEqual(ran.model.state().processes.get(tool)?.ended, { code: CLD.EXITED, status: 7 })
  })
})

describe("killing a container on cgroup v1", () => {
  it("does not signal who has left the cgroup between the list and the handle", () => {
    const { caller, state, tool } = running("v1")
    let done = false
    const ran = kill(state, [], {
      // it would wait for who has left
      rule: ({ step, undoing }) => step === "thaw" && !undoing ? "EIO" : undefined,
      before: ({ call, step }, model) => {
        if (done || step !== "signalAll" || call._tag !== "pidfd_open" || call.pid !== tool) return
        done = true
        model.set((now) => change(now, tool, { cgroups: now.processes.get(caller)!.cgroups }))
      }
    })
    assert.isTrue(done)
    assert.strictEqual(ran.model.state().processes.get(tool)?.status, "running")
  })
})

describe("removing a container", () => {
  it("that runs is refused, and takes nothing from it", () => {
    const { state, tool } = running("v2")
    const ran = perform(state, Runtime.remove(id, { stateRoot }))
    assert.isTrue(Exit.isFailure(ran.exit))
    assert.match(String(ran.exit), /container web is running/)
    assert.strictEqual(ran.model.state().processes.get(tool)?.status, "running")
    assert.deepStrictEqual(ran.model.state().cgroups, state.cgroups)
  })

  it.each(
    [
      ["v1", "known", "removeCgroup"],
      ["v2", "known", "removeCgroup"],
      ["v1", "damaged", "removeRemains"],
      ["v2", "damaged", "removeRemains"]
    ] as const
  )("by force kills who joins its cgroup behind the list, and is done (cgroup %s, state %s)", (cgroup, known, last) => {
    const { caller, state: whole, tool } = running(cgroup)
    const state = known === "known" ? whole : damaged(whole, "text")
    const ofContainer = state.processes.get(tool)!.cgroups
    const moves: Array<string> = ["listProcesses", last]
    const ran = perform(state, Runtime.remove(id, { stateRoot, force: true }), {
      before: ({ step }, model) => {
        if (step === undefined || step !== moves[0]) return
        moves.shift()
        // out before the list, in again before the removal: as the init of a start that goes on meanwhile
        const cgroups = moves.length === 1 ? model.state().processes.get(caller)!.cgroups : ofContainer
        model.set((now) => change(now, tool, { cgroups }))
      }
    })
    assert.deepStrictEqual(moves, [])
    verdict(Exit.isSuccess(ran.exit) ? [] : [String(ran.exit)], ran)
    assert.isUndefined(ran.model.state().processes.get(tool))
    assert.isFalse([...ran.model.state().cgroups.keys()].some((path) => path.includes(id)))
  })
})
