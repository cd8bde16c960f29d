import { assert, describe, it } from "@effect/vitest"
import { SyscallError } from "../../../src/native/Kernel.ts"
import { CgroupValueRefused } from "../../../src/steps/cgroup/errors.ts"

describe("a limit that the kernel refuses", () => {
  it("is shown as far as it can be read", () => {
    const { message } = new CgroupValueRefused({
      limit: "cpu.cpus",
      controller: "cpuset",
      file: "/sys/fs/cgroup/x/cpuset.cpus",
      value: "0-7,".repeat(40_000),
      reason: new SyscallError({ call: { _tag: "close", fd: 3 as never }, code: "ERANGE" })
    })
    assert.isBelow(message.length, 250)
    assert.match(message, /^cpu\.cpus: .* refuses "0-7,.*…: ERANGE$/)
  })
})
