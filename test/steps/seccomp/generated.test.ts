/**
 * Profiles with rules in each other's way get the verdicts of libseccomp 2.5.4's programs. Where they do not, libseccomp
 * contradicts itself, in one of three ways that are counted here:
 *
 * - refused: it does not take the profile (two actions for one condition). Here the first one counts.
 * - otherValue: its program is not what it says it made (`seccomp_export_pfc`): a test behind another one compares what
 *   that had loaded. Here the profile gets what libseccomp says.
 * - sharedBranch: two rules have a branch in common, and one of them gets the conditions of the other.
 *
 * The verdicts were recorded; `test/support/seccompReference.c` says how to do that again.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import { runSeccomp } from "../../../src/model/bpfInterpreter.ts"
import { compile } from "../../../src/steps/seccomp/compile.ts"
import { callsOf, profileOf } from "../../support/seccompProfiles.ts"
import { askReference, type Reference } from "../../support/seccompReference.ts"

const file = "test/fixtures/seccomp-generated.json"
const [count, times] = [300, 30]
const seeds = Array.from({ length: count }, (_, index) => index + 1)

/** The verdicts of a profile's calls, and those that libseccomp's pseudo code gives if they are others. */
interface Recorded {
  readonly program: string
  readonly pseudo?: string
}

/** Verdicts in hexadecimal, with how often each one comes. */
const packed = (verdicts: ReadonlyArray<number>): string => {
  const runs: Array<[value: number, times: number]> = []
  for (const verdict of verdicts) {
    const last = runs.at(-1)
    if (last?.[0] === verdict) last[1]++
    else runs.push([verdict, 1])
  }
  return runs.map(([value, times]) => `${value.toString(16)}${times === 1 ? "" : `x${times}`}`).join(" ")
}

const unpacked = (text: string): ReadonlyArray<number> =>
  text.split(" ").flatMap((run) => {
    const [value, times = "1"] = run.split("x")
    return Array.from({ length: Number(times) }, () => Number.parseInt(value!, 16))
  })

const record = (seed: number, reference: Reference): Recorded | null => {
  if (reference === undefined) return null
  const calls = callsOf(seed, profileOf(seed), times)
  const [program, pseudo] = [packed(calls.map(reference.program)), packed(calls.map(reference.pseudo))]
  return program === pseudo ? { program } : { program, pseudo }
}

const reference = process.env["SECCOMP_REFERENCE"]
if (reference !== undefined) {
  const answers = askReference(reference, seeds.map(profileOf))
  const lines = seeds.map((seed, index) => JSON.stringify(record(seed, answers[index])))
  fs.writeFileSync(file, `[\n${lines.join(",\n")}\n]\n`)
}
const recorded: ReadonlyArray<Recorded | null> = JSON.parse(fs.readFileSync(file, "utf8"))

describe("overlapping rules", () => {
  it("get the verdicts of libseccomp, if it does not contradict itself", () => {
    const counts = { same: 0, refused: 0, otherValue: 0, sharedBranch: 0 }
    for (const [index, seed] of seeds.entries()) {
      const profile = profileOf(seed)
      const { program } = Result.getOrThrow(compile(profile, "x64"))
      const theirs = recorded[index]
      if (!theirs) {
        counts.refused++
        continue
      }
      const calls = callsOf(seed, profile, times)
      const mine = calls.map((call) => runSeccomp(program, call))
      const [programs, says] = [unpacked(theirs.program), unpacked(theirs.pseudo ?? theirs.program)]
      if (mine.every((verdict, at) => verdict === programs[at])) counts.same++
      else if (mine.every((verdict, at) => verdict === says[at])) counts.otherValue++
      else counts.sharedBranch++
    }
    assert.deepStrictEqual(counts, { same: 270, refused: 13, otherValue: 16, sharedBranch: 1 })
  })
})
