import { assert, describe, it } from "@effect/vitest"
import { RLIMIT } from "../../src/native/constants.ts"
import { exec } from "../../src/steps/exec.ts"
import type { ExecRefused } from "../../src/steps/init/execRefused.ts"
import { Environment, ExecFilter, ExecUser, Program, Trampoline } from "../../src/steps/init/facts.ts"
import { writeTrampoline } from "../../src/steps/writeTrampoline.ts"
import { and, fail, succeed, withInit } from "../support/steps.ts"

const context = (filtered: boolean, fd: number | undefined, reaper = false) => {
  const user = { uid: 0, gid: 0, groups: [], home: "/root" }
  const rlimits = [{ resource: RLIMIT.CPU, soft: 1n, hard: 1n }, { resource: RLIMIT.FSIZE, soft: 10n, hard: 10n }]
  let all = and(withInit({ process: { noNewPrivileges: true, rlimits }, reaper }), Program, { path: "/bin/true" })
  all = and(and(all, Environment, { entries: [], path: undefined }), ExecUser, user)
  const filter = filtered ? { flags: 0, program: new Uint8Array(8) } : undefined
  return and(and(all, ExecFilter, { filter }), Trampoline, { fd })
}

const namesOf = (trace: ReadonlyArray<string>) => trace.map((line) => line.split("(", 1)[0])

describe("exec", () => {
  /** The calls by name; execve(2) and execveat(2), which never come back, fail. */
  const names = (filtered: boolean, fd?: number) =>
    namesOf(fail(exec, context(filtered, fd), ({ _tag }) => _tag.startsWith("execve") ? "EIO" : 0).trace)

  it("has the trampoline load a filter, and limits the size of files and the processor time as the last thing", () => {
    assert.deepStrictEqual(names(true, 5), ["prlimit64", "prlimit64", "execveat"])
    assert.deepStrictEqual(names(false), ["prlimit64", "prlimit64", "execve"])
  })

  it("passes the number of the program to it as LISTEN_PID, and leaves that to a reaper", () => {
    const shown = (value: string, reaper: boolean) => {
      const environment = { entries: [["LISTEN_PID", value], ["HOME", "/"]], path: undefined } as const
      const all = and(context(false, reaper ? 5 : undefined, reaper), Environment, environment)
      let envp: ReadonlyArray<string> = []
      fail(exec, all, (call) => {
        if (call._tag === "execve" || call._tag === "execveat") envp = call.envp
        return call._tag.startsWith("execve") ? "EIO" : call._tag === "getpid" ? 42 : 0
      })
      return envp[0]
    }
    assert.strictEqual(shown("1", false), "LISTEN_PID=42")
    assert.strictEqual(shown("1", true), "LISTEN_PID=##########")
    assert.strictEqual(shown("7", false), "LISTEN_PID=7")
  })

  it("loads a filter itself where no memory file may be executed (vm.memfd_noexec)", () => {
    assert.deepStrictEqual(names(true), ["prlimit64", "prlimit64", "seccomp", "execve"])
  })

  it("that the kernel refuses is told apart from a memory file that it refuses, with a shell's exit status", () => {
    const refused = (code: string, fd?: number) =>
      fail(exec, context(false, fd), ({ _tag }) => _tag.startsWith("execve") ? code : 0)
    const interpreter = refused("EACCES")
    assert.include(interpreter.advice, "the program's interpreter can't be executed")
    assert.deepStrictEqual(["ENOENT", "EACCES", "EPERM"].map((code) => (refused(code).error as ExecRefused).exitCode), [
      127,
      126,
      126
    ])
    assert.include(refused("EPERM").advice, "process.capabilities.bounding")
    assert.include(refused("ELOOP").advice, "script")
    assert.include(refused("EIO").advice, "dynamic loader")
    assert.strictEqual(refused("EACCES", 5).tag, "SyscallError")
    assert.include(exec.advice.EACCES, "vm.memfd_noexec")
  })
})

describe("writeTrampoline", () => {
  const answers = { memfd_create: 5, write: 1_000_000 } as const

  it("writes one if there is a filter to load", () => {
    const { value, trace } = succeed(
      writeTrampoline,
      context(true, undefined),
      ({ _tag }) => answers[_tag as keyof typeof answers] ?? 0
    )
    assert.deepStrictEqual(value, { fd: 5 })
    assert.deepStrictEqual(namesOf(trace), ["memfd_create", "write", "fchmod", "fcntl", "fcntl"])
    assert.deepStrictEqual(succeed(writeTrampoline, context(false, undefined), () => 0).trace, [])
  })

  it("does without where no memory file may be executed, and only then", () => {
    const forbidden = succeed(writeTrampoline, context(true, undefined), () => "EACCES")
    assert.deepStrictEqual([forbidden.value, namesOf(forbidden.trace)], [{ fd: undefined }, ["memfd_create"]])
    assert.deepStrictEqual(namesOf(fail(writeTrampoline, context(true, undefined), () => "ENOMEM").trace), [
      "memfd_create"
    ])
    const full = ({ _tag }: { readonly _tag: string }) => _tag === "write" ? "ENOSPC" : 5
    assert.deepStrictEqual(namesOf(fail(writeTrampoline, context(true, undefined), full).trace), [
      "memfd_create",
      "write"
    ])
  })
})
