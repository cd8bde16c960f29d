/** The start of a sandbox with pipes, and what there is of it while it runs. It ends with the scope. */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { F, SIG } from "../native/constants.ts"
import type { Fork } from "../native/Fork.ts"
import type { AnyPid, AnyPidfd } from "../native/Handle.ts"
import { type Kernel, sys, type SyscallError } from "../native/Kernel.ts"
import { type Lent, lent } from "../runtime/lent.ts"
import * as Runtime from "../runtime/Runtime.ts"
import * as Cgroup from "../steps/cgroup/Cgroup.ts"
import { ContainerId } from "../steps/state/ContainerId.ts"
import * as Store from "../steps/state/Store.ts"
import { decode, type Resolved } from "./decode.ts"
import { copiesOf, type Descriptors } from "./descriptors.ts"
import { failureOf } from "./failure.ts"
import type { Connection } from "./network/Connection.ts"
import { type Begin, wayOf } from "./network/way.ts"
import { now } from "./now.ts"
import {
  consoleFor,
  forTerminal,
  mayHaveTerminal,
  sizeOf,
  startsOnTerminal,
  type TerminalChoice
} from "./onTerminal.ts"
import { makePipes, type Pipes, type Unused } from "./pipes.ts"
import type { Sandbox } from "./Sandbox.ts"
import type { SandboxError } from "./SandboxError.ts"
import { deliver, isDropped, type Sent } from "./signals.ts"
import type { Console, Terminal } from "./terminal.ts"
import { placeholders } from "./workspace/placeholders.ts"

/** A program that runs. */
export interface Program {
  /** As this process sees it. */
  readonly pid: AnyPid
  readonly pipes: Pipes
  /** When its start began, and when it ran, by `now`. */
  readonly times: { readonly asked: number; readonly running: number }
  /** How it has ended. For a sandbox's first program, this is known when all of the sandbox is removed. */
  readonly ended: Effect.Effect<Runtime.Ended, SandboxError>
  /** Whether it has ended. */
  readonly hasEnded: () => boolean
  /** Whether its scope is being closed. */
  readonly isClosing: () => boolean
  /** Sends it a signal; nothing happens if it has ended. */
  readonly signal: (signal: number) => Effect.Effect<void, SandboxError, Kernel>
  /** Ends it. If that is refused, `ended` fails with the reason: nobody waits for a limit that can't be kept. */
  readonly kill: Effect.Effect<void, never, Kernel>
  /** Makes `ended` fail, whatever becomes of the program, which ends with the scope. */
  readonly giveUp: (cause: Cause.Cause<SandboxError>) => Effect.Effect<void>
  /** The signal that has ended it in its own words, if another one was sent instead; see `deliver`. */
  readonly endedBy: () => number | undefined
  /** What the programs of its sandbox have asked of the network since its start. */
  readonly connections: ReadonlyArray<Connection>
}

/** A sandbox that runs, with its first program. */
export interface Started extends Program {
  readonly id: ContainerId
  readonly stateRoot: string
  readonly resolved: Resolved
  /** Whether its time was over before it had ended. */
  readonly timedOut: () => boolean
  /** Replaces its pipes, if it has one. */
  readonly terminal?: Terminal
}

/** The options of a start whose program may have a terminal. */
export interface TerminalOptions extends StartOptions, TerminalChoice {}

/** The options of a start that are no part of the sandbox. */
export interface StartOptions {
  /**
   * Descriptors of the application that the program gets, by the number that it has them under. Nothing else of what the
   * application has open is in a sandbox.
   *
   * **Example** (A file that the program can't open by itself)
   *
   * ```ts
   * const { stdout } = yield* run(make(), ["sh", "-c", "sort <&3"], { descriptors: { 3: file.fd } })
   * ```
   */
  readonly descriptors?: Descriptors
  /** Directory of the states of all containers. If absent: `StateRoot` of `runfx/runtime/Runtime`, or else the command's. */
  readonly stateRoot?: string
}

/** A program that runs. */
interface Up {
  readonly pid: AnyPid
  /** Its pidfd, until the end of the scope. */
  readonly handle: Lent<AnyPidfd>
  readonly running: number
}

const failing = (cause: Cause.Cause<unknown>, resolved?: Resolved): Effect.Effect<never, SandboxError> =>
  Cause.hasInterruptsOnly(cause) ? Effect.interrupt : Effect.fail(failureOf(cause, resolved))

/** Whatever it fails with becomes one of this module's own errors. */
export const inOwnWords = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, SandboxError, R> =>
  Effect.catchCause(self, (cause) => failing(cause))

/** A program whose start has begun, in the background, as long as the scope is open. */
export interface Begun {
  /** Done when it runs; `asked` is when somebody has asked for it, by `now`. */
  readonly whenRuns: (asked: number) => Effect.Effect<Program, SandboxError, Kernel | Scope.Scope>
  /** Done when it has ended; fails if it never ran. */
  readonly ends: Effect.Effect<void, SandboxError>
}

/** What a start in the background takes. */
interface How {
  /** Whether it is process 1 of its sandbox itself. */
  readonly first: boolean
  readonly resolved?: Resolved
  readonly descriptors?: Descriptors | undefined
  /** Is done when it has ended, before anybody is told. */
  readonly atEnd?: Effect.Effect<void>
}

/** Begins to run a program in the background. */
export const beginIn = (
  begin: Begin,
  pipes: Pipes,
  { atEnd = Effect.void, descriptors = {}, first, resolved }: How
): Effect.Effect<Begun, SandboxError, Kernel | Fork | Scope.Scope> =>
  Effect.gen(function*() {
    const copies = yield* inOwnWords(copiesOf(descriptors))
    const up = yield* Deferred.make<Up>()
    const scope = yield* Effect.scope
    const context = yield* Effect.context<Kernel>()
    const onRunning = ({ pid, pidfd }: Runtime.RunningProcess) =>
      Effect.uninterruptible(Effect.gen(function*() {
        const running = yield* now
        yield* Effect.andThen(pipes.closeTheirs, copies.close)
        // the runtime closes its own when all has ended, and somebody may hold on to this one
        const handle = lent(yield* sys.fcntl({ fd: pidfd, command: F.DUPFD_CLOEXEC, argument: 3 }))
        yield* Scope.addFinalizer(scope, Effect.provideContext(handle.letGo, context))
        yield* Deferred.succeed(up, { pid, handle, running })
      }))
    const handles = { stdio: pipes.stdio, descriptors: copies.descriptors }
    const fiber = yield* Effect.forkScoped(Effect.tap(begin(handles, onRunning), () => atEnd), {
      startImmediately: true
    })
    const neverUp: Effect.Effect<Up, SandboxError> = Effect.flatMap(
      Fiber.await(fiber),
      // what has ended well has run before
      (exit) => Exit.isFailure(exit) ? failing(exit.cause, resolved) : Deferred.await(up)
    )
    return {
      whenRuns: (asked) =>
        Effect.flatMap(
          Effect.raceFirst(Deferred.await(up), neverUp),
          (found) => programOf({ ...found, asked, first, pipes }, fiber)
        ),
      ends: Effect.asVoid(neverUp)
    }
  })

/** A program that runs, in a fiber that ends with it. */
const programOf = (
  { asked, first, handle, pid, pipes, running }: Up & {
    readonly asked: number
    readonly first: boolean
    readonly pipes: Pipes
  },
  fiber: Fiber.Fiber<Runtime.Ended, unknown>
): Effect.Effect<Program, never, Kernel | Scope.Scope> =>
  Effect.gen(function*() {
    const givenUp = yield* Deferred.make<never, SandboxError>()
    const giveUp = (cause: Cause.Cause<SandboxError>) => Effect.asVoid(Deferred.failCause(givenUp, cause))
    let ended = false
    let closing = false
    yield* Effect.addFinalizer(() => Effect.sync(() => void (closing = true)))
    let endedBy: number | undefined
    fiber.addObserver(() => void (ended = true))
    const scope = yield* Effect.scope
    const deliverIfHeld = (signal: number): Effect.Effect<Sent, SandboxError, Kernel> =>
      inOwnWords(handle.use((pidfd) => deliver({ pid, pidfd, first }, signal), { signal, blocked: false }))
    const end = (signal: number) =>
      Effect.suspend(() => {
        endedBy ??= signal
        return Effect.catchCause(deliverIfHeld(SIG.KILL), giveUp)
      })
    const send = (signal: number) =>
      Effect.gen(function*() {
        const sent = yield* deliverIfHeld(signal)
        if (sent.signal !== signal) endedBy ??= signal
        const later = Effect.flatMap(isDropped(pid, signal), (dropped) => dropped ? end(signal) : Effect.void)
        if (sent.blocked) yield* Effect.forkIn(later, scope)
      })
    return {
      pid,
      pipes,
      times: { asked, running },
      ended: Effect.raceFirst(
        Effect.catchCause(Fiber.join(fiber), (cause) => failing(cause)),
        Deferred.await(givenUp)
      ),
      hasEnded: () => ended,
      isClosing: () => closing,
      signal: send,
      kill: Effect.catchCause(send(SIG.KILL), giveUp),
      giveUp,
      endedBy: () => endedBy,
      connections: []
    }
  })

/** Runs a program in the background, as long as the scope is open; done when it runs. */
export const runIn = (
  begin: Begin,
  pipes: Pipes,
  how: How
): Effect.Effect<Program, SandboxError, Kernel | Fork | Scope.Scope> =>
  Effect.gen(function*() {
    const asked = yield* now
    const { whenRuns } = yield* beginIn(begin, pipes, how)
    return yield* whenRuns(asked)
  })

const newId: Effect.Effect<ContainerId, SyscallError, Kernel> = Effect.map(
  sys.getrandom({ count: 8 }),
  (bytes) => ContainerId(`sandbox-${Buffer.from(bytes).toString("hex")}`)
)

const withoutCgroup = (resolved: Resolved): Resolved => {
  const { cgroup: _, ...container } = resolved.container
  return { ...resolved, container, inCgroup: [] }
}

/** Lets the processes of a sandbox continue, if it is there: a signal does not reach those that a cgroup v1 has frozen. */
export const thaw = (stateRoot: string, id: string): Effect.Effect<void, SandboxError, Kernel> =>
  inOwnWords(
    Store.load(stateRoot, id).pipe(
      Effect.flatMap(({ cgroup }) => cgroup === undefined ? Effect.void : Cgroup.thaw(cgroup)),
      Effect.catchTag("ContainerNotFound", () => Effect.void)
    )
  )

/** Ends a program when its time is over, also if it is paused. */
export const limitTime = (program: Program, time: number | undefined, stateRoot: string, id: string) =>
  Effect.gen(function*() {
    let over = false
    if (time !== undefined) {
      const end = Effect.suspend(() => {
        over = !program.hasEnded()
        return Effect.andThen(program.kill, Effect.catchCause(thaw(stateRoot, id), program.giveUp))
      })
      yield* Effect.forkScoped(Effect.delay(end, time))
    }
    return () => over
  })

/** Where a new sandbox is written down. */
export interface Location {
  readonly id: ContainerId
  readonly stateRoot: string
}

/** A location that no other sandbox has. */
const newLocation = (options: StartOptions): Effect.Effect<Location, SandboxError, Kernel> =>
  inOwnWords(Effect.gen(function*() {
    return { stateRoot: options.stateRoot ?? (yield* Runtime.stateRoot), id: yield* newId }
  }))

/** What the runtime gets for a sandbox. */
export const runOptionsOf = (
  { description: { init }, flow }: Sandbox,
  { container, makeRoot, names }: Resolved,
  location: Location,
  ownConsole: Console | undefined
): Runtime.RunOptions => ({
  ...location,
  ...(ownConsole === undefined ? {} : { consoleSocket: ownConsole.consoleSocket }),
  container,
  names,
  measured: true,
  ...(makeRoot === undefined ? {} : { makeRoot }),
  ...(flow === undefined ? {} : { flow }),
  ...(init === undefined ? {} : { init })
})

/** A sandbox that is about to be made: where it is written down, what it will have, and its pipes. */
interface Preparation {
  readonly location: Location
  /** As described, with what a terminal takes. */
  readonly own: Sandbox
  readonly wanted: Resolved
  readonly pipes: Pipes
  readonly ownConsole: Console | undefined
  /** Removes what it has made in a workspace; the end of the scope does so as well. */
  readonly atEnd: Effect.Effect<void>
}

/** Decodes a sandbox, and makes what it needs from this process. */
export const preparationOf = (
  sandbox: Sandbox,
  command: ReadonlyArray<string>,
  options: TerminalOptions,
  unused?: Unused
): Effect.Effect<Preparation, SandboxError, Kernel | Scope.Scope> =>
  Effect.gen(function*() {
    const location = yield* newLocation(options)
    const size = yield* sizeOf(options)
    const own = { ...sandbox, description: forTerminal(size, sandbox.description) }
    const found = yield* inOwnWords(decode(own.description, command, location))
    yield* mayHaveTerminal(size, found)
    const wanted = { ...found, container: startsOnTerminal(size, found.container) }
    // the scope may stay open after the end, since its output is still to be read
    const workspace = yield* Scope.fork(yield* Effect.scope)
    if (wanted.workspace !== undefined) {
      yield* Scope.provide(workspace)(inOwnWords(placeholders(wanted.workspace)))
    }
    const atEnd = Scope.close(workspace, Exit.void)
    const pipes = yield* inOwnWords(makePipes(unused))
    return { location, own, wanted, pipes, ownConsole: yield* inOwnWords(consoleFor(size)), atEnd }
  })

/** Tries it with all limits. If a cgroup can't be had, and all limits that take one are optional, tries it again without them. */
export const withOrWithoutCgroup = <A, R>(
  wanted: Resolved,
  attempt: (resolved: Resolved) => Effect.Effect<A, SandboxError, R>
): Effect.Effect<A, SandboxError, R> =>
  Effect.catchTag(
    attempt(wanted),
    "SandboxUnavailable",
    (error) => wanted.optional ? attempt(withoutCgroup(wanted)) : Effect.fail(error)
  )

/** Starts a program in a new sandbox; whatever becomes of it, nothing of it is left when the scope is closed. */
export const start = (
  sandbox: Sandbox,
  command: ReadonlyArray<string>,
  options: TerminalOptions,
  unused?: Unused
): Effect.Effect<Started, SandboxError, Kernel | Fork | Scope.Scope> =>
  Effect.gen(function*() {
    const { atEnd, own, ownConsole, pipes, location, wanted } = yield* preparationOf(sandbox, command, options, unused)
    const { id, stateRoot } = location
    const { program, resolved } = yield* withOrWithoutCgroup(wanted, (resolved) =>
      Effect.gen(function*() {
        const way = yield* inOwnWords(wayOf(resolved, runOptionsOf(own, resolved, location, ownConsole)))
        const program = yield* runIn(way.begin, pipes, {
          first: own.description.init !== true,
          resolved,
          descriptors: options.descriptors,
          atEnd
        })
        return { program: way.of(program), resolved }
      }))
    const timedOut = yield* limitTime(program, resolved.time, stateRoot, id)
    const started = { ...program, id, stateRoot, resolved, timedOut }
    if (ownConsole === undefined) return started
    return { ...started, terminal: yield* inOwnWords(ownConsole.receive(program.hasEnded)) }
  })
