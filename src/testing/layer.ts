/** Wraps both services of a kernel. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Fork } from "../native/Fork.ts"
import { Kernel } from "../native/Kernel.ts"

/** Makes a layer that wraps the kernel and the fork of the context. */
export const layerOf = (
  kernel: (inner: Kernel["Service"]) => Kernel["Service"],
  fork: (inner: Fork["Service"]) => Fork["Service"]
): Layer.Layer<Kernel | Fork, never, Kernel | Fork> =>
  Layer.mergeAll(
    Layer.effect(Kernel, Effect.map(Kernel, kernel)),
    Layer.effect(Fork, Effect.map(Fork, fork))
  )
