/** The package as a consumer has it: built, and installed beside a program that uses it. */
import { execFile, type ExecFileException, spawnSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import process from "node:process"
import { builtOnce } from "./builtOnce.ts"

/** How a program ended. */
export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** The installation. */
export interface Installed {
  /** The consumer's directory: the examples, and `hello.mjs`, the program of the README. */
  readonly app: string
  /** Runs a program in it. */
  readonly run: (file: string, ...args: ReadonlyArray<string>) => Promise<Outcome>
  /** The path of the `runfx` command. */
  readonly command: string
  /** Runs the command in it. */
  readonly runfx: (...args: ReadonlyArray<string>) => Promise<Outcome>
  readonly remove: () => void
}

/** The block of the README that is a program. */
const readmeProgram = (): string => {
  const block = /```ts\n([\s\S]*?)```/.exec(readFileSync("README.md", "utf8"))
  if (block === null) throw new Error("README.md has no program")
  return block[1]!
}

/** The sources that are here and now, built outside of this directory, once for all files of a run. */
const library = (): string =>
  builtOnce("package", (directory) => {
    for (const name of ["package.json", "bin", "scripts", "src", "tsconfig.json", "tsconfig.build.json"]) {
      cpSync(name, `${directory}/${name}`, { recursive: true })
    }
    symlinkSync(`${process.cwd()}/node_modules`, `${directory}/node_modules`)
    const built = spawnSync(process.execPath, ["scripts/build.mjs"], { cwd: directory, encoding: "utf8" })
    if (built.status !== 0) throw new Error(`the package can't be built:\n${built.stdout}`)
  })

/** Builds the package, and installs it. */
export const installed = (): Installed => {
  const top = realpathSync(mkdtempSync(`${tmpdir()}/runfx-installed-`))
  const modules = `${process.cwd()}/node_modules`
  const built = library()
  const app = `${top}/app`
  const command = `${built}/bin/runfx`
  cpSync("examples", app, { recursive: true })
  mkdirSync(`${app}/node_modules`)
  symlinkSync(built, `${app}/node_modules/runfx`)
  for (const name of ["effect", "@effect", "vitest", "fast-check", "@types"]) {
    symlinkSync(`${modules}/${name}`, `${app}/node_modules/${name}`)
  }
  writeFileSync(`${app}/package.json`, JSON.stringify({ type: "module" }))
  writeFileSync(`${app}/hello.mjs`, `// @ts-check\n${readmeProgram()}`)

  const run: Installed["run"] = (file, ...args) =>
    new Promise((resolve) => {
      execFile(file, args, { cwd: app, timeout: 600_000 }, (error: ExecFileException | null, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1
        resolve({ code, stdout, stderr })
      })
    })
  return {
    app,
    run,
    command,
    runfx: (...args) => run(command, ...args),
    remove: () => rmSync(top, { recursive: true })
  }
}
