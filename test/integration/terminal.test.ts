/** Signals and terminals of `runfx run` and `runfx exec`. */
import { afterAll, afterEach, assert, beforeAll, beforeEach, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { type Command, complete, makeCommand } from "../support/command.ts"
import { changes, isolate, snapshot } from "../support/host.ts"
import { makeRoot, missing, removeRoot } from "../support/rootfs.ts"

let root = ""
let command: Command
let before: ReturnType<typeof snapshot>
const mark = `term${process.pid}`
let count = 0
const fresh = (): string => `${mark}-${count++}`

beforeAll(async () => {
  if (missing !== undefined) return
  await Effect.runPromise(isolate)
  root = makeRoot()
  command = makeCommand()
})
afterAll(() => {
  if (missing !== undefined) return
  command.remove()
  removeRoot(root)
})
const state = () => ({ ...snapshot(mark, command.stateRoot), descriptors: [] })
beforeEach(() => {
  if (missing === undefined) before = state()
})
afterEach(() => {
  if (missing === undefined) assert.deepStrictEqual(changes(before, state()), {}, "something is left")
})

const run = (...program: ReadonlyArray<string>) => ["run", "--id", fresh(), "--rootfs", root, "--", ...program]
const loop = "while :; do sleep 0.05; done"

describe.skipIf(missing !== undefined)("signals to runfx run", () => {
  it("reach the program", async () => {
    for (const name of ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2"] as const) {
      const short = name.slice(3)
      const started = command.begin(
        ...run("/bin/sh", "-c", `trap 'echo ${short}; exit 9' ${short}; echo ready; ${loop}`)
      )
      await started.says("ready")
      started.process.kill(name)
      assert.deepStrictEqual(await started.ended, { code: 9, stdout: `ready\n${short}\n`, stderr: "" })
    }
  })

  it("do not end it where the program goes on", async () => {
    const script = `trap 'echo one' TERM; trap 'echo two; exit 3' INT; echo ready; ${loop}`
    const started = command.begin(...run("/bin/sh", "-c", script))
    await started.says("ready")
    started.process.kill("SIGTERM")
    await started.says("one")
    started.process.kill("SIGINT")
    assert.deepStrictEqual(await started.ended, { code: 3, stdout: "ready\none\ntwo\n", stderr: "" })
  })

  it("reach a program that was executed in a container", async () => {
    const id = fresh()
    assert.strictEqual(
      (await command.runfx("run", "-d", "--id", id, "--rootfs", root, "--", "/bin/sleep", "1000")).code,
      0
    )
    const started = command.begin("exec", id, "/bin/sh", "-c", `echo ready; ${loop}`)
    await started.says("ready")
    started.process.kill("SIGTERM")
    assert.strictEqual((await started.ended).code, 143)
    await command.runfx("delete", "-f", id)
  })

  it("SIGKILL ends runfx alone: the container goes on, is listed, and can be deleted", async () => {
    const [, , id = ""] = run()
    const started = command.begin("run", "--id", id, "--rootfs", root, "--", "/bin/sh", "-c", `echo ready; ${loop}`)
    await started.says("ready")
    started.process.kill("SIGKILL")
    await new Promise((resolve) => started.process.on("exit", resolve))
    const [listed] = JSON.parse((await command.runfx("list", "-f", "json")).stdout) as ReadonlyArray<
      { readonly id: string; readonly status: string; readonly pid: number }
    >
    assert.deepInclude(listed, { id, status: "running" })
    assert.isTrue(fs.existsSync(`/proc/${listed!.pid}`))
    assert.strictEqual((await command.runfx("exec", id, "/bin/true")).code, 0)
    assert.deepStrictEqual(await command.runfx("delete", "--force", id), { code: 0, stdout: "", stderr: "" })
    await started.ended
  })

  it("end a start that has not come to its program yet, and leave nothing", async () => {
    // a named pipe without a writer in the place of the user file holds nobody: so a frozen start is not to be had; a
    // signal right after the start of the command finds it anywhere on its way
    for (const delay of [20, 40, 60, 80, 100, 120]) {
      const started = command.begin(...run("/bin/sh", "-c", "trap 'exit 143' TERM; sleep 0.2; exit 143"))
      await new Promise((resolve) => setTimeout(resolve, delay))
      started.process.kill("SIGTERM")
      const { code, stderr } = await started.ended
      assert.deepStrictEqual([code, stderr], [143, ""], `after ${delay} ms`)
    }
  })
})

const noPython = spawnSync("python3", ["-c", "import termios, os; os.waitstatus_to_exitcode(0)"]).status !== 0
if (noPython) process.stdout.write("skipped: python3 (3.9 or later) is missing, which gives these tests a terminal\n")

describe.skipIf(missing !== undefined || noPython)("a terminal", () => {
  const helper = fileURLToPath(new URL("../support/terminal.py", import.meta.url))
  const on = async (talk: ReadonlyArray<object>, ...args: ReadonlyArray<string>) => {
    const { stderr, stdout } = await complete("python3", [
      helper,
      JSON.stringify(talk),
      command.file,
      "--root",
      command.stateRoot,
      ...args
    ])
    assert.strictEqual(stderr, "")
    return JSON.parse(stdout) as { readonly output: string; readonly code: number; readonly restored: boolean }
  }
  const tty = (...program: ReadonlyArray<string>) => ["run", "-t", "--id", fresh(), "--rootfs", root, "--", ...program]

  it("is the program's own, of the size of the caller's, and adds nothing to what it says", async () => {
    assert.deepStrictEqual(await on([], ...tty("/bin/sh", "-c", "tty; stty size; echo err >&2; exit 5")), {
      output: "/dev/pts/0\r\n40 100\r\nerr\r\n",
      code: 5,
      restored: true
    })
  })

  it("passes on what is typed, as it is typed", async () => {
    const ended = await on(
      [{ after: "ready", say: "hello\r" }, { after: "got hello", say: "\x03" }],
      ...tty("/bin/sh", "-c", "trap 'echo interrupted; exit 7' INT; echo ready; read line; echo got $line; read line")
    )
    assert.deepStrictEqual(ended, {
      output: "ready\r\nhello\r\ngot hello\r\n^Cinterrupted\r\n",
      code: 7,
      restored: true
    })
  })

  it("changes its size with the caller's", async () => {
    const ended = await on(
      [{ after: "ready", resize: [50, 120] }],
      ...tty("/bin/sh", "-c", `trap 'stty size; exit 0' WINCH; echo ready; ${loop}`)
    )
    assert.deepStrictEqual(ended, { output: "ready\r\n50 120\r\n", code: 0, restored: true })
  })

  it("delivers all that the program has written last", async () => {
    const ended = await on([], ...tty("/bin/sh", "-c", "i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i+1)); done"))
    assert.strictEqual(ended.output, Array.from({ length: 3000 }, (_, line) => `${line}\r\n`).join(""))
  })

  it("delivers all of it where the program has ended before any of it was read", async () => {
    const lines = "i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i+1)); done"
    const started = command.begin(...tty("/bin/sh", "-c", `echo ready; sleep 0.3; ${lines}`))
    await started.says("ready")
    started.process.kill("SIGSTOP")
    await sleep(1500)
    started.process.kill("SIGCONT")
    const { stdout } = await started.ended
    assert.strictEqual(stdout, ["ready", ...Array.from({ length: 3000 }, (_, line) => line), ""].join("\r\n"))
  })

  it("is as it was after a start that failed, and after a program that was killed", async () => {
    const failed = await on([], ...tty("/bin/nosuch"))
    assert.deepInclude(failed, { code: 127, restored: true })
    assert.match(failed.output, /nosuch/)
    const id = fresh()
    assert.strictEqual(
      (await command.runfx("run", "-d", "--id", id, "--rootfs", root, "--", "/bin/sleep", "1000")).code,
      0
    )
    const killed = await on(
      [{ after: "ready", say: "\x1c" }],
      "exec",
      "-t",
      id,
      "/bin/sh",
      "-c",
      "echo ready; exec cat"
    )
    await command.runfx("delete", "-f", id)
    assert.deepInclude(killed, { code: 131, restored: true })
  })

  it("is had by a program that is executed in a container, and held up by nobody else", async () => {
    const id = fresh()
    assert.strictEqual(
      (await command.runfx("run", "-d", "--id", id, "--rootfs", root, "--", "/bin/sleep", "1000")).code,
      0
    )
    const ended = await on([], "exec", "-t", id, "/bin/sh", "-c", "trap '' HUP; sleep 1000 & tty; stty size; exit 6")
    assert.deepStrictEqual(ended, { output: "/dev/pts/0\r\n40 100\r\n", code: 6, restored: true })
    await command.runfx("delete", "-f", id)
  })

  it("is had without one of the caller's too", async () => {
    const ended = await command.runfx(...tty("/bin/sh", "-c", "tty; exit 8"))
    assert.deepStrictEqual(ended, { code: 8, stdout: "/dev/pts/0\r\n", stderr: "" })
  })
})
