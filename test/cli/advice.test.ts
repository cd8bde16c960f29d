/** What the advice of errors names, the command has. */
import { assert, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

const root = "src"
const sources = readdirSync(root, { recursive: true, encoding: "utf8" })
  // the page of a plan has properties of its style, which begin as options do
  .filter((file) => file.endsWith(".ts") && !file.startsWith("testing/") && file !== "engine/planPage.ts")

/** Options of other programs that an advice may name, with the program. */
const foreign = /(?:systemd-run|unshare|nsenter|bwrap|prlimit|podman, docker:|pivot_root\(2\) \()[^"`]*$/

/** Texts in double quotes or backticks, without comments. */
const textsOf = (source: string): ReadonlyArray<string> =>
  [...source.replaceAll(/^\s*(?:\/?\*|\/\/).*$/gm, "").matchAll(/"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`/g)].map(
    ([, double, back]) => double ?? back ?? ""
  )

it("an option that an error or an advice names is one of runfx's", () => {
  const declaring = ["cli/main.ts", "cli/podmanOptions.ts"]
  const main = declaring.map((file) => readFileSync(join(root, file), "utf8")).join("")
  const wrong: Array<string> = []
  let seen = 0
  for (const file of sources) {
    if (declaring.includes(file)) continue
    // a text that goes on in the next line
    const joined = readFileSync(join(root, file), "utf8").replaceAll(/["`] \+\s*["`]/g, "")
    for (const text of textsOf(joined)) {
      for (const match of text.matchAll(/(?<![\w-])--([a-z][a-z-]+)/g)) {
        if (foreign.test(text.slice(0, match.index))) continue
        seen++
        if (!main.includes(`--${match[1]}`)) wrong.push(`${file}: --${match[1]} in ${JSON.stringify(text)}`)
      }
    }
  }
  assert.deepStrictEqual(wrong, [])
  assert.isAbove(seen, 10)
})
