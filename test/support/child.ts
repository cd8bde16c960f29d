/**
 * Runs an Effect in a forked child and brings its result back: for calls that change the process for good.
 *
 * The result crosses a pipe as JSON, with bigints and bytes; so it must be plain data.
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as c from "../../src/native/constants.ts"
import { Fork } from "../../src/native/Fork.ts"
import { type Kernel, sys, SyscallError } from "../../src/native/Kernel.ts"

/** The Effect of a child failed, or the child was lost before it could say how it ended. */
export class ChildFailed extends Data.TaggedError("ChildFailed")<{
  readonly message: string
  /** The errno of a failed call. */
  readonly code?: string
  /** The `_tag` of the failure. */
  readonly reason?: string
}> {}

type Report =
  | { readonly _tag: "Done"; readonly value?: unknown }
  | { readonly _tag: "Failed"; readonly message: string; readonly code?: string; readonly reason?: string }

const encode = (report: Report): Uint8Array =>
  new TextEncoder().encode(JSON.stringify(report, (_, value: unknown) =>
    typeof value === "bigint"
      ? { $bigint: String(value) }
      : value instanceof Uint8Array
      ? { $bytes: Array.from(value) }
      : value))

const decode = (text: string): Report =>
  JSON.parse(text, (_, value: unknown) => {
    if (typeof value !== "object" || value === null) return value
    if ("$bigint" in value) return BigInt(String(value.$bigint))
    return "$bytes" in value ? Uint8Array.from(value.$bytes as Array<number>) : value
  }) as Report

const tagOf = (failure: unknown): string | undefined =>
  typeof failure === "object" && failure !== null && "_tag" in failure ? String(failure._tag) : undefined

const reportOf = (exit: Exit.Exit<unknown, unknown>): Report => {
  if (Exit.isSuccess(exit)) return { _tag: "Done", value: exit.value }
  const failure = Cause.squash(exit.cause)
  const reason = tagOf(failure)
  return {
    _tag: "Failed",
    message: failure instanceof Error ? failure.message : String(failure),
    ...reason === undefined ? {} : { reason },
    ...failure instanceof SyscallError ? { code: failure.code } : {}
  }
}

/** Writes all bytes. */
export const writeAll = (fd: number, data: Uint8Array): Effect.Effect<void, SyscallError, Kernel> =>
  data.length === 0
    ? Effect.void
    : Effect.flatMap(sys.write({ fd, data }), (written) => writeAll(fd, data.subarray(written)))

/** All bytes up to the end of a file. */
export const readAll = (fd: number): Effect.Effect<string, SyscallError, Kernel> =>
  Effect.gen(function*() {
    const chunks: Array<Uint8Array> = []
    for (;;) {
      const chunk = yield* sys.read({ fd, count: 0x10000 })
      if (chunk.length === 0) return Buffer.concat(chunks).toString("utf8")
      chunks.push(chunk)
    }
  })

/**
 * Runs `effect` in a child that is made with `flags` (`CLONE_NEW*`), and gives its result. A failure of the child
 * becomes a {@link ChildFailed}; in either case the child is reaped.
 */
export const inChild = <A>(
  flags: number,
  effect: Effect.Effect<A, unknown, Kernel | Fork>
): Effect.Effect<A, ChildFailed | SyscallError, Kernel | Fork> =>
  Effect.gen(function*() {
    const [readEnd, writeEnd] = yield* sys.pipe2({ flags: c.O.CLOEXEC })
    const fork = yield* Fork
    const pid = yield* fork.spawn(
      flags,
      Effect.gen(function*() {
        yield* sys.close({ fd: readEnd })
        const exit = yield* Effect.exit(effect)
        yield* writeAll(writeEnd, encode(reportOf(exit)))
        return yield* sys.exit_group({ status: 0 })
      })
    ).pipe(
      Effect.onError(() => Effect.ignore(sys.close({ fd: readEnd }))),
      Effect.ensuring(Effect.ignore(sys.close({ fd: writeEnd })))
    )
    const text = yield* readAll(readEnd).pipe(Effect.ensuring(Effect.ignore(sys.close({ fd: readEnd }))))
    const status = yield* sys.waitid({ idtype: c.P.PID, id: pid, options: c.W.EXITED })
    if (text === "") {
      return yield* new ChildFailed({ message: `the child reported nothing: ${JSON.stringify(status)}` })
    }
    const report = decode(text)
    if (report._tag === "Done") return report.value as A
    const { _tag, ...failure } = report
    return yield* new ChildFailed(failure)
  })
