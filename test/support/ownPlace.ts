/** A place for the containers of a test file, in namespaces of the file's own. */
import { afterAll, afterEach, assert, beforeAll, beforeEach } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { makePlace, type Place } from "./containers.ts"
import { changes, isolate, snapshot } from "./host.ts"
import { missing } from "./rootfs.ts"

/** Isolates this process, makes a place before the first test, and removes it after the last; nothing if the host can't. */
export const ownPlace = (): Place => {
  let made: Place | undefined
  beforeAll(async () => {
    if (missing !== undefined) return
    await Effect.runPromise(isolate)
    made = makePlace()
  })
  afterAll(() => made?.remove())
  const place = (): Place => made ?? assert.fail("the place is made before the first test")
  return {
    get root() {
      return place().root
    },
    get stateRoot() {
      return place().stateRoot
    },
    get mark() {
      return place().mark
    },
    id: () => place().id(),
    remove: () => place().remove()
  }
}

/** Fails each test of the file that leaves something on the host. */
export const eachLeavesNothing = (place: Place): void => {
  let before: ReturnType<typeof snapshot>
  beforeEach(() => {
    if (missing === undefined) before = snapshot(place.mark, place.stateRoot)
  })
  afterEach(() => {
    if (missing === undefined) {
      assert.deepStrictEqual(changes(before, snapshot(place.mark, place.stateRoot)), {}, "what is left")
    }
  })
}
