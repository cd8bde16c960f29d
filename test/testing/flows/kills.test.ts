/** A kill while processes of the container fork, at random, between any two of its calls. */
import { assert, describe, it } from "@effect/vitest"
import * as Exit from "effect/Exit"
import fc from "fast-check"
import { SIG } from "../../../src/native/constants.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import type { ModelKernel, State } from "../../../src/testing/Testing.ts"
import { stateRoot } from "../../support/flows/containers.ts"
import { undeclared } from "../../support/flows/failures.ts"
import { frozen } from "../../support/flows/leftovers.ts"
import { perform, report, runs, verdict } from "../../support/flows/runs.ts"
import { calledBy, id, sceneOf } from "../../support/flows/scenes.ts"
import { withoutTraces } from "../../support/shortTraces.ts"
import { kinds } from "./kinds.ts"

withoutTraces()

/** Which process forks, counted within its container, and how deep below its cgroup the child goes. */
interface Fork {
  readonly at: number
  readonly who: number
  readonly nested: boolean
}

const isBelow = (path: string | undefined, group: string): boolean =>
  path !== undefined && (path === group || path.startsWith(`${group}/`))

/** Whether a process stands still, so that it can't fork. */
const isHeld = (state: State.State, process: State.Process): boolean =>
  [...process.cgroups].some(([hierarchy, path]) =>
    [...state.cgroups.values()].some((group) =>
      group.freeze && group.hierarchy === hierarchy && isBelow(path, group.path)
    )
  )

/** A copy of a process, as fork(2) makes it, with the same cgroups and namespaces. */
const forked = (state: State.State, parent: State.Process, nested: boolean): State.State => {
  const pid = state.nextId
  const numbers = new Map([...parent.numbers.keys()].map((ns) => [ns, pid]))
  const host = state.processes.get(1)!.ns.pid
  const cgroups = new Map([...parent.cgroups].map(([hierarchy, path]) => {
    const below = `${path}/below`
    return [hierarchy, nested && state.cgroups.has(`${hierarchy}:${below}`) ? below : path]
  }))
  const child: State.Process = {
    ...parent,
    pid,
    numbers: numbers.set(host, pid),
    parent: parent.pid,
    descriptors: new Map(),
    pending: [],
    // prctl(2): a child begins without one
    parentDeathSignal: 0,
    cgroups
  }
  return { ...state, nextId: pid + 1, processes: new Map(state.processes).set(pid, child) }
}

/** A group below the container's own, in every hierarchy in which it has one. */
const withNested = (state: State.State, init: State.Process, caller: State.Process): State.State => {
  const cgroups = new Map(state.cgroups)
  for (const [hierarchy, path] of init.cgroups) {
    if (path === caller.cgroups.get(hierarchy)) continue
    const group = cgroups.get(`${hierarchy}:${path}`)!
    cgroups.set(`${hierarchy}:${path}/below`, { ...group, path: `${path}/below` })
  }
  return { ...state, cgroups }
}

/** A container that runs, and who is in it; made once for each machine, since states do not change. */
const running = (cgroup: "v1" | "v2" | "hybrid", freezingReads: number, ownPids: boolean) => {
  const kind = kinds["standard"]!
  const scene = sceneOf({
    ...kind,
    host: { ...kind.host, cgroup, freezingReads, children: true },
    origins: { ...kind.origins, pid: ownPids ? "new" : "host" }
  })
  const started = perform(scene.state, Runtime.create(scene.options))
  if (Exit.isFailure(started.exit)) verdict(["it does not start"], started)
  const { pid } = started.model.executed().at(-1)!
  const ready = started.model.state()
  const init = ready.processes.get(pid)!
  const caller = ready.processes.get(scene.caller)!
  const state = calledBy(withNested(ready, init, caller), scene.caller)
  const isInside = (process: State.Process): boolean =>
    [...init.cgroups].some(([hierarchy, path]) =>
      path !== caller.cgroups.get(hierarchy) && isBelow(process.cgroups.get(hierarchy), path)
    )
  return { pid, state, others: [...state.processes.values()].filter((process) => !isInside(process)) }
}

describe("a kill", () => {
  const forks = fc.array(fc.record({ at: fc.nat(60), who: fc.nat(5), nested: fc.boolean() }), { maxLength: 12 })
  // version 1 has a dozen hierarchies to look at, which takes its time
  const machines = (["v2", "v2", "v2", "v2", "v2", "v2", "v2", "v2", "v2", "v2", "hybrid", "v1"] as const).flatMap((
    cgroup
  ) => [0, 1, 2].flatMap((freezingReads) => [true, false].map((ownPids) => ({ cgroup, freezingReads, ownPids }))))

  it("ends all processes of the cgroup and no other, and leaves nothing frozen, however they fork", () => {
    const counts = { kills: 0, born: 0 }
    const ready = new Map<string, ReturnType<typeof running>>()
    fc.assert(
      fc.property(fc.constantFrom(...machines), forks, ({ cgroup, freezingReads, ownPids }, plan) => {
        const key = `${cgroup} ${freezingReads} ${ownPids}`
        const container = ready.get(key) ?? running(cgroup, freezingReads, ownPids)
        ready.set(key, container)
        const { others, pid, state } = container
        const members = new Set<number>([pid])
        const fork = ({ nested, who }: Fork, model: ModelKernel.ModelKernel): void => {
          const now = model.state()
          const alive = [...members].filter((one) => now.processes.get(one)?.status === "running")
          const parent = now.processes.get(alive[who % Math.max(1, alive.length)] ?? 0)
          if (parent === undefined || isHeld(now, parent)) return
          members.add(now.nextId)
          counts.born++
          model.set((before) => forked(before, parent, nested))
        }
        const ran = perform(state, Runtime.kill(id, SIG.KILL, { stateRoot }), {
          before: ({ number }, model) => plan.filter(({ at }) => at === number).forEach((one) => fork(one, model))
        })
        counts.kills++
        const after = ran.model.state()
        verdict([
          ...Exit.isFailure(ran.exit) ? ["it failed"] : [],
          ...[...members].filter((one) => after.processes.get(one)?.status === "running").map((one) => `${one} lives`),
          ...others.filter((one) => after.processes.get(one.pid)?.status !== one.status).map((one) =>
            `${one.pid} was hit`
          ),
          ...frozen(after),
          ...undeclared(ran.seen)
        ], ran)
      }),
      { numRuns: runs(2000) }
    )
    report(`${counts.kills} kills, during which ${counts.born} processes were born`)
    assert.isAbove(counts.born, counts.kills / 4)
  })
})
