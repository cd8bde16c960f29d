/**
 * Enter the working directory as the program's user, if the init's own user could not, and check that the process is inside of
 * the container's root. In CVE-2024-21626, a directory of the host, reached through an open descriptor, was the way out.
 *
 * @see chdir(2)
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { sys } from "../native/Kernel.ts"
import { directoryAdvice } from "./init/directoryAdvice.ts"
import { ExecUser, VerifiedDirectory, WorkingDirectory } from "./init/facts.ts"
import { pathInRoot } from "./init/pathInRoot.ts"

/** Fails with `OutsideOfRoot` if the working directory is not below the container's root. */
export const verifyWorkingDirectory = Step.make("verifyWorkingDirectory", {
  doc: "check that the working directory is inside of the container",
  calls: ["chdir", "getcwd"],
  requires: [WorkingDirectory, ExecUser],
  provides: VerifiedDirectory,
  reversal: "irreversible",
  deterministic: true,
  advice: directoryAdvice,
  run: Effect.gen(function*() {
    const { deferred, path: configured } = yield* WorkingDirectory
    if (deferred) yield* sys.chdir({ path: configured })
    return { path: yield* pathInRoot(configured) }
  })
})
