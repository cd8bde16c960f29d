/**
 * Runs all tests, in two lanes beside each other: `npm test`. With arguments, these alone: `npm test -- FILE…`.
 *
 * Beside the unit tests, which only compute, the integration tests run: half of their time these wait. What the unit tests say is
 * printed at its end, and the last line counts both. Without root, only the unit tests run.
 */
import { spawn, spawnSync } from "node:child_process"
import { existsSync, readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"

/** When the newest file of a directory was written, in milliseconds. */
const newestIn = (/** @type {string} */ directory) =>
  Math.max(
    ...readdirSync(directory, { recursive: true, encoding: "utf8" }).map((name) =>
      statSync(join(directory, name)).mtimeMs
    )
  )

/** Some programs of the integration tests import the package as it was built: it must be that of these sources. */
const buildIfStale = () => {
  if (existsSync("dist/index.js") && statSync("dist/index.js").mtimeMs > newestIn("src")) return
  process.stdout.write("the sources are newer than dist: built first\n")
  const { status } = spawnSync(process.execPath, ["scripts/build.mjs"], { stdio: "inherit" })
  if (status !== 0) process.exit(status ?? 1)
}

/**
 * Starts vitest.
 *
 * @param {ReadonlyArray<string>} args
 * @param {boolean} aside whether its output is printed at its end, in one piece
 * @returns {Promise<{ readonly code: number, readonly output: string }>}
 */
const vitest = (args, aside) =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["node_modules/vitest/vitest.mjs", "run", ...args], {
      stdio: ["ignore", "pipe", "inherit"],
      env: process.stdout.isTTY ? { ...process.env, FORCE_COLOR: "1" } : process.env
    })
    /** @type {Array<Buffer>} */
    const chunks = []
    child.stdout.on("data", (/** @type {Buffer} */ chunk) => {
      chunks.push(chunk)
      if (!aside) process.stdout.write(chunk)
    })
    // a terminal sends its signals to all; another sender means this process, and with it what it has started
    for (const signal of /** @type {const} */ (["SIGTERM", "SIGHUP", "SIGINT"])) {
      process.on(signal, () => child.kill(signal))
    }
    child.on("error", reject)
    child.on("close", (code) => {
      const output = Buffer.concat(chunks)
      if (aside) process.stdout.write(output)
      resolve({ code: code ?? 1, output: output.toString() })
    })
  })

const files = process.argv.slice(2)
if (process.getuid?.() === 0) buildIfStale()
if (files.length > 0) {
  process.exitCode = (await vitest(files, false)).code
} else if (process.getuid?.() !== 0) {
  process.stdout.write("left out: the integration tests, which need root: sudo npm test\n")
  process.exitCode = (await vitest(["--project", "unit"], false)).code
} else {
  const lanes = await Promise.all([
    vitest(["--project", "integration"], false),
    vitest(["--project", "unit"], true)
  ])
  const counts = lanes.map(({ output }) =>
    /^(\d+) passed, (\d+) failed, (\d+) skipped$/m.exec(output)?.slice(1).map(Number)
  )
  const [passed, failed, skipped] = [0, 1, 2].map((index) =>
    counts.reduce((sum, count) => sum + (count?.[index] ?? 0), 0)
  )
  // a lane that was cut off has counted nothing
  const cut = counts.filter((count) => count === undefined).length
  process.stdout.write(`${passed} passed, ${(failed ?? 0) + cut} failed, ${skipped} skipped\n`)
  process.exitCode = lanes.find(({ code }) => code !== 0)?.code ?? (cut > 0 ? 1 : 0)
}
