/**
 * Breaks the code on purpose, one change at a time, and writes down which test tells.
 *
 *     node scripts/mutants.mjs                     every mutant of test/mutants/mutants.json
 *     node scripts/mutants.mjs --survivors         those that nothing has caught
 *     node scripts/mutants.mjs steps/kill thaw     those whose file or description holds one of the words
 *     node scripts/mutants.mjs --list [WORD…]      prints them, and what caught each; runs nothing
 *
 * A mutant is a file, a text that it holds exactly once, what to put there, what that breaks in words, and the tests that
 * are run, in order, until one fails. Those marked `compiler` are given to the compiler first. Everything happens in
 * copies of the tree, and what caught each is written down beside it.
 */
import { spawn } from "node:child_process"
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { cpus, tmpdir } from "node:os"
import path from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"

const top = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
/** @param {string} name */
const here = (name) => path.join(top, name)
const dataFile = here("test/mutants/mutants.json")

/**
 * @typedef {{ by: string, name?: string }} Caught
 * @typedef {{
 *   file: string, find: string, replace: string, breaks: string, tests: string[],
 *   compiler?: boolean, equivalent?: string, caught?: Caught
 * }} Mutant
 * @typedef {Map<string, readonly string[]>} Healthy what fails without any mutant, by test
 */

/** @type {Mutant[]} */
const mutants = JSON.parse(readFileSync(dataFile, "utf8"))

const save = () => writeFileSync(dataFile, JSON.stringify(mutants, null, 2) + "\n")

// ── listing ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** @param {Mutant} mutant */
const told = ({ caught, equivalent }) => {
  if (equivalent !== undefined) return `nothing can: ${equivalent}`
  if (caught === undefined) return "nothing"
  return caught.name === undefined ? caught.by : `${caught.by} › ${caught.name}`
}

/** @param {readonly Mutant[]} wanted */
const list = (wanted) => {
  const rooms = new Map()
  for (const mutant of wanted) {
    console.log(`${mutant.file}: ${mutant.breaks}\n  ${told(mutant)}`)
    const room = mutant.file.split("/").slice(1, -1).join("/")
    rooms.set(room, (rooms.get(room) ?? 0) + 1)
  }
  console.log(`\n${[...rooms].map(([room, count]) => `${room}: ${count}`).join(", ")}; together ${wanted.length}`)
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

/**
 * Runs a program to its end, or for three minutes.
 *
 * @param {string} directory
 * @param {string} file
 * @param {readonly string[]} args
 * @returns {Promise<{ code: number | null, late: boolean, output: string }>}
 */
const run = (directory, file, args) =>
  new Promise((resolve) => {
    const child = spawn(file, args, { cwd: directory, detached: true, stdio: ["ignore", "pipe", "pipe"] })
    let output = ""
    child.stdout.on("data", (chunk) => output += chunk)
    child.stderr.on("data", (chunk) => output += chunk)
    let late = false
    const timer = setTimeout(() => {
      late = true
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL")
    }, 180_000)
    child.on("close", (code) => {
      clearTimeout(timer)
      resolve({ code, late, output })
    })
  })

/**
 * The tests of a file that fail.
 *
 * @param {string} directory
 * @param {string} test
 */
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
  /** @type {{ testResults: { status: string, assertionResults: { status: string, fullName: string }[] }[] }} */
  const { testResults } = JSON.parse(readFileSync(report, "utf8"))
  if (testResults.length === 0) throw new Error(`there is no test ${test}`)
  return testResults.flatMap(({ assertionResults, status }) => {
    const failed = assertionResults.filter((one) => one.status === "failed").map(({ fullName }) => fullName.trim())
    return failed.length > 0 || status === "passed" ? failed : ["(it does not load)"]
  })
}

/**
 * What the compiler says, without the places, which a mutant shifts.
 *
 * @param {string} directory
 */
const compilerErrors = async (directory) => {
  const { output } = await run(directory, path.join(top, "node_modules/.bin/tsc"), ["-p", "."])
  return output.split("\n").filter((line) => /error TS/.test(line)).map((line) => line.replace(/\(\d+,\d+\)/, ""))
}

/**
 * @template A
 * @param {string} directory
 * @param {Mutant} mutant
 * @param {() => Promise<A>} act
 */
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

/**
 * @param {string} directory
 * @param {Mutant} mutant
 * @param {Healthy} healthy
 * @returns {Promise<Caught | undefined>}
 */
const judge = async (directory, mutant, healthy) =>
  mutated(directory, mutant, async () => {
    if (mutant.compiler === true) {
      const errors = await compilerErrors(directory)
      if (errors.some((error) => !healthy.get("compiler")?.includes(error))) return { by: "the compiler" }
    }
    for (const test of mutant.tests) {
      const name = (await failures(directory, test)).find((failed) => !healthy.get(test)?.includes(failed))
      if (name !== undefined) return { by: test, name }
    }
    return undefined
  })

/** @param {readonly string[]} args */
const main = async (args) => {
  const unknown = args.filter((word) => word.startsWith("-") && !["--list", "--survivors"].includes(word))
  if (unknown.length > 0) throw new Error(`unknown option ${unknown[0]}: --list, --survivors, or words`)
  const words = args.filter((word) => !word.startsWith("--"))
  const found = mutants.filter(({ breaks, caught, file }) =>
    (!args.includes("--survivors") || caught === undefined) &&
    (words.length === 0 || words.some((word) => file.includes(word) || breaks.includes(word)))
  )
  if (args.includes("--list")) return list(found)
  const wanted = found.filter(({ equivalent }) => equivalent === undefined)
  if (wanted.length === 0) return console.log("no mutant is like that")
  const first = copyOfTree()
  const workers = [first, ...Array.from({ length: Math.min(2, cpus().length, wanted.length) - 1 }, copyOfTree)]
  try {
    // a test that fails without any mutant proves nothing
    /** @type {Healthy} */
    const healthy = new Map()
    const tests = [...new Set(wanted.flatMap(({ tests }) => tests))].filter((test) => existsSync(here(test)))
    if (wanted.some(({ compiler }) => compiler === true)) healthy.set("compiler", await compilerErrors(first))
    /**
     * @template A
     * @param {readonly A[]} list
     * @param {(directory: string, one: A) => Promise<void>} act
     */
    const each = async (list, act) => {
      const rest = [...list]
      await Promise.all(workers.map(async (directory) => {
        for (let next = rest.shift(); next !== undefined; next = rest.shift()) await act(directory, next)
      }))
    }
    await each(tests, async (directory, test) => {
      const failed = await failures(directory, test)
      healthy.set(test, failed)
      if (failed.length > 0) console.log(`fails without mutants: ${test} › ${failed}`)
    })
    let survivors = 0
    /**
     * @param {string} directory
     * @param {Mutant} mutant
     */
    const hunt = async (directory, mutant) => {
      const usable = { ...mutant, tests: mutant.tests.filter((test) => healthy.has(test)) }
      const found = await judge(directory, usable, healthy)
      if (found === undefined) {
        survivors++
        delete mutant.caught
      } else mutant.caught = found
      save()
      const by = found === undefined ? "SURVIVES" : `${found.by}${found.name === undefined ? "" : ` › ${found.name}`}`
      console.log(`${mutant.file}: ${mutant.breaks}\n  ${by}`)
    }
    /** @param {Mutant} mutant */
    const onKernel = ({ tests }) => tests.some((test) => test.startsWith("test/integration/"))
    await each(wanted.filter((mutant) => !onKernel(mutant)), hunt)
    // on the real kernel one at a time
    for (const mutant of wanted.filter(onKernel)) await hunt(first, mutant)
    console.log(`${wanted.length} mutants, ${wanted.length - survivors} caught, ${survivors} survive`)
    if (survivors > 0) process.exitCode = 1
  } finally {
    for (const directory of workers) rmSync(directory, { recursive: true, force: true })
  }
}

if (process.argv[1] !== undefined && path.resolve(process.argv[1]) === here("scripts/mutants.mjs")) {
  await main(process.argv.slice(2))
}
