/**
 * What one command costs over bare Node, in CPU time and wall time: `--version`, `list` and `run` of `true` in an OCI bundle.
 * All take turns in random order, so that each meets the same machine. CPU time is that of the command and of what it has
 * waited for, the container too; on a machine that does other things as well it says more than the wall time.
 *
 *     node bench/cold.mjs BUNDLE [ROUNDS]        as root, after npm run build
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"

const runfx = fileURLToPath(new URL("../bin/runfx", import.meta.url))

/**
 * @typedef {{ readonly name: string, readonly wall: number, readonly cpu: number }} Cost medians in milliseconds
 */

/** @param {ReadonlyArray<number>} values */
const median = (values) => /** @type {number} */ (values.toSorted((a, b) => a - b)[values.length >> 1])

/**
 * @param {ReadonlyArray<string>} argv
 * @returns milliseconds
 */
const costOf = (argv) => {
  // the shell's own time is the same for all, and not in what it prints
  const script = `TIMEFORMAT="%R %U %S"; time "$@" > /dev/null`
  const { status, stderr } = spawnSync("bash", ["-c", script, "bash", ...argv], { encoding: "utf8" })
  const [, wall, user, system] = /(\S+) (\S+) (\S+)\s*$/.exec(stderr) ?? []
  if (status !== 0 || wall === undefined) throw new Error(`${argv.join(" ")} failed: ${stderr}`)
  return { wall: Number(wall) * 1000, cpu: (Number(user) + Number(system)) * 1000 }
}

/**
 * Measures the commands with the Node that is first in PATH, which is the one that `runfx` starts.
 *
 * @param {string} bundle
 * @param {number} rounds
 * @returns {ReadonlyArray<Cost>} bare Node first
 */
export const measureCold = (bundle, rounds) => {
  const state = mkdtempSync(join(tmpdir(), "runfx-cold-"))
  try {
    const commands = [
      { name: "node -e 0", argv: ["node", "-e", "0"] },
      { name: "runfx --version", argv: [runfx, "--version"] },
      { name: "runfx list", argv: [runfx, "--root", state, "list"] },
      { name: "runfx run", argv: [runfx, "--root", state, "run", "--bundle", bundle] }
    ].map((command) => ({ ...command, costs: /** @type {Array<ReturnType<typeof costOf>>} */ ([]) }))
    // the first time is another's: the command keeps the code that V8 has compiled
    for (const { argv } of [...commands, ...commands]) costOf(argv)
    for (let round = 0; round < rounds; round++) {
      const turns = commands.map((command) => ({ command, at: Math.random() })).toSorted((a, b) => a.at - b.at)
      for (const { command } of turns) command.costs.push(costOf(command.argv))
    }
    return commands.map(({ costs, name }) => ({
      name,
      wall: median(costs.map(({ wall }) => wall)),
      cpu: median(costs.map(({ cpu }) => cpu))
    }))
  } finally {
    rmSync(state, { recursive: true, force: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [bundle, rounds = "40"] = process.argv.slice(2)
  if (bundle === undefined) throw new Error("which bundle?")
  const [bare, ...commands] = measureCold(bundle, Number(rounds))
  if (bare === undefined) throw new Error("nothing was measured")
  const over = (/** @type {number} */ value, /** @type {number} */ base) => `+${(value - base).toFixed(0)}`
  console.log(`| Node ${process.version} | CPU ms | over bare Node | wall ms | over bare Node |\n|---|---|---|---|---|`)
  for (const { cpu, name, wall } of [bare, ...commands]) {
    console.log(
      `| \`${name}\` | ${cpu.toFixed(0)} | ${over(cpu, bare.cpu)} | ${wall.toFixed(0)} | ${over(wall, bare.wall)} |`
    )
  }
}
