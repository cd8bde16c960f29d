// @ts-check
/**
 * An agent's shell: each line of standard input is a command, each line of the output its result. All commands run in one
 * sandbox, in which the workspace can be written, but for its history and its secrets, and the hosts that are named are reached.
 *
 *     echo 'ls -l' | node examples/shellTool.mjs WORKSPACE HOST…
 */
import { realpathSync } from "node:fs"
import process from "node:process"
import { createInterface } from "node:readline"
import { workspace } from "runfx/promise"

const [directory = ".", ...allow] = process.argv.slice(2)

const sandbox = await workspace(realpathSync(directory), {
  readOnly: [".git/"],
  hidden: [".env"],
  network: { allow, onConnection: ({ host, outcome }) => console.error(outcome, host) },
  limits: { processes: 256, output: "64 KiB" }
}).spawn(["sleep", "infinity"])

for await (const command of createInterface({ input: process.stdin })) {
  const { exitCode, stderr, stdout, truncated } = await sandbox.exec(command)
  console.log(JSON.stringify({ exitCode, stdout, stderr, truncated }))
}
await sandbox.close()
