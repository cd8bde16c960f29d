/** List the container's processes. */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import { identify, type ProcessIdentity, statCalls } from "../processes.ts"
import { Frozen, KillTarget, Listed } from "./KillTarget.ts"

/** The processes of the cgroup, and the init, which may have been moved out of it. */
export const listProcesses = Step.make("listProcesses", {
  doc: "list the processes in the container's cgroup",
  calls: [...Cgroup.memberCalls, ...statCalls],
  requires: [KillTarget, Frozen],
  provides: Listed,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { cgroup, init } = yield* KillTarget
    const listed: Array<ProcessIdentity> = init === undefined ? [] : [init]
    if (cgroup === undefined) return listed
    const found: Array<ProcessIdentity> = []
    for (const pid of yield* Cgroup.pids(cgroup)) {
      const process = yield* identify(pid)
      if (process !== undefined) found.push(process)
    }
    // what has ended meanwhile may have left its pid to a process outside: who is listed twice is inside
    const still = new Set(yield* Cgroup.pids(cgroup))
    return [...listed, ...found.filter(({ pid }) => pid !== init?.pid && still.has(pid))]
  })
})
