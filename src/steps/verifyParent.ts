/**
 * Check that the parent is still the one that started this process. The parent-death signal reports later deaths only:
 * a parent that died before it was set would leave an orphan that nobody waits for.
 *
 * If the parent is outside of the pid namespace, getppid(2) returns 0, whether it lives or not; then the end of file on the
 * channel shows that it died.
 *
 * @see getppid(2)
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import * as Ahead from "../native/Ahead.ts"
import { sys } from "../native/Kernel.ts"
import { ParentGone } from "./init/errors.ts"
import { ParentDeathSignalSet } from "./init/facts.ts"
import { Init } from "./init/Init.ts"

/** Fails with {@link ParentGone} if the parent has changed. */
export const verifyParent = Step.make("verifyParent", {
  doc: "check that the parent is still there",
  calls: ["getppid"],
  requires: [Init, ParentDeathSignalSet],
  reversal: "harmless",
  deterministic: true,
  run: Effect.gen(function*() {
    const { parentPid } = yield* Init
    const ppid = yield* Ahead.likely(parentPid)(sys.getppid({}))
    if (ppid !== parentPid) {
      return yield* new ParentGone({ while: `process ${parentPid} started this one, and now its parent is ${ppid}` })
    }
  })
})
