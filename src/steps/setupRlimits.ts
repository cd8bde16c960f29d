/**
 * Set the resource limits of the process, in the order of the configuration.
 *
 * In a user namespace nobody may raise a hard limit: there the parent sets them from outside with {@link applyRlimits}.
 *
 * Two limits are only raised here, while the process may. That of descriptors is set to the configured values in
 * {@link restoreProcess}: Node.js has a score of them open, and a limit below that would keep the steps in between from
 * opening anything. That of the size of files is set in {@link exec}, which has to write a file first.
 *
 * @see prlimit(2)
 */
import * as Effect from "effect/Effect"
import type { Rlimit } from "../config/Container.ts"
import * as Step from "../engine/Step.ts"
import { RLIMIT } from "../native/constants.ts"
import { type Kernel, sys, type SyscallError } from "../native/Kernel.ts"
import { RlimitError } from "./errors.ts"
import { LimitsSet } from "./facts.ts"
import { Init } from "./Init.ts"

/** Limits that are set later than the others. */
const late: ReadonlySet<number> = new Set([RLIMIT.NOFILE, RLIMIT.FSIZE])

const raise = (pid: number, { hard, resource }: Rlimit): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.flatMap(sys.prlimit64({ pid, resource, limit: null }), (current) =>
    hard <= current.hard
      ? Effect.void
      : Effect.asVoid(sys.prlimit64({ pid, resource, limit: { soft: current.soft, hard } })))

const set = (pid: number, { hard, resource, soft }: Rlimit): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.asVoid(sys.prlimit64({ pid, resource, limit: { soft, hard } }))

/**
 * Sets the limits of an init that has still to run {@link restoreProcess}; `pid` 0 is the caller.
 *
 * **Example** (The parent, for an init in a user namespace)
 *
 * ```ts
 * yield* applyRlimits(pid, process.rlimits)
 * ```
 */
export const applyRlimits = (
  pid: number,
  rlimits: ReadonlyArray<Rlimit>
): Effect.Effect<void, RlimitError, Kernel> =>
  Effect.forEach(rlimits, (rlimit) =>
    Effect.mapError(
      late.has(rlimit.resource) ? raise(pid, rlimit) : set(pid, rlimit),
      ({ code }) => new RlimitError({ ...rlimit, code })
    ), { discard: true })

/** Sets the configured limit of the size of files, where there is one; the last limit of all. */
export const limitFileSize = (rlimits: ReadonlyArray<Rlimit>): Effect.Effect<void, RlimitError, Kernel> =>
  Effect.forEach(
    rlimits.filter(({ resource }) => resource === RLIMIT.FSIZE),
    (rlimit) => Effect.mapError(set(0, rlimit), ({ code }) => new RlimitError({ ...rlimit, code })),
    { discard: true }
  )

/** Sets `process.rlimits` of this process; those of descriptors and of the size of files are only raised. */
export const setupRlimits = Step.make("setupRlimits", {
  doc: "set the resource limits",
  calls: ["prlimit64"],
  requires: [Init],
  provides: LimitsSet,
  reversal: "irreversible",
  run: Effect.gen(function*() {
    const { process } = yield* Init
    yield* applyRlimits(0, process.rlimits)
    return true as const
  })
})
