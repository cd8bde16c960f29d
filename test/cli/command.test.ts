/** What the files of the command hold: what a subcommand loads, and how much. A count, since times depend on the machine. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import process from "node:process"
import { buildCommand, subcommands } from "../../scripts/command.mjs"

let directory = ""
let files: ReturnType<typeof buildCommand> = {}
beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-files-"))
  files = buildCommand(path.join(directory, "dist/command"))
})
afterAll(() => fs.rmSync(directory, { recursive: true }))

/** The files that are loaded with one, without those of `main`, which are there already. */
const loadedWith = (entry: string): ReadonlySet<string> => {
  const of = (name: string, seen: Set<string>): Set<string> => {
    if (seen.has(name)) return seen
    seen.add(name)
    for (const { external, kind, path: to } of files[name]!.imports) {
      if (kind === "import-statement" && external !== true) of(to, seen)
    }
    return seen
  }
  const fileOf = (name: string) => Object.keys(files).find((file) => files[file]!.entryPoint === `src/cli/${name}.ts`)!
  const all = of(fileOf("main"), new Set())
  return entry === "main" ? all : of(fileOf(entry), all)
}

const modulesOf = (entry: string): ReadonlyArray<string> =>
  [...loadedWith(entry)].flatMap((file) => Object.keys(files[file]!.inputs))

const kilobytesOf = (entry: string): number =>
  [...loadedWith(entry)].reduce(
    (sum, file) =>
      sum + fs.statSync(path.join(directory, "dist/command", path.basename(file).replace(/\.js$/, ".cjs"))).size,
    0
  ) / 1000

/** What no command needs that does something: the model kernel, and what is made with it. */
const onModel = /^src\/(?:model|testing|sandbox|promise)\/|^src\/runtime\/(?:plan|onModel)\.ts|^src\/engine\/Plan/

describe("the files of the command", () => {
  it("are of the subcommands that there are", () => {
    const declared = fs.readFileSync("src/cli/main.ts", "utf8").matchAll(/\bprogram\.command\("(\w+)"\)/g)
    const launcher = /subcommands = new Set\((\[.*\])\)/.exec(fs.readFileSync("bin/runfx", "utf8"))![1]!
    const expected = [...declared].map(([, name]) => name).toSorted()
    assert.deepStrictEqual([...subcommands].toSorted(), expected)
    assert.deepStrictEqual((JSON.parse(launcher) as Array<string>).toSorted(), expected)
  })

  it("hold nothing of the model kernel for what is done on Linux", () => {
    for (const name of ["run", "exec", "kill", "list", "delete", "prune"]) {
      assert.deepStrictEqual(modulesOf(name).filter((module) => onModel.test(module)), [], name)
    }
    assert.isAbove(modulesOf("plan").filter((module) => onModel.test(module)).length, 80)
  })

  it("hold the steps of a start for a start only, and the formats of configurations for what reads one", () => {
    const isStart =
      /^src\/pipelines\/(?:standard|userns|create)\.ts|^src\/steps\/(?:rootfs\/mountFilesystems|seccomp\/compile|parent\/cloneInit)\.ts/
    const isFormat = /effect\/dist\/Schema|lossless-json|^src\/config\/(?:Oci|Libcontainer|rules)/
    for (const name of ["kill", "list", "delete", "prune"]) {
      assert.deepStrictEqual(modulesOf(name).filter((module) => isFormat.test(module)), [], name)
      assert.deepStrictEqual(modulesOf(name).filter((module) => isStart.test(module)), [], name)
    }
    assert.deepStrictEqual(modulesOf("main").filter((module) => module.startsWith("src/steps/")), [])
    assert.isAbove(modulesOf("run").filter((module) => isStart.test(module)).length, 4)
  })

  it("are small", () => {
    const most: Readonly<Record<string, number>> = {
      main: 90,
      list: 460,
      kill: 570,
      delete: 570,
      prune: 570,
      exec: 930,
      run: 960
    }
    const over = Object.keys(most).map((name) => [name, kilobytesOf(name)] as const)
      .filter(([name, kilobytes]) => kilobytes > most[name]!)
    assert.deepStrictEqual(over, [])
  })

  it("are ASCII, which is what the launcher reads", () => {
    for (const name of fs.readdirSync(path.join(directory, "dist/command"))) {
      assert.isTrue(fs.readFileSync(path.join(directory, "dist/command", name)).every((byte) => byte < 128), name)
    }
  })

  /** What a program sees of the modules of Node's that the launcher and the command load, run in their process. */
  const reported = (program: string, ...args: ReadonlyArray<string>): ReadonlyArray<string> => {
    fs.cpSync("bin", path.join(directory, "bin"), { recursive: true })
    fs.rmSync(path.join(directory, "node_modules"), { force: true })
    fs.symlinkSync(path.resolve("node_modules"), path.join(directory, "node_modules"))
    fs.writeFileSync(
      path.join(directory, "report.cjs"),
      `const names = () => process.moduleLoadList.filter((name) => name.startsWith("NativeModule ")).map((name) => name.slice(13))
       ${program}
       process.on("exit", () => require("node:fs").writeSync(2, JSON.stringify(found())))`
    )
    const env = { ...process.env, NODE_OPTIONS: "", NODE_V8_COVERAGE: "" }
    const node = [
      "--require",
      path.join(directory, "report.cjs"),
      path.join(directory, "bin/runfx"),
      "--root",
      path.join(directory, "state")
    ]
    const { status, stderr } = spawnSync(process.execPath, [...node, ...args], {
      encoding: "utf8",
      env,
      stdio: ["ignore", "ignore", "pipe"]
    })
    assert.strictEqual(status, args[0] === "list" ? 0 : 1)
    return JSON.parse(stderr.slice(stderr.indexOf("[\"")))
  }

  const nowhere = ["run", "--bundle", "/nowhere"]

  it("load no module of Node's that takes long and is not needed", () => {
    const unwanted = [
      "crypto",
      "child_process",
      "worker_threads",
      "http",
      "https",
      "tls",
      "zlib",
      "inspector",
      "module"
    ]
    const modules = reported("const found = names", ...nowhere)
    assert.deepStrictEqual(unwanted.filter((name) => modules.includes(name)), [])
    const forStarts = ["net", "stream", "tty", "os", "perf_hooks", "v8"]
    const ofList = reported("const found = names", "list")
    assert.include(ofList, "async_hooks")
    assert.deepStrictEqual([...unwanted, ...forStarts].filter((name) => ofList.includes(name)), [])
  })

  it("load Node's modules before V8 gets options under which it does not take the code that Node has of them", () => {
    const late = reported(
      `const v8 = require("node:v8"), { setFlagsFromString } = v8
       let before
       v8.setFlagsFromString = (flag) => {
         before ??= names()
         setFlagsFromString(flag)
       }
       const found = () => names().filter((name) => !before.includes(name))`,
      ...nowhere
    )
    // the second one is for the schema of a file
    assert.deepStrictEqual(late, ["process", "internal/file"])
  })
})
