/** The package's doors: which modules a user may import, and which are runfx's own. */
import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { resolve } from "node:path"

const top = resolve(import.meta.dirname, "..")

/**
 * Modules that nobody but runfx imports. A new module is private until package.json lists it among its `exports`, and this
 * list has to know it, so that somebody has decided. `*` stands for any path.
 */
const own = [
  "cli/*",
  "config/LibcontainerSchema",
  "config/OciSchema",
  "config/decode",
  "config/devices",
  "config/fields",
  "config/libcontainerNames",
  "config/mountOptions",
  "config/namespaceFlags",
  "config/numberList",
  "config/ociNames",
  "config/plainMount",
  "config/remembered",
  "config/rlimits",
  "config/rules/*",
  "config/seccompProfiles",
  "config/shape/*",
  "config/signals",
  "config/user",
  "engine/Meanings",
  "engine/Observer",
  "engine/Unknowable",
  "engine/ahead",
  "engine/errorText",
  "engine/given",
  "engine/immutable",
  "engine/inputs",
  "engine/markup",
  "engine/nearest",
  "engine/ofRecent",
  "engine/pipeline/*",
  "engine/planHtml",
  "engine/planJson",
  "engine/planPage",
  "engine/planRows",
  "engine/planSummary",
  "engine/spans",
  "engine/taggedJson",
  "engine/traceSlices",
  "engine/visible",
  "model/*",
  "native/Ahead",
  "native/KeepsAlive",
  "native/Refused",
  "native/Surroundings",
  "native/bpf",
  "native/composed",
  "native/descriptorNames",
  "native/deviceFilter",
  "native/elf",
  // the live layer alone has a door, runfx/native/Linux
  "native/linux/*",
  "native/netlink/*",
  "native/generalAdvice",
  "native/monotonic",
  "native/processors",
  "native/since",
  "native/syscallTables",
  "native/text",
  "native/reaperCode",
  "native/trampoline",
  "native/trampolineCode",
  "native/whole",
  "promise/*",
  "runtime/NotRunning",
  "runtime/OptionError",
  "runtime/ProcessHandle",
  "runtime/admission",
  "runtime/attached",
  "runtime/background",
  "runtime/caller",
  "runtime/caught",
  "runtime/console",
  "runtime/containerOf",
  "runtime/create",
  "runtime/defaults",
  "runtime/ending",
  "runtime/endings",
  "runtime/environment",
  "runtime/exec",
  "runtime/flow",
  "runtime/grantable",
  "runtime/guardedInput",
  "runtime/hostFiles",
  "runtime/keptContainer",
  "runtime/kill",
  "runtime/launch",
  "runtime/lent",
  "runtime/list",
  "runtime/lookUpUser",
  "runtime/mappedUser",
  "runtime/lookedAt",
  "runtime/neighbours",
  "runtime/Containers",
  "runtime/onModel",
  "runtime/options",
  "runtime/preserved",
  "runtime/program",
  "runtime/prune",
  "runtime/removing",
  "runtime/run",
  "runtime/signalling",
  "runtime/signals",
  "runtime/spawn",
  "runtime/started",
  "runtime/stays",
  "runtime/streams",
  "runtime/tellNotices",
  "runtime/terminal",
  "sandbox/*",
  "testing/*"
]

const { exports } = JSON.parse(readFileSync(resolve(top, "package.json"), "utf8")) as {
  readonly exports: Readonly<Record<string, string>>
}

const modules = readdirSync(resolve(top, "src"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.slice(0, -".ts".length))

const matches = (pattern: string, name: string): boolean => {
  const [before, after] = pattern.split("*")
  return after === undefined ? pattern === name : name.startsWith(before!) && name.endsWith(after)
}

/** The modules of src behind each door. */
const behind = Object.values(exports).filter((target) => target.startsWith("./dist/"))
  .map((target) => target.slice("./dist/".length, -".js".length))

const isPublic = (name: string): boolean => behind.some((pattern) => matches(pattern, name))

/** Where Node's own resolver finds what a user imports, or the code of its error. */
const resolved = (specifiers: ReadonlyArray<string>): ReadonlyArray<string> => {
  const script = `
    const found = (name) => { try { return import.meta.resolve(name) } catch ({ code }) { return code } }
    console.log(JSON.stringify(${JSON.stringify(specifiers)}.map(found)))`
  return JSON.parse(
    execFileSync(process.execPath, ["--input-type=module", "-e", script], { cwd: top, encoding: "utf8" })
  ) as ReadonlyArray<string>
}

describe("the package's doors", () => {
  it("are decided for each module of src: it is exported, or runfx's own", () => {
    const undecided = modules.filter((name) => !isPublic(name) && !own.some((pattern) => matches(pattern, name)))
    assert.deepStrictEqual(undecided, [], "list it in package.json, or here")
    // the file of a door may lie in a room that has no others
    const doors = new Set(["native/linux/Linux", "testing/Testing"])
    const twice = modules.filter((name) =>
      isPublic(name) && own.some((pattern) => matches(pattern, name)) && !doors.has(name)
    )
    assert.deepStrictEqual(twice, [], "it is public")
  })

  it("have something behind them, and so has each name of the list", () => {
    const none = [...behind, ...own].filter((pattern) => !modules.some((name) => matches(pattern, name)))
    assert.deepStrictEqual(none, [])
  })

  it("are where Node looks", () => {
    const names = Object.keys(exports).filter((name) => !name.includes("*"))
    const found = resolved(names.map((name) => `runfx${name.slice(1)}`))
    assert.deepStrictEqual(found, names.map((name) => `file://${resolve(top, exports[name]!)}`))
    const [standard, limits] = resolved(["runfx/pipelines/standard", "runfx/steps/cgroup/stats"])
    assert.strictEqual(standard, `file://${top}/dist/pipelines/standard.js`)
    assert.strictEqual(limits, `file://${top}/dist/steps/cgroup/stats.js`)
  })

  it("are shut for all else", () => {
    const names = [
      "runfx/cli/main",
      "runfx/model/ModelKernel",
      "runfx/native/linux/Linux",
      "runfx/native/linux/koffi",
      "runfx/runtime/attached",
      "runfx/testing/Testing",
      "runfx/dist/index.js",
      "runfx/src/index.ts"
    ]
    assert.deepStrictEqual(resolved(names), names.map(() => "ERR_PACKAGE_PATH_NOT_EXPORTED"))
  })

  it("are those of the examples and the docs", () => {
    const texts = [
      "README.md",
      ...readdirSync(resolve(top, "docs"), { recursive: true, encoding: "utf8" }).map((name) => `docs/${name}`)
    ]
      .filter((name) => name.endsWith(".md"))
    const files = [
      ...texts,
      ...readdirSync(resolve(top, "examples")).map((name) => `examples/${name}`),
      ...modules.map((name) => `src/${name}.ts`)
    ]
    const imported = files.flatMap((file) =>
      [...readFileSync(resolve(top, file), "utf8").matchAll(/(?:from |import\()"(runfx(?:\/[^"]*)?)"/g)].map((
        [, name]
      ) => name!)
    )
    assert.isAbove(imported.length, 20)
    const found = resolved(imported)
    assert.deepStrictEqual(imported.filter((_, index) => found[index] === "ERR_PACKAGE_PATH_NOT_EXPORTED"), [])
  })
})
