/**
 * Take over the mounts of a running container, for a process that joins its mount namespace.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { InNamespaces } from "./init/facts.ts"
import { PathsMasked } from "./rootfs/facts.ts"

/**
 * Provides the fact that paths are masked: the container's first process has done that, and it holds for each process that joins
 * its mount namespace.
 */
export const adoptMounts = Step.make("adoptMounts", {
  doc: "take the mounts as the container's first process has made them",
  calls: [],
  requires: [InNamespaces],
  provides: PathsMasked,
  reversal: "harmless",
  replayable: true,
  run: Effect.succeed(true as const)
})
