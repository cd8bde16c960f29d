/**
 * SIGKILL to every process in a cgroup and to no other.
 *
 * @category kill
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { SIG } from "../../native/constants.ts"
import { type Kernel, sys, type SyscallError } from "../../native/Kernel.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import { openProcess, signalThrough } from "../proc/processes.ts"

/** The calls that {@link killMembers} makes. */
export const killCalls = [...Cgroup.memberCalls, "pidfd_open", "pidfd_send_signal"] as const

/** How many processes are held by descriptor at a time. */
const batch = 256

/** How often the list is read again for processes that were forked meanwhile. */
const rounds = 20

/**
 * Kills all: first by `cgroup.kill`, if the kernel has it, which no fork can escape; then those that are still listed, one by
 * one. The list is read again as long as there are new ones (a frozen cgroup has none).
 */
export const killMembers = (
  manager: Cgroup.CgroupManager
): Effect.Effect<void, SyscallError | Cgroup.NotACgroup, Kernel> =>
  Effect.gen(function*() {
    yield* Cgroup.killAll(manager)
    const signalled = new Set<number>()
    for (let round = 0; round < rounds; round++) {
      const fresh = (yield* Cgroup.pids(manager)).filter((pid) => !signalled.has(pid))
      if (fresh.length === 0) return
      for (let at = 0; at < fresh.length; at += batch) {
        for (const pid of yield* signalBatch(manager, fresh.slice(at, at + batch))) signalled.add(pid)
      }
    }
  })

/** Kills the processes of one batch, and returns the pids that were looked at. */
const signalBatch = (
  manager: Cgroup.CgroupManager,
  pids: ReadonlyArray<number>
): Effect.Effect<ReadonlyArray<number>, SyscallError | Cgroup.NotACgroup, Kernel> =>
  Effect.acquireUseRelease(
    Effect.succeed(new Map<number, number>()),
    (handles) =>
      Effect.gen(function*() {
        for (const pid of pids) {
          const pidfd = yield* openProcess(pid)
          if (pidfd !== undefined) handles.set(pid, pidfd)
        }
        // a pid that is still in the list now that its descriptor is open is the process of that descriptor
        const inside = new Set(yield* Cgroup.pids(manager))
        for (const [pid, pidfd] of handles) if (inside.has(pid)) yield* signalThrough(pidfd, SIG.KILL)
        return pids
      }),
    (handles) => Effect.forEach(handles.values(), (fd) => sys.close({ fd }), { discard: true })
  )
