/** Pipes of a program besides its three streams, each under a number of its own. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { pathOf, problem } from "../config/ConfigError.ts"
import { oneOf, open } from "../config/shape/Shape.ts"
import type { AnyFd } from "../native/Handle.ts"
import type { Kernel, SyscallError } from "../native/Kernel.ts"
import { problemsOf } from "./check.ts"
import { byNumber, type Descriptors } from "./descriptors.ts"
import { type Pipe, pipe, sinkOf, streamOf } from "./pipes.ts"
import { InvalidSandbox, type SandboxStreamError } from "./SandboxError.ts"

/** Which way a further pipe leads: the program reads its input, and writes its output. */
export type FurtherPipes = Readonly<Record<number, "input" | "output">>

/** This process's ends of further pipes. Without a pipe of that number, the sink drops all, and the stream is empty. */
export interface Ends {
  readonly getInputFd: (fd: AnyFd) => Sink.Sink<void, Uint8Array, never, SandboxStreamError>
  readonly getOutputFd: (fd: AnyFd) => Stream.Stream<Uint8Array, SandboxStreamError>
}

/** The ends of no further pipes. */
export const noEnds: Ends = { getInputFd: () => Sink.drain, getOutputFd: () => Stream.empty }

/** The ends of further pipes, and what the program gets. */
export interface Made extends Ends {
  readonly descriptors: Descriptors
  /** Closes this process's copies of the program's ends. */
  readonly closeTheirs: Effect.Effect<void, never, Kernel>
}

const nameOf = (fd: AnyFd): SandboxStreamError["stream"] => `fd${fd}`

/**
 * Makes further pipes.
 *
 * @param passed descriptors that the program gets as well, which must have other numbers
 */
export const furtherPipes = (
  pipes: FurtherPipes,
  passed: Descriptors
): Effect.Effect<Made, InvalidSandbox | SyscallError, Kernel | Scope.Scope> =>
  Effect.gen(function*() {
    const problems = problemsOf(open<object>({ pipes: byNumber(oneOf("input", "output")) }), { pipes }, "pipes")
    const twice = Object.keys(pipes).filter((number) => Object.hasOwn(passed, number))
    const all = [
      ...problems,
      ...twice.map((number) =>
        problem(pathOf(["pipes", number]), undefined, "must not be a number of descriptors, too")
      )
    ]
    if (all.length > 0) return yield* new InvalidSandbox({ problems: all })
    const made = new Map<number, Pipe & { readonly way: "input" | "output" }>()
    for (const [number, way] of Object.entries(pipes)) {
      made.set(Number(number), { ...yield* pipe(way === "input" ? "writes" : "reads"), way })
    }
    const find = (fd: AnyFd, way: "input" | "output") => {
      const found = made.get(fd)
      return found?.way === way ? found.socket : undefined
    }
    return {
      descriptors: Object.fromEntries([...made].map(([number, { theirs }]) => [number, theirs])),
      closeTheirs: Effect.forEach([...made.values()], ({ close }) => close, { discard: true }),
      getInputFd: (fd) => {
        const socket = find(fd, "input")
        return socket === undefined ? Sink.drain : sinkOf(socket, nameOf(fd))
      },
      getOutputFd: (fd) => {
        const socket = find(fd, "output")
        return socket === undefined ? Stream.empty : streamOf(socket, nameOf(fd))
      }
    }
  })
