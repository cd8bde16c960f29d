import { assert, describe, it } from "@effect/vitest"
import { CLONE } from "../../src/native/constants.ts"
import { forkIntoNamespaces } from "../../src/steps/forkIntoNamespaces.ts"
import { succeed, withInit } from "../support/steps.ts"

const traceOf = (given: Parameters<typeof withInit>[0]) => succeed(forkIntoNamespaces, withInit(given)).trace

describe("forkIntoNamespaces", () => {
  it("clones, in a process group by which the parent finds it, where a pid or time namespace was joined or made here", () => {
    const clones = ["setsid()", "reclone(CLONE_PARENT)"]
    assert.deepStrictEqual(traceOf({ joins: [{ type: "pid", path: "/p" }] }), clones)
    assert.deepStrictEqual(traceOf({ joins: [{ type: "time", path: "/t" }] }), clones)
    assert.deepStrictEqual(traceOf({ unshare: CLONE.NEWPID }), clones)
    assert.deepStrictEqual(traceOf({ unshare: CLONE.NEWTIME }), clones)
  })

  it("goes on in the same process otherwise", () => {
    assert.deepStrictEqual(traceOf({ joins: [{ type: "net", path: "/n" }], unshare: CLONE.NEWCGROUP }), [])
  })
})
