import { assert, describe, it } from "@effect/vitest"
import { F, FD, O, RLIMIT } from "../../src/native/constants.ts"
import type { Call } from "../../src/native/Kernel.ts"
import { restoreProcess } from "../../src/steps/restoreProcess.ts"
import { fail, succeed, withInit } from "../support/steps.ts"

const signals = [
  "rt_sigaction(SIGPIPE, SIG_DFL)",
  "rt_sigaction(SIGXFSZ, SIG_DFL)",
  "rt_sigprocmask(SIG_SETMASK, [])"
]

/** Descriptors as Node leaves them, those that are open. */
const descriptors = (open: ReadonlyArray<number>) => (call: Call): unknown => {
  if (call._tag !== "fcntl") return undefined
  if (!open.includes(call.fd)) return "EBADF"
  if (call.command === F.GETFD) return FD.CLOEXEC
  return call.command === F.GETFL ? O.RDWR | (call.fd === 1 ? O.NONBLOCK : 0) : 0
}

describe("restoreProcess", () => {
  it("restores the limit of descriptors, signals, and the flags of stdio that are wrong", () => {
    const { trace } = succeed(restoreProcess, withInit(), descriptors([0, 1, 2]))
    assert.deepStrictEqual(trace, [
      "prlimit64(0, RLIMIT_NOFILE, {soft=1024, hard=4096})",
      ...signals,
      "fcntl(0, F_GETFD, 0)",
      "fcntl(0, F_SETFD, 0)",
      "fcntl(0, F_GETFL, 0)",
      "fcntl(1, F_GETFD, 0)",
      "fcntl(1, F_SETFD, 0)",
      "fcntl(1, F_GETFL, 0)",
      `fcntl(1, F_SETFL, ${O.RDWR})`,
      "fcntl(2, F_GETFD, 0)",
      "fcntl(2, F_SETFD, 0)",
      "fcntl(2, F_GETFL, 0)"
    ])
  })

  it("sets the limit that the configuration has", () => {
    const rlimits = [{ resource: RLIMIT.NOFILE, soft: 1n, hard: 2n }]
    const { trace } = succeed(restoreProcess, withInit({ process: { rlimits } }), descriptors([0, 1, 2]))
    assert.deepStrictEqual(trace.slice(0, 4), ["prlimit64(0, RLIMIT_NOFILE, {soft=1, hard=2})", ...signals])
    const { tag } = fail(restoreProcess, withInit({ process: { rlimits } }), () => "EPERM")
    assert.strictEqual(tag, "RlimitError")
  })

  it("lets preserved descriptors through exec, and does not mind closed stdio", () => {
    const { trace } = succeed(restoreProcess, withInit({ preservedFds: 2 }), descriptors([1, 3, 4]))
    assert.deepStrictEqual(trace.filter((call) => call.includes("F_SETFD")), [
      "fcntl(1, F_SETFD, 0)",
      "fcntl(3, F_SETFD, 0)",
      "fcntl(4, F_SETFD, 0)"
    ])
  })

  it("fails where a preserved descriptor is not open", () => {
    assert.strictEqual(fail(restoreProcess, withInit({ preservedFds: 2 }), descriptors([0, 1, 2, 3])).code, "EBADF")
  })
})
