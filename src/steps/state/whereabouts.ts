/**
 * Finds a process that was written down, and whether it is still the same one.
 *
 * A pid is only valid in the pid namespace where it was written down. There the process has the same number. From an ancestor of
 * that namespace, it is searched among all visible processes, by its start time, its pid namespace and its numbers. From
 * anywhere else it can't be found, and is not touched.
 *
 * @category state
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import { AT, O } from "../../native/constants.ts"
import { entriesOf, readText, using } from "../../native/Files.ts"
import type { AnyPid } from "../../native/Handle.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import { initialPidNamespace, type Numbering, numbering, numbersOf, procView } from "../proc/numbers.ts"
import {
  hasEnded,
  type HiddenProcess,
  parseStat,
  type ProcessIdentity,
  readStat,
  statCalls
} from "../proc/processes.ts"

import type { InitIdentity, State } from "./State.ts"

/** The calls that {@link whereabouts} makes. */
export const whereaboutsCalls = [...statCalls, "getdents64", "pidfd_open"] as const

/** What is known about a process that was written down. */
export type Whereabouts =
  /** None was written down. */
  | { readonly _tag: "None" }
  /** It lives; the pid is that of the caller's pid namespace. */
  | { readonly _tag: "Alive"; readonly process: ProcessIdentity }
  /** It has ended; with `zombie`, its parent has not reaped it yet. */
  | { readonly _tag: "Ended"; readonly zombie?: ProcessIdentity }
  /** It belongs to a pid namespace that can't be seen from here. */
  | { readonly _tag: "Unseen"; readonly pidNamespace: string }

const ended: Whereabouts = { _tag: "Ended" }

/** Finds a process whose pid is valid in `known`; if that is absent, in the caller's pid namespace. */
const whereabouts = Effect.fnUntraced(function*(
  process: InitIdentity | undefined,
  known: Numbering | undefined
): Effect.fn.Return<Whereabouts, SyscallError, Kernel> {
  if (process === undefined) return { _tag: "None" }
  if (known !== undefined) {
    const here = yield* numbering
    if (here === undefined) return { _tag: "Unseen", pidNamespace: known.pidNamespace }
    // no process survives a reboot
    if (here.boot !== undefined && known.boot !== undefined && here.boot !== known.boot) return ended
    if (here.pidNamespace !== known.pidNamespace) return yield* search(process, known, here)
  }
  const stat = yield* readStat(process.pid)
  if (stat === undefined || stat.startTime !== process.startTime) return ended
  const found = { pid: process.pid, startTime: process.startTime }
  return hasEnded(stat) ? { _tag: "Ended", zombie: found } : { _tag: "Alive", process: found }
})

/** Where a process is that `/proc` did not show when it was written down. */
const unveiled = Effect.fnUntraced(function*(
  { heldAt, pid }: HiddenProcess,
  known: Numbering | undefined
): Effect.fn.Return<Whereabouts, SyscallError, Kernel> {
  if (known !== undefined && (yield* numbering)?.pidNamespace !== known.pidNamespace) {
    return { _tag: "Unseen", pidNamespace: known.pidNamespace }
  }
  const stat = yield* readStat(pid)
  // it is hidden as before, or it ended before its exec
  if (stat === undefined) return { _tag: "None" }
  return stat.startTime > heldAt ? ended : yield* whereabouts(stat, known)
})

/** Finds the first process of a container. */
export const initOf = ({ hidden, init, numbering }: State): Effect.Effect<Whereabouts, SyscallError, Kernel> =>
  init === undefined && hidden !== undefined ? unveiled(hidden, numbering) : whereabouts(init, numbering)

/** Whether pids that were written down are those of this process's pid namespace. */
const areOwn = (known: Numbering | undefined): Effect.Effect<boolean, SyscallError, Kernel> =>
  known === undefined
    ? Effect.succeed(true)
    : Effect.map(numbering, (here) => here?.pidNamespace === known.pidNamespace)

/** Finds the process that starts a container or stays with it. */
export const runnerOf = (state: State): Effect.Effect<Whereabouts, SyscallError, Kernel> => runnerIn(state)

const runnerIn = Effect.fnUntraced(
  function*({ numbering: known, runner }: State): Effect.fn.Return<Whereabouts, SyscallError, Kernel> {
    const found = yield* whereabouts(runner, known)
    if (runner?.thread === undefined || found._tag !== "Alive") return found
    // threads of another pid namespace are not looked for
    if (!(yield* areOwn(known))) return found
    return (yield* whereabouts(runner.thread, known))._tag === "Ended" ? ended : found
  }
)

/** Whether a process that was written down has ended for certain, and is not only hidden by `/proc` (hidepid). */
const isGone = (pid: AnyPid): Effect.Effect<boolean, SyscallError, Kernel> =>
  Effect.flatMap(readStat(pid), (stat) =>
    stat === undefined
      ? using(sys.pidfd_open({ pid, flags: 0 }), () => Effect.succeed(false)).pipe(orOn(["ESRCH"], true))
      : Effect.succeed(true))

/**
 * Whether the process that was to stay with a container until its end, and to remove it, has ended for certain. What still runs
 * there has no owner: the kernel tells a program of the death of its parent by a signal, but a program can take that off (prctl(2),
 * or execve(2) by another thread).
 *
 * @since 0.2.0
 */
export const isOrphan = Effect.fnUntraced(function*(state: State): Effect.fn.Return<boolean, SyscallError, Kernel> {
  const { numbering, runner } = state
  if (runner === undefined || !(yield* areOwn(numbering))) return false
  return (yield* whereabouts(runner, numbering))._tag === "Ended" && (yield* isGone(runner.pid))
})

const namespaceOf = (pid: AnyPid): Effect.Effect<string | undefined, SyscallError, Kernel> =>
  sys.readlinkat({ dirfd: AT.FDCWD, path: `/proc/${pid}/ns/pid` }).pipe(
    orOn(["ENOENT", "ESRCH", "EACCES", "EPERM"], undefined)
  )

const fileOf = (pid: AnyPid, file: string): Effect.Effect<string, SyscallError, Kernel> =>
  readText(`/proc/${pid}/${file}`).pipe(orOn(["ENOENT", "ESRCH", "EACCES"], ""))

/** Looks for a process of another pid namespace among all that `/proc` shows. */
const search = Effect.fnUntraced(function*(process: InitIdentity, known: Numbering, here: Numbering) {
  const unseen: Whereabouts = { _tag: "Unseen", pidNamespace: known.pidNamespace }
  // a number of another pid namespace could not be used here
  if ((yield* procView)._tag !== "Own") return unseen
  const pids = (yield* using(
    sys.openat({ dirfd: AT.FDCWD, path: "/proc", flags: O.RDONLY | O.DIRECTORY | O.CLOEXEC, mode: 0 }),
    entriesOf
  )).flatMap(({ name }) => /^\d+$/.test(name) ? [Number(name)] : [])
  // in the first pid namespace all processes are visible, unless hidepid hides process 1 as well
  let isBelow = here.pidNamespace === initialPidNamespace && pids.includes(1)
  for (const pid of pids) {
    const stat = parseStat(yield* fileOf(pid, "stat"))
    if (stat === undefined) continue
    if (stat.startTime !== process.startTime) {
      isBelow ||= (yield* namespaceOf(pid)) === known.pidNamespace
      continue
    }
    if (!numbersOf(yield* fileOf(pid, "status")).slice(1).includes(process.pid)) continue
    const namespace = yield* namespaceOf(pid)
    if (namespace === undefined || process.pidNamespace === undefined) return unseen
    if (namespace !== process.pidNamespace) continue
    return stat.state === "Z" || stat.state === "X"
      ? ended
      : { _tag: "Alive", process: { pid, startTime: stat.startTime } } satisfies Whereabouts
  }
  return isBelow ? ended : unseen
})
