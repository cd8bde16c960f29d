/**
 * Enter the root that the side-car has built.
 *
 * pivot_root(2) by the side-car has moved this process's root along, since it sat on the old one. It moves a working
 * directory only if that was the old root too: any other one would still be a directory of the host.
 *
 * @see pivot_root(2)
 * @category steps
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { AT, O, STATX } from "../native/constants.ts"
import { orOn, sys } from "../native/Kernel.ts"
import { InNamespaces } from "./init/facts.ts"
import { Init } from "./init/Init.ts"
import { InRoot } from "./rootfs/facts.ts"

/** The side-car has not moved this process into the container's root. */
export class RootNotBuilt extends Data.TaggedError("RootNotBuilt")<{ readonly rootfs: string }> {
  override get message(): string {
    return `the root of this process is not the mount that was made of ${this.rootfs}: the side-car did not pivot`
  }
}

/** Goes to `/`, and checks that it is the root of a mount other than the host's. */
export const enterBuiltRoot = Step.make("enterBuiltRoot", {
  doc: "enter the root that the side-car has built",
  calls: ["chdir", "openat", "statx"],
  requires: [Init, InNamespaces],
  provides: InRoot,
  reversal: "irreversible",
  replayable: true,
  run: Effect.gen(function*() {
    const { container } = yield* Init
    yield* sys.chdir({ path: "/" })
    const fd = yield* sys.openat({
      dirfd: AT.FDCWD,
      path: "/",
      flags: O.PATH | O.DIRECTORY | O.CLOEXEC,
      mode: 0
    })
    const root = yield* sys.statx({ dirfd: fd, path: "", flags: AT.EMPTY_PATH, mask: STATX.INO | STATX.MNT_ID })
    // the host's path to the root file system leads there as long as the host's root is this process's root
    const still = yield* sys.statx({ dirfd: AT.FDCWD, path: container.rootfs, flags: 0, mask: STATX.INO }).pipe(
      orOn(["ENOENT", "ENOTDIR"], undefined)
    )
    if (!root.mountRoot || (still !== undefined && container.rootfs !== "/" && still.ino === root.ino)) {
      return yield* new RootNotBuilt({ rootfs: container.rootfs })
    }
    return { fd }
  })
})
