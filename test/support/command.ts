/** The `runfx` command as a process, made of the sources that are here now. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { buildCommand } from "../../scripts/command.mjs"
import { builtOnce } from "./builtOnce.ts"

/** How a process ended, and what it wrote. */
export interface Ended {
  /** The status, or 128 and the signal's number. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** A process that runs. */
export interface Started {
  readonly process: ChildProcess
  readonly ended: Promise<Ended>
  /** Waits until its standard output holds a text. */
  readonly says: (text: string) => Promise<void>
}

const numbers = os.constants.signals as Readonly<Record<string, number>>

/** Starts a process; kills it after ten minutes. */
export const begin = (
  file: string,
  args: ReadonlyArray<string>,
  { input, ...options }: { readonly input?: string; readonly env?: NodeJS.ProcessEnv; readonly cwd?: string } = {}
): Started => {
  const child = spawn(file, args, { stdio: "pipe", ...options })
  let stdout = ""
  let stderr = ""
  let hear: (() => void) | undefined
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString()
    hear?.()
  })
  child.stderr.on("data", (chunk: Buffer) => void (stderr += chunk.toString()))
  // it may end without reading
  child.stdin.on("error", () => undefined)
  if (input !== undefined) child.stdin.end(input)
  const timer = setTimeout(() => child.kill("SIGKILL"), 600_000)
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject)
    child.on("close", (code, signal) => {
      clearTimeout(timer)
      resolve({ code: code ?? 128 + numbers[signal ?? "SIGKILL"]!, stdout, stderr })
    })
  })
  const says = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      hear = () => {
        if (!stdout.includes(text)) return
        hear = undefined
        resolve()
      }
      void ended.then(() => reject(new Error(`it ended without saying ${JSON.stringify(text)}: ${stdout}${stderr}`)))
      hear()
    })
  return { process: child, ended, says }
}

/** Runs a process to its end, and no longer: what it has left in the background may keep its output open. */
export const complete = async (file: string, args: ReadonlyArray<string>): Promise<Ended> => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-output-"))
  const files = [path.join(directory, "stdout"), path.join(directory, "stderr")] as const
  const fds = files.map((name) => fs.openSync(name, "a"))
  const child = spawn(file, args, { stdio: ["ignore", ...fds] })
  const timer = setTimeout(() => child.kill("SIGKILL"), 600_000)
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.on("error", reject)
      child.on("exit", (status, signal) => resolve(status ?? 128 + numbers[signal ?? "SIGKILL"]!))
    })
    const [stdout, stderr] = files.map((name) => fs.readFileSync(name, "utf8"))
    return { code, stdout: stdout!, stderr: stderr! }
  } finally {
    clearTimeout(timer)
    for (const fd of fds) fs.closeSync(fd)
    fs.rmSync(directory, { recursive: true })
  }
}

/** The command, and a state root of its own. */
export interface Command {
  readonly file: string
  readonly stateRoot: string
  /** Runs it to its end. */
  readonly runfx: (...args: ReadonlyArray<string>) => Promise<Ended>
  /** Starts it. */
  readonly begin: (...args: ReadonlyArray<string>) => Started
  readonly remove: () => void
}

const made = (prefix: string): string => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), prefix))
  fs.chmodSync(directory, 0o755)
  return directory
}

/** Builds the command, once for all files of a run. */
const build = (): string =>
  builtOnce("command", (directory) => {
    fs.cpSync("bin", path.join(directory, "bin"), { recursive: true })
    fs.symlinkSync(path.resolve("node_modules"), path.join(directory, "node_modules"))
    fs.chmodSync(path.join(directory, "bin/runfx"), 0o755)
    buildCommand(path.join(directory, "dist/command"))
    execFileSync(path.join(directory, "bin/runfx"), ["--compile-cache"])
  })

/** Makes the command. */
export const makeCommand = (): Command => {
  const top = made("runfx-command-")
  fs.cpSync(build(), top, { recursive: true, verbatimSymlinks: true })
  const file = path.join(top, "bin/runfx")
  const stateRoot = path.join(top, "state")
  const start = (...args: ReadonlyArray<string>) => begin(file, ["--root", stateRoot, ...args])
  return {
    file,
    stateRoot,
    begin: start,
    runfx: (...args) => complete(file, ["--root", stateRoot, ...args]),
    remove: () => fs.rmSync(top, { recursive: true })
  }
}
