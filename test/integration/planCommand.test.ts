/** `runfx plan` as a user meets it. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as path from "node:path"
import { type Command, makeCommand } from "../support/command.ts"
import { makeRoot, removeRoot } from "../support/rootfs.ts"

let command: Command
let root: string
beforeAll(() => {
  command = makeCommand()
  root = makeRoot()
})
afterAll(() => {
  command.remove()
  removeRoot(root)
})

describe("runfx plan", () => {
  it("works without an argument, as run does, and prints the same each time", async () => {
    for (const args of [[], ["--", "true"], ["--format", "json"], ["--all"]]) {
      const [first, second] = [await command.runfx("plan", ...args), await command.runfx("plan", ...args)]
      assert.deepStrictEqual([first.code, first.stderr], [0, ""], args.join(" "))
      assert.strictEqual(second.stdout, first.stdout)
    }
    const { stdout } = await command.runfx("plan")
    assert.match(stdout, /\n {2}at the end this stays on the machine:\n {4}directory \S+\/state\n$/)
    // nothing was done
    assert.isFalse(fs.existsSync(command.stateRoot))
  })

  it("shows the difference from an earlier plan", async () => {
    const file = path.join(path.dirname(command.stateRoot), "old.json")
    const given = ["plan", "run", "--rootfs", root]
    fs.writeFileSync(file, (await command.runfx(...given, "--format", "json", "/bin/true")).stdout)
    assert.deepStrictEqual(await command.runfx(...given, "--diff", file, "/bin/true"), {
      code: 0,
      stdout: "",
      stderr: ""
    })
    const other = await command.runfx(...given, "--hostname", "other", "--diff", file, "/bin/true")
    assert.strictEqual(other.code, 1)
    assert.include(other.stdout, "  ~ sethostname(\"other\")\n      name: \"runfx\" → \"other\"\n")
    fs.writeFileSync(file, "{}")
    const broken = await command.runfx(...given, "--diff", file, "/bin/true")
    assert.strictEqual(broken.code, 1)
    assert.include(broken.stderr, `--diff ${file}: this is not a plan that --format json has printed`)
    const missing = await command.runfx(...given, "--diff", "/no/such/file", "/bin/true")
    assert.strictEqual(missing.code, 1)
    assert.include(missing.stderr, "--diff /no/such/file: ENOENT")
  })

  it("of exec, kill and delete is of the container as it is", async () => {
    const id = `plan-${process.pid}`
    assert.strictEqual((await command.runfx("run", "-d", "--id", id, "--rootfs", root, "/bin/sleep", "300")).code, 0)
    try {
      const exec = await command.runfx("plan", "exec", id, "/bin/true")
      assert.strictEqual(exec.code, 0, exec.stderr)
      assert.include(exec.stdout, "joinNamespaces")
      const usual = await command.runfx("plan", "kill", id)
      assert.include(usual.stdout, "SIGTERM")
      const kill = await command.runfx("plan", "kill", id, "KILL")
      // where the kernel can, it kills them at once
      assert.match(kill.stdout, /signalAll\n(?: .*\n)*? {2}(?:write\(<\S+\/cgroup\.kill>|pidfd_send_signal\(.*SIGKILL)/)
      const hup = await command.runfx("plan", "kill", id, "HUP")
      assert.include(hup.stdout, "pidfd_send_signal(<pidfd of init of the container>, SIGHUP)")
      const running = await command.runfx("plan", "delete", id)
      assert.strictEqual(running.code, 1)
      assert.include(running.stdout, "This would fail: remove: checkStopped")
      const forced = await command.runfx("plan", "delete", "--force", id)
      assert.strictEqual(forced.code, 0)
      assert.include(forced.stdout, `unlinkat(<${command.stateRoot}>, "${id}", AT_REMOVEDIR)`)
      assert.include(JSON.parse((await command.runfx("list", "--format", "json")).stdout)[0].status, "running")
      assert.strictEqual((await command.runfx("kill", id, "KILL")).code, 0)
      const stopped = await command.runfx("plan", "delete", id)
      assert.deepStrictEqual([stopped.code, stopped.stderr], [0, ""])
      assert.notMatch(stopped.stdout, /SIGKILL|cgroup\.kill>, "1"/)
      const gone = await command.runfx("plan", "exec", id, "/bin/true")
      assert.deepStrictEqual([gone.code, gone.stderr.split("\n")[0]], [1, `runfx: container ${id} is stopped`])
    } finally {
      await command.runfx("delete", "--force", id)
    }
  })

  it("of delete is also of a container whose state can't be read, and finds a program by the bundle's own PATH", async () => {
    const id = `plan-broken-${process.pid}`
    assert.strictEqual((await command.runfx("run", "-d", "--id", id, "--rootfs", root, "sleep", "300")).code, 0)
    const directory = path.join(command.stateRoot, id)
    const files = fs.readdirSync(directory).map((name) => path.join(directory, name))
    const texts = files.map((file) => fs.readFileSync(file))
    try {
      const all = await command.runfx("plan", "kill", id, "HUP", "--all-processes")
      assert.deepStrictEqual([all.code, all.stderr], [0, ""])
      assert.match(all.stdout, /listReceivers\n(?:.*\n)*sendSignal\n(?:.*\n)* {2}pidfd_send_signal\(.*SIGHUP\)/)
      for (const file of files) fs.writeFileSync(file, "{")
      const refused = await command.runfx("plan", "delete", id)
      assert.strictEqual(refused.code, 1)
      assert.include(refused.stderr, "state.json: the file is not JSON")
      const forced = await command.runfx("plan", "delete", "--force", id)
      assert.deepStrictEqual([forced.code, forced.stderr], [0, ""])
      assert.match(forced.stdout, /signalAll\n(?:.*\n)*removeRemains\n(?:.*\n)*removeEntry\n/)
      for (const [index, file] of files.entries()) fs.writeFileSync(file, texts[index]!)
      assert.strictEqual((await command.runfx("kill", id, "KILL")).code, 0)
      const prune = await command.runfx("plan", "prune", "--detached")
      assert.deepStrictEqual([prune.code, prune.stderr], [0, ""])
      assert.include(prune.stdout, `unlinkat(<${command.stateRoot}>, "${id}", AT_REMOVEDIR)`)
      assert.notInclude((await command.runfx("plan", "prune")).stdout, "AT_REMOVEDIR")
      assert.isTrue(fs.existsSync(directory))
    } finally {
      for (const [index, file] of files.entries()) fs.writeFileSync(file, texts[index]!)
      await command.runfx("delete", "--force", id)
    }
  })
})
