/**
 * Enter the working directory as the program's user, where the init's own could not, and check that the process is
 * inside of the container's root: a directory of the host, reached through a descriptor that was left open, is the way
 * out of CVE-2024-21626.
 *
 * @see getcwd(2): a path outside of the root starts with `(unreachable)`
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { sys } from "../native/Kernel.ts"
import { directoryAdvice } from "./chdir.ts"
import { OutsideOfRoot } from "./errors.ts"
import { ExecUser, VerifiedDirectory, WorkingDirectory } from "./facts.ts"

/** Fails with {@link OutsideOfRoot} where the working directory is not below the container's root. */
export const verifyWorkingDirectory = Step.make("verifyWorkingDirectory", {
  doc: "check that the working directory is inside of the container",
  calls: ["chdir", "getcwd"],
  requires: [WorkingDirectory, ExecUser],
  provides: VerifiedDirectory,
  reversal: "irreversible",
  advice: directoryAdvice,
  run: Effect.gen(function*() {
    const { deferred, path: configured } = yield* WorkingDirectory
    if (deferred) yield* sys.chdir({ path: configured })
    const path = yield* Effect.catchIf(
      sys.getcwd({}),
      ({ code }) => code === "ENOENT",
      () => new OutsideOfRoot({ configured, found: "a directory that was removed" })
    )
    if (!path.startsWith("/")) return yield* new OutsideOfRoot({ configured, found: path })
    return { path }
  })
})
