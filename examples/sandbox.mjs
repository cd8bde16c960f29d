// @ts-check
/**
 * Runs a script that nobody trusts, and tells what it used.
 *
 *     node examples/sandbox.mjs FILE
 *
 * The script sees the host's programs, read-only, and itself; no network, no other process, no file of a user. It has
 * 64 MiB of memory, 32 processes, half a processor and 5 seconds; without root, only what of that this host can limit.
 */
import { realpathSync } from "node:fs"
import process from "node:process"
import { bind, ifPossible, run } from "runfx/promise"

const [script] = process.argv.slice(2)
if (script === undefined) throw new Error("which script?")

const { stdout, ...result } = await run(["/bin/sh", "/script"], {
  mounts: [bind(realpathSync(script), { at: "/script" })],
  seccomp: "strict",
  limits: { memory: ifPossible("64 MiB"), cpus: ifPossible(0.5), processes: 32, fileSize: "1 MiB", time: "5 seconds" }
})
const { exitCode, outOfMemory, signal, timedOut, usage } = result
process.stdout.write(stdout)
console.log(JSON.stringify({ exitCode, signal, timedOut, outOfMemory, usage }))
