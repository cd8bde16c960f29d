import { assert, describe, it } from "@effect/vitest"
import { S } from "../../src/native/constants.ts"
import type { Call } from "../../src/native/Kernel.ts"
import { findProgram } from "../../src/steps/findProgram.ts"
import { Environment, ExecUser } from "../../src/steps/init/facts.ts"
import { and, fail, succeed, withInit } from "../support/steps.ts"

const context = (name: string, path?: string) =>
  and(
    and(withInit({ process: { args: [name, "-x"] } }), Environment, { entries: [], path }),
    ExecUser,
    { uid: 1000, gid: 1000, groups: [], home: "/" }
  )

type File = "program" | "directory" | "not executable" | "unreachable"

/** A file system of these files. */
const files = (there: Readonly<Record<string, File>>) => (call: Call): unknown => {
  if (call._tag !== "statx" && call._tag !== "faccessat2") return undefined
  const file = there[call.path]
  if (call._tag === "faccessat2") return file === "program" ? undefined : "EACCES"
  if (file === undefined) return "ENOENT"
  return file === "unreachable" ? "EACCES" : { mode: file === "directory" ? S.IFDIR | 0o755 : S.IFREG | 0o644 }
}

const tried = (trace: ReadonlyArray<string>): ReadonlyArray<string> =>
  trace.filter((call) => call.startsWith("statx")).map((call) => call.split("\"")[1]!)

describe("findProgram", () => {
  it("takes a name with a slash as it is", () => {
    const { trace, value } = succeed(findProgram, context("./run", "/bin"), files({ "./run": "program" }))
    assert.deepStrictEqual(value, { path: "./run" })
    assert.deepStrictEqual(trace, [
      "statx(AT_FDCWD, \"./run\", 0, STATX_INO|STATX_NLINK|STATX_TYPE)",
      "faccessat2(AT_FDCWD, \"./run\", 1, AT_EACCESS)"
    ])
  })

  it("searches the PATH of the environment in order; an empty directory is the current one", () => {
    const there = files({ "/b/run": "program", "/c/run": "program" })
    const { trace, value } = succeed(findProgram, context("run", "/a::/b:/c"), there)
    assert.deepStrictEqual(value, { path: "/b/run" })
    assert.deepStrictEqual(tried(trace), ["/a/run", "./run", "/b/run"])
  })

  it("goes on past a directory, a file without permission and an unreachable one", () => {
    const there = files({
      "/a/run": "directory",
      "/b/run": "not executable",
      "/c/run": "unreachable",
      "/d/run": "program"
    })
    assert.deepStrictEqual(succeed(findProgram, context("run", "/a:/b:/c:/d"), there).value, { path: "/d/run" })
  })

  it("goes on past directories that say nothing of the others", () => {
    for (const code of ["EACCES", "ELOOP", "ENAMETOOLONG", "EIO", "ESTALE"] as const) {
      const there = files({ "/b/run": "program" })
      const answer = (call: Call) => call._tag === "statx" && call.path === "/a/run" ? code : there(call)
      assert.deepStrictEqual(succeed(findProgram, context("run", "/a:/b"), answer).value, { path: "/b/run" })
      const { error, message } = fail(findProgram, context("run", "/a:/c"), answer)
      assert.strictEqual(message, "the program \"run\" is in no directory of PATH=/a:/c, of which /a can't be searched")
      assert.propertyVal(error, "exitCode", 127)
    }
    const refused = fail(findProgram, context("run", "/a:/b"), (call) => call._tag === "statx" ? "ENOSYS" : undefined)
    assert.strictEqual(refused.code, "ENOSYS", "no call for any of them")
  })

  it("refuses a path of links that lead to each other; exit status 126", () => {
    const { error, message } = fail(findProgram, context("/t/loop", "/bin"), () => "ELOOP")
    assert.strictEqual(message, "the program /t/loop can't be executed by uid 1000: too many symbolic links")
    assert.propertyVal(error, "exitCode", 126)
  })

  it("says which PATH was searched; exit status 127", () => {
    const { advice, error, message, tag } = fail(findProgram, context("run", "/a:/b"), files({}))
    assert.strictEqual(tag, "ProgramNotFound")
    assert.strictEqual(message, "the program \"run\" is in no directory of PATH=/a:/b")
    assert.include(advice, "absolute path")
    assert.propertyVal(error, "exitCode", 127)
  })

  it("says that there is no PATH, or no such path", () => {
    const unset = fail(findProgram, context("run"), files({}))
    assert.strictEqual(unset.message, "the program \"run\" can't be looked up: PATH is not set")
    assert.deepStrictEqual(unset.trace, [])
    const missing = fail(findProgram, context("/bin/none", "/bin"), files({}))
    assert.strictEqual(missing.message, "the program \"/bin/none\" does not exist in the container")
  })

  for (
    const [file, problem] of [
      ["not executable", "permission denied"],
      ["unreachable", "permission denied"],
      ["directory", "not a regular file"]
    ] as const
  ) {
    it(`says why a program can't be executed: ${file}; exit status 126`, () => {
      const { error, message, tag } = fail(findProgram, context("/x", "/bin"), files({ "/x": file }))
      assert.strictEqual(tag, "ProgramNotExecutable")
      assert.strictEqual(message, `the program /x can't be executed by uid 1000: ${problem}`)
      assert.propertyVal(error, "exitCode", 126)
    })
  }

  it("refuses a link to /proc/self/exe, which would start the start again; another file without a name is a program", () => {
    const running = { mode: S.IFREG | 0o500, nlink: 0, ino: 7n, dev: { major: 0, minor: 1 } }
    const answers = (found: object) => (call: Call) =>
      call._tag === "statx" ? call.path === "/proc/self/exe" ? running : { ...running, ...found } : undefined
    const { error, message } = fail(findProgram, context("/bin/sh", "/bin"), answers({}))
    assert.match(message, /^the program \/bin\/sh can't be executed by uid 1000: it leads to \/proc\/self\/exe/)
    assert.propertyVal(error, "exitCode", 126)
    for (const other of [{ ino: 8n }, { dev: { major: 0, minor: 2 } }, { ino: 7n, nlink: 1 }]) {
      assert.deepStrictEqual(succeed(findProgram, context("/x", "/bin"), answers(other)).value, { path: "/x" })
    }
  })

  it("fails with an empty name", () => {
    assert.strictEqual(fail(findProgram, context("", "/bin"), files({ "/bin/": "directory" })).tag, "ProgramNotFound")
  })
})
