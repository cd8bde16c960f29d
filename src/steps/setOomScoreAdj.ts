/**
 * Set how readily the out-of-memory killer chooses the process.
 *
 * It stands before the process becomes root of a user namespace and before it is made not dumpable: after either, the
 * file belongs to the host's root.
 *
 * @see proc(5), /proc/pid/oom_score_adj
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { Init } from "./Init.ts"
import { selfCalls, writeSelf } from "./procSelf.ts"

/** Writes `process.oomScoreAdj`, where the configuration has one. */
export const setOomScoreAdj = Step.make("setOomScoreAdj", {
  doc: "set how readily the out-of-memory killer chooses the process",
  calls: selfCalls,
  requires: [Init],
  reversal: "irreversible",
  advice: {
    EACCES: "only a process with CAP_SYS_RESOURCE on the host may lower oomScoreAdj below what its parent has",
    EINVAL: "oomScoreAdj must be from -1000 to 1000"
  },
  run: Effect.gen(function*() {
    const { process } = yield* Init
    if (process.oomScoreAdj !== undefined) yield* writeSelf("oom_score_adj", String(process.oomScoreAdj))
  })
})
