/**
 * Enter the working directory as the init's own user, since only root may be able to reach it. If root can't (a home on a file
 * system that does not trust root), {@link verifyWorkingDirectory} tries again as the program's user.
 *
 * @see chdir(2)
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { orOn, sys } from "../native/Kernel.ts"
import { directoryAdvice } from "./init/directoryAdvice.ts"
import { DescriptorsClosed, WorkingDirectory } from "./init/facts.ts"
import { Init } from "./init/Init.ts"

/** Enters `process.cwd`, or leaves it for later if permission is lacking. */
export const chdir = Step.make("chdir", {
  doc: "enter the working directory",
  calls: ["chdir"],
  requires: [Init, DescriptorsClosed],
  provides: WorkingDirectory,
  reversal: "irreversible",
  deterministic: true,
  advice: directoryAdvice,
  run: Effect.gen(function*() {
    const { cwd: path } = (yield* Init).process
    const deferred = yield* sys.chdir({ path }).pipe(
      Effect.as(false),
      orOn(["EACCES", "EPERM"], true)
    )
    return { path, deferred }
  })
})
