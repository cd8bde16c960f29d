/** How a sandbox is begun, with a proxy if it has a list of hosts, and what its program has asked of that. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Fork } from "../../native/Fork.ts"
import type { Kernel, SyscallError } from "../../native/Kernel.ts"
import * as Runtime from "../../runtime/Runtime.ts"
import type { Resolved } from "../decode.ts"
import { type SandboxError, SandboxFailed } from "../SandboxError.ts"
import type { Connection } from "./Connection.ts"
import { makeDoor } from "./door.ts"

/** Runs a program to its end; `onRunning` is called when it runs. */
export type Begin = (
  handles: Pick<Runtime.RunOptions, "stdio" | "descriptors">,
  onRunning: (running: Runtime.RunningProcess) => Effect.Effect<void, unknown, Kernel>
) => Effect.Effect<Runtime.Ended, unknown, Kernel | Fork>

/** What depends on the way out. */
interface WithEnd {
  readonly ended: Effect.Effect<Runtime.Ended, SandboxError>
  readonly connections: ReadonlyArray<Connection>
}

/** The beginning of a sandbox. */
export interface Way {
  readonly begin: Begin
  /** Its program, which knows of its connections. */
  readonly of: <P extends WithEnd>(program: P) => P
}

/** How many connections are kept. */
const mostConnections = 1000

/** The way of a sandbox, which has a proxy if there is a list of hosts. */
export const wayOf = (
  { access }: Pick<Resolved, "access">,
  options: Runtime.RunOptions
): Effect.Effect<Way, SyscallError, Kernel | Scope.Scope> =>
  Effect.gen(function*() {
    if (access === undefined) {
      return {
        begin: (handles, onRunning) => Runtime.run({ ...options, ...handles }, onRunning),
        of: (program) => program
      }
    }
    const { onConnection, ...policy } = access
    const connections: Array<Connection> = []
    const broken = yield* Deferred.make<never, SandboxError>()
    const report = (connection: Connection) => {
      connections.push(connection)
      if (connections.length > mostConnections) connections.shift()
      try {
        onConnection?.(connection)
      } catch (error) {
        const problem = `network.onConnection has failed: ${error instanceof Error ? error.message : String(error)}`
        Effect.runFork(Deferred.fail(broken, new SandboxFailed({ step: "", code: "CALLBACK", problem, cause: error })))
      }
    }
    const { open, port } = yield* makeDoor({ ...policy, report })
    return {
      begin: (handles, onRunning) =>
        Runtime.run({ ...options, ...handles, port }, (running) => Effect.andThen(open, onRunning(running))),
      of: (program) => ({
        ...program,
        connections,
        ended: Effect.raceFirst(program.ended, Deferred.await(broken))
      })
    }
  })
