/**
 * A user without privileges to whom a cgroup of version 2 was delegated, as systemd does it: its containers have their
 * limits. `npm run test:guest` runs this on a host that has such cgroups.
 *
 * @see cgroups(7), "Cgroups delegation: delegating a hierarchy to a less privileged user"
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { bundle } from "../../scripts/bundle.mjs"
import { type Command, complete, makeCommand } from "../support/command.ts"
import { makeRoot, removeRoot } from "../support/rootfs.ts"

const top = "/sys/fs/cgroup"
const controllers = (): ReadonlyArray<string> => {
  try {
    return fs.readFileSync(`${top}/cgroup.subtree_control`, "utf8").trim().split(" ")
  } catch {
    return []
  }
}
const missing = process.getuid?.() !== 0
  ? "only root can delegate a cgroup"
  : ["memory", "pids"].some((name) => !controllers().includes(name))
  ? `${top} is no cgroup2 with memory and pids`
  : undefined
if (missing !== undefined) console.log(`delegated cgroups skipped: ${missing}`)

const uid = 41_734

describe.skipIf(missing !== undefined)("a user's delegated cgroup of v2", () => {
  const delegated = `${top}/runfx-delegated-${process.pid}`
  let command: Command
  let root = ""
  let place = ""

  beforeAll(() => {
    command = makeCommand()
    root = makeRoot()
    place = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-delegated-"))
    fs.chownSync(place, uid, uid)
    fs.mkdirSync(`${delegated}/session`, { recursive: true })
    fs.writeFileSync(`${delegated}/cgroup.subtree_control`, "+memory +pids")
    for (const file of ["", "/cgroup.procs", "/cgroup.subtree_control", "/session", "/session/cgroup.procs"]) {
      fs.chownSync(delegated + file, uid, uid)
    }
  })
  afterAll(() => {
    command.remove()
    removeRoot(root)
    fs.rmSync(place, { recursive: true })
    fs.rmdirSync(`${delegated}/session`)
    fs.rmdirSync(delegated)
  })

  /** runfx as that user, in the delegated part of the tree. */
  const runfx = (...args: ReadonlyArray<string>) => {
    const user = ["setpriv", "--reuid", String(uid), "--regid", String(uid), "--clear-groups"]
    const script = `echo $$ >${delegated}/session/cgroup.procs && exec "$@"`
    // not to the end of its output: what it leaves in the background has that open
    return complete("sh", ["-c", script, "sh", ...user, command.file, "--debug", "--root", `${place}/state`, ...args])
  }

  const config = (resources: object, args: ReadonlyArray<string>): string => {
    const map = [{ containerID: 0, hostID: uid, size: 1 }]
    const bundle = fs.mkdtempSync(path.join(place, "bundle-"))
    fs.chmodSync(bundle, 0o755)
    const document = {
      ociVersion: "1.0.2",
      root: { path: root },
      process: { args, env: ["PATH=/bin"], cwd: "/", user: { uid: 0, gid: 0 } },
      mounts: [
        { destination: "/proc", type: "proc", source: "proc" },
        { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] }
      ],
      linux: {
        namespaces: ["pid", "ipc", "uts", "mount", "user"].map((type) => ({ type })),
        uidMappings: map,
        gidMappings: map,
        resources
      }
    }
    fs.writeFileSync(path.join(bundle, "config.json"), JSON.stringify(document), { mode: 0o644 })
    return bundle
  }

  const limits = { memory: { limit: 33_554_432 }, pids: { limit: 20 } }
  const read = (file: string): string => fs.readFileSync(`${delegated}/${file}`, "utf8").trim()

  it("limits its containers, also with the device rules that engines write by default", async () => {
    const devices = [{ allow: false, access: "rwm" }]
    const started = await runfx("run", "-d", "--id", "a", "-b", config({ ...limits, devices }, ["sleep", "600"]))
    assert.deepStrictEqual([started.code, started.stdout], [0, "a\n"], started.stderr)
    assert.include(started.stderr, "runfx: debug: the container has no device filter")
    assert.strictEqual(read("runfx-a/memory.max"), "33554432")
    assert.strictEqual(read("runfx-a/pids.max"), "20")
    const { code, stderr } = await runfx("delete", "--force", "a")
    assert.strictEqual(code, 0, stderr)
    assert.isFalse(fs.existsSync(`${delegated}/runfx-a`))
  })

  /** What comes of sandboxes with limits, in a cgroup. */
  const sandboxes = async (group: string): Promise<unknown> => {
    const user = ["setpriv", "--reuid", String(uid), "--regid", String(uid), "--clear-groups"]
    const program = [process.execPath, path.join(place, "sandboxes.cjs"), `${place}/state`]
    const script = `echo $$ >${group}/cgroup.procs && exec "$@"`
    const { stderr, stdout } = await complete("sh", ["-c", script, "sh", ...user, ...program])
    return stdout === "" ? stderr : JSON.parse(stdout)
  }

  it("limits the user's sandboxes, and without it each limit is refused by name", async () => {
    bundle(path.join(place, "sandboxes.cjs"), "test/support/delegatedSandbox.ts")
    fs.symlinkSync(path.resolve("node_modules"), path.join(place, "node_modules"))
    assert.deepStrictEqual(await sandboxes(`${delegated}/session`), {
      outOfMemory: true,
      memory: "16777216",
      swap: "0",
      cpus: "50000 100000",
      // the shell could not fork
      many: ""
    })
    assert.deepStrictEqual(fs.readdirSync(delegated).filter((name) => name.startsWith("runfx-")), [])
    fs.mkdirSync(`${delegated}-not`)
    try {
      assert.deepStrictEqual(await sandboxes(`${delegated}-not`), { what: ["limits.memory", "limits.cpus"] })
    } finally {
      fs.rmdirSync(`${delegated}-not`)
    }
  })

  it("tells of the out-of-memory killer there", async () => {
    const small = config({ memory: { limit: 8_388_608 } }, ["sh", "-c", "head -c 30000000 /dev/zero | tail"])
    const { code, stderr } = await runfx("run", "-b", small)
    assert.notStrictEqual(code, 0)
    assert.include(stderr, "its memory limit is 8388608 bytes")
  })
})
