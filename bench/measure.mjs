/**
 * What is measured, and how: time, CPU time of all processes, and a process that starts containers while it goes on.
 */
import { build } from "esbuild"
import { spawn, spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { createInterface } from "node:readline"
import { here, root } from "./place.mjs"

/**
 * The value below which a share of all are.
 *
 * @param {readonly number[]} values
 * @param {number} share
 */
export const quantile = (values, share) => values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? NaN

/** @param {readonly number[]} values */
export const median = (values) => quantile(values, 0.5)

/**
 * In another order each time: the kernel cleans up after a container for a while, and nobody always comes after the same one.
 *
 * @template A
 * @param {readonly A[]} list
 */
export const shuffled = (list) =>
  list.map((item) => ({ at: Math.random(), item })).toSorted((a, b) => a.at - b.at).map(({ item }) => item)

/**
 * CPU time in milliseconds of a process, and of its children and theirs that have ended and were waited for. The kernel
 * counts nanoseconds and shows ticks of 10 ms, so that only the sum of many runs says something.
 *
 * @param {number | "self"} pid
 */
export const cpuOf = (pid) => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? []
  const [user = 0, system = 0, childrenUser = 0, childrenSystem = 0] = fields.slice(11, 15).map((ticks) =>
    Number(ticks) * 10
  )
  return { user, system, childrenUser, childrenSystem }
}

/** @typedef {ReturnType<typeof cpuOf>} Cpu */

/**
 * @param {Cpu} before
 * @param {Cpu} after
 */
export const between = (before, after) => ({
  user: after.user - before.user,
  system: after.system - before.system,
  childrenUser: after.childrenUser - before.childrenUser,
  childrenSystem: after.childrenSystem - before.childrenSystem
})

/** @param {Cpu} cpu */
export const sumOf = ({ childrenSystem, childrenUser, system, user }) => user + system + childrenUser + childrenSystem

/**
 * Runs a command to its end: how long it took, and why it failed if it did.
 *
 * @param {string} command
 * @param {readonly string[]} args
 */
export const time = (command, args) => {
  const start = performance.now()
  const result = spawnSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })
  const milliseconds = performance.now() - start
  const said = result.stderr?.trim() || result.stdout?.trim() || `status ${result.status}`
  return {
    milliseconds,
    output: result.stdout ?? "",
    error: result.error?.message ?? (result.status === 0 ? undefined : said.split("\n")[0])
  }
}

/**
 * Runs something while so many loops keep the processors busy.
 *
 * @template A
 * @param {number} loops
 * @param {() => Promise<A>} use
 */
export const besideLoops = async (loops, use) => {
  const busy = Array.from({ length: loops }, () => spawn("sh", ["-c", "while :; do :; done"], { stdio: "ignore" }))
  try {
    return await use()
  } finally {
    for (const loop of busy) loop.kill("SIGKILL")
  }
}

// below node_modules, so that koffi is found from there
const cache = join(root, "node_modules", ".cache", "runfx-bench")

/**
 * Bundles a program of this directory, and returns the file.
 *
 * @param {string} name
 */
export const buildProgram = async (name) => {
  const outfile = join(cache, `${name}.cjs`)
  await build({
    entryPoints: [join(here, `${name}.ts`)],
    outfile,
    bundle: true,
    platform: "node",
    target: "node20.19",
    format: "cjs",
    define: { "import.meta.url": "__runfx_url" },
    banner: { js: "const __runfx_url = require('node:url').pathToFileURL(__filename).href;" },
    logLevel: "warning"
  })
  return outfile
}

/** Bundles the programs of the measurement. */
export const buildPrograms = async () => {
  for (const name of ["decode", "warm"]) await buildProgram(name)
}

/**
 * Decodes a bundle's configuration once, as a program that starts many of them does.
 *
 * @param {string} bundle
 */
export const decode = (bundle) => {
  const { status, stderr } = spawnSync(process.execPath, [join(cache, "decode.cjs"), bundle], { encoding: "utf8" })
  if (status !== 0) throw new Error(stderr)
  return bundle
}

/** A process that starts containers, one after the other or many at a time, and says what that took. */
export const startWarm = () => {
  const child = spawn(process.execPath, [join(cache, "warm.cjs")], { stdio: ["pipe", "pipe", "inherit"] })
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const { pid } = child
  if (pid === undefined) throw new Error("the process can't be started")
  return {
    pid,
    /**
     * @param {Record<string, unknown>} request
     * @returns {Promise<any>}
     */
    ask: async (request) => {
      const before = cpuOf(pid)
      child.stdin.write(`${JSON.stringify(request)}\n`)
      const { done, value } = await answers.next()
      if (done) throw new Error("the process that starts containers has ended")
      const answer = JSON.parse(value)
      if (answer.error !== undefined) throw new Error(answer.error)
      return { ...answer, cpu: between(before, cpuOf(pid)) }
    },
    end: () => child.stdin.end()
  }
}

/** @typedef {ReturnType<typeof startWarm>} Warm */
