/**
 * Whether steps keep to their headers: a call that a step makes and does not declare is a defect.
 *
 * Readers trust headers: a review does, and so does a seccomp filter for the runtime. The compiler can't see which calls an
 * effect makes, so they are checked during a run: if `NODE_ENV` is `development` or `test` (vitest and jest set it), in
 * `Check` of `runfx/testing`, and if {@link Headers} says so. Production does not check. Most servers do not set
 * `NODE_ENV`, and a container that could start must not be refused there because its description is wrong.
 *
 * @category headers
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { provideSame } from "../native/Ahead.ts"
import { Fork, make as makeFork } from "../native/Fork.ts"
import { type Call, type CallName, Kernel, type Result, type SyscallError } from "../native/Kernel.ts"
import { type Current, CurrentStep } from "./Events.ts"

/**
 * Whether the calls of steps are compared with their headers: `checked`, or `trusted`.
 *
 * **Example** (In a program that never sets NODE_ENV)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Headers } from "runfx/engine/Headers"
 *
 * const program = Effect.provideService(Runtime.run(options), Headers, "checked")
 * ```
 */
export const Headers = Context.Reference<"checked" | "trusted">("runfx/Headers", {
  defaultValue: () => ["development", "test"].includes(process.env["NODE_ENV"] ?? "") ? "checked" : "trusted"
})

/**
 * A step makes a call that its header does not declare. That is a mistake in the step, and so a defect.
 *
 * @category errors
 */
export class UndeclaredCall extends Error {
  override readonly name = "UndeclaredCall"
  readonly pipeline: string
  readonly step: string
  readonly call: CallName

  constructor({ pipeline, step }: Pick<Current, "pipeline" | "step">, call: CallName) {
    super(
      `${pipeline}: ${step}: the step makes the call "${call}", which its header does not declare: add it to \`calls\``
    )
    this.pipeline = pipeline
    this.step = step
    this.call = call
  }
}

/** Refuses a call before it is made. A call of a compensation is made all the same, because nothing may stay behind. */
const checked = <A>(name: CallName, make: Effect.Effect<A, SyscallError>): Effect.Effect<A, SyscallError> =>
  Effect.withFiber((fiber) => {
    const current = fiber.getRef(CurrentStep)
    if (current?.calls === undefined || current.calls.includes(name)) return make
    const refusal = Effect.die(new UndeclaredCall(current, name))
    return current.undoing ? Effect.andThen(Effect.exit(make), refusal) : refusal
  })

/**
 * Runs a part of a step without the comparison: the effect of a process that the step starts, or code that a user has
 * passed in.
 */
export const withoutHeader = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.updateService(self, CurrentStep, (current) => {
    if (current?.calls === undefined) return current
    const { calls: _, ...rest } = current
    return rest
  })

const kernels = new WeakMap<Kernel["Service"], Kernel["Service"]>()

/** Wrapped once for each kernel, however deep pipelines are nested. */
const checking = (kernel: Kernel["Service"]): Kernel["Service"] => {
  const known = kernels.get(kernel)
  if (known !== undefined) return known
  const checker: Kernel["Service"] = {
    invoke: <C extends Call>(call: C): Effect.Effect<Result<C>, SyscallError> => checked(call._tag, kernel.invoke(call))
  }
  provideSame(kernel, checker)
  kernels.set(kernel, checker)
  kernels.set(checker, checker)
  return checker
}

const checkingFork = ({ guard, start }: Fork["Service"]): Fork["Service"] =>
  makeFork(
    (flags, child, descriptors) =>
      // the effect's environment is the child's
      Effect.flatMap(checked("clone", Effect.void), () => start(flags, withoutHeader(child), descriptors)) as never,
    guard
  )

/**
 * The context that steps run in. If headers are checked, its kernel compares each call with the header.
 *
 * @internal
 */
export const keepingTo = <R>(context: Context.Context<R>): Context.Context<R> => {
  if (Context.get(context, Headers) === "trusted") return context
  const known = context as Context.Context<R | Kernel | Fork>
  const kernel = Context.getOrUndefined(known, Kernel)
  const fork = Context.getOrUndefined(known, Fork)
  const withKernel = kernel === undefined ? known : Context.add(known, Kernel, checking(kernel))
  return fork === undefined ? withKernel : Context.add(withKernel, Fork, checkingFork(fork))
}
