/**
 * Enter the working directory of a program that is known late, if it differs from the container's. The process is the program's
 * user by then.
 *
 * @see chdir(2)
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { sys } from "../native/Kernel.ts"
import { directoryAdvice } from "./init/directoryAdvice.ts"
import { VerifiedDirectory } from "./init/facts.ts"
import { Init } from "./init/Init.ts"
import { pathInRoot } from "./init/pathInRoot.ts"

/** Enters `process.cwd` if it is not entered yet; fails with `OutsideOfRoot` if that is not below the container's root. */
export const changeDirectory = Step.make("changeDirectory", {
  doc: "enter the working directory of a program that is known late",
  calls: ["chdir", "getcwd"],
  requires: [Init, VerifiedDirectory],
  provides: VerifiedDirectory,
  reversal: "irreversible",
  replayable: true,
  advice: directoryAdvice,
  run: Effect.gen(function*() {
    const { container, process: { cwd } } = yield* Init
    if (cwd === container.process.cwd) return yield* VerifiedDirectory
    yield* sys.chdir({ path: cwd })
    return { path: yield* pathInRoot(cwd) }
  })
})
