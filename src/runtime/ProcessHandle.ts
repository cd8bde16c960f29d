/**
 * A program of a container that runs, and what there is to do with it.
 *
 * @category handles
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import type { ExitCode, ProcessId } from "effect/process/ChildProcessSpawner"
import * as Scope from "effect/Scope"
import type { ConfigError } from "../config/ConfigError.ts"
import * as signals from "../config/signals.ts"
import { F } from "../native/constants.ts"
import type { AnyPid, AnyPidfd, Pid } from "../native/Handle.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../native/Kernel.ts"
import { type Background, inBackground } from "./background.ts"
import type { Provided } from "./defaults.ts"
import type { SignalError } from "./kill.ts"
import { type Lent, lent } from "./lent.ts"
import { checkShape } from "./options.ts"
import type { Ended, RunningProcess } from "./program.ts"
import { killing, type KillOptions, killShape, type Signal, signalShape } from "./signalling.ts"

/** How long a program has between the signal that asks for its end and SIGKILL, if the caller does not say. */
const forceKillAfter = "10 seconds"

/**
 * A program in a container. It ends with the scope in which it was started. It has what effect's `ChildProcessHandle` has, except
 * the streams: a program's standard streams are descriptors, `stdio` of its options.
 *
 * - `E`: what its end can fail with
 */
export interface ProcessHandle<out E = unknown> {
  /** As this process sees it. */
  readonly pid: Pid & ProcessId
  /** How it has ended; of a container's first program: as soon as all of the container is removed. */
  readonly exit: Effect.Effect<Ended, E>
  /** Its exit status, or 128 and the number of the signal that has ended it; `exit` says more. */
  readonly exitCode: Effect.Effect<ExitCode, E>
  readonly isRunning: Effect.Effect<boolean>
  /** Sends it a signal; nothing happens if it has ended. A name that is none is a {@link ConfigError}. */
  readonly signal: (signal: Signal) => Effect.Effect<void, ConfigError | SignalError>
  /**
   * Asks it to end, by SIGTERM if the options name no other signal, and waits for that; SIGKILL follows after 10 seconds, or
   * `forceKillAfter`. What goes wrong at the end is for `exit` to tell.
   */
  readonly kill: (options?: KillOptions) => Effect.Effect<void, ConfigError | SignalError>
}

/** What there is to do with a program, from the way that it gets a signal. */
export const handleOf = <E, Options>(
  pid: AnyPid,
  { ended, exit, hasEnded }: Omit<Background<unknown, E>, "up">,
  deliver: (signal: number, options?: Options) => Effect.Effect<void, SignalError>
) => {
  const signal = (signal: Signal, options?: Options): Effect.Effect<void, ConfigError | SignalError> =>
    Effect.andThen(
      checkShape(signalShape, signal),
      Effect.suspend(() => hasEnded() ? Effect.void : deliver(signals.numberOf(String(signal))!, options))
    )
  return {
    pid: pid as Pid & ProcessId,
    exit,
    exitCode: Effect.map(exit, ({ code }) => code as ExitCode),
    isRunning: Effect.sync(() => !hasEnded()),
    signal,
    kill: (options: KillOptions = {}) =>
      Effect.andThen(
        checkShape(killShape, options),
        Effect.suspend(() =>
          killing(signal, ended, { ...options, forceKillAfter: options.forceKillAfter ?? forceKillAfter })
        )
      )
  }
}

/** A program that runs, with a handle of it that is there until the end of the scope. */
interface Up {
  readonly pid: AnyPid
  readonly handle: Lent<AnyPidfd>
}

type OnRunning = (running: RunningProcess) => Effect.Effect<void, SyscallError, Kernel>

/** Runs a program in the background, as a further one of a container. */
export const furtherOf = <E, R>(
  begin: (onRunning: OnRunning) => Effect.Effect<Ended, E, R>,
  provided: Provided
): Effect.Effect<ProcessHandle<E>, E, R | Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const { up: { handle, pid }, ...background } = yield* inBackground<Up, E, R>((onRunning) =>
      begin(({ pid, pidfd }) =>
        Effect.uninterruptible(Effect.gen(function*() {
          // the runtime closes its own when the program has ended, and somebody may hold on to this one
          const handle = lent(yield* sys.fcntl({ fd: pidfd, command: F.DUPFD_CLOEXEC, argument: 3 }))
          yield* Scope.addFinalizer(scope, provided(handle.letGo))
          yield* onRunning({ pid, handle })
        }))
      )
    )
    return handleOf(pid, background, (signal) =>
      provided(handle.use(
        (pidfd) => sys.pidfd_send_signal({ pidfd, signal }).pipe(orOn(["ESRCH"], undefined)),
        undefined
      )))
  })
