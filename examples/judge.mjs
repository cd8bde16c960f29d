// @ts-check
/**
 * A judge of programs: runs a shell script with some input, and compares what it writes.
 *
 *     node examples/judge.mjs SCRIPT INPUT EXPECTED
 */
import { realpathSync } from "node:fs"
import process from "node:process"
import { bind, ifPossible, sandbox } from "runfx/promise"

const judge = sandbox({
  network: "none",
  seccomp: "strict",
  limits: { memory: ifPossible("64 MiB"), processes: 16, time: "2 seconds", output: "64 KiB" }
})

/** @param {Awaited<ReturnType<typeof judge.run>>} result */
const verdict = ({ exitCode, outOfMemory, stdout, timedOut, truncated }, /** @type {string} */ expected) => {
  if (timedOut) return "time limit exceeded"
  if (outOfMemory) return "memory limit exceeded"
  if (truncated) return "output limit exceeded"
  if (exitCode !== 0) return "runtime error"
  return stdout.trim() === expected ? "accepted" : "wrong answer"
}

const [script = "", input = "", expected = ""] = process.argv.slice(2)
const box = judge.extend({ mounts: [bind(realpathSync(script), { at: "/solution" })] })
console.log(verdict(await box.run(["/bin/sh", "/solution"], { input }), expected))
