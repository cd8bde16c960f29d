/**
 * An empty root, for a container whose files are all in mounts.
 *
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { Init } from "../init/Init.ts"
import { MountsContained } from "./facts.ts"
import { onScratch, scratchCalls } from "./onScratch.ts"
import { openRootfsAdvice } from "./openRootfs.ts"

/** Mounts an empty root on `container.rootfs`: all that the container sees is mounted in it. */
export const emptyRoot = Step.make("emptyRoot", {
  doc: "make an empty root, which the container's mounts fill",
  calls: scratchCalls,
  requires: [Init, MountsContained],
  reversal: "irreversible",
  replayable: true,
  advice: openRootfsAdvice,
  // 4 MiB are enough: it holds places to mount on, links and devices, but no data
  run: onScratch(["mode=755", "size=4m"], () => Effect.void)
})
