/**
 * Take over what another process has done to the root: no calls, only the word for it, which later steps ask for.
 *
 * A pipeline that leaves out the steps themselves does not compile; one that stands in a root that is finished says so here.
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { InNamespaces } from "./facts.ts"
import { InRoot, PathsMasked, RootSealed } from "./rootfs/facts.ts"

/** Of the side-car, which said that it is done after it had made the root read-only where that is asked for. */
export const adoptBuiltRoot = Step.make("adoptBuiltRoot", {
  doc: "take the root as the side-car has finished it",
  calls: [],
  requires: [InRoot],
  provides: RootSealed,
  reversal: "harmless",
  run: Effect.succeed(true as const)
})

/** Of the container's first process: what it made read-only and masked is so for whoever joins its mount namespace. */
export const adoptMounts = Step.make("adoptMounts", {
  doc: "take the mounts as the container's first process has made them",
  calls: [],
  requires: [InNamespaces],
  provides: PathsMasked,
  reversal: "harmless",
  run: Effect.succeed(true as const)
})
