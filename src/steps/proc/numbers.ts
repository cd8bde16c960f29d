/**
 * Finds out which pid namespace's numbers `/proc` shows.
 *
 * A procfs belongs to the pid namespace of the process that mounted it. A process that has entered a new pid namespace, but has
 * mounted no new `/proc` (`unshare --pid --fork`), sees the numbers of an ancestor's namespace there, while fork, getpid and
 * pidfd_open use those of its own. If these were mixed up, another process would be taken for a child.
 *
 * The line `NSpid` of `/proc/self/status` shows which: it has a number for each namespace from that of the procfs down to the
 * process's own. And a descriptor of a process translates a pid: its file in `/proc/self/fdinfo` has the number by which that
 * procfs knows the process.
 *
 * @see pid_namespaces(7), proc_pid_status(5), pidfd_open(2)
 * @category procfs
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import { AT } from "../../native/constants.ts"
import { explain, using } from "../../native/Files.ts"
import type { AnyPid } from "../../native/Handle.ts"
import { type Kernel, onErrno, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import { readWholeText } from "../../native/whole.ts"

/** The calls that the functions of this module make. */
export const viewCalls = ["openat", "read", "close", "readlinkat", "getpid", "pidfd_open"] as const

/** Which numbers `/proc` shows: those of this process's pid namespace, of an ancestor's, or of one that it is not in. */
export type ProcView =
  | { readonly _tag: "Own" }
  /** `self` is this process there. */
  | { readonly _tag: "Other"; readonly self: number }
  | { readonly _tag: "None"; readonly reason: SyscallError }

const own: ProcView = { _tag: "Own" }

/** The numbers of the line `NSpid`, from the namespace of the procfs inwards. A kernel without namespaces has no such line. */
export const numbersOf = (status: string): ReadonlyArray<number> =>
  /^NSpid:(.*)$/m.exec(status)?.[1]!.trim().split(/\s+/).map(Number) ?? []

/** Which numbers `/proc` shows now. */
export const procView: Effect.Effect<ProcView, SyscallError, Kernel> = readWholeText("/proc/self/status").pipe(
  Effect.map((status): ProcView => {
    const numbers = numbersOf(status)
    return numbers.length > 1 ? { _tag: "Other", self: numbers[0]! } : own
  }),
  onErrno(["ENOENT", "ENOTDIR"], (reason) => Effect.succeed({ _tag: "None" as const, reason }))
)

/** The error if `/proc` does not show this process. */
const noProc = (reason: SyscallError): SyscallError =>
  explain(
    reason,
    "/proc is not mounted, or belongs to a pid namespace that this process is not in, so that no process can be found " +
      "by its pid: mount a procfs of this pid namespace (unshare has --mount-proc)"
  )

/** The number by which `/proc` knows the process that is `pid` here; `undefined` if there is none. */
export const procNumber = (pid: AnyPid, view: ProcView): Effect.Effect<number | undefined, SyscallError, Kernel> => {
  if (view._tag === "Own") return Effect.succeed(pid)
  if (view._tag === "None") return Effect.fail(noProc(view.reason))
  return using(
    sys.pidfd_open({ pid, flags: 0 }),
    (pidfd) =>
      Effect.map(readWholeText(`/proc/self/fdinfo/${pidfd}`), (text) => {
        const number = Number(/^Pid:\s*(-?\d+)$/m.exec(text)?.[1] ?? 0)
        return number > 0 ? number : undefined
      })
  ).pipe(
    // EINVAL: the pid is a thread's, no process's, by now
    orOn(["ESRCH", "EINVAL"], undefined)
  )
}

/**
 * The number by which a child of this process is found in `/proc` now, for a path; its pid if that is not known, so that the
 * call that uses the path fails.
 */
export const pathNumber = (pid: AnyPid): Effect.Effect<number, SyscallError, Kernel> =>
  Effect.flatMap(
    procView,
    (view) => view._tag === "Other" ? Effect.map(procNumber(pid, view), (number) => number ?? pid) : Effect.succeed(pid)
  )

/** A file of the process that is `pid` here; `undefined` if there is no such process. */
export const readBelowProc = (
  pid: AnyPid,
  file: string,
  view: ProcView
): Effect.Effect<string | undefined, SyscallError, Kernel> =>
  Effect.flatMap(procNumber(pid, view), (number) =>
    number === undefined
      ? Effect.succeed(undefined)
      // it may end between the open and the read
      : readWholeText(`/proc/${number}/${file}`).pipe(orOn(["ENOENT", "ESRCH"], undefined)))

// -- numbers that are written down ------------------------------------------------------------------------------------

/** In which pid namespace, and since which boot, pids that are written down are valid. Plain data. */
export interface Numbering {
  /** `/proc/sys/kernel/random/boot_id`; absent if that can't be read (a procfs with `subset=pid`). */
  readonly boot?: string
  /** The pid namespace, as the link `/proc/self/ns/pid` names it: `pid:[4026531836]`. */
  readonly pidNamespace: string
}

/** The pid namespace of the kernel's own first process (`PROC_PID_INIT_INO`), from which every process can be seen. */
export const initialPidNamespace = "pid:[4026531836]"

/** In which pid namespace, and since which boot, this process's pids are valid; `undefined` if `/proc` does not show it. */
export const numbering: Effect.Effect<Numbering | undefined, SyscallError, Kernel> = Effect.gen(function*() {
  const pidNamespace = yield* sys.readlinkat({ dirfd: AT.FDCWD, path: "/proc/self/ns/pid" }).pipe(
    orOn(["ENOENT", "ENOTDIR"], undefined)
  )
  if (pidNamespace === undefined) return undefined
  const boot = yield* readWholeText("/proc/sys/kernel/random/boot_id").pipe(orOn(["ENOENT", "EACCES"], ""))
  return { pidNamespace, ...(boot === "" ? {} : { boot: boot.trim() }) }
})
