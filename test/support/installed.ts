/** The package as a consumer has it: built, and installed beside a program that uses it. */
import { execFile, type ExecFileException, spawnSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import process from "node:process"

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

/** Builds the sources that are here and now, outside of this directory, and installs them. */
export const installed = (): Installed => {
  const top = realpathSync(mkdtempSync(`${tmpdir()}/runfx-installed-`))
  const modules = `${process.cwd()}/node_modules`
  const library = `${top}/runfx`
  const app = `${top}/app`
  const command = `${library}/bin/runfx`
  for (const name of ["package.json", "bin", "scripts", "src", "tsconfig.json", "tsconfig.build.json"]) {
    cpSync(name, `${library}/${name}`, { recursive: true })
  }
  symlinkSync(modules, `${library}/node_modules`)
  const built = spawnSync(process.execPath, ["scripts/build.mjs"], { cwd: library, encoding: "utf8" })
  if (built.status !== 0) {
    rmSync(top, { recursive: true })
    throw new Error(`the package can't be built:\n${built.stdout}`)
  }

  cpSync("examples", app, { recursive: true })
  mkdirSync(`${app}/node_modules`)
  symlinkSync(library, `${app}/node_modules/runfx`)
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
