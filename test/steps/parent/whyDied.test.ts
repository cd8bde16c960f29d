import { assert, describe, it } from "@effect/vitest"
import type { Seccomp } from "../../../src/config/Container.ts"
import { CLD, SIG } from "../../../src/native/constants.ts"
import { standard } from "../../../src/pipelines/standard.ts"
import { InitDied, InitStuck } from "../../../src/steps/parent/errors.ts"
import { earlyFilter, filterStep, refusedCalls, refuses } from "../../../src/steps/seccomp/needed.ts"
import { container, process } from "../../support/steps.ts"

const filter = (defaultAction: Seccomp["defaultAction"], syscalls: Seccomp["syscalls"] = []): Seccomp => ({
  defaultAction,
  architectures: [],
  flags: [],
  syscalls
})

const ended = (status: number, code: number = CLD.KILLED) => ({ pid: 1, uid: 0, code, status })
const died = (fields: Partial<ConstructorParameters<typeof InitDied>[0]>) =>
  new InitDied({ waitingFor: "its word", status: ended(SIG.KILL), ...fields })

describe("an init that dies without a word", () => {
  it("of memory, or of the limit of processes, is told so, with the limit", () => {
    const memory = died({ shortage: { killed: 1, refused: 0, memoryLimit: 4096n } })
    assert.include(memory.message, "its memory limit is 4096 bytes")
    assert.include(memory.advice, "linux.resources.memory.limit")
    assert.include(died({ shortage: { killed: 0, refused: 1 } }).advice, "linux.resources.pids.limit")
    assert.include(died({}).advice, "killed from outside")
  })

  it("of its limit of processor time is told so, and not of one that it can't have reached", () => {
    assert.include(died({ cpuTime: { soft: 0n, hard: 0n } }).advice, "RLIMIT_CPU (soft 0, hard 0)")
    assert.include(died({ status: ended(SIG.XCPU), cpuTime: { soft: 1n, hard: 9n } }).advice, "RLIMIT_CPU")
    assert.include(died({ cpuTime: { soft: 0n, hard: 60n } }).advice, "killed from outside")
    const shortage = { killed: 1, refused: 0 }
    assert.include(died({ shortage, cpuTime: { soft: 0n, hard: 0n } }).advice, "linux.resources.memory.limit")
  })

  it("of its own seccomp filter is told so, with the calls", () => {
    for (const status of [ended(SIG.SYS), ended(255, CLD.EXITED), null]) {
      const { advice } = died({ status, forbidden: ["futex", "sendmsg"] })
      assert.include(advice, "does not allow futex, sendmsg")
      assert.include(advice, "noNewPrivileges")
    }
    assert.notInclude(died({ forbidden: ["futex"] }).advice, "seccomp", "SIGKILL is not what a filter does to one call")
  })
})

it("an init that does not answer may have much to do", () => {
  assert.include(new InitStuck({ waitingFor: "its word", milliseconds: 60_000 }).advice, "tens of thousands of mounts")
})

describe("the calls that a filter refuses to the start", () => {
  it("are those behind the step that loads it, and the process's own", () => {
    assert.include(standard.steps.map(({ name }) => name), filterStep)
    const all = refusedCalls(filter("SCMP_ACT_ERRNO"), standard)
    assert.includeMembers([...all], ["futex", "exit_group", "setresuid", "capset", "sendmsg"])
    assert.notInclude(all, "pivot_root", "that is done before")
    assert.deepStrictEqual(refusedCalls(filter("SCMP_ACT_ALLOW"), standard), [])
    const rule = { names: ["capset"], action: "SCMP_ACT_KILL" as const, args: [] }
    assert.deepStrictEqual(refusedCalls(filter("SCMP_ACT_ALLOW", [rule]), standard), ["capset"])
  })

  it("are not those that it refuses for some arguments only", () => {
    const args = [{ index: 0, value: 1n, valueTwo: 0n, op: "SCMP_CMP_EQ" as const }]
    const rule = { names: ["prctl"], action: "SCMP_ACT_ERRNO" as const, args }
    assert.isFalse(refuses(filter("SCMP_ACT_ALLOW", [rule]), "prctl"))
    assert.isFalse(refuses(filter("SCMP_ACT_ERRNO", [{ ...rule, action: "SCMP_ACT_LOG" }]), "prctl"))
    assert.isTrue(refuses(filter("SCMP_ACT_TRAP"), "prctl"))
  })

  it("are none where the filter is loaded last", () => {
    const seccomp = filter("SCMP_ACT_ERRNO")
    assert.strictEqual(earlyFilter({ ...container, seccomp }, process), seccomp)
    assert.isUndefined(earlyFilter({ ...container, seccomp }, { ...process, noNewPrivileges: true }))
  })
})
