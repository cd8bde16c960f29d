/** What the tests of plans beside runs share: bundles, flows, and a place for them. */
import { afterAll } from "@effect/vitest"
import { makePlace, type Place } from "../../support/containers.ts"

export const place: Place = makePlace()

afterAll(() => place.remove())
