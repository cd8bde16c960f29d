/**
 * Make the program's working directory where it is missing, as the container's root, before the user is changed.
 *
 * @see OCI config.md#process
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Files from "../../native/Files.ts"
import { Init } from "../Init.ts"
import { PathError } from "./errors.ts"
import { Mounted, Ownership, RootHandle } from "./facts.ts"
import { makingFor } from "./setting.ts"

/** Makes the directory and its parents, in the mount that holds them. */
export const createWorkingDirectory = Step.make("createWorkingDirectory", {
  doc: "make the program's working directory where it is missing",
  calls: [...Files.makeCalls, "umask"],
  requires: [Init, RootHandle, Mounted, Ownership],
  reversal: "irreversible",
  advice: {
    EROFS: "make the working directory in the image: its file system is read-only",
    ENOTDIR: "process.cwd leads through a file of the image: correct it, or the image"
  },
  run: Effect.gen(function*() {
    const { process: { cwd } } = yield* Init
    const { fd: root } = yield* RootHandle
    if (Files.clean(cwd) === "/") return
    const making = yield* makingFor(yield* Ownership)
    yield* Files.withoutUmask(Files.using(Files.makeDirectories(root, Files.clean(cwd), making), () => Effect.void))
      .pipe(Effect.mapError((reason) => new PathError({ path: cwd, what: "make the working directory", reason })))
  })
})
