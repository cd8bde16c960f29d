/**
 * Breaks the code on purpose, one change at a time, and writes down which test tells.
 *
 *     node scripts/mutants.mjs                     every mutant of test/mutants/mutants.json
 *     node scripts/mutants.mjs --survivors         those that nothing has caught
 *     node scripts/mutants.mjs steps/kill thaw     those whose file or description holds one of the words
 *     node scripts/mutants.mjs --table             writes the table of docs/testing.md, and runs nothing
 *
 * A mutant is a file, a text that it holds exactly once, what to put there, what that breaks in words, and the tests that
 * are run, in order, until one fails. Those marked `compiler` are given to the compiler first. Everything happens in
 * copies of the tree. What caught each is in test/mutants/caught.json.
 */
import { spawn } from "node:child_process"
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { cpus, tmpdir } from "node:os"
import path from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"

const top = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const here = (name) => path.join(top, name)
const dataFile = here("test/mutants/mutants.json")
const caughtFile = here("test/mutants/caught.json")
const document = here("docs/testing.md")

const mutants = JSON.parse(readFileSync(dataFile, "utf8"))
const caught = existsSync(caughtFile) ? JSON.parse(readFileSync(caughtFile, "utf8")) : {}

/** Mutants have no names: what one breaks is said once only. */
const save = () => {
  const known = mutants.flatMap(({ breaks }) => caught[breaks] === undefined ? [] : [[breaks, caught[breaks]]])
  writeFileSync(caughtFile, JSON.stringify(Object.fromEntries(known), null, 2) + "\n")
}

// ── the table ────────────────────────────────────────────────────────────────────────────────────────────────────────

const cell = (text) => text.replaceAll("|", "\\|")

/** The rows of the table in docs/testing.md; a test holds the document to it. */
export const table = (mutants, caught) =>
  [
    "| in | what is broken | what catches it |",
    "|---|---|---|",
    ...mutants.map(({ breaks, equivalent, file }) => {
      const by = caught[breaks]
      const told = equivalent !== undefined ? `nothing can: ${equivalent}` : by === undefined
        ? "nothing"
        : by.name === undefined
        ? by.by
        : `\`${by.by}\` › “${by.name}”`
      return `| \`${file.slice("src/".length)}\` | ${cell(breaks)} | ${cell(told)} |`
    })
  ].join("\n")

const writeTable = () => {
  const text = readFileSync(document, "utf8")
  const [begin, end] = ["<!-- mutants -->", "<!-- end of mutants -->"]
  const [before, rest] = text.split(begin)
  const after = rest?.split(end)[1]
  if (after === undefined) throw new Error(`docs/testing.md has no place for the table: ${begin} … ${end}`)
  writeFileSync(document, `${before}${begin}\n\n${table(mutants, caught)}\n\n${end}${after}`)
}

// ── running ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const copied = ["src", "test", "examples", "docs", "scripts", "bin", "README.md", "package.json", "vitest.config.ts"]

const copyOfTree = () => {
  const directory = mkdtempSync(path.join(tmpdir(), "runfx-mutants-"))
  for (const name of [...copied, "tsconfig.json", "tsconfig.build.json"]) {
    cpSync(here(name), path.join(directory, name), { recursive: true })
  }
  symlinkSync(here("node_modules"), path.join(directory, "node_modules"))
  return directory
}

/** Runs a program to its end, or for three minutes. */
const run = (directory, file, args) =>
  new Promise((resolve) => {
    const child = spawn(file, args, { cwd: directory, detached: true, stdio: ["ignore", "pipe", "pipe"] })
    let output = ""
    child.stdout.on("data", (chunk) => output += chunk)
    child.stderr.on("data", (chunk) => output += chunk)
    let late = false
    const timer = setTimeout(() => {
      late = true
      process.kill(-child.pid, "SIGKILL")
    }, 180_000)
    child.on("close", (code) => {
      clearTimeout(timer)
      resolve({ code, late, output })
    })
  })

/** The tests of a file that fail. */
const failures = async (directory, test) => {
  const report = path.join(directory, "report.json")
  rmSync(report, { force: true })
  const project = /^test\/(integration|examples)\//.test(test) ? "integration" : "unit"
  const { late, output } = await run(directory, path.join(top, "node_modules/.bin/vitest"), [
    "run",
    "--project",
    project,
    "--reporter=json",
    `--outputFile=${report}`,
    "--bail=1",
    // on a busy machine a slow test is no failed one
    "--testTimeout=120000",
    test
  ])
  if (late) return ["(it does not end)"]
  if (!existsSync(report)) throw new Error(`${test} has no report:\n${output}`)
  const { testResults } = JSON.parse(readFileSync(report, "utf8"))
  if (testResults.length === 0) throw new Error(`there is no test ${test}`)
  return testResults.flatMap(({ assertionResults, status }) => {
    const failed = assertionResults.filter((one) => one.status === "failed").map(({ fullName }) => fullName.trim())
    return failed.length > 0 || status === "passed" ? failed : ["(it does not load)"]
  })
}

/** What the compiler says, without the places, which a mutant shifts. */
const compilerErrors = async (directory) => {
  const { output } = await run(directory, path.join(top, "node_modules/.bin/tsc"), ["-p", "."])
  return output.split("\n").filter((line) => /error TS/.test(line)).map((line) => line.replace(/\(\d+,\d+\)/, ""))
}

const mutated = async (directory, { file, find, replace }, act) => {
  const target = path.join(directory, file)
  const text = readFileSync(target, "utf8")
  if (text.split(find).length !== 2) throw new Error(`${file} does not hold exactly once: ${find}`)
  writeFileSync(target, text.replace(find, () => replace))
  try {
    return await act()
  } finally {
    writeFileSync(target, text)
  }
}

const judge = async (directory, mutant, healthy) =>
  mutated(directory, mutant, async () => {
    if (mutant.compiler === true) {
      const errors = await compilerErrors(directory)
      if (errors.some((error) => !healthy.get("compiler").includes(error))) return { by: "the compiler" }
    }
    for (const test of mutant.tests) {
      const name = (await failures(directory, test)).find((failed) => !healthy.get(test).includes(failed))
      if (name !== undefined) return { by: test, name }
    }
    return undefined
  })

const main = async (args) => {
  if (args.includes("--table")) return writeTable()
  const words = args.filter((word) => !word.startsWith("--"))
  const wanted = mutants.filter(({ breaks, equivalent, file }) =>
    equivalent === undefined && (!args.includes("--survivors") || caught[breaks] === undefined) &&
    (words.length === 0 || words.some((word) => file.includes(word) || breaks.includes(word)))
  )
  const workers = Array.from({ length: Math.min(2, cpus().length, wanted.length) }, copyOfTree)
  try {
    // a test that fails without any mutant proves nothing
    const healthy = new Map()
    const tests = [...new Set(wanted.flatMap(({ tests }) => tests))].filter((test) => existsSync(here(test)))
    if (wanted.some(({ compiler }) => compiler === true)) healthy.set("compiler", await compilerErrors(workers[0]))
    const each = async (list, act) => {
      const rest = [...list]
      await Promise.all(workers.map(async (directory) => {
        for (let next = rest.shift(); next !== undefined; next = rest.shift()) await act(directory, next)
      }))
    }
    await each(tests, async (directory, test) => {
      healthy.set(test, await failures(directory, test))
      if (healthy.get(test).length > 0) console.log(`fails without mutants: ${test} › ${healthy.get(test)}`)
    })
    let survivors = 0
    const hunt = async (directory, mutant) => {
      const usable = { ...mutant, tests: mutant.tests.filter((test) => healthy.has(test)) }
      const found = await judge(directory, usable, healthy)
      if (found === undefined) {
        survivors++
        delete caught[mutant.breaks]
      } else caught[mutant.breaks] = found
      save()
      const by = found === undefined ? "SURVIVES" : `${found.by}${found.name === undefined ? "" : ` › ${found.name}`}`
      console.log(`${mutant.file}: ${mutant.breaks}\n  ${by}`)
    }
    const onKernel = ({ tests }) => tests.some((test) => test.startsWith("test/integration/"))
    await each(wanted.filter((mutant) => !onKernel(mutant)), hunt)
    // on the real kernel one at a time
    for (const mutant of wanted.filter(onKernel)) await hunt(workers[0], mutant)
    console.log(`${wanted.length} mutants, ${wanted.length - survivors} caught, ${survivors} survive`)
    if (survivors > 0) process.exitCode = 1
  } finally {
    for (const directory of workers) rmSync(directory, { recursive: true, force: true })
  }
}

if (process.argv[1] !== undefined && path.resolve(process.argv[1]) === here("scripts/mutants.mjs")) {
  await main(process.argv.slice(2))
}
