/**
 * A root of directories of the host that are stacked, as the layers of an image are.
 *
 * @see Documentation/filesystems/overlayfs.rst
 * @category rootfs
 * @since 0.2.0
 */
import { hasNamespace } from "../../config/Container.ts"
import * as Step from "../../engine/Step.ts"
import { Init } from "../init/Init.ts"
import { MountsContained } from "./facts.ts"
import { noOverlay, onScratch, overlay, scratchCalls } from "./onScratch.ts"
import { openRootfsAdvice } from "./openRootfs.ts"

/** A directory as overlayfs lists it. Colons separate directories, so a backslash must escape them, and itself. */
const lower = (directory: string): string => directory.replaceAll(/[\\:]/g, "\\$&")

/**
 * A step that stacks directories of the host to a root, whose writes are thrown away.
 *
 * @param layers absolute paths, the uppermost first
 */
export const layeredRoot = (layers: ReadonlyArray<string>) => {
  const step = Step.make("layeredRoot", {
    doc: "stack directories of the host to a root, whose writes are thrown away",
    calls: scratchCalls,
    requires: [Init, MountsContained],
    reversal: "irreversible",
    advice: {
      ...openRootfsAdvice,
      ENODEV: noOverlay,
      EINVAL: "overlayfs refuses these layers: each must be a directory on the host, and none may hold another one"
    },
    // in a user namespace the marks of overlayfs are user attributes: others take privileges over the host
    run: onScratch(["mode=755"], (scratch, container) =>
      overlay(
        container.rootfs,
        scratch,
        layers.map(lower),
        hasNamespace(container, "user") ? ["userxattr"] : []
      ))
  })
  return Object.assign(step, { layers })
}
