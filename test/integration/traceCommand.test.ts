/** `--trace` of `run` and `exec`, and what is seen of a start on a terminal. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { type Command, complete, makeCommand } from "../support/command.ts"
import { type Installed, installed } from "../support/installed.ts"
import { makeRoot, removeRoot } from "../support/rootfs.ts"
import { readTrace } from "../support/traceFormat.ts"

let command: Command
let root: string
let top: string
beforeAll(() => {
  command = makeCommand()
  root = makeRoot()
  top = path.dirname(command.stateRoot)
})
afterAll(() => {
  command.remove()
  removeRoot(root)
})

/** Reads a trace, which must keep the format. */
const read = (file: string) => {
  const { about, events, wrong } = readTrace(fs.readFileSync(file, "utf8"))
  assert.deepStrictEqual(wrong, [])
  assert.deepStrictEqual(events.filter(({ args }) => args?.["unfinished"] === true), [])
  const process = (name: RegExp) =>
    events.find((event) => event.name === "process_name" && name.test(event.args["name"]))
  return { about, process, steps: events.filter(({ cat }) => cat === "step") }
}

const containers = (): ReadonlyArray<string> =>
  fs.existsSync(command.stateRoot) ? fs.readdirSync(command.stateRoot).filter((name) => !name.startsWith(".")) : []

describe("runfx --trace", () => {
  it("has parent and init on one clock, with the steps that ran ahead in their places", async () => {
    const file = path.join(top, "run.json")
    // a link is replaced, and what it leads to left alone
    fs.writeFileSync(path.join(top, "theirs"), "theirs")
    fs.symlinkSync("theirs", file)
    const ended = await command.runfx("run", "--trace", file, "--id", "traced", "--rootfs", root, "/bin/true")
    assert.deepStrictEqual(ended, { code: 0, stdout: "", stderr: "" })
    assert.isTrue(fs.lstatSync(file).isFile())
    assert.strictEqual(fs.readFileSync(path.join(top, "theirs"), "utf8"), "theirs")
    const { about, process, steps } = read(file)
    assert.deepStrictEqual(about, { title: "traced" })
    const [parent, init] = [process(/^parent \(create\)$/)!, process(/^init \(standard\)$/)!]
    const step = (name: string) => steps.find((one) => one.name === name)!
    assert.deepStrictEqual([step("cloneInit").pid, step("mountFilesystems").pid], [parent.pid, init.pid])
    // what the init does between two words of its parent's lies between them
    const [from, to] = [step("cloneInit"), step("leaveState")]
    for (const { args, dur, name, pid, ts } of steps) {
      if (pid !== init.pid) continue
      assert.isAtLeast(ts, from.ts, name)
      assert.isAtMost(ts + dur, to.ts + to.dur, name)
      assert.notProperty(args, "time")
    }
    const mounts = step("mountFilesystems")
    assert.isTrue(mounts.args["ranAhead"])
    assert.isTrue(mounts.args["callsFromList"].some((call: string) => /^(?:mount|move_mount)\(/.test(call)))
    assert.isAtLeast(step("removeState").ts, step("exec").ts + step("exec").dur)
  })

  it("is written also if the start fails, with the step that failed", async () => {
    const file = path.join(top, "failed.json")
    const { code, stderr } = await command.runfx("run", "--trace", file, "--rootfs", root, "/bin/nothing")
    assert.strictEqual(code, 127)
    const { about, steps } = read(file)
    assert.strictEqual(`runfx: ${about["failure"]}\n`, stderr)
    const failed = steps.filter(({ args }) => args["failed"]).map(({ name }) => name)
    assert.deepStrictEqual(failed.toSorted(), ["findProgram (failed)", "releaseInit (failed)"])
    assert.isTrue(steps.some(({ name }) => name === "undo createState"))
  })

  it("is of exec, and of what is started in the background", async () => {
    const [start, exec] = [path.join(top, "start.json"), path.join(top, "exec.json")]
    const id = "traced-back"
    const background = ["run", "-d", "--id", id, "--rootfs", root, "--trace"]
    const gone = await command.runfx(...background, path.join(top, "none/x"), "/bin/sleep", "300")
    assert.deepStrictEqual([gone.code, gone.stdout, containers()], [1, "", []])
    assert.include(gone.stderr, `--trace ${top}/none/x: openat`)
    try {
      assert.strictEqual((await command.runfx(...background, start, "/bin/sleep", "300")).stdout, `${id}\n`)
      assert.isTrue(read(start).steps.some(({ name }) => name === "leaveState"))
      assert.strictEqual((await command.runfx("exec", "--trace", exec, id, "/bin/true")).code, 0)
      const { process, steps } = read(exec)
      assert.isDefined(process(/^init \(setns\)$/))
      assert.isTrue(steps.some(({ name }) => name === "joinNamespaces"))
    } finally {
      await command.runfx("delete", "--force", id)
    }
  })
})

/** The package, for flows, and a container's files. */
let package_: Installed | undefined

/** A flow with a step before all others, and what it does. */
const flowOf = (name: string, run: string): ReadonlyArray<string> => {
  package_ ??= installed()
  const file = path.join(package_.app, `${name}.mjs`)
  fs.writeFileSync(
    file,
    `import * as Effect from "effect/Effect"
import { rmSync } from "node:fs"
import * as Pipeline from "runfx/engine/Pipeline"
import * as Step from "runfx/engine/Step"
const step = Step.make(${JSON.stringify(name)}, { doc: "", calls: [], reversal: "harmless", run: ${run} })
export default Pipeline.insertBefore("populateEnv", step)
`
  )
  return [package_.command, "--root", command.stateRoot, "run", "--flow", file, "--rootfs", root]
}

afterAll(() => package_?.remove())

describe("a trace that can't be written in the end", () => {
  it("rolls back a start in the background", async () => {
    const directory = path.join(top, "taken")
    fs.mkdirSync(directory)
    const [file, ...flow] = flowOf(
      "take",
      `Effect.sync(() => rmSync(${JSON.stringify(directory)}, { recursive: true }))`
    )
    const trace = path.join(directory, "x")
    const ended = await complete(file!, [...flow, "-d", "--id", "rolled", "--trace", trace, "/bin/sleep", "300"])
    assert.deepStrictEqual([ended.code, ended.stdout, containers()], [1, "", []])
    assert.match(ended.stderr, /^runfx: --trace \S+\/taken\/x: openat\(.* = -1 ENOENT/)
  })
})

const noPython = spawnSync("python3", ["-c", "import termios, os; os.waitstatus_to_exitcode(0)"]).status !== 0

describe.skipIf(noPython)("on a terminal", () => {
  const on = async (talk: ReadonlyArray<object>, ...args: ReadonlyArray<string>): Promise<string> => {
    const helper = ["test/support/terminal.py", JSON.stringify(talk)]
    const { stderr, stdout } = await complete("env", ["TERM=xterm", "python3", ...helper, ...args])
    assert.strictEqual(stderr, "")
    // what clears the line, as a sign
    return JSON.parse(stdout).output.replaceAll("\r\u001b[K", "«")
  }

  it("a start that takes long says which step is going on, and is silent before its program runs", async () => {
    // until the terminal changes its size
    const wait = `Effect.callback((resume) => {
  const timer = setInterval(() => {}, 1000)
  process.once("SIGWINCH", () => {
    clearInterval(timer)
    resume(Effect.void)
  })
})`
    const talk = [{ after: "runfx: init: hold, ", resize: [30, 90] }]
    const output = await on(talk, ...flowOf("hold", wait), "/bin/sh", "-c", "echo done")
    assert.match(output, /^(?:«runfx: [^«]*, \d+ s|«)*«runfx: init: hold, \d+ s/)
    assert.match(output, /«done\r\n$/)
  })

  it("times have bars", async () => {
    const output = await on(
      [],
      command.file,
      "--root",
      command.stateRoot,
      "run",
      "--timings",
      "--rootfs",
      root,
      "/bin/true"
    )
    const lines = output.replace(/^.*«/s, "").trimEnd().split("\r\n")
    assert.isAtLeast(lines.filter((line) => /^ +\d+\.\d{3} ms {2}\w+ +\w+ +[█▉▊▋▌▍▎▏]+$/.test(line)).length, 20)
    for (const line of lines) assert.isBelow(line.length, 100)
  })
})
