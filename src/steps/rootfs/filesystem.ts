/**
 * Making a new file system, attached nowhere yet.
 *
 * Each option has a call of its own, so that an error names the option; the kernel's own words are in the error's detail.
 *
 * @see fsopen(2), fsconfig(2), fsmount(2)
 * @category rootfs
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { FSCONFIG, FSMOUNT, FSOPEN } from "../../native/constants.ts"
import * as Files from "../../native/Files.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, sys } from "../../native/Kernel.ts"
import { during } from "./attach.ts"
import type { About, MountError } from "./errors.ts"

/** The calls that {@link makeFilesystem} makes. */
export const filesystemCalls = ["fsopen", "fsconfig", "fsmount", "close"] as const

/** The longest value that fsconfig(2) takes, in bytes. */
const maxValue = 255

const valueOf = (option: string): readonly [key: string, value: string | null] => {
  const at = option.indexOf("=")
  return at < 0 ? [option, null] : [option.slice(0, at), option.slice(at + 1)]
}

/** Whether fsconfig(2) can carry the options and the source; a long `lowerdir` of overlayfs is too much for it. */
export const fits = (source: string, options: ReadonlyArray<string>): boolean =>
  [source, ...options.map((option) => valueOf(option)[1] ?? "")].every((text) => Buffer.byteLength(text) <= maxValue)

const configure = Effect.fnUntraced(
  function*(fd: AnyFd, about: About, options: ReadonlyArray<string>, attributes: number) {
    const config = (command: number, key: string | null, value: string | null) =>
      sys.fsconfig({ fd, command, key, value, aux: 0 })
    if (about.source !== "") {
      yield* during(about, `option source=${about.source}`)(config(FSCONFIG.SET_STRING, "source", about.source))
    }
    for (const option of options) {
      const [key, value] = valueOf(option)
      yield* during(about, `option ${option}`)(
        config(value === null ? FSCONFIG.SET_FLAG : FSCONFIG.SET_STRING, key, value)
      )
    }
    yield* during(about, "create the file system")(config(FSCONFIG.CMD_CREATE, null, null))
    return yield* during(about, "create the file system")(
      sys.fsmount({ fd, flags: FSMOUNT.CLOEXEC, attributes })
    )
  }
)

/**
 * A descriptor of the root of a new mount of a file system, close-on-exec.
 *
 * - `options`: as in the data of mount(2), one in each element: `mode=755`, `newinstance`
 * - `attributes`: `MOUNT_ATTR_*`
 */
export const makeFilesystem = (
  about: About,
  options: ReadonlyArray<string>,
  attributes: number
): Effect.Effect<number, MountError, Kernel> =>
  Files.using(
    during(about, "open the file system")(sys.fsopen({ type: about.type, flags: FSOPEN.CLOEXEC })),
    (fd) => configure(fd, about, options, attributes)
  ).pipe(during(about, "open the file system"))
