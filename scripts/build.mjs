/**
 * Builds what a user runs: the library (`dist/`, one module a file, with types), and the command (`dist/command/`, with the
 * code that V8 has already compiled).
 */
import { execFileSync } from "node:child_process"
import { chmodSync, rmSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { buildCommand } from "./command.mjs"

const root = fileURLToPath(new URL("..", import.meta.url))
process.chdir(root)

rmSync("dist", { recursive: true, force: true })
execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"], { stdio: "inherit" })

buildCommand("dist/command")

chmodSync("bin/runfx", 0o755)
// a process of its own, with the flags that the command runs with: V8 refuses code that was compiled under others
execFileSync("bin/runfx", ["--compile-cache"], { stdio: "inherit" })
