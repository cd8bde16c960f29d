/**
 * Set how readily the out-of-memory killer chooses the process.
 *
 * It comes before the process becomes root of a user namespace and before it is made not dumpable: after either, the
 * file belongs to the host's root.
 *
 * @see proc(5), /proc/pid/oom_score_adj
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import * as Ahead from "../native/Ahead.ts"
import { onErrno, type SyscallError } from "../native/Kernel.ts"
import { Init } from "./init/Init.ts"
import { selfCalls, writeSelf } from "./proc/self.ts"

/**
 * Engines write 0, the default of the kernel, by habit. If the runtime itself has a higher score and may not lower it,
 * that means nothing more than "as it is".
 */
const unlessByHabit = (score: number) => (error: SyscallError): Effect.Effect<void, SyscallError> =>
  score === 0 && error.call._tag === "write"
    ? Ahead.once(
      Effect.logDebug(`the container keeps runfx's own oom_score_adj, since it may not lower it to 0: ${error.message}`)
    )
    : Effect.fail(error)

/** Writes `process.oomScoreAdj`, if the configuration has one. */
export const setOomScoreAdj = Step.make("setOomScoreAdj", {
  doc: "set how readily the out-of-memory killer chooses the process",
  calls: selfCalls,
  requires: [Init],
  reversal: "irreversible",
  deterministic: true,
  advice: {
    EACCES:
      "only a process with CAP_SYS_RESOURCE on the host may lower oomScoreAdj below what the runtime has itself " +
      "(see /proc/self/oom_score_adj): give that or more, or leave it out",
    EINVAL: "oomScoreAdj must be from -1000 to 1000"
  },
  run: Effect.gen(function*() {
    const { process } = yield* Init
    const score = process.oomScoreAdj
    if (score === undefined) return
    yield* writeSelf("oom_score_adj", String(score)).pipe(onErrno(["EACCES"], unlessByHabit(score)))
  })
})
