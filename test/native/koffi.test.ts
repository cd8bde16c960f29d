import { assert, describe, it } from "@effect/vitest"
import { buildSync } from "esbuild"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { HostUnsupported } from "../../src/native/linux/HostUnsupported.ts"
import * as Koffi from "../../src/native/linux/koffi.ts"
import { numbersFor } from "../../src/native/linux/syscallNumbers.ts"

const root = path.resolve(import.meta.dirname, "../..")
const { close, getpid } = numbersFor(process.arch)

const inDirectory = <A>(use: (directory: string) => A): A => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-koffi-"))
  try {
    return use(directory)
  } finally {
    fs.rmSync(directory, { recursive: true })
  }
}

describe("load", () => {
  it("binds syscall(2), errno and the address of a buffer", () => {
    const library = Koffi.load()
    assert.strictEqual(library.syscall(getpid, 0, 0, 0, 0, 0, 0), process.pid)
    assert.strictEqual(library.syscall(close, -1, 0, 0, 0, 0, 0), -1)
    assert.strictEqual(library.errno(), 9)
    const buffer = Buffer.alloc(4096)
    const address = library.addressOf(buffer)
    assert.strictEqual(library.addressOf(buffer.subarray(8)), address + 8)
  })

  it("says that its package is missing, and what to do", () =>
    inDirectory((directory) => {
      const load = () => Koffi.load(path.join(directory, "main.js"))
      assert.throws(load, `@koromix/koffi-linux-${process.arch} is not installed`)
      assert.throws(load, HostUnsupported)
    }))

  it("is a typed failure of the layer that its package is missing", () =>
    inDirectory((directory) => {
      const outfile = path.join(directory, "main.cjs")
      buildSync({
        stdin: {
          contents: `
            import * as Effect from "effect/Effect"
            import * as Linux from "./src/native/linux/Linux.ts"
            const pid = Effect.provide(Effect.void, Linux.layer)
            console.log(Effect.runSync(Effect.catchTag(pid, "HostUnsupported", (error) => Effect.succeed(error.advice))))`,
          resolveDir: root
        },
        bundle: true,
        platform: "node",
        format: "cjs",
        define: { "import.meta.url": "__fileUrl" },
        banner: { js: `const __fileUrl = require("node:url").pathToFileURL(__filename).href;` },
        outfile
      })
      const told = execFileSync(process.execPath, [outfile], { encoding: "utf8" })
      assert.strictEqual(told, "let the package manager install optional dependencies, too\n")
    }))

  it("works in one CommonJS file, started from anywhere", () =>
    inDirectory((directory) => {
      const outfile = path.join(directory, "dist/main.cjs")
      buildSync({
        stdin: {
          contents: `
            import * as Effect from "effect/Effect"
            import * as Linux from "./src/native/linux/Linux.ts"
            console.log(Effect.runSync(Linux.make().invoke({ _tag: "getpid" })) === process.pid)
            console.log(Object.keys(require.cache).some((name) => name.includes("/node_modules/")))`,
          resolveDir: root
        },
        bundle: true,
        platform: "node",
        format: "cjs",
        define: { "import.meta.url": "__fileUrl" },
        banner: { js: `const __fileUrl = require("node:url").pathToFileURL(__filename).href;` },
        outfile
      })
      fs.symlinkSync(path.join(root, "node_modules"), path.join(directory, "node_modules"))
      // the addon is opened directly, without its package's JavaScript
      assert.strictEqual(execFileSync(process.execPath, [outfile], { cwd: "/", encoding: "utf8" }), "true\nfalse\n")
    }))
})
