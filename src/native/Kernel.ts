/**
 * The boundary to the kernel: a call is a value, and one method interprets it.
 *
 * The live interpreter (`Linux.ts`) makes the system call; the model kernel computes what Linux would do; a recorder, a
 * fault injector or a tracer wraps either of them in a few lines. Nothing else in runfx touches the system.
 *
 * **Example** (A call and its result)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { sys } from "runfx/native/Kernel"
 *
 * const program = Effect.gen(function*() {
 *   yield* sys.sethostname({ name: "box" })
 *   const { nodename } = yield* sys.uname({})
 *   return nodename
 * })
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Arg from "./Argument.ts"
import { calls, rowOf } from "./calls.ts"
import type { Definition } from "./definition.ts"
import * as Errno from "./Errno.ts"
import { generalAdvice } from "./generalAdvice.ts"
import type { Unbranded } from "./Handle.ts"
import { filtered, missing, noProc } from "./since.ts"

type Table = typeof calls

/**
 * The name of a call: a key of the table in `calls.ts`.
 *
 * @category models
 */
export type CallName = keyof Table

/**
 * The arguments of a call by name.
 *
 * @category models
 */
export type Arguments<N extends CallName> = {
  readonly [K in keyof Table[N]["arguments"]]: Arg.Value<Table[N]["arguments"][K]>
}

type CallOf<N extends CallName> = { readonly _tag: N } & Arguments<N>

/**
 * One call, as plain data: its name under `_tag` and its arguments alongside it.
 *
 * @category models
 */
export type Call = { [N in CallName]: CallOf<N> }[CallName]

/**
 * What a call returns if it succeeds.
 *
 * @category models
 */
export type Result<C extends { readonly _tag: CallName }> = Table[C["_tag"]] extends Definition<infer _, infer R> ? R
  : never

/**
 * What a kernel returns for a call. It has no brands: the type of the call adds them.
 *
 * @category models
 * @since 0.2.0
 */
export type Made<N extends CallName> = Unbranded<Result<{ readonly _tag: N }>>

/** The names of all calls, in the order of the table. */
export const callNames: ReadonlyArray<CallName> = Object.keys(calls) as Array<CallName>

/** A call as strace(1) would print it: `sethostname("box")`. One line. */
export const render = (call: Call): string => `${call._tag}(${Object.values(renderedArguments(call)).join(", ")})`

/** As {@link render}, with the files that descriptors stand for, as `strace -y` prints them. */
const renderAt = (call: Call, places: Readonly<Record<string, string>> = {}): string => {
  const args = Object.entries(renderedArguments(call)).map(([name, text]) =>
    places[name] === undefined ? text : `${text}<${places[name]}>`
  )
  return `${call._tag}(${args.join(", ")})`
}

/**
 * The arguments of a call as {@link render} prints them, by name.
 *
 * @since 0.2.0
 */
export const renderedArguments = (call: Call): Readonly<Record<string, string>> => {
  const { arguments: args } = rowOf(call._tag)
  const values = call as unknown as Readonly<Record<string, never>>
  return Object.fromEntries(Object.keys(args).map((name) => [name, args[name]!.render(values[name]!)]))
}

/**
 * What a {@link SyscallError} is made of.
 *
 * @category models
 * @since 0.2.0
 */
export interface SyscallFailure {
  readonly call: Call
  readonly code: Errno.Errno
  /**
   * What the kernel says in addition to the errno: the extended acknowledgement of netlink(7), the log of an fsopen(2)
   * context.
   */
  readonly detail?: string
  /** What to do about it, if that does not depend on the purpose of the call. */
  readonly remedy?: string
  /** The files that descriptors among the arguments stand for, by the argument's name, as far as that could be told. */
  readonly places?: Readonly<Record<string, string>>
}

/**
 * The descriptors among the arguments of a call, by the argument's name; those that are none, as `AT_FDCWD`, are left out.
 *
 * @internal
 * @since 0.2.0
 */
export const descriptorsOf = (call: Call): ReadonlyArray<readonly [argument: string, fd: number]> => {
  const values = call as unknown as Readonly<Record<string, unknown>>
  return Object.entries(rowOf(call._tag).arguments).flatMap(([name, kind]) => {
    const value = values[name]
    return kind === Arg.fd && typeof value === "number" && value >= 0 ? [[name, value] as const] : []
  })
}

/**
 * A call as it may be logged and passed on: of an environment, only the names.
 *
 * @since 0.2.0
 */
export const withoutSecrets = (call: Call): Call =>
  "envp" in call ? { ...call, envp: call.envp.map((entry) => `${entry.split("=", 1)[0]}=<redacted>`) } : call

/**
 * A call that the kernel refused.
 *
 * Its message is one line: the call with its arguments, the errno by name, and the C library's text.
 *
 * @see errno(3)
 *
 * @category errors
 */
export class SyscallError extends Data.TaggedError("SyscallError")<SyscallFailure> {
  constructor(fields: SyscallFailure) {
    super({ ...fields, call: withoutSecrets(fields.call) })
  }
  /** The errno as a number. */
  get errno(): number {
    return Errno.numberOf(this.code)
  }
  /** What to do: the remedy for this call, otherwise general advice for the errno. */
  get advice(): string | undefined {
    if (this.remedy !== undefined) return this.remedy
    const { _tag: name } = this.call
    if (this.code === "ENOSYS") return missing(name, rowOf(name))
    const ofProc = "path" in this.call && this.call.path.startsWith("/proc/self/")
    if (ofProc && (this.code === "ENOENT" || this.code === "ENOTDIR")) return noProc
    return (this.code === "EPERM" ? filtered(rowOf(name)) : undefined) ?? generalAdvice(name, this.code)
  }
  override get message(): string {
    const detail = this.detail === undefined ? "" : `: ${this.detail}`
    return `${renderAt(this.call, this.places)} = -1 ${this.code} (${Errno.textOf(this.code)})${detail}`
  }
}

const isSyscallError = (error: unknown): error is SyscallError =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "SyscallError"

/**
 * Notes the errnos that the fiber handles if its next call fails with them. Only plans use this.
 *
 * @internal
 * @since 0.2.0
 */
export const Handled = Context.Reference<{ codes: ReadonlyArray<Errno.Errno> } | undefined>(
  "runfx/native/Kernel/Handled",
  { defaultValue: () => undefined }
)

const noting = <A, E, R>(codes: ReadonlyArray<Errno.Errno>, self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) =>
    fiber.getRef(Handled) === undefined ? self : Effect.provideService(self, Handled, { codes })
  )

/**
 * Handles a call that fails with one of some errnos. Other errors pass through.
 *
 * **Example** (What is not there need not be removed)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { AT } from "runfx/native/constants"
 * import { onErrno, sys } from "runfx/native/Kernel"
 *
 * const removed = sys.unlinkat({ dirfd: AT.FDCWD, path: "/run/x", flags: 0 }).pipe(
 *   onErrno(["ENOENT"], () => Effect.void)
 * )
 * ```
 */
export const onErrno = <B, E2, R2>(
  codes: ReadonlyArray<Errno.Errno>,
  handle: (error: SyscallError) => Effect.Effect<B, E2, R2>
) =>
<A, E, R>(self: Effect.Effect<A, E | SyscallError, R>): Effect.Effect<A | B, E | SyscallError | E2, R | R2> =>
  Effect.catchIf(
    noting(codes, self),
    (error): error is E & SyscallError => isSyscallError(error) && codes.includes(error.code),
    handle
  ) as Effect.Effect<A | B, E | SyscallError | E2, R | R2>

/**
 * Returns `otherwise` if a call failed with one of some errnos.
 *
 * **Example** (The target of a link, if there is one)
 *
 * ```ts
 * import { AT } from "runfx/native/constants"
 * import { orOn, sys } from "runfx/native/Kernel"
 *
 * const target = sys.readlinkat({ dirfd: AT.FDCWD, path: "/etc/mtab" }).pipe(orOn(["ENOENT", "EINVAL"], undefined))
 * ```
 */
export const orOn = <B>(codes: ReadonlyArray<Errno.Errno>, otherwise: B) =>
  onErrno(codes, () => Effect.succeed(otherwise))

/** The kernel: interprets calls. */
export class Kernel extends Context.Service<Kernel, {
  readonly invoke: <C extends Call>(call: C) => Effect.Effect<Result<C>, SyscallError>
}>()("runfx/Kernel") {}

/** Makes a call for a fiber. Most calls return at once, and then the Effect is an exit already. */
type Make = <C extends Call>(call: C, fiber: Fiber.Fiber<unknown, unknown>) => Effect.Effect<Result<C>, SyscallError>

/** Whether the process that the code runs in makes the calls of a fiber itself. */
type IsOwn = (fiber: Fiber.Fiber<unknown, unknown>) => boolean

const makes = new WeakMap<Kernel["Service"], { readonly make: Make; readonly isOwn: IsOwn }>()

/**
 * Registers how a kernel makes a call for a known fiber: as its `invoke`, but without an Effect that looks up the fiber. A
 * wrapper of the kernel is a different object, and still sees each call.
 *
 * @internal
 * @since 0.2.0
 */
export const provideMake = (kernel: Kernel["Service"], make: Make, isOwn: IsOwn): void =>
  void makes.set(kernel, { make, isOwn })

/** The kernel of a fiber. `flatMap(Kernel, ...)` takes three operations of the fiber, and this none. */
const kernelOf = (fiber: Fiber.Fiber<unknown, unknown>): Kernel["Service"] =>
  Context.get(fiber.context as Context.Context<Kernel>, Kernel)

/**
 * Passes one call to the {@link Kernel} in the context.
 *
 * @public
 */
export const invoke = <C extends Call>(call: C): Effect.Effect<Result<C>, SyscallError, Kernel> =>
  Effect.withFiber((fiber) => {
    const kernel = kernelOf(fiber)
    return makes.get(kernel)?.make(call, fiber) ?? kernel.invoke(call)
  })

/**
 * Asks once for what can't change as long as this process runs. A child of it is another process, and is always asked; so is a
 * model, and a wrapper of a kernel, since those want to see the calls.
 *
 * @param isLasting whether this answer is for good
 * @internal
 * @since 0.2.0
 */
export const lasting = <A extends {}, E>(
  ask: Effect.Effect<A, E, Kernel>,
  isLasting: (answer: A) => boolean = () => true
): Effect.Effect<A, E, Kernel> => {
  const answers = new WeakMap<Kernel["Service"], A>()
  return Effect.withFiber((fiber) => {
    const kernel = kernelOf(fiber)
    if (makes.get(kernel)?.isOwn(fiber) !== true) return ask
    const known = answers.get(kernel)
    if (known !== undefined) return Effect.succeed(known)
    return Effect.map(ask, (answer) => {
      if (isLasting(answer)) answers.set(kernel, answer)
      return answer
    })
  })
}

/** All calls as functions: `sys.chdir({ path: "/" })`. */
export const sys: {
  readonly [N in CallName]: (args: Arguments<N>) => Effect.Effect<Result<CallOf<N>>, SyscallError, Kernel>
} = Object.fromEntries(
  callNames.map((name) => [name, (args: object) => invoke({ _tag: name, ...args } as Call)])
) as never
