import { assert, describe, it } from "@effect/vitest"
import type { ChildProcessHandle } from "effect/process/ChildProcessSpawner"
import { readFileSync } from "node:fs"
import type * as Sandbox from "../../src/sandbox.ts"
import { spawners } from "../support/spawnerScenarios.ts"

describe("the spawner", () => {
  it("has a page that lists each behaviour that is held", () => {
    const names = Object.keys(spawners)
    assert.isAtLeast(names.length, 66)
    const rows = readFileSync("docs/spawner.md", "utf8").matchAll(/^\| (.+?) \| (.+?) \|$/gm)
    const listed = new Set([...rows].map(([, of, behaviour]) => of === "the rest" ? behaviour! : `${of}: ${behaviour}`))
    assert.deepStrictEqual(names.filter((name) => !listed.has(name)), [])
  })

  it("has a handle whose names a process of a sandbox has, too", () => {
    type Own = Exclude<Extract<keyof ChildProcessHandle, string>, `~${string}`>
    // does not compile if one is missing
    const all: Exclude<Own, keyof Sandbox.Process> extends never ? true : false = true
    assert.isTrue(all)
  })
})
