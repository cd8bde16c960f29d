/**
 * Enter the working directory, as the init's own user: it may be one that only root can reach. Where root can't (a home
 * on a file system that trusts no root), {@link verifyWorkingDirectory} tries again as the program's user.
 *
 * @see chdir(2)
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { orOn, sys } from "../native/Kernel.ts"
import { DescriptorsClosed, WorkingDirectory } from "./facts.ts"
import { Init } from "./Init.ts"

/** What to do about a working directory that can't be entered. */
export const directoryAdvice = {
  ENOENT: "create the directory in the root file system, or set process.cwd to one that is there",
  ENOTDIR: "process.cwd must be a directory",
  EACCES: "the program's user needs search permission on process.cwd and on every directory above it",
  ELOOP: "process.cwd goes round in symbolic links"
} as const

/** Enters `process.cwd`, or leaves it for later where permission is lacking. */
export const chdir = Step.make("chdir", {
  doc: "enter the working directory",
  calls: ["chdir"],
  requires: [Init, DescriptorsClosed],
  provides: WorkingDirectory,
  reversal: "irreversible",
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
