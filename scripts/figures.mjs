/**
 * Counts what there is of runfx, so that no document has to: `node scripts/figures.mjs`.
 *
 * What only a run can tell (calls, sequences, facts) the tests of parity, of generated sequences and of differences print.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const top = fileURLToPath(new URL("..", import.meta.url))

/**
 * The files below a directory, by their names.
 *
 * @param {string} directory
 * @param {string} end
 */
const filesIn = (directory, end) =>
  readdirSync(join(top, directory), { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(end))
    .map((file) => join(top, directory, file))

/**
 * How often something is in the files below a directory.
 *
 * @param {string} directory
 * @param {RegExp} what
 */
const count = (directory, what) =>
  filesIn(directory, ".ts").reduce((sum, file) => sum + [...readFileSync(file, "utf8").matchAll(what)].length, 0)

/** @type {unknown[]} */
const mutants = JSON.parse(readFileSync(join(top, "test/mutants/mutants.json"), "utf8"))

const figures = {
  "lines of src": filesIn("src", ".ts").reduce(
    (sum, file) => sum + readFileSync(file, "utf8").split("\n").length - 1,
    0
  ),
  "steps": count("src/steps", /^export const \w+ = Step\.make\(/gm),
  "pipelines": count("src/pipelines", /^(?:export )?const \w+ = Pipeline\.make\(/gm),
  "calls of the kernel": [
    ...readFileSync(join(top, "src/native/calls.ts"), "utf8").matchAll(
      /^ {2}\w+: (?:changes|looks|exchange|ioctl|\w+)\(/gm
    )
  ].length,
  "refusals of the model, each with its rule": count("src/model", /\brefuse\("/g),
  "places where the model says that it has no rule": count("src/model", /\bunmodelled\(/g),
  "typed errors": count("src", /extends Data\.TaggedError\(/g),
  "configurations of engines": filesIn("test/fixtures/engines", ".json").filter((file) => !file.includes(".process."))
    .length,
  "seccomp profiles": filesIn("test/fixtures/seccomp", ".json").length,
  "decisions with a test": [
    ...readFileSync(join(top, "docs/decisions.md"), "utf8").matchAll(/^\|.*`test\/[^`]+`/gm)
  ].length,
  "mutants": mutants.length
}

for (const [name, figure] of Object.entries(figures)) console.log(`${String(figure).padStart(7)}  ${name}`)
