/**
 * Set resource limits: what the init does for itself, its parent from outside a user namespace, and the last step.
 *
 * @see prlimit(2)
 * @category init
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { Rlimit } from "../../config/Container.ts"
import * as Rlimits from "../../config/rlimits.ts"
import * as Ahead from "../../native/Ahead.ts"
import { RLIMIT } from "../../native/constants.ts"
import { type Errno, textOf } from "../../native/Errno.ts"
import type { AnyPid } from "../../native/Handle.ts"
import { type Kernel, sys, type SyscallError } from "../../native/Kernel.ts"

/** Limits of what the start itself still does: those of the size of files, and of the processor time. */
const lastOfAll: ReadonlySet<number> = new Set([RLIMIT.FSIZE, RLIMIT.CPU])

/** Limits that are set later than the others. */
const late: ReadonlySet<number> = new Set([RLIMIT.NOFILE, ...lastOfAll])

const raise = (pid: AnyPid, { hard, resource }: Rlimit): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.flatMap(sys.prlimit64({ pid, resource, limit: null }), (current) =>
    hard <= current.hard
      ? Effect.void
      : Effect.asVoid(sys.prlimit64({ pid, resource, limit: { soft: current.soft, hard } })))

const set = (pid: AnyPid, { hard, resource, soft }: Rlimit): Effect.Effect<void, SyscallError, Kernel> =>
  Ahead.unseen(sys.prlimit64({ pid, resource, limit: { soft, hard } }))

/**
 * Sets the limits of an init that has still to run {@link restoreProcess}; `pid` 0 is the caller.
 *
 * **Example** (The parent, for an init in a user namespace)
 *
 * ```ts
 * yield* applyRlimits(pid, process.rlimits)
 * ```
 *
 * @param hardNofile the hard limit of descriptors that the process has, if it is known: it need not be asked for
 */
export const applyRlimits = (
  pid: AnyPid,
  rlimits: ReadonlyArray<Rlimit>,
  hardNofile?: bigint
): Effect.Effect<void, RlimitError, Kernel> =>
  Effect.forEach(
    rlimits.filter(({ hard, resource }) => resource !== RLIMIT.NOFILE || hardNofile === undefined || hard > hardNofile),
    (rlimit) =>
      Effect.mapError(
        late.has(rlimit.resource) ? raise(pid, rlimit) : set(pid, rlimit),
        ({ code }) => new RlimitError({ ...rlimit, code })
      ),
    { discard: true }
  )

/**
 * Sets the configured limits of the size of files and of the processor time, if there are any; the last limits of all.
 *
 * @since 0.2.0
 */
export const applyLastRlimits = (rlimits: ReadonlyArray<Rlimit>): Effect.Effect<void, RlimitError, Kernel> =>
  Effect.forEach(
    rlimits.filter(({ resource }) => lastOfAll.has(resource)),
    (rlimit) => Effect.mapError(set(0, rlimit), ({ code }) => new RlimitError({ ...rlimit, code })),
    { discard: true }
  )

/** A resource limit that the kernel refuses. */
export class RlimitError extends Data.TaggedError("RlimitError")<{
  /** The kernel's number. */
  readonly resource: number
  readonly soft: bigint
  readonly hard: bigint
  readonly code: Errno
}> {
  override get message(): string {
    const { code, hard, resource, soft } = this
    return `can't set ${Rlimits.nameOf(resource)} to soft ${limitText(soft)}, hard ${limitText(hard)}: ` +
      `${code} (${textOf(code)})`
  }
  get advice(): string | undefined {
    switch (this.code) {
      case "EPERM":
        return "raising a hard limit needs CAP_SYS_RESOURCE on the host" +
          (this.resource === Rlimits.numberOf("RLIMIT_NOFILE") ? ", and no more than /proc/sys/fs/nr_open" : "") +
          ": configure at most the runtime's own hard limit"
      case "EINVAL":
        return "the soft limit must not be above the hard one"
      default:
        return undefined
    }
  }
}

const limitText = (value: bigint): string => value === Rlimits.infinity ? "unlimited" : String(value)
