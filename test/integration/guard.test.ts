/**
 * Programs that have taken off the signal of their caller's death end with it all the same, if they are attached to it; and
 * only then.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as path from "node:path"
import { type Command, makeCommand, type Started } from "../support/command.ts"
import { deafInRoot } from "../support/deaf.ts"
import { hasEnded } from "../support/host.ts"
import { markOf } from "../support/mark.ts"
import { makeRoot, missing, removeRoot } from "../support/rootfs.ts"
import { callers, makeSandboxes, type Sandboxes, usersMay } from "../support/sandboxes.ts"
import { until } from "../support/until.ts"

let sandboxes: Sandboxes
let command: Command
let root: string
beforeAll(() => {
  if (missing !== undefined) return
  sandboxes = makeSandboxes("runfx-guard")
  command = makeCommand()
  root = makeRoot()
})
afterAll(() => {
  if (missing !== undefined) return
  sandboxes.remove()
  command.remove()
  removeRoot(root)
})

/** What it has said so far. */
const listening = ({ process }: Started): () => string => {
  let said = ""
  process.stdout!.on("data", (chunk) => void (said += String(chunk)))
  return () => said
}

const ended = (pid: number): Promise<void> => until(() => hasEnded(pid))

describe.skipIf(missing !== undefined || !usersMay())("a program that is deaf to the death of its application", () => {
  const cases = [
    ...callers.flatMap((caller) => ["spawn", "pool", "replaced", "worker"].map((way) => [caller, way] as const)),
    ["root", "run"] as const
  ]
  it.each(cases)("ends with it: of %s, by %s", async (caller, way) => {
    const stateRoot = sandboxes.stateRoot(caller)
    const application = sandboxes.begin(caller, "guardedApplication", "", stateRoot, way, root)
    const said = listening(application)
    const says = until(() => /^pids .*\n/m.test(said()) && (way !== "run" || said().includes("deaf")))
    await Promise.race([says, application.ended.then(({ stderr }) => assert.fail(`it has ended: ${stderr}`))])
    const pids = JSON.parse(/^pids (.*)$/m.exec(said())![1]!) as ReadonlyArray<number>
    // of a worker it ends while the application continues
    if (way !== "worker") {
      assert.isNotEmpty(pids)
      for (const pid of pids) assert.isFalse(hasEnded(pid))
      application.process.kill("SIGKILL")
    }
    for (const pid of pids) await ended(pid)
    application.process.kill("SIGKILL")
    await application.ended
    await sandboxes.begin(caller, "sandboxPrune", "", stateRoot).ended
    assert.isEmpty(fs.readdirSync(stateRoot).filter((name) => name.includes("-")))
  })
})

describe.skipIf(missing !== undefined)("a program that is deaf to the death of the command", () => {
  const made = () => {
    const id = markOf(`guard${count++}`)
    const file = path.join(root, `${id}.pid`)
    const pid = async (): Promise<number> => {
      await until(() => fs.existsSync(file))
      return Number(fs.readFileSync(file, "utf8"))
    }
    return { id, file, pid }
  }
  let count = 0
  const may = ["--cap-add", "SETUID,SETGID"]

  it("ends with run", async () => {
    const { file, id, pid } = made()
    const args = [...may, "--pid-file", file, "--id", id, "--rootfs", root, "--", ...deafInRoot]
    const started = command.begin("run", ...args)
    await started.says("deaf")
    const program = await pid()
    started.process.kill("SIGKILL")
    await ended(program)
    await started.ended
    assert.deepStrictEqual(await command.runfx("delete", "--force", id), { code: 0, stdout: "", stderr: "" })
  })

  it("ends with exec, and neither of them ends a container that runs by itself", async () => {
    const container = made()
    const args = [...may, "--pid-file", container.file, "--id", container.id, "--rootfs", root, "--", ...deafInRoot]
    const detached = await command.runfx("run", "--detach", ...args)
    assert.strictEqual(detached.code, 0, detached.stderr)
    const { file, pid } = made()
    const started = command.begin("exec", ...may, "--pid-file", file, container.id, ...deafInRoot)
    await started.says("deaf")
    const program = await pid()
    started.process.kill("SIGKILL")
    await ended(program)
    await started.ended
    assert.isFalse(hasEnded(await container.pid()))
    assert.deepStrictEqual(await command.runfx("delete", "--force", container.id), { code: 0, stdout: "", stderr: "" })
  })
})
