import { assert, describe, it } from "@effect/vitest"
import { applyLabels } from "../../src/steps/applyLabels.ts"
import { procSelf } from "../support/procSelf.ts"
import { fail, succeed, withInit } from "../support/steps.ts"

const written = (trace: ReadonlyArray<string>): ReadonlyArray<string> =>
  trace.flatMap((call) => /openat2\(\d+, "(self\/[^"]*)"|write\(\d+, "(.*)"\)/.exec(call)?.slice(1) ?? []).filter(
    Boolean
  )

const apparmor = withInit({ process: { apparmorProfile: "box" } })
const selinux = withInit({ process: { selinuxLabel: "system_u:system_r:box_t:s0" } })

describe("applyLabels", () => {
  it("does nothing where nothing is configured", () => {
    assert.deepStrictEqual(succeed(applyLabels, withInit()).trace, [])
  })

  it("sets the AppArmor profile in AppArmor's own file", () => {
    const { trace } = succeed(applyLabels, apparmor, procSelf({ "attr/apparmor/exec": "" }))
    assert.deepStrictEqual(written(trace), ["self/attr/apparmor/exec", "exec box"])
  })

  it("sets it in the shared file on a kernel without one", () => {
    const { trace } = succeed(applyLabels, apparmor, procSelf({ "attr/exec": "" }))
    assert.deepStrictEqual(written(trace), ["self/attr/apparmor/exec", "self/attr/exec", "exec box"])
  })

  it("does not take a profile that is not loaded for a missing file", () => {
    const proc = procSelf({ "attr/apparmor/exec": "", "attr/exec": "" })
    const { advice, message, tag } = fail(
      applyLabels,
      apparmor,
      (call) => call._tag === "write" ? "ENOENT" : proc(call)
    )
    assert.strictEqual(tag, "LabelError")
    assert.strictEqual(message, "can't set the AppArmor profile \"box\": ENOENT (No such file or directory)")
    assert.include(advice, "apparmor_parser")
  })

  it("says that AppArmor may be off where the kernel does not take the profile", () => {
    const proc = procSelf({ "attr/apparmor/exec": "" })
    const { advice } = fail(applyLabels, apparmor, (call) => call._tag === "write" ? "EINVAL" : proc(call))
    assert.include(advice, "AppArmor is enabled")
  })

  it("sets the SELinux label, and says what may be wrong where it is refused", () => {
    const { trace } = succeed(applyLabels, selinux, procSelf({ "attr/exec": "" }))
    assert.deepStrictEqual(written(trace), ["self/attr/exec", "system_u:system_r:box_t:s0"])
    const proc = procSelf({ "attr/exec": "" })
    const { advice } = fail(applyLabels, selinux, (call) => call._tag === "write" ? "EINVAL" : proc(call))
    assert.include(advice, "SELinux is enabled")
  })
})
