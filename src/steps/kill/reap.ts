/**
 * Wait until all processes have ended.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { P, SIG, W } from "../../native/constants.ts"
import type { AnyPid } from "../../native/Handle.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import type { ChildStatus } from "../../native/results.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import { pause } from "../cgroup/files.ts"
import { procView } from "../proc/numbers.ts"
import { hasEnded, isAlive, type ProcessIdentity, readStat, signal, signalCalls } from "../proc/processes.ts"
import { ProcessesRemain } from "./errors.ts"
import { ProcessesListed, Reaped, Thawed } from "./facts.ts"
import { killCalls, killMembers } from "./killMembers.ts"
import { KillTarget } from "./KillTarget.ts"

/** How long to wait, in milliseconds, if the target does not say. */
const defaultPatience = 10_000

/**
 * For how many rounds a dead child of ours is left to another fiber of this process, which may wait for it: one process
 * often both runs a container and kills it. Each round gives that fiber a turn.
 */
const courtesy = 3

/**
 * Asks once for the status of a child: `null` if it has not ended, `"stranger"` if it is no child of the caller, or if the
 * kernel or a seccomp filter does not let the caller ask.
 */
const reapOne = (pid: AnyPid): Effect.Effect<ChildStatus | null | "stranger", SyscallError, Kernel> =>
  sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED | W.NOHANG }).pipe(
    orOn(["ECHILD", "ENOSYS"], "stranger" as const)
  )

/**
 * Waits until every process has ended.
 *
 * Children of the caller are reaped. All of them are asked for in each round, since the init of a pid namespace can't end
 * before every other member is reaped. Other fibers of this process, which may wait for a child's status, come first.
 * A process of another parent counts as ended as soon as it is dead, even as a zombie.
 *
 * Processes that are not in the list, such as children that were forked before the freeze took effect, are found in the cgroup
 * here, and killed as well. If the wait takes too long, the step fails with {@link ProcessesRemain}.
 */
export const reap = Step.make("reap", {
  doc: "wait until all processes have ended, and reap those that are ours",
  calls: [...new Set([...killCalls, ...signalCalls, ...Cgroup.freezerCalls, "getpid" as const, "waitid" as const])],
  requires: [KillTarget, ProcessesListed, Thawed],
  provides: Reaped,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { cgroup, children, init, patience = defaultPatience } = yield* KillTarget
    const statuses: Array<ChildStatus> = []
    let waiting: ReadonlyArray<ProcessIdentity> = yield* ProcessesListed
    const self = waiting.length === 0 ? 0 : yield* sys.getpid({})
    const view = waiting.length === 0 ? undefined : yield* procView
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
        // compare first: the pid may belong to another process by now, maybe to another child of ours
        const stat = yield* readStat(process.pid, view)
        if (stat === undefined || stat.startTime !== process.startTime) continue
        const rounds = hasEnded(stat) ? (dead.get(process.pid) ?? 0) + 1 : 0
        dead.set(process.pid, rounds)
        if (rounds <= courtesy && stat.parent === self) {
          left.push(process)
          continue
        }
        const status = yield* reapOne(process.pid)
        if (status === "stranger" ? yield* isAlive(process, view) : status === null) left.push(process)
        else if (status !== null && status !== "stranger") statuses.push(status)
      }
      waiting = left
      const inside = cgroup === undefined ? [] : yield* Cgroup.pids(cgroup)
      const pids = [...new Set([...waiting.map(({ pid }) => pid), ...ours, ...inside])]
      if (pids.length === 0) return statuses
      if (slept >= patience) {
        const stats = yield* Effect.forEach(pids, (pid) => readStat(pid, view))
        return yield* new ProcessesRemain({
          pids,
          states: stats.map((stat) => stat?.state ?? "?"),
          milliseconds: slept
        })
      }
      if (cgroup !== undefined && inside.length > 0 && sleep > 1) {
        // the container may have frozen a group of its own below: those processes die only once they are thawed
        yield* Cgroup.thaw(cgroup, { insist: true, whole: true })
        yield* killMembers(cgroup)
      }
      if (init !== undefined && cgroup === undefined) yield* signal(init, SIG.KILL)
      slept += yield* pause(sleep)
      yield* Effect.yieldNow
    }
  })
})
