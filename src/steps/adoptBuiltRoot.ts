/**
 * Take over the root that the side-car has finished: open handles of its mounts, and provide the fact that it is sealed.
 *
 * Later steps require that fact. In a pipeline that builds its own root, other steps provide it; here the side-car did the work.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Mount } from "../config/Container.ts"
import * as Step from "../engine/Step.ts"
import { MAGIC, RESOLVE } from "../native/constants.ts"
import * as Files from "../native/Files.ts"
import { onErrno, sys } from "../native/Kernel.ts"
import { Init } from "./init/Init.ts"
import { RootChangedError } from "./rootfs/errors.ts"
import { InRoot, RootSealed } from "./rootfs/facts.ts"
import { isFresh, isRigid, reliedOn, uncovered } from "./rootfs/places.ts"

/** Opens a mount that the side-car has made; no other process mounts anything in this namespace. */
const adopt = Effect.fnUntraced(function*(root: number, mount: Mount) {
  const destination = Files.clean(mount.destination)
  const changed = (found: string) => new RootChangedError({ path: destination, found })
  const how = isRigid(mount) ? { resolve: RESOLVE.NO_SYMLINKS } : {}
  const found = Files.resolve(root, destination, how).pipe(
    onErrno(["ENOENT", "ENOTDIR"], () => changed("is not there any more")),
    onErrno(["ELOOP"], () => changed("has become a link"))
  )
  let id = 0n
  const fd = yield* Files.keeping(found, (fd) =>
    Effect.gen(function*() {
      const { mountId, mountRoot } = yield* Files.stat(fd)
      const magic = magics[mount.type]
      if (!mountRoot || (magic !== undefined && (yield* sys.fstatfs({ fd })).type !== magic)) {
        return yield* changed("is not the mount that was made for it")
      }
      id = mountId
    }))
  return { kept: { destination, fd, fresh: isFresh(mount) }, id }
})

/** The magic numbers of the kernel's own file systems, by type. */
const magics: Readonly<Record<string, number>> = { proc: MAGIC.PROC_SUPER_MAGIC, sysfs: MAGIC.SYSFS_MAGIC }

/** Takes the root. The side-car has reported that it is done, so it has also made the root read-only if that is asked for. */
export const adoptBuiltRoot = Step.make("adoptBuiltRoot", {
  doc: "take the root as the side-car has finished it",
  calls: ["openat2", "statx", "fstatfs", "close"],
  requires: [Init, InRoot],
  provides: RootSealed,
  reversal: "harmless",
  replayable: true,
  run: Effect.gen(function*() {
    const { container } = yield* Init
    const { fd: root } = yield* InRoot
    const relied = reliedOn(container)
    const adopted = yield* Effect.forEach(
      uncovered(container).filter((mount) => relied.has(mount)),
      (mount) => adopt(root, mount)
    )
    for (const [index, { id, kept: { destination: path } }] of adopted.entries()) {
      // if two were exchanged for each other, one would be masked twice and the other not at all
      if (adopted.findIndex((other) => other.id === id) === index) continue
      return yield* new RootChangedError({ path, found: "is the mount that was made for another place" })
    }
    return { kept: adopted.map(({ kept }) => kept) }
  })
})
