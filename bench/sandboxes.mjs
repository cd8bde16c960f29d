/**
 * Very many sandboxes, 32 at a time, with their output captured, on a machine that has nothing else to do and beside busy
 * loops: whether all results are right, whether anything is left, how long each takes, and how long the event loop stands
 * still meanwhile. Beside them, in turns: bubblewrap by execa, and sandbox-runtime, if `compared/` is installed.
 *
 *     npm run bench -- sandboxes
 */
import { spawn } from "node:child_process"
import { mkdirSync, readdirSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { text } from "node:stream/consumers"
import { pathToFileURL } from "node:url"
import { besideLoops, buildProgram, median, shuffled } from "./measure.mjs"
import { root } from "./place.mjs"
import { ms, ratio } from "./report.mjs"
import { loops } from "./turns.mjs"

/** @typedef {{ each: number, wrong: number, first?: string, delay: { usual: number, p99: number, longest: number } }} Answer */
/** @typedef {Answer & { left: number }} Seen */

const kinds = /** @type {const} */ ({
  runfx: "`run` of runfx/promise",
  execa: "execa + bubblewrap",
  sandboxRuntime: "sandbox-runtime"
})

const atATime = 32

/**
 * One turn of a kind, in a process of its own.
 *
 * @param {string} program
 * @param {string} kind
 * @param {number} count
 * @param {string} states
 * @returns {Promise<Seen | string>} or why it can't run
 */
const turn = async (program, kind, count, states) => {
  mkdirSync(states, { recursive: true })
  const others = pathToFileURL(join(root, "compared", "each.mjs")).href
  const child = spawn(process.execPath, [program, kind, String(count), String(atATime), states, others], {
    stdio: ["ignore", "pipe", "pipe"]
  })
  const ended = new Promise((resolve, reject) => void child.on("close", resolve).on("error", reject))
  const [said, errors] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  if (said === "") return errors.split("\n").find((line) => line.includes("Error")) ?? errors
  // what is made is written down before, and that is removed last
  const left = readdirSync(states).filter((name) => name.startsWith("sandbox-")).length
  return { ...JSON.parse(said), left }
}

/**
 * All kinds, in turns.
 *
 * @param {string} program
 * @param {{ turns: number, count: number, directory: string, note: (text: string) => void }} how
 */
const measure = async (program, { count, directory, note, turns }) => {
  /** @type {Map<string, Seen[]>} */
  const all = new Map(Object.keys(kinds).map((kind) => [kind, []]))
  for (let index = 0; index < turns; index++) {
    for (const kind of shuffled([...all.keys()])) {
      const seen = await turn(program, kind, count, join(directory, "states"))
      if (typeof seen === "string") {
        if (kind === "runfx") throw new Error(seen)
        // why, without the places of this machine
        const why = seen.replaceAll(/(?<!\S)\/\S+|file:\S+/g, "…").trim()
        note(`${kind} is not measured: ${why}; \`cd compared && npm install\` installs the peers`)
        all.delete(kind)
      } else all.get(kind)?.push(seen)
    }
  }
  return all
}

/**
 * @param {Map<string, Seen[]>} all
 * @param {string} title
 */
const table = (all, title) => {
  const base = median((all.get("execa") ?? []).map(({ each }) => each))
  const most = (/** @type {readonly number[]} */ values) => Math.max(...values)
  return {
    title,
    head: ["", "each", "× execa + bubblewrap", "wrong", "left", "event loop: median", "99 %", "longest"],
    rows: [...all].map(([kind, seen]) => [
      kinds[/** @type {keyof typeof kinds} */ (kind)],
      ms(median(seen.map(({ each }) => each))),
      ratio(median(seen.map(({ each }) => each)), base),
      String(seen.reduce((sum, { wrong }) => sum + wrong, 0)),
      kind === "runfx" ? String(seen.reduce((sum, { left }) => sum + left, 0)) : "",
      ms(median(seen.map(({ delay }) => delay.usual))),
      ms(most(seen.map(({ delay }) => delay.p99))),
      ms(most(seen.map(({ delay }) => delay.longest)))
    ])
  }
}

/** Sandboxes as an application starts them that has many to run. */
export const sandboxes = async (/** @type {import("./turns.mjs").Bench} */ { isQuick, note, place }) => {
  const program = await buildProgram("many")
  const [turns, count] = isQuick ? [1, 200] : [2, 1000]
  const how = { turns, count, directory: place.directory, note }
  const quiet = await measure(program, how)
  const busy = await besideLoops(loops, () => measure(program, how))
  const what = `${turns * count} sandboxes with input and captured output, ${atATime} at a time`
  return {
    tables: [table(quiet, what), table(busy, `${what}, ${loops} busy loops beside them`)],
    data: { idle: Object.fromEntries(quiet), load: Object.fromEntries(busy) }
  }
}
