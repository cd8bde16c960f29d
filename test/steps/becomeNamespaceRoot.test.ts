import { assert, describe, it } from "@effect/vitest"
import { becomeNamespaceRoot } from "../../src/steps/becomeNamespaceRoot.ts"
import { procSelf } from "../support/procSelf.ts"
import { fail, succeed, withInit } from "../support/steps.ts"

const inUserNamespace = withInit({ container: { namespaces: [{ type: "user" }] } })

const ids = ["setresgid(0, 0, 0)", "setresuid(0, 0, 0)", "setgroups([])"]

describe("becomeNamespaceRoot", () => {
  it("does nothing without a user namespace", () => {
    assert.deepStrictEqual(succeed(becomeNamespaceRoot, withInit()).trace, [])
  })

  it("sets group, user and groups in a new user namespace, and in a joined one", () => {
    assert.deepStrictEqual(succeed(becomeNamespaceRoot, inUserNamespace).trace, ids)
    const joined = withInit({ joins: [{ type: "user", path: "/proc/7/ns/user" }] })
    assert.deepStrictEqual(succeed(becomeNamespaceRoot, joined).trace, ids)
  })

  it("becomes the first id where there is no id 0", () => {
    const mappings = (first: number) => [{ containerId: first + 50, hostId: 7, size: 1 }, {
      containerId: first,
      hostId: 100_000,
      size: 10
    }]
    const { trace } = succeed(
      becomeNamespaceRoot,
      withInit({
        container: { namespaces: [{ type: "user" }], uidMappings: mappings(1000), gidMappings: mappings(500) }
      })
    )
    assert.deepStrictEqual(trace, ["setresgid(500, 500, 500)", "setresuid(1000, 1000, 1000)", "setgroups([])"])
  })

  it("lets the groups be where the namespace denies setgroups", () => {
    const proc = procSelf({ setgroups: "deny\n" })
    const { trace } = succeed(
      becomeNamespaceRoot,
      inUserNamespace,
      (call) => call._tag === "setgroups" ? "EPERM" : proc(call)
    )
    assert.deepStrictEqual(trace.slice(0, 3), ids)
  })

  it("fails where setgroups is refused for another reason", () => {
    const proc = procSelf({ setgroups: "allow\n" })
    const { code } = fail(
      becomeNamespaceRoot,
      inUserNamespace,
      (call) => call._tag === "setgroups" ? "EPERM" : proc(call)
    )
    assert.strictEqual(code, "EPERM")
  })
})
