/**
 * Make the program's working directory if it is missing, as the container's root, before the user is changed.
 *
 * @see OCI config.md#process
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Files from "../../native/Files.ts"
import { Init } from "../init/Init.ts"
import { PathError } from "./errors.ts"
import { Mounted, Ownership, RootHandle } from "./facts.ts"
import { makingFor } from "./mounting.ts"
import { startOf } from "./places.ts"

/** Makes the directory and its parents, in the mount that holds them. */
export const createWorkingDirectory = Step.make("createWorkingDirectory", {
  doc: "make the program's working directory if it is missing",
  calls: [...Files.makeCalls, "umask"],
  requires: [Init, RootHandle, Mounted, Ownership],
  reversal: "irreversible",
  deterministic: true,
  advice: {
    EROFS: "make the working directory in the image: its file system is read-only",
    EACCES: "make the working directory in the image: the container's root may not write in its parent",
    ELOOP: "process.cwd leads through links in circles, or through a magic link of /proc: correct it",
    ENOTDIR: "process.cwd leads through a file of the image: correct it, or the image"
  },
  run: Effect.gen(function*() {
    const { process: { cwd } } = yield* Init
    const { fd: root } = yield* RootHandle
    if (Files.clean(cwd) === "/") return
    const making = yield* makingFor(yield* Ownership)
    const start = startOf(root, (yield* Mounted).kept, Files.clean(cwd))
    const made = Files.makeDirectories(start.root, start.path, making)
    yield* Files.withoutUmask(Files.using(made, () => Effect.void))
      .pipe(Effect.mapError((reason) => new PathError({ path: cwd, what: "make the working directory", reason })))
  })
})
