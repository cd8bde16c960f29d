/**
 * Runs the five jobs with each that can run here, in turns, and prints lines, times and what came of it.
 *
 *     cd compared && npm install && node run.mjs [ROUNDS] [runfx execa sandboxRuntime dockerode] [--write]
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { loadavg, tmpdir } from "node:os"
import process from "node:process"
import { write } from "../bench/report.mjs"

const jobs = ["capture", "limit", "files", "network", "stream"]
const [rounds = "5", ...chosen] = process.argv.slice(2).filter((word) => word !== "--write")
const names = chosen.length > 0 ? chosen : ["runfx", "execa", "sandboxRuntime"]

/** As the document calls them. */
const titles = {
  runfx: "runfx",
  execa: "execa + bubblewrap",
  sandboxRuntime: "sandbox-runtime",
  dockerode: "dockerode"
}

/** Lines of a program that are neither empty nor a comment. */
const linesOf = (name) =>
  readFileSync(new URL(`${name}.mjs`, import.meta.url), "utf8").split("\n")
    .filter((line) => line.trim() !== "" && !/^\s*(\/\/|\/?\*)/.test(line)).length

const top = mkdtempSync(`${tmpdir()}/compared-`)
const given = {
  input: `${top}/in`,
  output: `${top}/out`,
  probe: "exec 2>/dev/null 3<>/dev/tcp/192.0.2.1/80"
}
for (const directory of [given.input, given.output]) mkdirSync(directory)
writeFileSync(`${given.input}/data`, "b\na\n")

const times = new Map()
const results = new Map()
try {
  for (let round = 0; round < Number(rounds); round++) {
    for (const name of names) {
      const tool = await import(`./${name}.mjs`)
      for (const job of jobs) {
        const begun = performance.now()
        const result = await tool[job](given).catch((error) => ({ error: error.message.split("\n")[0] }))
        const key = `${name} ${job}`
        times.set(key, [...times.get(key) ?? [], performance.now() - begun])
        results.set(key, JSON.stringify(result))
      }
    }
  }
} finally {
  rmSync(top, { recursive: true })
}

const median = (all) => all.toSorted((one, other) => one - other)[Math.floor(all.length / 2)]
const table = [
  `| | lines | ${jobs.map((job) => `${job}, ms`).join(" | ")} |`,
  `|---|---:|${jobs.map(() => "---:|").join("")}`,
  ...names.map((name) => {
    const cells = jobs.map((job) => median(times.get(`${name} ${job}`)).toFixed(0))
    return `| ${titles[name]} | ${linesOf(name)} | ${cells.join(" | ")} |`
  })
].join("\n")
console.log(table)
if (process.argv.includes("--write")) {
  const [load] = loadavg()
  write("docs/compared.md", "jobs", `Medians of ${rounds} rounds; load of the machine: ${load.toFixed(0)}\n\n${table}`)
}
for (const [key, result] of results) console.log(`${key}: ${result}`)
process.exit(0)
