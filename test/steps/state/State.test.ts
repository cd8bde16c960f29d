/** The text of a state file. */
import { assert, describe, it } from "@effect/vitest"
import { immutable, isImmutable } from "../../../src/engine/immutable.ts"
import { decode, encode, type State, withoutEnvironment } from "../../../src/steps/state/State.ts"
import { container } from "../../support/steps.ts"

const state: State = {
  id: "web" as State["id"],
  namespacePaths: {},
  rootfs: container.rootfs,
  created: "2026-01-01T00:00:00.000Z",
  owner: 0 as State["owner"],
  networks: [],
  container: withoutEnvironment(container),
  extra: { memory: 12n }
}

describe("the text of a state", () => {
  it("is read as what was written, each time that it is written", () => {
    for (const one of [state, { ...state, rootfs: "/other" }, state]) assert.deepStrictEqual(decode(encode(one)), one)
  })

  it("has the configuration of its own state", () => {
    const other = { ...state, container: { ...state.container, hostname: "other" } }
    assert.notStrictEqual(encode(other), encode(state))
    assert.deepStrictEqual(decode(encode(other)), other)
  })

  it("has no environment, which may hold secrets", () => {
    const secret = { ...container, process: { ...container.process, env: ["TOKEN=abc"] } }
    for (let time = 0; time < 2; time++) assert.notInclude(encode({ ...state, container: secret }), "abc")
  })

  it("has the same configuration each time if that can't change, without the environment", () => {
    const secret = immutable({ ...container, process: { ...container.process, env: ["TOKEN=abc"] } })!
    const kept = withoutEnvironment(secret)
    assert.deepStrictEqual(kept.process.env, [])
    assert.strictEqual(withoutEnvironment(secret), kept)
    assert.isTrue(isImmutable(kept))
  })
})
