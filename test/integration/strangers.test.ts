/** Other users, odd callers and hostile texts: what is another's is left alone, and nobody's text controls a terminal. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { type Command, complete, makeCommand } from "../support/command.ts"
import { makePlace, type Place } from "../support/containers.ts"
import { missing } from "../support/rootfs.ts"
import { until } from "../support/until.ts"

let place: Place
let command: Command
beforeAll(() => {
  if (missing !== undefined) return
  place = makePlace()
  command = makeCommand()
})
afterAll(() => {
  place?.remove()
  command?.remove()
})

/** A container that is removed in the end, whatever happens. */
const withContainer = async (args: ReadonlyArray<string>, use: (id: string) => Promise<void>): Promise<void> => {
  const id = place.id()
  const { code, stderr } = await command.runfx("run", "-d", "--id", id, "--rootfs", place.root, ...args)
  assert.strictEqual(code, 0, stderr)
  try {
    await use(id)
  } finally {
    await command.runfx("delete", "--force", id)
  }
}

const listed = async (id: string): Promise<string> =>
  (await command.runfx("list")).stdout.split("\n").find((line) => line.startsWith(`${id} `)) ?? "none"

const nobody = 65_534

describe.skipIf(missing !== undefined)("another user", () => {
  it("has no container pruned, and prunes none", () =>
    withContainer(["--", "/bin/true"], async (id) => {
      await until(async () => (await listed(id)).includes(" stopped "))
      const options = { uid: nobody, gid: nobody, encoding: "utf8", env: { PATH: process.env["PATH"] } } as const
      const theirs = spawnSync(command.file, ["--root", command.stateRoot, "prune", "--all"], options)
      assert.notStrictEqual(theirs.status, 0)
      assert.notInclude(theirs.stdout, id)
      // as if it were theirs
      fs.chownSync(command.stateRoot, nobody, nobody)
      try {
        const { code, stderr, stdout } = await command.runfx("prune", "--all")
        assert.strictEqual(code, 1)
        assert.strictEqual(stdout, "")
        assert.match(stderr, /can't be trusted: it belongs to uid 65534/)
      } finally {
        fs.chownSync(command.stateRoot, 0, 0)
      }
      assert.include(await listed(id), " stopped ")
    }))
})

describe.skipIf(missing !== undefined)("a caller", () => {
  it("whose umask leaves nothing has states that it can use, and that nobody else can read", async () => {
    const id = place.id()
    const runfx = `${command.file} --root ${command.stateRoot}`
    const masked = (line: string) => complete("/bin/sh", ["-c", `umask 777; ${runfx} ${line}`])
    const started = await masked(`run -d --id ${id} --rootfs ${place.root} -- /bin/sleep 1000`)
    assert.strictEqual(started.code, 0, started.stderr)
    const directory = path.join(command.stateRoot, id)
    for (const file of fs.readdirSync(directory)) {
      assert.strictEqual(fs.statSync(path.join(directory, file)).mode & 0o777, 0o600, file)
    }
    assert.strictEqual((await masked(`exec ${id} /bin/true`)).code, 0)
    assert.strictEqual((await masked(`delete --force ${id}`)).code, 0)
    assert.isFalse(fs.existsSync(directory))
  })

  it("of exec that is killed takes its program along, and nothing else", () =>
    withContainer(["--", "/bin/sleep", "1000"], async (id) => {
      const count =
        "n=0; for p in /proc/[0-9]*; do read -r c < $p/comm && [ $c = sleep ] && n=$((n + 1)); done; echo $n"
      const sleepers = async () => (await command.runfx("exec", id, "/bin/sh", "-c", count)).stdout.trim()
      const caller = command.begin("exec", id, "/bin/sh", "-c", "echo inside; exec sleep 1001")
      await caller.says("inside")
      await until(async () => (await sleepers()) === "2")
      caller.process.kill("SIGKILL")
      assert.strictEqual((await caller.ended).code, 137)
      await until(async () => (await sleepers()) === "1")
      assert.include(await listed(id), " running ")
    }))
})

describe.skipIf(missing !== undefined)("a hostile text", () => {
  it("of a bundle does not reach the terminal of who lists containers", async () => {
    const bundle = fs.mkdtempSync(path.join(place.stateRoot, "b\u001b[2J\u202e"))
    fs.writeFileSync(
      path.join(bundle, "config.json"),
      JSON.stringify({
        ociVersion: "1.0.2",
        root: { path: place.root },
        process: { cwd: "/", args: ["/bin/sleep", "1000"], user: { uid: 0, gid: 0 } },
        linux: { namespaces: [{ type: "pid" }, { type: "mount" }] },
        annotations: { "x\u001b[31m": "y\u001b]0;title\u0007\u202e" }
      })
    )
    const id = place.id()
    const { code, stderr } = await command.runfx("run", "-d", "--bundle", bundle, "--id", id)
    assert.strictEqual(code, 0, stderr)
    try {
      for (const args of [["list"], ["list", "--format", "json"]]) {
        const { code, stdout } = await command.runfx(...args)
        assert.strictEqual(code, 0, args.join(" "))
        assert.include(stdout, id)
        // oxlint-disable-next-line no-control-regex
        assert.notMatch(stdout, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/)
      }
    } finally {
      await command.runfx("delete", "--force", id)
    }
  })
})
