/**
 * A program in a sandbox that is talked to while it runs.
 *
 * @category programs
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { may, open, struct } from "../config/shape/Shape.ts"
import type { Fork } from "../native/Fork.ts"
import type { Kernel } from "../native/Kernel.ts"
import * as Cgroup from "../steps/cgroup/Cgroup.ts"
import type { ContainerId } from "../steps/state/ContainerId.ts"
import * as Store from "../steps/state/Store.ts"
import { problemsOf } from "./check.ts"
import { sinceItsEnd } from "./failure.ts"
import { exec, type ExecOptions, type FurtherOptions, startFurther } from "./further.ts"
import { type Ends, type FurtherPipes, furtherPipes } from "./furtherPipes.ts"
import { held } from "./lifetime.ts"
import { ended, type Unused } from "./pipes.ts"
import { type Result, startFields } from "./run.ts"
import type { Sandbox } from "./Sandbox.ts"
import { InvalidSandbox, type SandboxError, SandboxUnavailable } from "./SandboxError.ts"
import { inOwnWords, start, type Started, type TerminalOptions, thaw } from "./start.ts"
import { type Streams, streamsOf } from "./streams.ts"
import { type Provided, type Talk, talkOf } from "./talk.ts"

/**
 * What a program gets that is talked to while it runs.
 *
 * @category models
 */
export interface SpawnOptions extends TerminalOptions {
  /**
   * Further pipes, by the number that the program has them under: `{ 3: "output" }` is one that it writes to. This process's
   * ends of them are `getInputFd` and `getOutputFd` of the process.
   */
  readonly pipes?: FurtherPipes
}

const shape = struct<SpawnOptions>({ ...startFields, pipes: may(open<object>({})) })

/**
 * What a sandbox uses now. What is not counted is absent.
 *
 * @category models
 */
export interface Stats {
  /** Time of processors until now, in milliseconds. */
  readonly cpu?: number
  /** Bytes. */
  readonly memory?: number
  readonly processes?: number
}

/**
 * A program in a sandbox. It ends with the scope in which it was started. It has all that effect's `ChildProcessHandle` has,
 * under the same names.
 *
 * @category models
 */
export interface Process extends Ends, Talk {
  /** The id of the sandbox, as `runfx list` shows it. */
  readonly id: ContainerId
  /**
   * Lets it go on when its scope ends. The effect that this one succeeds with takes that back. It still ends with this process,
   * and this process does not end by itself before it.
   */
  readonly unref: Effect.Effect<Effect.Effect<void>>
  /** Runs a further program in the same sandbox to its end. The limits are the sandbox's. */
  readonly exec: (command: ReadonlyArray<string>, options?: ExecOptions) => Effect.Effect<Result, SandboxError>
  /** Starts a further program in the same sandbox, to be talked to. It ends with the scope, and with the sandbox. */
  readonly spawn: (
    command: ReadonlyArray<string>,
    options?: FurtherOptions
  ) => Effect.Effect<Talk, SandboxError, Scope.Scope>
  /**
   * Stops all processes where they are, even those that `exec` is starting or waits for; `exec` then waits until `resume`.
   * Pauses and resumes are done in the order in which they were asked for. Takes a cgroup, without which it is a
   * {@link SandboxUnavailable}.
   */
  readonly pause: Effect.Effect<void, SandboxError>
  /** Lets them continue. */
  readonly resume: Effect.Effect<void, SandboxError>
  /** What it uses now; takes a cgroup, as `pause` does. */
  readonly stats: Effect.Effect<Stats, SandboxError>
}

/** The cgroups of a sandbox, as they are written down. */
const cgroupOf = (what: string, { id, stateRoot }: Started) =>
  Effect.flatMap(Store.load(stateRoot, id), ({ cgroup }) =>
    cgroup === undefined
      ? new SandboxUnavailable({
        what: [what],
        why: "the sandbox has no cgroup",
        advice: "run as root, or give it a limit that takes a cgroup, in one that is delegated to the caller"
      })
      : Effect.succeed(cgroup))

/** The parts of a process that act on its cgroups. */
const controls = (started: Started, provided: Provided) => {
  const withCgroup = <A, E>(
    what: string,
    use: (cgroup: Cgroup.CgroupManager) => Effect.Effect<A, E, Kernel>
  ): Effect.Effect<A, SandboxError> =>
    Effect.mapError(provided(inOwnWords(Effect.flatMap(cgroupOf(what, started), use))), sinceItsEnd(started))
  let paused = false
  const set = (to: boolean) => Effect.sync(() => void (paused = to))
  // a freeze and a thaw that overlap undo each other, and each waits for what never comes
  const inTurn = Semaphore.withPermit(Semaphore.makeUnsafe(1))
  const thawed = provided(thaw(started.stateRoot, started.id))
  return {
    // a frozen process does not die; one that has died meanwhile is gone with its cgroup
    killed: inTurn(Effect.suspend(() => paused ? thawed : Effect.void)),
    pause: inTurn(withCgroup("pause", (cgroup) =>
      Effect.andThen(
        Cgroup.freeze(cgroup),
        // its time was over meanwhile, and its end must not wait for a resume
        Effect.suspend(() => started.timedOut() ? thawed : set(true))
      ))),
    resume: inTurn(withCgroup("resume", (cgroup) => Effect.andThen(Cgroup.thaw(cgroup), set(false)))),
    stats: withCgroup("stats", (cgroup) =>
      Effect.map(Cgroup.stats(cgroup), ({ cpu, memory, pids }): Stats => ({
        ...(cpu === undefined ? {} : { cpu: Number(cpu.usage / 1000n) / 1000 }),
        ...(memory === undefined ? {} : { memory: Number(memory.usage) }),
        ...(pids === undefined ? {} : { processes: Number(pids.current) })
      })))
  }
}

/**
 * A program that has just been started.
 *
 * @category models
 */
export interface Begun {
  readonly process: Omit<Process, "unref">
  readonly streams: Streams
  /** As `spawn` of the process, with the streams as Node has them. */
  readonly further: (
    command: ReadonlyArray<string>,
    options?: FurtherOptions
  ) => Effect.Effect<Further, SandboxError, Scope.Scope>
}

/**
 * A further program, with its streams as Node has them.
 *
 * @category models
 */
export interface Further {
  readonly talk: Talk
  readonly streams: Streams
}

/** Starts a program, which ends with the scope. */
export const begin = (
  sandbox: Sandbox,
  command: ReadonlyArray<string>,
  { pipes: ways = {}, ...options }: SpawnOptions,
  unused?: Unused
): Effect.Effect<Begun, SandboxError, Kernel | Fork | Scope.Scope> =>
  Effect.gen(function*() {
    const problems = problemsOf(shape, { ...options, pipes: ways }, "options")
    if (problems.length > 0) return yield* new InvalidSandbox({ problems })
    const further = yield* inOwnWords(furtherPipes(ways, options.descriptors ?? {}))
    const descriptors = { ...options.descriptors, ...further.descriptors }
    const started = yield* start(sandbox, command, { ...options, descriptors }, unused)
    yield* further.closeTheirs
    return yield* begunOf(sandbox, started, further)
  })

/** What there is to do with a program that was started. */
export const begunOf = (
  sandbox: Sandbox,
  started: Started,
  ends: Ends
): Effect.Effect<Begun, never, Kernel | Fork> =>
  Effect.gen(function*() {
    const context = yield* Effect.context<Kernel | Fork>()
    const provided: Provided = (self) => Effect.provideContext(self, context)
    const streams = streamsOf(started.pipes, started.terminal)
    const { killed, ...control } = controls(started, provided)
    const { terminal, timedOut } = started
    const further = (
      command: ReadonlyArray<string>,
      options: FurtherOptions = {}
    ): Effect.Effect<Further, SandboxError, Scope.Scope> =>
      startFurther(started, sandbox, command, options).pipe(
        Effect.map((spoken) => ({ talk: talkOf(spoken, provided, killed), streams: spoken.streams })),
        Effect.updateContext((scoped: Context.Context<Scope.Scope>) => Context.merge(context, scoped))
      )
    const process = {
      ...talkOf({ program: started, streams, terminal, timedOut }, provided, killed),
      id: started.id,
      getInputFd: ends.getInputFd,
      getOutputFd: ends.getOutputFd,
      exec: (command: ReadonlyArray<string>, options: ExecOptions = {}) =>
        provided(exec(started, sandbox, command, options)),
      spawn: (command: ReadonlyArray<string>, options?: FurtherOptions) =>
        Effect.map(further(command, options), ({ talk }) => talk),
      ...control
    }
    return { process, streams, further }
  })

/** Waits for a program's end, and until all that it has written was read, if anybody reads it. */
export const endOf = ({ process, streams: { stderr, stdout } }: Begun): Effect.Effect<unknown, unknown> => {
  const read = Effect.suspend(() =>
    Effect.forEach([stdout, stderr].filter((stream) => stream.listenerCount("readable") > 0), ended, { discard: true })
  )
  return Effect.andThen(process.exit, read)
}

/**
 * A program, with its streams as Node has them.
 *
 * @category models
 */
export interface Spawned extends Pick<Begun, "streams" | "further"> {
  readonly process: Process
}

/** Runs a program as long as the scope is open, unless it is let go of. */
export const spawnedFrom = <R>(
  begin: Effect.Effect<Begun, SandboxError, R>
): Effect.Effect<Spawned, SandboxError, Exclude<R, Scope.Scope> | Scope.Scope> =>
  Effect.map(
    held(begin, { atEnd: () => Effect.void, ended: endOf }),
    ({ unref, value: { process, ...rest } }) => ({ process: { ...process, unref }, ...rest })
  )

/** As {@link spawn}, with the streams as Node has them. */
export const spawnWith = (
  sandbox: Sandbox,
  command: ReadonlyArray<string>,
  options: SpawnOptions = {}
): Effect.Effect<Spawned, SandboxError, Kernel | Fork | Scope.Scope> => spawnedFrom(begin(sandbox, command, options))

/**
 * Starts a program in a sandbox, to be talked to while it runs. With the scope all of it ends, and nothing is left.
 *
 * **Example** (A shell that is told line by line)
 *
 * ```ts
 * const program = Effect.scoped(Effect.gen(function*() {
 *   const shell = yield* spawn(make(), ["sh"])
 *   yield* Stream.run(Stream.make(new TextEncoder().encode("echo hello\n")), shell.stdin)
 *   const text = yield* Stream.mkString(Stream.decodeText(shell.stdout))
 *   return [text, (yield* shell.exit).exitCode]
 * }))
 * ```
 */
export const spawn = (
  sandbox: Sandbox,
  command: ReadonlyArray<string>,
  options: SpawnOptions = {}
): Effect.Effect<Process, SandboxError, Kernel | Fork | Scope.Scope> =>
  Effect.map(spawnWith(sandbox, command, options), ({ process }) => process)
