/**
 * Very many sandboxes, 32 at a time, with their output captured: whether all results are right, whether anything is left, how
 * long it takes, and how long the event loop stands still meanwhile. Beside them, the same with bubblewrap, started by Node.
 *
 *     npm run build && node bench/sandboxes.mjs [COUNT] [AT A TIME]
 */
import { spawn } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { monitorEventLoopDelay } from "node:perf_hooks"
import process from "node:process"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import { root } from "./place.mjs"

/** @typedef {{ readonly stdout: string, readonly stderr: string, readonly exitCode: number | null }} Result */

const script = "read word; echo out-$word-$1; echo err-$1 >&2; exit $(($1 % 7))"

/** @param {number} number */
const argumentsOf = (number) => ["sh", "-c", script, "sh", String(number)]

/** @param {number} number */
const inputOf = (number) => `in-${number}\n`

/**
 * @param {Result} result
 * @param {number} number
 */
const isRight = ({ exitCode, stderr, stdout }, number) =>
  stdout === `out-in-${number}-${number}\n` && stderr === `err-${number}\n` && exitCode === number % 7

const bwrap = [
  "--unshare-all",
  "--die-with-parent",
  "--new-session",
  ...["/usr", "/bin", "/lib", "/lib64", "/etc"].flatMap((path) => ["--ro-bind-try", path, path]),
  "--proc",
  "/proc",
  "--dev",
  "/dev",
  "--tmpfs",
  "/tmp",
  "--clearenv",
  "--setenv",
  "PATH",
  "/usr/bin:/bin",
  "--"
]

/**
 * @param {number} number
 * @returns {Promise<Result>}
 */
const inBwrap = async (number) => {
  const child = spawn("bwrap", [...bwrap, ...argumentsOf(number)])
  child.stdin.end(inputOf(number))
  const ended = new Promise((resolve, reject) => void child.on("close", resolve).on("error", reject))
  const [stdout, stderr, exitCode] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { stdout, stderr, exitCode: Number(exitCode) }
}

/**
 * @param {string} stateRoot
 * @returns {Promise<(number: number) => Promise<Result>>}
 */
const inRunfx = async (stateRoot) => {
  /** @type {typeof import("../src/promise.ts")} */
  const { sandbox } = await import(`${root}/dist/promise.js`)
  const box = sandbox()
  return (number) => box.run(argumentsOf(number), { stateRoot, input: inputOf(number) })
}

/**
 * @param {(number: number) => Promise<Result>} run
 * @param {number} count
 * @param {number} atATime
 */
const measure = async (run, count, atATime) => {
  let [next, wrong] = [0, 0]
  const worker = async () => {
    while (next < count) {
      const number = next++
      const result = await run(number).catch(() => undefined)
      if (result === undefined || !isRight(result, number)) wrong++
    }
  }
  // what is loaded for the first one is no part of it
  await run(0)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const begun = performance.now()
  await Promise.all(Array.from({ length: atATime }, worker))
  const each = (performance.now() - begun) / count
  delay.disable()
  const milliseconds = (/** @type {number} */ nanoseconds) => Number((nanoseconds / 1e6).toFixed(1))
  return { each, wrong, delay: { p99: milliseconds(delay.percentile(99)), most: milliseconds(delay.max) } }
}

/**
 * Measures sandboxes, and bubblewrap if it is there, one after the other.
 *
 * @param {number} count
 * @param {number} atATime
 */
export const sandboxes = async (count = 1000, atATime = 32) => {
  const stateRoot = mkdtempSync(`${tmpdir()}/runfx-bench-`)
  try {
    const runfx = await measure(await inRunfx(stateRoot), count, atATime)
    const left = readdirSync(stateRoot).filter((name) => name.startsWith("sandbox-")).length
    const other = await measure(inBwrap, count, atATime).catch(() => undefined)
    return { count, atATime, runfx: { ...runfx, left }, ...(other === undefined ? {} : { bwrap: other }) }
  } finally {
    rmSync(stateRoot, { recursive: true, force: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [count = "1000", atATime = "32"] = process.argv.slice(2)
  const { bwrap, runfx } = await sandboxes(Number(count), Number(atATime))
  console.log("| | ms each | wrong | left | event loop, p99 ms | most, ms |\n|---|---|---|---|---|---|")
  const row = (/** @type {string} */ name, /** @type {typeof bwrap} */ found, /** @type {number | string} */ left) => {
    if (found === undefined) return
    const { delay, each, wrong } = found
    console.log(`| ${name} | ${each.toFixed(1)} | ${wrong} | ${left} | ${delay.p99} | ${delay.most} |`)
  }
  row("runfx", runfx, runfx.left)
  row("bubblewrap", bwrap, "")
  process.exitCode = runfx.wrong > 0 || runfx.left > 0 ? 1 : 0
}
