/** The filters that are shipped: they compile, and allow what container engines do, but for what is said here. */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { readFileSync } from "node:fs"
import { defaultProfile, strictProfile } from "../../src/config/seccompProfiles.ts"
import { compile } from "../../src/steps/seccomp/compile.ts"

type Rules = ReadonlyArray<{ readonly names: ReadonlyArray<string>; readonly action: string }>

const allowedBy = (rules: Rules): ReadonlySet<string> =>
  new Set(rules.filter(({ action }) => action === "SCMP_ACT_ALLOW").flatMap(({ names }) => names))

const engines: Rules =
  JSON.parse(readFileSync("test/fixtures/engines/docker-default.json", "utf8")).linux.seccomp.syscalls

describe("the default filter", () => {
  it("allows what an engine's does without capabilities, but for io_uring and chroot", () => {
    const own = allowedBy(defaultProfile.syscalls)
    assert.deepStrictEqual([...allowedBy(engines)].filter((name) => !own.has(name)).toSorted(), [
      "chroot",
      "io_uring_enter",
      "io_uring_register",
      "io_uring_setup"
    ])
  })

  it("allows no call that changes the machine, or goes around namespaces", () => {
    const own = allowedBy(defaultProfile.syscalls)
    const never =
      "acct bpf delete_module fanotify_init finit_module fsmount init_module ioperm iopl kexec_load keyctl add_key mount " +
      "move_mount open_by_handle_at perf_event_open pivot_root quotactl reboot request_key setns swapon umount2 unshare " +
      "userfaultfd"
    assert.deepStrictEqual(never.split(" ").filter((name) => own.has(name)), [])
  })
})

describe.each([["default", defaultProfile], ["strict", strictProfile]] as const)("the %s filter", (_, profile) => {
  it.each(["x64", "arm64"] as const)("compiles for %s, and knows all of its names", (machine) => {
    const architectures = machine === "arm64" ? ["SCMP_ARCH_AARCH64"] : ["SCMP_ARCH_X86_64"]
    const compiled = Result.getOrThrow(compile({ ...profile, architectures }, machine))
    // calls of 32-bit machines among them
    assert.deepStrictEqual(compiled.unknown.filter((name) => !/64$|32$/.test(name)).toSorted(), [])
    assert.isAtMost(compiled.program.length / 8, 4096)
  })
})

it("the strict filter allows nothing that the default one does not", () => {
  const more = allowedBy(defaultProfile.syscalls)
  assert.deepStrictEqual([...allowedBy(strictProfile.syscalls)].filter((name) => !more.has(name)), [])
})
