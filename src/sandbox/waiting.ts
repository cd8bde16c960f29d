/**
 * A sandbox that waits for its program: all of it is there, and nothing that nobody trusts is in it yet. It is used once.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Container } from "../config/Container.ts"
import { given } from "../engine/given.ts"
import { readText } from "../native/Files.ts"
import type { Fork } from "../native/Fork.ts"
import type { AnyPid } from "../native/Handle.ts"
import type { Kernel } from "../native/Kernel.ts"
import * as Cgroup from "../steps/cgroup/Cgroup.ts"
import * as Store from "../steps/state/Store.ts"
import type { Resolved } from "./decode.ts"
import { wayOf } from "./network/way.ts"
import { now } from "./now.ts"
import type { Pipes } from "./pipes.ts"
import type { Sandbox } from "./Sandbox.ts"
import { SandboxFailed } from "./SandboxError.ts"
import type { SandboxError } from "./SandboxError.ts"
import {
  beginIn,
  inOwnWords,
  limitTime,
  type Location,
  preparationOf,
  runOptionsOf,
  type Started,
  type TerminalOptions,
  withOrWithoutCgroup
} from "./start.ts"
import { resized } from "./talk.ts"
import type { Size } from "./terminal.ts"

/** A sandbox that waits. It ends with the scope in which it was made. */
export interface Waiting extends Location {
  /** As it was made: with what a terminal takes, if it has one. */
  readonly sandbox: Sandbox
  readonly resolved: Resolved
  /** Done when its program has ended; fails if there never was one. */
  readonly ends: Effect.Effect<void, SandboxError>
  /** Starts its program, once; with a size for its terminal, if there is one. */
  readonly handOut: (
    process: Container["process"],
    size: Size | undefined
  ) => Effect.Effect<Started, SandboxError, Kernel | Scope.Scope>
}

const socketsOf = ({ stderr, stdin, stdout }: Pipes) => [stdin, stdout, stderr]

/** The command in the state of a sandbox whose program is not known yet. */
const unknownProgram = ["-"]

/** Makes a sandbox, and waits until nothing is missing but its program. */
export const prepare = (
  sandbox: Sandbox,
  options: TerminalOptions
): Effect.Effect<Waiting, SandboxError, Kernel | Fork | Scope.Scope> =>
  Effect.gen(function*() {
    const { atEnd, own, ownConsole, pipes, location, wanted } = yield* preparationOf(sandbox, unknownProgram, options)
    const { id, stateRoot } = location
    const waits = yield* Deferred.make<void>()
    const told = yield* Deferred.make<Container["process"]>()
    const late = Effect.andThen(Deferred.succeed(waits, undefined), Deferred.await(told))
    return yield* withOrWithoutCgroup(wanted, (resolved) =>
      Effect.gen(function*() {
        const way = yield* inOwnWords(wayOf(resolved, { ...runOptionsOf(own, resolved, location, ownConsole), late }))
        const begun = yield* beginIn(way.begin, pipes, { first: own.description.init !== true, resolved, atEnd })
        yield* Effect.raceFirst(Deferred.await(waits), begun.ends)
        let hasEnded = () => false
        const terminal = yield* ownConsole === undefined
          ? Effect.undefined
          : inOwnWords(ownConsole.receive(() => hasEnded()))
        // a sandbox that nobody asks for must not keep the application alive
        for (const socket of socketsOf(pipes)) socket.unref()
        return {
          ...location,
          sandbox: own,
          resolved,
          ends: begun.ends,
          handOut: (process, size) =>
            Effect.gen(function*() {
              if (size !== undefined) yield* inOwnWords(resized(terminal, size))
              const asked = yield* now
              for (const socket of socketsOf(pipes)) socket.ref()
              yield* Deferred.succeed(told, process)
              const program = yield* Effect.raceFirst(begun.whenRuns(asked), standsStill(location))
              hasEnded = program.hasEnded
              const timedOut = yield* limitTime(program, resolved.time, stateRoot, id)
              return { ...way.of(program), ...location, resolved, timedOut, ...given({ terminal }) }
            })
        } satisfies Waiting
      }))
  })

/** How often a sandbox that does not become its program is looked at, in milliseconds. */
const glance = 100

/** False for a process that has ended, or can't be seen: others report that. */
const isStopped = (pid: AnyPid): Effect.Effect<boolean, never, Kernel> =>
  Effect.match(readText(`/proc/${pid}/status`), {
    onFailure: () => false,
    onSuccess: (status) => /^State:\s+[tT]/m.test(status)
  })

/** What keeps a sandbox from going on. */
const heldBy = ({ id, stateRoot }: Location): Effect.Effect<string | undefined, never, Kernel> =>
  Effect.gen(function*() {
    const { cgroup, init } = yield* Store.load(stateRoot, id)
    if (cgroup !== undefined && (yield* Cgroup.isFrozen(cgroup))) return "its cgroup is frozen"
    return init !== undefined && (yield* isStopped(init.pid)) ? `process ${init.pid} is stopped` : undefined
  }).pipe(Effect.orElseSucceed(() => undefined))

/** Fails if somebody has frozen a sandbox, or stopped its process: nobody knows whether it ever continues. */
const standsStill = (location: Location): Effect.Effect<never, SandboxFailed, Kernel> =>
  Effect.gen(function*() {
    for (;;) {
      yield* Effect.sleep(glance)
      const held = yield* heldBy(location)
      if (held !== undefined) {
        return yield* new SandboxFailed({
          step: "",
          code: "Frozen",
          problem: `the sandbox ${location.id} does not go on: ${held}`,
          advice: "look for what freezes cgroups or stops processes on this machine",
          cause: undefined
        })
      }
    }
  })
