/**
 * A program that runs, from its first instruction to its exit code.
 *
 * @category results
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Event } from "../engine/Events.ts"
import { given } from "../engine/given.ts"
import type { Restore } from "../engine/Pipeline.ts"
import type { AnyFd, AnyPid, AnyPidfd } from "../native/Handle.ts"
import { type Kernel, sys, type SyscallError } from "../native/Kernel.ts"
import type { ChildStatus, ResourceUsage } from "../native/results.ts"
import * as Cgroup from "../steps/cgroup/Cgroup.ts"
import { type Stats, stats } from "../steps/cgroup/stats.ts"
import { EnteredProcess, Started } from "../steps/parent/facts.ts"
import type { State } from "../steps/state/State.ts"
import { awaitExit, awaitUsage, exitCode } from "./awaitExit.ts"
import { thenEnd, tryAll } from "./endings.ts"
import type { StreamError } from "./streams.ts"
import { withTerminal } from "./terminal.ts"

/** A program that runs. */
export interface RunningProcess {
  /** In the caller's pid namespace. */
  readonly pid: AnyPid
  /** Owned by the caller, which waits with it and closes it. */
  readonly pidfd: AnyPidfd
  /** The steps of the init, with times. */
  readonly events: ReadonlyArray<Event>
  /** The master of its terminal, if it has one and no console socket was given. */
  readonly master?: AnyFd
}

/**
 * The first program of a container, which runs.
 *
 * @since 0.2.0
 */
export interface RunningContainer extends RunningProcess {
  readonly state: State
}

/**
 * How a program ended.
 *
 * @since 0.2.0
 */
export interface Ended {
  readonly status: ChildStatus
  /** The status, or 128 and the signal's number. */
  readonly code: number
  readonly events: ReadonlyArray<Event>
  /** The limits that the container reached, as its cgroups count them; only if the program failed, or if that was asked for. */
  readonly shortage?: Cgroup.Shortage
  /** What the container has used, as its cgroups count it, if that was asked for and there are any. */
  readonly used?: Stats
  /** What the program has used, with the children that it has waited for, as the kernel counts it; if that was asked for. */
  readonly usage?: ResourceUsage
}

/** The running program, from the facts of the pipeline that has started it. */
export const startedOf = (facts: Context.Context<EnteredProcess | Started>): RunningProcess => {
  const { pid, pidfd } = Context.get(facts, EnteredProcess)
  return { pid, pidfd, events: Context.get(facts, Started).events }
}

const waitFor = (
  running: RunningProcess,
  measured: boolean
): Effect.Effect<Ended, SyscallError | StreamError, Kernel> => {
  const wait: ReturnType<typeof awaitUsage> = measured
    ? awaitUsage(running)
    : Effect.map(awaitExit(running.pidfd), (status) => ({ status }))
  return Effect.map(
    running.master === undefined ? wait : withTerminal(running.master, wait),
    ({ status, usage }) => ({ status, code: exitCode(status), events: running.events, ...given({ usage }) })
  )
}

/**
 * What the cgroups report about a program that has ended. What can't be read is left out.
 *
 * @param always even if it did not fail: one of its children may have reached a limit
 */
const countedBy = Effect.fnUntraced(function*(cgroup: Cgroup.CgroupManager, { code }: Ended, always: boolean) {
  const ignoring = <A, E>(look: Effect.Effect<A, E, Kernel>) => Effect.orElseSucceed(look, () => undefined)
  return given({
    shortage: code === 0 && !always ? undefined : yield* ignoring(Cgroup.shortage(cgroup)),
    used: always ? yield* ignoring(stats(cgroup)) : undefined
  })
})

/**
 * Waits for the end of a running program, and cleans up, however it ended.
 *
 * @param options.cgroup counts what it uses, and which limits it reaches
 * @param options.counted whether to read these counts even if it did not fail
 * @param options.measured whether to ask the kernel what the program itself has used
 * @param options.end cleans up; the handle of the program is closed here
 */
export const toItsEnd = Effect.fnUntraced(function*<Up extends RunningProcess, E, R, E2>(
  restore: Restore,
  running: Up,
  onRunning: (running: Up) => Effect.Effect<void, E, R>,
  { cgroup, counted = false, end, measured = false }: {
    readonly cgroup: Cgroup.CgroupManager | undefined
    readonly counted?: boolean | undefined
    readonly measured?: boolean | undefined
    readonly end: (exit: Exit.Exit<Ended, unknown>) => ReadonlyArray<Effect.Effect<void, E2, Kernel>>
  }
) {
  const exit = yield* Effect.exit(restore(Effect.andThen(onRunning(running), waitFor(running, measured))))
  // before its cgroups are removed
  const counts = Exit.isSuccess(exit) && cgroup !== undefined ? yield* countedBy(cgroup, exit.value, counted) : {}
  const closing: Effect.Effect<void, E2 | SyscallError, Kernel> = sys.close({ fd: running.pidfd })
  const ended = yield* thenEnd(exit, tryAll<E2 | SyscallError, Kernel>([...end(exit), closing]))
  return { ...ended, ...counts }
})
