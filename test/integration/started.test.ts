/** What a program has of how the command was started. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { begin, type Command, complete, makeCommand } from "../support/command.ts"
import { isolate } from "../support/host.ts"
import { makeRoot, missing, removeRoot } from "../support/rootfs.ts"

let root = ""
let command: Command
let bundle = ""

/** A bundle whose configuration leaves the limits to the caller. */
const configure = (...args: ReadonlyArray<string>): void => {
  const config = {
    ociVersion: "1.0.2",
    root: { path: root },
    process: { args, cwd: "/", env: ["PATH=/bin"], user: { uid: 0, gid: 0 } },
    mounts: [{ destination: "/proc", type: "proc", source: "proc" }],
    linux: { namespaces: [{ type: "pid" }, { type: "mount" }] }
  }
  fs.writeFileSync(path.join(bundle, "config.json"), JSON.stringify(config))
}

beforeAll(async () => {
  if (missing !== undefined) return
  await Effect.runPromise(isolate)
  root = makeRoot()
  command = makeCommand()
  bundle = fs.mkdtempSync(path.join(command.stateRoot, "../bundle-"))
})
afterAll(() => {
  if (missing !== undefined) return
  command.remove()
  removeRoot(root)
})

describe.skipIf(missing !== undefined)("a program", () => {
  it("has the soft limit of descriptors that the command was started with, not its parent's, nor Node's", async () => {
    configure("/bin/sh", "-c", "ulimit -Sn; ulimit -Hn")
    const runfx = `${command.file} --root ${command.stateRoot} run --bundle ${bundle}`
    // the parent has another one: the shell changes it before it starts the command, or becomes the command
    for (const [soft, how] of [[64, ""], [777, "exec "], [2000, "exec "]] as const) {
      const { code, stderr, stdout } = await complete("/bin/sh", [
        "-c",
        `ulimit -Sn ${soft}; ulimit -Hn 3000; ${how}${runfx}`
      ])
      assert.deepStrictEqual([code, stderr, stdout], [0, "", `${soft}\n3000\n`])
    }
  })

  it("starts where Node's intrinsics are frozen", async () => {
    configure("/bin/true")
    const env = { ...process.env, NODE_OPTIONS: "--frozen-intrinsics --no-warnings" }
    const ended = await begin(command.file, ["--root", command.stateRoot, "run", "--bundle", bundle], { env }).ended
    assert.deepStrictEqual(ended, { code: 0, stdout: "", stderr: "" })
  })
})
