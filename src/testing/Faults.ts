/**
 * Makes calls fail that would have succeeded, to test what happens after a failure.
 *
 * A rule wraps any kernel, live or model. A call that is made to fail does not reach the kernel. The exception is close(2),
 * which releases the descriptor even if it reports an error (close(2), "Dealing with error returns from close()").
 *
 * @category faults
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { Errno } from "../native/Errno.ts"
import { type Fork, make as makeFork } from "../native/Fork.ts"
import { type Call, type Kernel, type Result, SyscallError } from "../native/Kernel.ts"
import { layerOf } from "./layer.ts"

/** Decides whether a call fails, and with which errno. Calls are counted from 1 over all processes. */
export type Rule = (call: Call, number: number) => Errno | undefined

/**
 * The n-th call fails, counted from 1.
 *
 * **Example**
 *
 * ```ts
 * Check.run(flow, { faults: Faults.failNth(7, "EIO") })
 * ```
 */
export const failNth = (n: number, errno: Errno): Rule => (_, number) => number === n ? errno : undefined

/**
 * The calls that a test picks fail.
 *
 * **Example** (The second mount that is attached)
 *
 * ```ts
 * let attached = 0
 * Faults.failWhen(({ _tag }) => _tag === "move_mount" && ++attached === 2, "ENOMEM")
 * ```
 */
export const failWhen = (picks: (call: Call, number: number) => boolean, errno: Errno): Rule => (call, number) =>
  picks(call, number) ? errno : undefined

/** No call fails; for a run that only counts. */
export const never: Rule = () => undefined

/** A fault injector. */
export interface Faults {
  readonly kernel: (kernel: Kernel["Service"]) => Kernel["Service"]
  readonly fork: (fork: Fork["Service"]) => Fork["Service"]
  /** Both, from what is in the context. */
  readonly layer: Layer.Layer<Kernel | Fork, never, Kernel | Fork>
  /** How many calls there were, failed ones included. */
  readonly count: () => number
  /** Calls that were made to fail. */
  readonly injected: () => ReadonlyArray<Call>
}

/**
 * Makes a fault injector from a rule.
 *
 * **Example** (Around the live kernel)
 *
 * ```ts
 * const faults = Faults.make(Faults.failWhen(({ _tag }) => _tag === "setns", "EPERM"))
 * Effect.provide(program, Layer.provide(faults.layer, Linux.layer))
 * ```
 */
export const make = (rule: Rule): Faults => {
  let count = 0
  const injected: Array<Call> = []
  const guard = <A, E, R>(call: Call, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | SyscallError, R> =>
    Effect.suspend((): Effect.Effect<A, E | SyscallError, R> => {
      count++
      const code = rule(call, count)
      if (code === undefined) return effect
      injected.push(call)
      const failure = Effect.fail(new SyscallError({ call, code }))
      return call._tag === "close" && code !== "EBADF" ? Effect.andThen(Effect.ignore(effect), failure) : failure
    })
  const kernel: Faults["kernel"] = (inner) => ({
    invoke: <C extends Call>(call: C): Effect.Effect<Result<C>, SyscallError> => guard(call, inner.invoke(call))
  })
  const fork: Faults["fork"] = (inner) =>
    makeFork(
      (flags, child, descriptors) => guard({ _tag: "clone", flags }, inner.start(flags, child, descriptors)),
      inner.guard
    )
  return {
    kernel,
    fork,
    layer: layerOf(kernel, fork),
    count: () => count,
    injected: () => injected
  }
}

/**
 * Runs a program once without faults to count its calls, and then once for each call, which fails. Returns the result of
 * each run, in order; the run without faults is the first.
 *
 * The program gets the injector of one run, and must make everything else again.
 *
 * **Example** (Nothing is left behind, whichever call fails)
 *
 * ```ts
 * const runs = yield* failEach("EIO", (faults) => {
 *   const model = ModelKernel.make()
 *   return create.pipe(
 *     Effect.exit,
 *     Effect.map(() => model.state().cgroups.size),
 *     Effect.provide(Layer.provide(faults.layer, model.layer))
 *   )
 * })
 * ```
 */
export const failEach = <A, E, R>(
  errno: Errno,
  program: (faults: Faults, failing: number) => Effect.Effect<A, E, R>
): Effect.Effect<ReadonlyArray<A>, E, R> =>
  Effect.suspend(() => {
    const counting = make(never)
    return Effect.flatMap(program(counting, 0), (first) =>
      Effect.map(
        Effect.forEach(
          Array.from({ length: counting.count() }, (_, index) => index + 1),
          (n) => program(make(failNth(n, errno)), n)
        ),
        (rest) => [first, ...rest]
      ))
  })
