/** `bin/runfx`: the shell's line in front, and the code that V8 has compiled before. */
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import process from "node:process"

let top = ""
const launcher = () => path.join(top, "bin/runfx")
const directory = () => path.join(top, "dist/command")
const program = () => path.join(directory(), "main.cjs")

/** Puts another program in the place of the command. */
const write = (source: string): void => fs.writeFileSync(program(), source)

/** Two sources of one length. */
const saying = (word: string): string => `const said = () => console.log("${word}"); said()`

interface Options {
  readonly cwd?: string
  readonly uid?: number
  readonly status?: number
  readonly env?: Readonly<Record<string, string>>
}

/** Without the home of whoever runs the tests, and options for Node that they have set. */
const plain = (): NodeJS.ProcessEnv => {
  const { HOME: _home, NODE_OPTIONS: _options, NODE_V8_COVERAGE: _coverage, XDG_CACHE_HOME: _cache, ...rest } =
    process.env
  return rest
}

const start = (file: string, args: ReadonlyArray<string>, { env = {}, status = 0, ...options }: Options = {}) => {
  const ended = spawnSync(file, args, { encoding: "utf8", ...options, env: { ...plain(), ...env } })
  assert.deepStrictEqual([ended.status, ended.stderr], [status, ""])
  return ended.stdout
}

const isCache = (name: string): boolean => /-\w+\.cache$/.test(name)

/** The names of the caches in a directory, without Node's version. */
const caches = (place = directory()): ReadonlyArray<string> =>
  fs.readdirSync(place).filter(isCache).map((name) => name.slice(0, name.indexOf(".")))

/** Whether V8 takes what is in the cache: the launcher says nothing, so a wrapper of V8's constructor does. */
const takes = (options: Options & { readonly args?: ReadonlyArray<string> } = {}): boolean => {
  const look = path.join(top, "look.cjs")
  fs.writeFileSync(
    look,
    `const vm = require("node:vm"), { Script } = vm
     vm.Script = class extends Script {
       constructor(source, options) {
         super(source, options)
         console.log(options.cachedData !== undefined && this.cachedDataRejected === false)
       }
     }`
  )
  const { args = [], ...rest } = options
  return start(process.execPath, ["--require", look, launcher(), ...args], rest).startsWith("true\n")
}

beforeEach(() => {
  top = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "runfx-launcher-")))
  fs.chmodSync(top, 0o755)
  fs.cpSync("bin", path.join(top, "bin"), { recursive: true })
  fs.mkdirSync(directory(), { recursive: true })
})
afterEach(() => fs.rmSync(top, { recursive: true }))

describe("bin/runfx", () => {
  it("writes down the soft limit of descriptors that Node raises, under the pid that Node has", () => {
    write(
      "console.log(process.env.RUNFX_STARTED === process.pid + ' 123', require('fs').readFileSync('/proc/self/limits', 'utf8').match(/Max open files +(\\d+)/)[1])"
    )
    for (const how of ["", "exec "]) {
      const text = start("/bin/sh", ["-c", `ulimit -Sn 123; ulimit -Hn 456; ${how}${launcher()}`])
      assert.strictEqual(text, "true 456\n")
    }
  })

  it("passes on its arguments, whatever they hold", () => {
    write("console.log(JSON.stringify(process.argv.slice(2)))")
    const args = ["--inspect", "a b", "", "$(id)", "\"'", "*", "--", "-e", "x\ny", "--flow", "--compile-cache"]
    assert.deepStrictEqual(JSON.parse(start(launcher(), args)), args)
  })

  it("is found by a link, relative to a directory, and by Node itself", () => {
    write("console.log(__filename)")
    fs.symlinkSync("bin/runfx", path.join(top, "link"))
    assert.strictEqual(start(path.join(top, "link"), []), `${program()}\n`)
    assert.strictEqual(start("./link", [], { cwd: top }), `${program()}\n`)
    assert.strictEqual(start(process.execPath, [launcher()]), `${program()}\n`)
  })

  it("says the version without the program, if that is all that is asked for and can be written", () => {
    write("require('fs').writeSync(2, 'program')")
    fs.writeFileSync(path.join(top, "package.json"), JSON.stringify({ version: "1.2.3" }))
    for (const option of ["-v", "--version"]) assert.strictEqual(start(launcher(), [option]), "1.2.3\n")
    const others = ["--version x", "-- --version", "--version >/dev/full"]
    for (const line of others) {
      const { stderr, stdout } = spawnSync("/bin/sh", ["-c", `${launcher()} ${line}`], {
        encoding: "utf8",
        env: plain()
      })
      assert.deepStrictEqual([stdout, stderr], ["", "program"], line)
    }
    fs.rmSync(path.join(top, "package.json"))
    assert.strictEqual(spawnSync(launcher(), ["-v"], { encoding: "utf8", env: plain() }).stderr, "program")
  })

  it("loads other files of the program, each once", () => {
    write(
      "console.log(require('./other.cjs') === require('./other.cjs'), require('./other.cjs').answer, require('node:os').EOL)"
    )
    fs.writeFileSync(path.join(directory(), "other.cjs"), "module.exports = { answer: 42 }")
    assert.strictEqual(start(launcher(), []), "true 42 \n\n")
    assert.strictEqual(start(launcher(), []), "true 42 \n\n")
  })
})

describe("the files of the program", () => {
  it("are strict, as the modules that they were", () => {
    write(
      "console.log((function() { return this })()); Object.freeze(exports); try { exports.x = 1 } catch (e) { console.log(e.name) }"
    )
    assert.strictEqual(start(launcher(), []), "undefined\nTypeError\n")
    assert.isTrue(takes())
  })
})

describe("compiled code", () => {
  it("is kept by the first use, one file for each subcommand, and taken by the next", () => {
    write(saying("x"))
    assert.isFalse(takes({ args: ["list"] }))
    start(launcher(), ["--root", "/x", "list"])
    assert.deepStrictEqual(caches(), ["list"])
    assert.isTrue(takes({ args: ["list"] }))
    assert.isFalse(takes({ args: ["kill"] }))
    start(launcher(), ["--", "run"])
    assert.deepStrictEqual(caches(), ["list", "main"])
  })

  it("is taken of every file, an empty one too: V8 would copy code that is not aligned", () => {
    write("for (const name of ['empty', 'short', 'long']) require(`./${name}.cjs`)")
    const sources = { empty: "", short: "1", long: `${"1;".repeat(5000)}` }
    for (const [name, source] of Object.entries(sources)) {
      fs.writeFileSync(path.join(directory(), `${name}.cjs`), source)
    }
    start(launcher(), [])
    const [name] = fs.readdirSync(directory()).filter(isCache) as [string]
    const file = path.join(directory(), name)
    const before = fs.readFileSync(file)
    const { ino } = fs.statSync(file)
    start(launcher(), [])
    // nothing was compiled, and so nothing is written
    assert.strictEqual(fs.statSync(file).ino, ino)
    const body = before.indexOf(10) + 1
    const { files } = JSON.parse(before.toString("latin1", 0, body)) as {
      files: Array<[string, [number, number], [number, number]]>
    }
    assert.lengthOf(files, 4)
    assert.deepStrictEqual(
      files.flatMap(([, [source], [code]]) => [(body + source) % 8, (body + code) % 8]),
      Array(8).fill(0)
    )
  })

  it("is taken under the options of a start, also if that has lasted until V8 may optimise", () => {
    // the launcher's own timer is done at once, as after a long program
    const soon = path.join(top, "soon.cjs")
    fs.writeFileSync(
      soon,
      "global.setTimeout = (act) => (act(), { unref: () => {} }); process.execArgv.length = 0"
    )
    write(`${saying("x")}; process.exitCode = 0`)
    for (const subcommand of ["run", "exec", "plan"]) {
      start(process.execPath, ["--require", soon, launcher(), subcommand])
      assert.isTrue(takes({ args: [subcommand] }), subcommand)
    }
    assert.isFalse(takes({ args: ["kill"] }))
  })

  it("is of the program that is there, not of one of the same length that was compiled before", () => {
    write(saying("old"))
    start(launcher(), [])
    assert.strictEqual(start(launcher(), []), "old\n")
    write(saying("new"))
    assert.strictEqual(start(launcher(), []), "new\n")
    assert.isTrue(takes())
  })

  it("of a command that has failed is replaced by that of one that has not, and not the other way round", () => {
    const inode = () => fs.statSync(path.join(directory(), fs.readdirSync(directory()).find(isCache)!)).ino
    write("process.exitCode = Number(process.argv[2])")
    start(launcher(), ["1"], { status: 1 })
    const first = inode()
    start(launcher(), ["1"], { status: 1 })
    assert.strictEqual(inode(), first)
    start(launcher(), ["0"])
    const whole = inode()
    assert.notStrictEqual(whole, first)
    start(launcher(), ["1"], { status: 1 })
    start(launcher(), ["0"])
    assert.strictEqual(inode(), whole)
  })

  it("names no path of the machine that it was compiled on", () => {
    write("console.log(new Error('x').stack)")
    start(launcher(), [])
    const built = top
    top = `${built}-installed`
    fs.cpSync(built, top, { recursive: true })
    try {
      assert.isTrue(takes())
      const text = start(launcher(), [])
      assert.match(text, /runfx\/main\.cjs:1:/)
      assert.notInclude(text, `${built}/dist`)
    } finally {
      fs.rmSync(built, { recursive: true })
    }
  })

  it("is neither read nor written under other options for Node, or if Node's own cache is not wanted", () => {
    write(saying("x"))
    for (const env of [{ NODE_OPTIONS: "--max-old-space-size=100" }, { NODE_DISABLE_COMPILE_CACHE: "1" }]) {
      start(launcher(), [], { env })
      assert.deepStrictEqual(caches(), [])
    }
    start(launcher(), [])
    assert.isFalse(takes({ env: { NODE_DISABLE_COMPILE_CACHE: "1" } }))
  })

  it("that is cut short, or of another kind, is not taken, and is replaced", () => {
    write(saying("x"))
    start(launcher(), [])
    const file = path.join(directory(), fs.readdirSync(directory()).find(isCache)!)
    const good = fs.readFileSync(file)
    const damaged = [Buffer.alloc(0), Buffer.from("{}\n"), Buffer.from("x"), good.subarray(0, -9), good.subarray(0, 20)]
    for (const bytes of damaged) {
      fs.writeFileSync(file, bytes)
      assert.strictEqual(start(launcher(), []), "x\n")
      assert.isTrue(takes(), `${bytes.length} bytes`)
    }
  })
})

/** A user who may not write into the package. */
const uid = 64_321

describe.skipIf(process.geteuid?.() !== 0)("compiled code that another user could have written", () => {
  /** A home below a directory that is as /tmp. */
  const home = (mode = 0o700, owner = uid): string => {
    const place = path.join(top, `home${mode}-${owner}`)
    fs.mkdirSync(place)
    fs.chmodSync(place, mode)
    fs.chownSync(place, owner, owner)
    return place
  }
  const cacheIn = (place: string): string | undefined =>
    fs.readdirSync(place, { recursive: true, encoding: "utf8" }).find(isCache)

  it("is not taken: by the mode of the file, or by its owner, or as a link", () => {
    write(saying("x"))
    start(launcher(), [])
    const file = path.join(directory(), fs.readdirSync(directory()).find(isCache)!)
    assert.isTrue(takes())
    for (const mode of [0o666, 0o664, 0o646]) {
      fs.chmodSync(file, mode)
      assert.isFalse(takes(), mode.toString(8))
    }
    fs.chmodSync(file, 0o644)
    assert.isTrue(takes())
    fs.chownSync(file, uid, uid)
    assert.isFalse(takes())
    fs.chownSync(file, 0, 0)
    fs.renameSync(file, `${file}.real`)
    fs.symlinkSync(`${file}.real`, file)
    assert.isFalse(takes())
  })

  it("is not in the package's directory: a user's own is in that user's cache", () => {
    write(saying("x"))
    const env = { HOME: home() }
    start(launcher(), [], { uid, env })
    assert.deepStrictEqual(caches(), [])
    assert.match(cacheIn(env.HOME)!, /^\.cache\/runfx\/%.*%dist%command\/main\./)
    assert.isTrue(takes({ uid, env }))
    // what XDG_CACHE_HOME says comes first, if it is a path
    const other = home(0o755)
    start(launcher(), [], { uid, env: { ...env, XDG_CACHE_HOME: other } })
    assert.match(cacheIn(other)!, /^runfx\/%/)
    assert.isTrue(takes({ uid, env: { ...env, XDG_CACHE_HOME: "relative" } }))
  })

  it("is neither written nor read below a directory of somebody else's, or one that others may write to", () => {
    write(saying("x"))
    fs.chownSync(directory(), uid, uid)
    const places = [home(0o777), home(0o770), home(0o755, uid + 1)]
    for (const place of places) {
      // root, with the home of a user, as after sudo -E
      start(launcher(), [], { env: { HOME: place } })
      assert.isUndefined(cacheIn(place), place)
    }
    const [open] = places as [string]
    const good = home()
    start(launcher(), [], { uid: uid + 1, env: { HOME: home(0o700, uid + 1) } })
    fs.chownSync(directory(), 0, 0)
    start(launcher(), [], { uid, env: { HOME: good } })
    fs.cpSync(path.join(good, ".cache"), path.join(open, ".cache"), { recursive: true })
    spawnSync("chown", ["-R", String(uid), path.join(open, ".cache")])
    assert.isTrue(takes({ uid, env: { HOME: good } }))
    assert.isFalse(takes({ uid, env: { HOME: open } }))
  })
})
