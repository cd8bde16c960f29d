/**
 * Descriptors of the application that a program of a sandbox gets by name. No other one is ever in a sandbox, close-on-exec
 * or not.
 *
 * @category programs
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { pathOf, problem } from "../config/ConfigError.ts"
import { open, record, type Shape } from "../config/shape/Shape.ts"
import { F } from "../native/constants.ts"
import type { AnyFd } from "../native/Handle.ts"
import { type Kernel, onErrno, sys, type SyscallError } from "../native/Kernel.ts"
import { closing } from "../runtime/lent.ts"
import { problemsOf } from "./check.ts"
import { InvalidSandbox } from "./SandboxError.ts"

/**
 * What the program has under a number, from 3 to 255: a descriptor of the application, or what has one, as a `FileHandle` of
 * Node's. It may be read-only, a socket, a pipe, a directory.
 */
export type Descriptors = Readonly<Record<number, number | { readonly fd: AnyFd }>>

/** The numbers of `Init.descriptors`. */
const [lowest, highest] = [3, 255]

const fdOf = (value: unknown): unknown =>
  typeof value === "object" && value !== null && "fd" in value ? value.fd : value

const isNumber = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0

const rule = "must be a descriptor that is open"

/** The shape of what is given by the number that the program has it under. */
export const byNumber = (entry: Shape): Shape =>
  record((value, at, tell) => {
    const number = String(at.at(-1))
    if (!/^\d+$/.test(number) || Number(number) < lowest || Number(number) > highest) {
      tell(at, undefined, `must be for a number from ${lowest} to ${highest}`)
    }
    entry(value, at, tell)
  })

/** What descriptors that are passed on must be, as far as that can be checked without a look at them. */
export const shape: Shape = byNumber((value, at, tell) => {
  if (!isNumber(fdOf(value))) tell(at, fdOf(value), rule)
})

/** Copies of what is to be passed on, close-on-exec, with the way to close them; they are closed with the scope as well. */
export interface Copies {
  readonly descriptors: Readonly<Record<number, number>>
  readonly close: Effect.Effect<void, never, Kernel>
}

/**
 * Copies descriptors, so that the start has them however soon the application closes its own, and above all numbers that the
 * program has one under.
 */
export const copiesOf = (
  descriptors: Descriptors
): Effect.Effect<Copies, InvalidSandbox | SyscallError, Kernel | Scope.Scope> =>
  Effect.uninterruptible(Effect.gen(function*() {
    const problems = problemsOf(open<object>({ descriptors: shape }), { descriptors }, "descriptors")
    if (problems.length > 0) return yield* new InvalidSandbox({ problems })
    const entries = Object.entries(descriptors).map(([number, value]) => [number, fdOf(value) as number] as const)
    const above = Math.max(2, ...entries.map(([number]) => Number(number))) + 1
    const closed: Array<Effect.Effect<void, never, Kernel>> = []
    const copies: Record<number, number> = {}
    for (const [number, fd] of entries) {
      const notOpen = problem(pathOf(["descriptors", number]), fd, rule)
      const copy = yield* sys.fcntl({ fd, command: F.DUPFD_CLOEXEC, argument: above }).pipe(
        onErrno(["EBADF"], () => Effect.fail(new InvalidSandbox({ problems: [notOpen] })))
      )
      const close = closing(copy)
      yield* Effect.addFinalizer(() => close)
      closed.push(close)
      copies[Number(number)] = copy
    }
    return { descriptors: copies, close: Effect.all(closed, { discard: true }) }
  }))
