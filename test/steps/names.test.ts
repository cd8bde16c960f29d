import { assert, describe, it } from "@effect/vitest"
import type { Namespace } from "../../src/config/Container.ts"
import type * as Step from "../../src/engine/Step.ts"
import type { Errno } from "../../src/native/Errno.ts"
import { InNamespaces } from "../../src/steps/init/facts.ts"
import { setDomainname } from "../../src/steps/setDomainname.ts"
import { setHostname } from "../../src/steps/setHostname.ts"
import { and, fail, succeed, withInit } from "../support/steps.ts"

const given = (asked: Parameters<typeof withInit>[0]) => and(withInit(asked), InNamespaces, true)

const advice = (step: Step.Any, code: Errno, namespaces: ReadonlyArray<Namespace>): string | undefined => {
  const names = { hostname: "box", domainname: "box" }
  const error = fail(
    step,
    given({ container: { ...names, namespaces } }),
    (call) => call._tag === "sethostname" || call._tag === "setdomainname" ? code : undefined
  )
  assert.strictEqual(error.code, code)
  return (error as { readonly advice?: string }).advice
}

describe("a name that is refused", () => {
  for (const [property, step] of [["hostname", setHostname], ["domainname", setDomainname]] as const) {
    it(`is explained by where its UTS namespace is: ${property}`, () => {
      const made = advice(step, "EPERM", [{ type: "uts" }])
      assert.include(made, "seccomp filter")
      assert.notInclude(made, "add")
      assert.include(advice(step, "EPERM", [{ type: "uts", path: "/proc/1/ns/uts" }]), "join that user namespace")
      assert.include(advice(step, "EPERM", []), "add one")
      assert.include(advice(step, "EINVAL", [{ type: "uts" }]), "64 bytes")
      assert.include(advice(step, "ENOSYS", [{ type: "uts" }]), `set${property}(2) is missing`)
    })
  }

  it("that nobody has asked for is left out", () => {
    const named = given({ container: { defaultHostname: "runfx", namespaces: [{ type: "uts" }] } })
    for (const code of ["EPERM", "ENOSYS"] as const) {
      succeed(setHostname, named, (call) => call._tag === "sethostname" ? code : undefined)
    }
    assert.strictEqual(fail(setHostname, named, () => "EINVAL").code, "EINVAL")
  })

  it("that nobody has asked for does not become that of a UTS namespace of others", () => {
    const none = given({ container: { defaultHostname: "runfx", namespaces: [] } })
    succeed(setHostname, none, (call) => call._tag === "sethostname" ? "EINVAL" : undefined)
  })
})
