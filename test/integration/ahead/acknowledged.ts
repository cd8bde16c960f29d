/** Requests to rtnetlink(7) are expected to be acknowledged, and end no list. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { AT, CLONE, O } from "../../../src/native/constants.ts"
import * as Files from "../../../src/native/Files.ts"
import { type Kernel, sys } from "../../../src/native/Kernel.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import type { Request } from "../../../src/native/Rtnetlink.ts"
import { missing } from "../../support/rootfs.ts"
import { at, directory, inTurns, waiting } from "./setup.ts"

const netAdmin = 1n << 12n

/** Makes a directory by the name of a call, which shows that the process came so far. */
const trace = (name: string) => sys.mkdirat({ dirfd: AT.FDCWD, path: path.join(directory, name), mode: 0o700 })

/** Makes requests in a network namespace of its own, with these capabilities. */
const requests = (all: ReadonlyArray<Request>, { capabilities = netAdmin, name = "" } = {}) =>
  Effect.gen(function*() {
    yield* sys.unshare({ flags: CLONE.NEWNET })
    // after it, the number of the next descriptor is known
    yield* Files.using(at(".", O.PATH | O.CLOEXEC), () => Effect.void)
    yield* sys.capset({ effective: capabilities, permitted: netAdmin, inheritable: 0n })
    const answers = yield* Effect.forEach(all, (request) => sys.rtnetlink({ request }))
    if (name !== "") yield* trace(name)
    return answers
  })

const up: Request = { _tag: "LinkSet", link: "lo", up: true }

/** Each effect comes to what it comes to if the process is asked call by call. */
const sameAsInTurns = (effects: ReadonlyArray<Effect.Effect<unknown, unknown, Kernel>>) =>
  Effect.gen(function*() {
    const kernel = Linux.make()
    const ends: Array<unknown> = []
    for (const effect of effects) {
      const { end } = yield* inTurns(kernel, effect)
      assert.deepStrictEqual(end, (yield* inTurns(waiting(kernel), effect)).end)
      ends.push(end)
    }
    return ends
  })

describe.skipIf(missing !== undefined)("an acknowledgement of rtnetlink(7)", () => {
  it.live("takes no turn, not even the first time", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      // what is unusual about the descriptors of this process is known after the first
      yield* inTurns(kernel, requests([]))
      const none = yield* inTurns(kernel, requests([]))
      assert.strictEqual((yield* inTurns(kernel, requests([up, up]))).turns, none.turns)
    }))

  it.live("is looked at: a refused request fails its step, and nothing is done after it", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      for (const [index, capabilities] of [netAdmin, 0n, 0n, netAdmin].entries()) {
        const name = `acknowledged-${index}`
        const { end } = yield* inTurns(kernel, requests([up], { capabilities, name }))
        assert.strictEqual(fs.existsSync(path.join(directory, name)), capabilities === netAdmin, name)
        if (capabilities === netAdmin) assert.deepStrictEqual(end, [[]])
        else assert.include(JSON.stringify(end), "EPERM")
      }
    }))

  it.live("is the kernel's: of requests that fail, and of those that ask for an index before", () =>
    Effect.gen(function*() {
      const address: Request = { _tag: "AddressAdd", link: "lo", address: "10.1.2.3/24" }
      const [nowhere, twice, once] = yield* sameAsInTurns([
        requests([up, { _tag: "LinkSet", link: "nowhere", up: true }]),
        requests([address, address]),
        requests([address, up])
      ])
      assert.include(JSON.stringify(nowhere), "ENODEV")
      assert.include(JSON.stringify(twice), "EEXIST")
      assert.deepStrictEqual(once, [[], []])
    }))
})
