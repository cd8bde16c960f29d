/** The environment of what is executed in a container. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { defaultSpec } from "../../src/config/defaults.ts"
import { environmentOf } from "../../src/runtime/environment.ts"
import type { State } from "../../src/steps/state/State.ts"

let bundle: string
beforeAll(() => {
  bundle = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-bundle-"))
})
afterAll(() => fs.rmSync(bundle, { recursive: true }))

const container = defaultSpec({ rootfs: "/root-of-it", args: ["/bin/sh"] })
const usual = container.process.env

/** As a state is read: without an environment. */
const state = (from?: string): State =>
  ({
    bundle: from,
    rootfs: "/root-of-it",
    container: { ...container, process: { ...container.process, env: [] } }
  }) as unknown as State

const write = (text: string): void => fs.writeFileSync(path.join(bundle, "config.json"), text)
const document = (env: ReadonlyArray<string>): string =>
  JSON.stringify({ ociVersion: "1.0.2", root: { path: "r" }, process: { args: ["a"], cwd: "/", env } })

describe("the environment of an exec", () => {
  it.effect("is that of the bundle's config.json as it is now, as with runc", () =>
    Effect.gen(function*() {
      write(document(["A=1"]))
      assert.deepStrictEqual(yield* environmentOf(state(bundle)), ["A=1"])
      write(document(["A=2"]))
      assert.deepStrictEqual(yield* environmentOf(state(bundle)), ["A=2"])
    }))

  it.effect("is the default one if there is no bundle, or its configuration is none any more", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* environmentOf(state()), usual)
      assert.deepStrictEqual(yield* environmentOf(state(path.join(bundle, "missing"))), usual)
      write("{")
      assert.deepStrictEqual(yield* environmentOf(state(bundle)), usual)
    }))
})
