/**
 * The process's own files below `/proc/self`, through a private procfs. What an image or a mount has put at `/proc` could
 * otherwise swallow a label, or forge an answer.
 *
 * @category procfs
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { O } from "../../native/constants.ts"
import { entriesOf, using } from "../../native/Files.ts"
import * as Procfs from "../../native/Procfs.ts"

/** The calls that these functions make; for the headers of steps. */
export const selfCalls = [...new Set([...Procfs.openProcCalls, ...Procfs.useProcCalls])]

/** The text of `/proc/self/<path>`. */
export const readSelf = (path: string) => using(Procfs.openProc, (proc) => Procfs.readProc(proc, `self/${path}`))

/** Writes a text to `/proc/self/<path>` in one piece. */
export const writeSelf = (path: string, text: string) =>
  using(Procfs.openProc, (proc) => Procfs.writeProc(proc, `self/${path}`, text))

/** The numbers of all open descriptors, in order; the two that the listing itself needed are among them, but closed. */
export const listDescriptors = using(
  Procfs.openProc,
  (proc) =>
    using(
      Procfs.openBelow(proc, "self/fd", O.RDONLY | O.DIRECTORY),
      (fd) => Effect.map(entriesOf(fd), (entries) => entries.map(({ name }) => Number(name)))
    )
)
