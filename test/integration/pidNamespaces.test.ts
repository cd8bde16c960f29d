/**
 * Runtimes in a pid namespace whose `/proc` shows another one's numbers, and commands from outside of it: a pid means what
 * it meant when it was written down, or nothing.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { begin, type Command, makeCommand } from "../support/command.ts"
import { cgroups } from "../support/host.ts"
import { markOf } from "../support/mark.ts"
import { missing } from "../support/rootfs.ts"

let command: Command
beforeAll(() => {
  if (missing === undefined) command = makeCommand()
})
afterAll(() => command?.remove())

let count = 0
const newId = () => `${markOf("pidns")}-${count++}`

/** The command as the first process of a new pid namespace, in which `/proc` is the old one's. */
const unshared = (...args: ReadonlyArray<string>) =>
  begin("unshare", ["--pid", "--fork", "--kill-child", command.file, "--root", command.stateRoot, ...args])

const list = async (): Promise<ReadonlyArray<{ readonly id: string; readonly pid: number; readonly status: string }>> =>
  JSON.parse((await command.runfx("list", "-f", "json")).stdout) as never

describe.skipIf(missing !== undefined)("a run in a pid namespace", () => {
  for (const options of [[], ["--rootless"], ["--rootless", "--type", "standard"]]) {
    it(`without a /proc of its own gives the exit code, and leaves nothing ${options.join(" ")}`, async () => {
      const id = newId()
      const { code, stderr } = await unshared("run", "--id", id, ...options, "--", "/bin/sh", "-c", "exit 7").ended
      assert.strictEqual(code, 7, stderr)
      assert.isEmpty(await list())
      assert.isEmpty(cgroups(id))
    })
  }

  it("is seen from above by its own numbers, and nobody else is touched", async () => {
    const id = newId()
    const script = `"$0" "$@" && exec sleep 1000`
    const inside = begin("unshare", [
      "--pid",
      "--fork",
      "--kill-child",
      "/bin/sh",
      "-c",
      script,
      command.file,
      "--root",
      command.stateRoot,
      "run",
      "-d",
      "--id",
      id,
      "--",
      "/bin/sleep",
      "1000"
    ])
    // it has a low number there; a process that has the same one here is somebody else's
    const bystander = spawn("sleep", ["1000"])
    try {
      await inside.says(id)
      const [listed] = await list()
      assert.strictEqual(listed?.status, "running")
      assert.isAbove(listed!.pid, 50)
      assert.strictEqual((await command.runfx("exec", id, "/bin/cat", "/proc/1/comm")).stdout, "sleep\n")
      assert.strictEqual((await command.runfx("kill", id, "KILL")).code, 0)
      assert.strictEqual((await list())[0]?.status, "stopped")
      assert.strictEqual((await command.runfx("delete", id)).code, 0)
      assert.isEmpty(cgroups(id))
      assert.isNull(bystander.exitCode)
    } finally {
      bystander.kill("SIGKILL")
      inside.process.kill("SIGKILL")
      await inside.ended
    }
  })

  it("that has ended with all in it is removed from outside", async () => {
    const id = newId()
    const { code } = await unshared("run", "-d", "--id", id, "--", "/bin/sleep", "1000").ended
    assert.strictEqual(code, 0)
    assert.strictEqual((await command.runfx("delete", "--force", id)).code, 0)
    assert.isEmpty(await list())
    assert.isEmpty(cgroups(id))
  })
})
