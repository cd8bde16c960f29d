/**
 * The tarball that users install, in fresh projects: with each package manager, with the oldest and the newest effect that it
 * is made for, and on each Node whose path `RUNFX_NODES` has (separated by colons), besides this one.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { buildSync } from "esbuild"
import { execFile, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import process from "node:process"

const modules = path.resolve("node_modules")
const manifest = JSON.parse(fs.readFileSync("package.json", "utf8")) as {
  readonly version: string
  readonly exports: Readonly<Record<string, string>>
  readonly peerDependencies: { readonly effect: string }
}

/** The first and the last version of effect that this package was tried with. */
const effects = ["4.0.6", "4.1.0"] as const

let top = ""
const at = (name: string): string => path.join(top, name)

/** Without what npm has told the test about itself. */
const plain = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_OPTIONS$)/i.test(name)))

interface Ended {
  readonly code: number
  readonly text: string
}

const run = (file: string, args: ReadonlyArray<string>, cwd: string, env: NodeJS.ProcessEnv = {}): Promise<Ended> =>
  new Promise((resolve) => {
    // yarn keeps compiled code in the temporary directory; npm tells about newer versions of itself
    const own = { TMPDIR: top, npm_config_update_notifier: "false" }
    execFile(file, args, { cwd, env: { ...plain, ...own, ...env }, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), text: stdout + stderr })
    })
  })

const ok = async (file: string, args: ReadonlyArray<string>, cwd: string, env?: NodeJS.ProcessEnv): Promise<string> => {
  const { code, text } = await run(file, args, cwd, env)
  assert.strictEqual(code, 0, `${file} ${args.join(" ")}: ${text}`)
  return text
}

const tarball = (): string => at(`build/runfx-${manifest.version}.tgz`)

/** Each project with how it is made, and the effect that it has. */
const projects = {
  npm: { effect: effects[1], file: "npm", args: ["install", "--prefer-offline", "--no-audit", "--no-fund"] },
  "npm, older effect": {
    effect: effects[0],
    file: "npm",
    args: ["install", "--prefer-offline", "--no-audit", "--no-fund"]
  },
  pnpm: { effect: effects[0], file: path.join(modules, ".bin/pnpm"), args: ["add", "--prefer-offline"] },
  yarn: { effect: effects[0], file: path.join(modules, ".bin/yarn"), args: ["add", "--prefer-offline"] }
} as const
type Project = keyof typeof projects
const names = Object.keys(projects) as ReadonlyArray<Project>

/** What each package manager has printed. */
const printed = new Map<Project, Ended>()

const make = async (name: Project): Promise<void> => {
  const { args, effect, file } = projects[name]
  const place = at(name)
  fs.mkdirSync(place)
  fs.writeFileSync(
    path.join(place, "package.json"),
    JSON.stringify({ name: "app", version: "1.0.0", private: true, license: "MIT", type: "module" })
  )
  const wanted = name === "yarn" ? `file:${tarball()}` : tarball()
  printed.set(name, await run(file, [...args, wanted, `effect@${effect}`], place))
}

/** Whether the registry answers: without it no project can be made. */
const registry = spawnSync("npm", ["ping", "--fetch-retries=0", "--fetch-timeout=20000"], { env: plain }).status === 0

beforeAll(async () => {
  top = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "runfx-packed-")))
  const files = ["bin", "examples", "schema", "scripts", "src", "tsconfig.json", "tsconfig.build.json"]
  for (const name of [...files, "package.json", "README.md", "LICENSE"]) {
    fs.cpSync(name, at(name), { recursive: true })
  }
  fs.symlinkSync(modules, at("node_modules"))
  await ok(process.execPath, ["scripts/build.mjs"], top)
  await ok(process.execPath, ["scripts/package.mjs"], top)
  fs.mkdirSync(at("unpacked"))
  await ok("tar", ["xzf", tarball(), "-C", at("unpacked")], top)
  if (registry) await Promise.all(names.map(make))
}, 600_000)
afterAll(() => fs.rmSync(top, { recursive: true, force: true }))

describe("the tarball", () => {
  const files = () => fs.readdirSync(at("unpacked/package"), { recursive: true, encoding: "utf8" })
  const read = (name: string) => fs.readFileSync(at(`unpacked/package/${name}`), "utf8")

  it("is under a megabyte, without maps, caches, sources and tests", () => {
    assert.isBelow(fs.statSync(tarball()).size, 2 ** 20)
    const unwanted = files().filter((name) =>
      /\.map$|\.cache|\.tsbuildinfo$|(?<!\.d)\.ts$|^(?:test|src|scripts|bench)\b/.test(name)
    )
    assert.deepStrictEqual(unwanted.filter((name) => !name.startsWith("examples/")), [])
  })

  it("has a manifest for users: no private mark, no scripts, effect as a peer, and no address that is not there", () => {
    const packed = JSON.parse(read("package.json")) as Readonly<Record<string, unknown>>
    for (const name of ["private", "scripts", "devDependencies", "overrides", "allowScripts"]) {
      assert.notProperty(packed, name)
    }
    assert.deepStrictEqual(packed["peerDependencies"], { effect: "4.0.6 - 4.1" })
    assert.strictEqual(packed["sideEffects"], false)
    assert.notMatch(read("package.json"), /https?:|git[+@]/)
  })

  it("has each module and all types that others of it mention", () => {
    const all = new Set(files())
    const missing = [...all].filter((name) => /^dist\/(?!command\/).*\.(?:d\.ts|js)$/.test(name)).flatMap((name) =>
      [...read(name).matchAll(/(?:from ?|import ?\(?)"(\.[^"]+)"/g)]
        .map(([, specifier]) => path.join(name, "..", specifier!))
        .map((found) => name.endsWith(".d.ts") ? found.replace(/(?:\.js|\.ts)$/, ".d.ts") : found)
        .filter((found) => !all.has(found))
    )
    assert.deepStrictEqual(missing, [])
    for (const target of Object.values(manifest.exports).filter((name) => !name.includes("*"))) {
      assert.isTrue(all.has(target.slice(2)), target)
    }
  })

  it("passes publint", async () => {
    await ok(path.join(modules, ".bin/publint"), ["run", at("unpacked/package"), "--pack", "false", "--strict"], top)
  })

  it("has types that are right for ES modules, CommonJS and bundlers", async () => {
    // CommonJS gets an ES module, by require(esm) of Node 20.19 and newer; that is what the ignored rule is about
    const args = [tarball(), "--profile", "node16", "--ignore-rules", "cjs-resolves-to-esm"]
    await ok(path.join(modules, ".bin/attw"), args, top)
  })

  it("is bundled without what is not used", () => {
    const kilobytes = (contents: string): number =>
      buildSync({
        stdin: { contents, resolveDir: at("unpacked") },
        alias: { runfx: at("unpacked/package/dist") },
        nodePaths: [modules],
        bundle: true,
        minify: true,
        platform: "node",
        format: "esm",
        target: "node20.19",
        external: ["effect"],
        write: false,
        logLevel: "error"
      }).outputFiles[0]!.contents.length / 1000
    assert.isBelow(kilobytes(`import { sandbox } from "runfx/promise"; sandbox({})`), 800)
    assert.isBelow(kilobytes(`import * as Config from "runfx/config/Config"; console.log(Config.decode)`), 100)
    // what one name of the main door needs, and nothing else of it
    assert.isBelow(kilobytes(`import { Pipeline } from "runfx/index"; console.log(Pipeline.make)`), 50)
    assert.isBelow(kilobytes(`import { defaultSpec } from "runfx/index"; console.log(defaultSpec)`), 20)
    assert.isBelow(kilobytes(`import { Linux } from "runfx/index"; console.log(Linux.layer)`), 150)
    assert.isBelow(kilobytes(`import "runfx/promise"; import "runfx/index"; import "runfx/config/Config"`), 1)
  })
})

/** A program in TypeScript that uses each of the main doors. */
const program = `
import * as Effect from "effect/Effect"
import * as runfx from "runfx"
import * as Config from "runfx/config/Config"
import { defaultSpec } from "runfx/config/defaults"
import * as Linux from "runfx/native/Linux"
import { standard } from "runfx/pipelines/standard"
import { sandbox } from "runfx/promise"
import * as Runtime from "runfx/runtime/Runtime"
import * as Sandbox from "runfx/sandbox"
import { chdir } from "runfx/steps/chdir"
import * as Testing from "runfx/testing"
const run = Runtime.run({ id: "x", container: defaultSpec({ rootfs: "/srv/root", args: ["/bin/true"] }) })
export const code: Promise<number> = Effect.runPromise(Effect.provide(run, Linux.layer)).then((ended) => ended.code)
export const all = [runfx, Config, standard, sandbox, Sandbox, chdir, Testing]
`

/** And one in CommonJS. */
const common = `
import { sandbox } from "runfx/promise"
import config = require("runfx/config/Config")
export const made = sandbox
export const decode = config.decode
`

/** Takes a pid from Linux by the library's own effect, and its Effect must be the one of the program. */
const kernel = `
import * as Effect from "effect/Effect"
import { sys } from "runfx/native/Kernel"
import * as Linux from "runfx/native/Linux"
import { createRequire } from "node:module"
const pid = await Effect.runPromise(Effect.provide(sys.getpid(), Linux.layer))
const { sandbox } = createRequire(import.meta.url)("runfx/promise")
console.log(pid === process.pid, typeof sandbox)
`

/** A step more in the command's start. */
const flow = `
import { Pipeline, Step, sys } from "runfx"
const announce = Step.make("announce", { doc: "", calls: ["getpid"], reversal: "harmless", run: sys.getpid({}) })
export default (preset) => Pipeline.insertAfter(preset, "findProgram", announce)
`

describe.skipIf(!registry)("a project that installs it", () => {
  const nodes = [process.execPath, ...(process.env["RUNFX_NODES"] ?? "").split(":").filter((name) => name !== "")]

  it.each(names)("gets no warning, and one effect: %s", (name) => {
    const { code, text } = printed.get(name)!
    assert.strictEqual(code, 0, text)
    assert.notMatch(text, /\bwarn|\berr(?:or)?\b|ignored|deprecated/i)
    const copies = fs.readdirSync(at(name), { recursive: true, encoding: "utf8" })
      .filter((file) => /(?:^|\/)node_modules\/effect\/package\.json$/.test(file))
      .map((file) => fs.realpathSync(path.join(at(name), file)))
    assert.strictEqual(new Set(copies).size, 1, copies.join("\n"))
    assert.include(fs.readFileSync(copies[0]!, "utf8"), `"version": "${projects[name].effect}"`)
  })

  it.each(names)("uses the library by import and by require, and the command, on each Node: %s", async (name) => {
    fs.writeFileSync(path.join(at(name), "kernel.mjs"), kernel)
    fs.writeFileSync(path.join(at(name), "flow.mjs"), flow)
    // how it was installed is not what another Node would make a difference to
    for (const node of name === "npm" ? nodes : [process.execPath]) {
      const env = { PATH: `${path.dirname(node)}:${plain["PATH"]}`, HOME: top }
      assert.match(await ok(node, ["kernel.mjs"], at(name), env), /^true function\n/, node)
      const command = path.join(at(name), "node_modules/.bin/runfx")
      assert.strictEqual(await ok(command, ["--version"], at(name), env), `${manifest.version}\n`, node)
      assert.match(await ok(command, ["--root", at("state"), "list"], at(name), env), /^ID /, node)
      // with a flow, the command is not its bundle, but the modules that the flow imports, too
      const plan = ["--root", at("state"), "plan", "run", "--format", "json", "--flow", "flow.mjs", "--", "true"]
      assert.include(await ok(command, plan, at(name), env), "\"announce\"", node)
    }
  })

  it("starts the command by npx", async () => {
    const args = ["--no", "--offline", "--", "runfx", "--version"]
    assert.strictEqual(await ok("npx", args, at("npm"), { HOME: top }), `${manifest.version}\n`)
  })

  it.each(["npm", "npm, older effect"] as const)("compiles, strictly, with the types of all: %s", async (name) => {
    fs.writeFileSync(path.join(at(name), "program.mts"), program)
    fs.writeFileSync(path.join(at(name), "common.cts"), common)
    const compile = (module: string, resolution: string, files: ReadonlyArray<string>) =>
      ok(
        process.execPath,
        [
          path.join(modules, "typescript/bin/tsc"),
          "--ignoreConfig",
          "--noEmit",
          "--strict",
          "--exactOptionalPropertyTypes",
          "--skipLibCheck",
          "false",
          "--target",
          "es2022",
          "--module",
          module,
          "--moduleResolution",
          resolution,
          "--types",
          "node",
          "--typeRoots",
          path.join(modules, "@types"),
          ...files
        ],
        at(name)
      )
    await compile("nodenext", "nodenext", ["program.mts", "common.cts"])
    await compile("esnext", "bundler", ["program.mts"])
  })
})
