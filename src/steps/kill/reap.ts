/** Wait until all processes have ended. */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import type { ChildStatus } from "../../native/calls.ts"
import { P, SIG, W } from "../../native/constants.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import { pause } from "../cgroup/files.ts"
import { hasEnded, isAlive, type ProcessIdentity, readStat, signal, signalCalls } from "../processes.ts"
import { killCalls, killMembers } from "./killMembers.ts"
import { KillTarget, Listed, ProcessesRemain, Reaped, Thawed } from "./KillTarget.ts"

/** How long to wait, in milliseconds, where the target does not say. */
const defaultPatience = 10_000

/**
 * How many rounds a listed child of ours that is dead is left to whoever waits for it in this process: each round gives
 * other fibers, and the signal that wakes them, their turn. Who runs the container and who kills it are often one process.
 */
const courtesy = 3

/** Asks once for the status of a child: `null` where it has not ended, `"stranger"` where it is no child of the caller. */
const reapOne = (pid: number): Effect.Effect<ChildStatus | null | "stranger", SyscallError, Kernel> =>
  sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED | W.NOHANG }).pipe(orOn(["ECHILD"], "stranger" as const))

/**
 * Waits until every process has ended: reaps those that are children of the caller, all at the same time, since the end of
 * a pid namespace's init waits for every other member to be reaped; but not before other fibers of this process, which may
 * wait for their status, had the chance to. For the others it is enough that they are dead, a zombie of another parent
 * counts as that.
 *
 * What has got away before the list was made is found in the cgroup here, and killed as well. Never waits for ever: fails
 * with {@link ProcessesRemain}.
 */
export const reap = Step.make("reap", {
  doc: "wait until all processes have ended, and reap those that are ours",
  calls: [...killCalls, ...signalCalls, "getpid", "waitid"],
  requires: [KillTarget, Listed, Thawed],
  provides: Reaped,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { cgroup, children, init, patience = defaultPatience } = yield* KillTarget
    const statuses: Array<ChildStatus> = []
    let waiting: ReadonlyArray<ProcessIdentity> = yield* Listed
    const self = waiting.length === 0 ? 0 : yield* sys.getpid({})
    let ours: ReadonlyArray<number> = children
    const dead = new Map<number, number>()
    let slept = 0
    for (let sleep = 1;; sleep = Math.min(sleep * 2, 20)) {
      const oursLeft: Array<number> = []
      for (const pid of ours) {
        const status = yield* reapOne(pid)
        if (status === null) oursLeft.push(pid)
        else if (status !== "stranger") statuses.push(status)
      }
      ours = oursLeft
      const left: Array<ProcessIdentity> = []
      for (const process of waiting) {
        // compared first: a pid that is another process's by now, maybe another child of ours, is not asked for
        const stat = yield* readStat(process.pid)
        if (stat === undefined || stat.startTime !== process.startTime) continue
        const rounds = hasEnded(stat) ? (dead.get(process.pid) ?? 0) + 1 : 0
        dead.set(process.pid, rounds)
        if (rounds <= courtesy && stat.parent === self) {
          left.push(process)
          continue
        }
        const status = yield* reapOne(process.pid)
        if (status === "stranger" ? yield* isAlive(process) : status === null) left.push(process)
        else if (status !== null && status !== "stranger") statuses.push(status)
      }
      waiting = left
      const inside = cgroup === undefined ? [] : yield* Cgroup.pids(cgroup)
      const pids = [...new Set([...waiting.map(({ pid }) => pid), ...ours, ...inside])]
      if (pids.length === 0) return statuses
      if (slept >= patience) {
        const stats = yield* Effect.forEach(pids, readStat)
        return yield* new ProcessesRemain({
          pids,
          states: stats.map((stat) => stat?.state ?? "?"),
          milliseconds: slept
        })
      }
      if (cgroup !== undefined && inside.length > 0 && sleep > 1) yield* killMembers(cgroup)
      if (init !== undefined && cgroup === undefined) yield* signal(init, SIG.KILL)
      yield* pause(sleep)
      slept += sleep
      yield* Effect.yieldNow
    }
  })
})
