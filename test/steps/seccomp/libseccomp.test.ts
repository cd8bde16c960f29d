/**
 * Profiles in circulation, and some that are made to have rules in each other's way: a call gets the verdict that it gets
 * of the program that libseccomp 2.5.4 makes for runc, with runc's own answer to numbers beyond the profile. The verdicts
 * were recorded, in the order of `callsFor`, as runs of indices: `0x3 1` are three of the first one and one of the second.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import { decodeOci } from "../../../src/config/Config.ts"
import { runSeccomp } from "../../../src/model/bpfInterpreter.ts"
import { syscallNumbers } from "../../../src/native/syscallTables.ts"
import { compile } from "../../../src/steps/seccomp/compile.ts"
import { callsFor } from "../../support/seccompCalls.ts"

interface Recorded {
  readonly verdicts: ReadonlyArray<string>
  readonly calls: string
}

const recorded: Readonly<Record<string, Recorded>> = JSON.parse(
  fs.readFileSync("test/fixtures/seccomp-verdicts.json", "utf8")
)

const expected = ({ calls, verdicts }: Recorded): ReadonlyArray<number> =>
  calls.split(" ").flatMap((run) => {
    const [index, count = 1] = run.split("x").map(Number)
    return Array.from({ length: count }, () => Number.parseInt(verdicts[index!]!, 16))
  })

describe("a call gets the verdict of libseccomp's program", () => {
  it.each(Object.keys(recorded))("%s", (name) => {
    const profile = fs.readFileSync(`test/fixtures/seccomp/${name}.json`, "utf8")
    const process = `{"args":["a"],"cwd":"/"}`
    const text = `{"ociVersion":"1.0.2","root":{"path":"/r"},"process":${process},"linux":{"seccomp":${profile}}}`
    const { seccomp } = Result.getOrThrow(decodeOci(text, "/bundle"))
    const named = seccomp!.syscalls.filter(({ args }) => args.length > 0).flatMap(({ names }) => names)
    const numbers = named.flatMap((call) =>
      (["X86_64", "X86"] as const).flatMap((arch) => syscallNumbers(arch).get(call) ?? [])
    )
    const { program } = Result.getOrThrow(compile(seccomp!, "x64"))
    const verdicts = expected(recorded[name]!)
    const calls = callsFor(seccomp!, [...new Set(numbers)].slice(0, 40))
    assert.strictEqual(calls.length, verdicts.length)
    const unlike = calls.flatMap((call, index) => {
      const verdict = runSeccomp(program, call)
      return verdict === verdicts[index] ? [] : [{ ...call, verdict, theirs: verdicts[index] }]
    })
    assert.deepStrictEqual(unlike, [])
  })
})
