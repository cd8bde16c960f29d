/**
 * How long a container with `true` in it takes, from the call to its removal, and what else there is to say of that: runfx cold
 * (the command) and warm (a process that goes on), beside runc, crun and bwrap on the same machine, in turns in the same run.
 * Prints Markdown, and writes JSON.
 *
 *     npm run bench                          all, as root
 *     npm run bench -- load quota            these parts only: idle, load, parallel, quota, loop, cold, mounts, pool,
 *                                        sandboxes, traced
 *     npm run bench -- --quick               fewer rounds
 *     npm run bench -- --json FILE           the figures, as JSON; bench/results.json if nothing is said
 *     npm run bench -- --write               puts the tables into README.md and docs/performance.md
 *
 * All of them run in a view of the host that looks like a usual one: see usual-host.sh.
 */
import { spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { availableParallelism, release } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { parseArgs } from "node:util"
import { buildPrograms } from "./measure.mjs"
import { parallel } from "./parallel.mjs"
import { coldStart, idle, load, loop, machine, mounts, quota } from "./parts.mjs"
import { closeInherited, here, makePlace, root } from "./place.mjs"
import { pool } from "./pool.mjs"
import { markdown, write } from "./report.mjs"
import { sandboxes } from "./sandboxes.mjs"
import { traced } from "./traced.mjs"
import { peersOf } from "./turns.mjs"

const parts = { idle, load, parallel, quota, loop, cold: coldStart, mounts, pool, sandboxes, traced }
const isPart = (/** @type {string} */ name) => Object.hasOwn(parts, name)

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    json: { type: "string", default: join(root, "bench", "results.json") }
  }
})
const unknown = positionals.find((name) => !isPart(name))
if (unknown !== undefined) {
  process.stderr.write(`bench: there is no part ${unknown}; there are ${Object.keys(parts).join(", ")}\n`)
  process.exit(2)
}

if (process.env.RUNFX_BENCH_INSIDE === undefined) {
  const { status } = spawnSync("sh", [join(here, "usual-host.sh"), process.execPath, ...process.argv.slice(1)], {
    stdio: "inherit",
    env: { ...process.env, RUNFX_BENCH_INSIDE: "1" }
  })
  process.exit(status ?? 1)
}

// Node 20 reads and checks all certificates of this file before its first line: 37 ms of CPU time, which are the host's
delete process.env.NODE_EXTRA_CA_CERTS

closeInherited()

const wanted = positionals.length === 0 ? Object.keys(parts) : positionals
const place = makePlace()
/** @type {Set<string>} */
const notes = new Set()
const note = (/** @type {string} */ text) => void notes.add(text)
const print = (/** @type {string} */ text) => process.stdout.write(`${text}\n\n`)

await buildPrograms()
const peers = peersOf(place, place.bundle("standard"), note)
const { load: before, model } = machine()
const about =
  `Node ${process.version}, Linux ${release()}, ${availableParallelism()} × ${model}; load of the machine before: ${
    before.toFixed(1)
  }`
print(about)
/** @type {Record<string, unknown>} */
const results = { about, load: before }
/** @type {Record<string, readonly import("./report.mjs").Table[]>} */
const tables = {}
for (const name of wanted) {
  const run = parts[/** @type {keyof typeof parts} */ (name)]
  const measured = await run({ place, isQuick: values.quick, peers, note })
  tables[name] = measured.tables
  results[name] = measured.data
  for (const table of measured.tables) print(markdown(table))
}
for (const text of notes) print(text)
writeFileSync(values.json, `${JSON.stringify({ ...results, notes: [...notes] }, null, 2)}\n`)

if (values.write) {
  const all = Object.values(tables).flat()
  const short = [tables.idle?.[0], tables.load?.[0], tables.parallel?.[0]].filter((table) => table !== undefined)
  write("docs/performance.md", "bench", [about, ...all.map(markdown), ...notes].join("\n\n"))
  write("README.md", "bench", [about, ...short.map(markdown)].join("\n\n"))
}
