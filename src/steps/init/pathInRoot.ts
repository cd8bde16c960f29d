/**
 * Checks that the process is inside of the container's root.
 *
 * @see getcwd(2): a path outside of the root starts with `(unreachable)`
 * @category init
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Ahead from "../../native/Ahead.ts"
import { type Kernel, onErrno, sys, type SyscallError } from "../../native/Kernel.ts"

/** The working directory is not below the container's root: a way out of the container (CVE-2024-21626). */
export class OutsideOfRoot extends Data.TaggedError("OutsideOfRoot")<{
  /** What `process.cwd` says. */
  readonly configured: string
  /** Where the process was found. */
  readonly found: string
}> {
  override get message(): string {
    return `the working directory ${this.configured} is outside of the container root: ${this.found}`
  }
  get advice(): string {
    return "don't use an image or a process.cwd that leads to /proc/<pid>/fd; it may be an attempt to break out"
  }
}

/**
 * The path of the working directory. Fails if that is outside of the root.
 *
 * @since 0.2.0
 */
export const pathInRoot = Effect.fnUntraced(
  function*(configured: string): Effect.fn.Return<string, OutsideOfRoot | SyscallError, Kernel> {
    const path = yield* Ahead.likely(configured)(sys.getcwd({})).pipe(
      onErrno(["ENOENT"], () => new OutsideOfRoot({ configured, found: "a directory that was removed" }))
    )
    if (!path.startsWith("/")) return yield* new OutsideOfRoot({ configured, found: path })
    return path
  }
)
