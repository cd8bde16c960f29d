/** A test run that is cut off leaves nothing: what is its own is found by its mark, and removed by its watchdog. */
import { assert, describe, it } from "@effect/vitest"
import { type ChildProcess, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmdirSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { pathToFileURL } from "node:url"
import { outside, variable } from "./support/leftovers.mjs"

const ended = (child: ChildProcess): Promise<unknown> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.on("exit", resolve))

/** Where this process may make a cgroup, if it may. */
const hierarchy = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"].find((directory) => {
  try {
    accessSync(join(directory, "cgroup.procs"), constants.W_OK)
    return true
  } catch {
    return false
  }
})

/** A run whose main process is gone: a directory with a file in it, and a process that goes on. */
const cutOff = async (
  use: (run: { top: string; mark: string; directory: string; left: ChildProcess }) => Promise<void>
) => {
  const top = realpathSync(mkdtempSync(join(tmpdir(), "runfx-leftovers-")))
  // the letter: a mark of numbers alone may be a part of the names of another run, whose processes would be ended
  const mark = `${process.pid}-0x`
  const directory = join(top, `runfx-tests-${mark}`)
  mkdirSync(directory)
  writeFileSync(join(directory, "file"), "")
  const left = spawn("sleep", ["1000"], { env: { ...process.env, [variable]: mark }, stdio: "ignore" })
  try {
    await use({ top, mark, directory, left })
  } finally {
    left.kill("SIGKILL")
    await ended(left)
    rmSync(top, { recursive: true })
  }
}

/** Has a watchdog look after a run whose main process goes. */
const watched = async (mark: string, top: string): Promise<void> => {
  const watchdog = spawn(process.execPath, ["test/support/watchdog.mjs", mark], {
    env: { ...process.env, [outside]: top },
    stdio: ["pipe", "pipe", "inherit"]
  })
  // it says that it is ready
  await new Promise((resolve) => watchdog.stdout!.once("data", resolve))
  watchdog.kill("SIGINT")
  watchdog.stdin!.end()
  await ended(watchdog)
  assert.strictEqual(watchdog.exitCode, 0)
}

describe.skipIf(process.platform !== "linux")("a test run that is cut off", () => {
  it("is found by the next one, with all that it has left", () =>
    cutOff(async ({ directory, left, mark, top }) => {
      const script = `
        import { earlierRuns, leftoversOf } from ${JSON.stringify(pathToFileURL("test/support/leftovers.mjs").href)}
        console.log(JSON.stringify([earlierRuns(), leftoversOf(${JSON.stringify(mark)})]))`
      const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
        env: { ...process.env, [outside]: top },
        stdio: ["ignore", "pipe", "inherit"]
      })
      let said = ""
      child.stdout!.on("data", (chunk: Buffer) => void (said += chunk.toString()))
      await new Promise((resolve) => child.on("close", resolve))
      assert.deepStrictEqual(JSON.parse(said), [[mark], [
        `process ${left.pid}: sleep 1000`,
        `file ${join(directory, "file")}`
      ]])
    }))

  it.skipIf(hierarchy === undefined)(
    "is found by its sandboxes, too, whose cgroups do not have its name",
    () =>
      cutOff(async ({ directory, mark, top }) => {
        const id = `sandbox-${randomBytes(8).toString("hex")}`
        mkdirSync(join(directory, "application", "states", id), { recursive: true })
        const cgroup = join(hierarchy!, `runfx-${id}`)
        mkdirSync(cgroup)
        try {
          await watched(mark, top)
          assert.isFalse(existsSync(cgroup))
        } finally {
          if (existsSync(cgroup)) rmdirSync(cgroup)
        }
      })
  )

  it("is ended and removed by its watchdog, which does not listen to what interrupts the tests", () =>
    cutOff(async ({ directory, left, mark, top }) => {
      await watched(mark, top)
      await ended(left)
      assert.strictEqual(left.signalCode, "SIGKILL")
      assert.isFalse(existsSync(directory))
    }))
})
