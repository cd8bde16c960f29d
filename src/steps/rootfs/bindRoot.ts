/**
 * Make the root file system a mount of its own, and keep a handle on it: all that follows is looked up below that handle.
 *
 * @see pivot_root(2), open_tree(2)
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { MS } from "../../native/constants.ts"
import * as Files from "../../native/Files.ts"
import { Init } from "../init/Init.ts"
import { attach, setPropagation } from "./attach.ts"
import { cloneOfHandle } from "./bind.ts"
import { MountsContained, RootHandle } from "./facts.ts"
import { openRootfs, openRootfsAdvice } from "./openRootfs.ts"

/** Binds the root file system onto itself; without a mount namespace it only opens it. */
export const bindRoot = Step.make("bindRoot", {
  doc: "make the root file system a mount of its own",
  calls: ["openat2", "open_tree", "mount_setattr", "move_mount", "close"],
  requires: [Init, MountsContained],
  provides: RootHandle,
  reversal: "irreversible",
  deterministic: true,
  advice: openRootfsAdvice,
  run: Effect.gen(function*() {
    const { container } = yield* Init
    const { contained } = yield* MountsContained
    if (!contained) return { fd: yield* openRootfs(container.rootfs) }
    const fd = yield* Files.using(
      openRootfs(container.rootfs),
      (directory) =>
        Files.keeping(cloneOfHandle(directory, true), (tree) =>
          Effect.andThen(
            attach(tree, directory),
            // with a shared `/` the clone is a peer of its source, and what is mounted in it would appear on the host
            setPropagation(tree, container.rootPropagation === undefined ? MS.SLAVE | MS.REC : MS.PRIVATE)
          ))
    )
    return { fd }
  })
})
