/** The errors of docs/troubleshooting.md are still printed: each part of them is a text of the sources. */
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"

const page = readFileSync("docs/troubleshooting.md", "utf8")

/** The texts of the sources, without comments; one that goes on in the next line is one text. */
const texts = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"))
  .map((file) => readFileSync(`src/${file}`, "utf8").replaceAll(/^\s*(?:\/?\*|\/\/).*$/gm, ""))
  .map((source) => source.replaceAll(/["`] \+\s*["`]/g, "").replaceAll("\\\"", "\""))
  .join("\n")

/** What is not in a text of an error: the pipelines and steps on the way to it, and the words of the kernel and of Node. */
const frame =
  /^what to do: |^(?:runfx: )?(?:\w+: |…: )+|\w+\(AT_FDCWD,|= -1 E[A-Z]+ \([^)]*\)|ENOENT: no such file or directory/g

/** The parts of an error that do not differ from run to run. */
const partsOf = (error: string): ReadonlyArray<string> =>
  error.split("\n").flatMap((line) => line.trim().replaceAll(frame, "…").split(/…|: | is (?=creating$|running$)/))
    .map((part) => part.replaceAll(/^[\s:)]+|[\s:(]+$/g, "")).filter((part) => /\w{3}/.test(part))

const errors = [...page.matchAll(/^### (.+)$|^```text\n([\s\S]*?)```/gm)]

describe("docs/troubleshooting.md", () => {
  const shown = errors.filter(([, , error]) => error !== undefined).map(([, , error]) => error!)

  it("has twenty errors and more, each with its text", () => {
    assert.isAtLeast(errors.filter(([, heading]) => heading !== undefined).length, 20)
    assert.isAtLeast(shown.length, 20)
  })

  it.each(shown.map((error) => [error.split("\n")[0]!, error]))("what is printed is %s", (_, error) => {
    const parts = partsOf(error)
    assert.isAbove(parts.length, 0)
    assert.deepStrictEqual(parts.filter((part) => !texts.includes(part)), [])
  })
})
