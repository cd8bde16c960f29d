/** Parameters and names of the kernel that a container has, on a scripted kernel. */
import { assert, describe, it } from "@effect/vitest"
import { MAGIC } from "../../src/native/constants.ts"
import { setDomainname } from "../../src/steps/setDomainname.ts"
import { setHostname } from "../../src/steps/setHostname.ts"
import { sysctlPath, writeSysctl } from "../../src/steps/writeSysctl.ts"
import { given, opens } from "../support/rootfsSteps.ts"
import { fail, succeed } from "../support/steps.ts"

describe("the steps of the root file system", () => {
  it("writeSysctl: names to paths", () => {
    const cases = [
      ["net.ipv4.ip_forward", "net/ipv4/ip_forward"],
      ["net/ipv4/ip_forward", "net/ipv4/ip_forward"],
      ["net.ipv4.conf.eth0/100.forwarding", "net/ipv4/conf/eth0.100/forwarding"],
      ["net/ipv4/conf/eth0.100/forwarding", "net/ipv4/conf/eth0.100/forwarding"],
      ["", undefined],
      ["a..b", undefined],
      ["/a", undefined],
      ["../x", undefined],
      ["a/../../x", undefined],
      [".", undefined]
    ] as const
    for (const [key, path] of cases) assert.strictEqual(sysctlPath(key), path, key)
  })

  it("writeSysctl: one procfs for all, and the parameter in the error", () => {
    const sysctl = { "net.a": "1", "net.b": "2" }
    const proc = { fstatfs: () => ({ type: MAGIC.PROC_SUPER_MAGIC, flags: 0 }), write: () => 1 }
    const { trace } = succeed(writeSysctl, given({ sysctl }), opens(proc))
    assert.strictEqual(trace.filter((line) => line.startsWith("fsmount(")).length, 1)
    assert.deepStrictEqual(trace.filter((line) => line.startsWith("write(")), ["write(22, \"1\")", "write(23, \"2\")"])
    const failed = fail(writeSysctl, given({ sysctl }), opens({ ...proc, write: () => "EINVAL" }))
    assert.match(failed.message, /^sysctl net\.a=1: write/)
    const long = fail(
      writeSysctl,
      given({ sysctl: { "net.a": "x".repeat(5000) } }),
      opens({ ...proc, write: () => "EINVAL" })
    )
    assert.isBelow(long.message.length, 400)
    assert.strictEqual(failed.code, "EINVAL")
  })

  it("setHostname and setDomainname", () => {
    const names = given({ hostname: "box", domainname: "example" })
    assert.deepStrictEqual(succeed(setHostname, names).trace, ["sethostname(\"box\")"])
    assert.deepStrictEqual(succeed(setDomainname, names).trace, ["setdomainname(\"example\")"])
  })
})
