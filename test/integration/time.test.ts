import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { sys } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"

describe("nanosleep", () => {
  it.effect("takes more than a second, in seconds and the rest", () =>
    Effect.provide(sys.nanosleep({ nanoseconds: 1_000_000_001n }), Linux.layer))
})
