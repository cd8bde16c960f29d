/**
 * What a script does that is no call of the table: it uses memory, and asks a proxy for a connection. On Linux machine code
 * does that; here the model is told.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { AnyFd } from "../native/Handle.ts"
import type { Call, SyscallError } from "../native/Kernel.ts"
import type { Answer, Answered, Surroundings } from "../native/Surroundings.ts"
import type { Cell, Course } from "./Course.ts"
import { UnmodelledError } from "./Machine.ts"
import { useMemory } from "./Memory.ts"
import { apply } from "./transitions.ts"

/** What a script's process does by the model itself. */
export interface Acts {
  /** Uses so many bytes more. It does not return if the process is ended by that. */
  readonly useMemory: (bytes: bigint) => Effect.Effect<void>
  /**
   * Asks who listens on a port of its loopback interface for a connection to `host:port`, or tries itself. `undefined`: nobody
   * is there. It dies if the network leads out in another way: what is there is not modelled.
   */
  readonly connect: (proxy: number | undefined, to: string) => Effect.Effect<Answered | undefined>
}

const outside = Effect.die(new Error("only a program on the model does this: see `programs` of Check"))

/** Provided to the scripts of a model. */
export const Acts = Context.Reference<Acts>("runfx/testing/Acts", {
  defaultValue: () => ({ useMemory: () => outside, connect: () => outside })
})

/** Those of one machine, and how the application answers what they ask. */
export interface MachineActs {
  readonly acts: Acts
  readonly answer: NonNullable<Surroundings["answer"]>
}

/** Who a fiber is on the machine. */
interface Members {
  readonly course: Course
  readonly cellOf: (fiber: Fiber.Fiber<unknown, unknown>) => Cell
  /** What a fiber does that has no meaning any more: it stands still. */
  readonly unlessOver: <A>(cell: Cell, effect: Effect.Effect<A>) => Effect.Effect<A>
}

const connecting = (path: string): Call => ({ _tag: "connect", fd: -1, path })

/** Makes them. */
export const makeActs = ({ cellOf, course, unlessOver }: Members): MachineActs => {
  /** By socket. */
  const answers = new Map<number, Answer>()

  const listenerOf = (cell: Cell, port: number): number | undefined => {
    const { processes, sockets } = course.state
    const { net } = processes.get(cell.pid)!.ns
    return [...sockets.values()].find(({ bound, listening, net: of }) =>
      listening === true && of === net && bound?.port === port
    )?.id
  }

  const proxyAt = (cell: Cell, port: number): Effect.Effect<Answer | undefined, SyscallError> => {
    const call = connecting(`127.0.0.1:${port}`)
    // it waits in the backlog until it is accepted
    const retry = () => {
      const listener = listenerOf(cell, port)
      const answer = listener === undefined ? undefined : answers.get(listener)
      return listener !== undefined && answer === undefined ? undefined : Effect.succeed(answer)
    }
    return Effect.suspend(() =>
      retry() ?? course.wait(cell, call, { why: "somebody who answers", timeout: undefined }, retry)
    )
  }

  return {
    acts: {
      useMemory: (bytes) =>
        Effect.withFiber((fiber) => {
          const cell = cellOf(fiber)
          const use = Effect.suspend(() => {
            course.state = apply(course.state, cell.pid, (m) => useMemory(m, bytes))
            course.wake()
            return unlessOver(cell, Effect.void)
          })
          return unlessOver(cell, use)
        }),
      connect: (proxy, to) =>
        Effect.withFiber((fiber) => {
          const cell = cellOf(fiber)
          const asked = proxy === undefined ? Effect.undefined : Effect.orDie(proxyAt(cell, proxy))
          const connect = Effect.flatMap(asked, (answer) => answer === undefined ? alone(course, cell, to) : answer(to))
          return unlessOver(cell, connect)
        })
    },
    answer: (listener, answer) =>
      Effect.withFiber((fiber) => {
        const socket = socketOf(course, cellOf(fiber), listener)
        answers.set(socket, answer)
        course.wake()
        return Effect.addFinalizer(() => Effect.sync(() => void answers.delete(socket)))
      })
  }
}

/** Nobody is there, unless its network has more in it than itself: the first interface of each is the loopback one. */
const alone = ({ state }: Course, { pid }: Cell, to: string): Effect.Effect<undefined> => {
  const { net } = state.processes.get(pid)!.ns
  const out = [...state.links.values()].find(({ index, ns }) => ns === net && index !== 1)
  return out === undefined
    ? Effect.undefined
    : Effect.die(new UnmodelledError(connecting(to), `what can be reached over the interface ${out.name}`))
}

const socketOf = ({ state }: Course, { pid }: Cell, fd: AnyFd): number => {
  const entry = state.processes.get(pid)?.descriptors.get(fd)
  const kind = entry === undefined ? undefined : state.files.get(entry.file)?.kind
  if (kind?._tag !== "Socket") throw new Error(`${fd} is no socket of process ${pid}`)
  return kind.socket
}
