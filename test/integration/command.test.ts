/** The command: kill, delete, list, what is refused, and two commands at once. */
import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { type Command } from "../support/command.ts"
import { leavingNothing } from "../support/commandHost.ts"
import { cgroups, changes, hasEnded } from "../support/host.ts"
import { missing } from "../support/rootfs.ts"
import { until } from "../support/until.ts"

let root = ""
let command: Command
const { fresh, state } = leavingNothing("cli", (made) => void ({ command, root } = made))

/** A container in the background. */
const detached = async (...program: ReadonlyArray<string>): Promise<string> => {
  const id = fresh()
  const { code, stderr, stdout } = await command.runfx("run", "-d", "--id", id, "--rootfs", root, "--", ...program)
  assert.deepStrictEqual([code, stderr, stdout], [0, "", `${id}\n`])
  return id
}

const statusOf = async (id: string): Promise<string | undefined> => {
  const { code, stdout } = await command.runfx("list", "--format", "json")
  assert.strictEqual(code, 0)
  return (JSON.parse(stdout) as ReadonlyArray<{ readonly id: string; readonly status: string }>)
    .find((listed) => listed.id === id)?.status
}

const pidOf = async (id: string): Promise<number> => {
  const { stdout } = await command.runfx("list", "--format", "json")
  return (JSON.parse(stdout) as ReadonlyArray<{ readonly id: string; readonly pid: number }>)
    .find((listed) => listed.id === id)!.pid
}

describe.skipIf(missing !== undefined)("runfx", () => {
  it("gives the program's exit code, and its streams", async () => {
    assert.deepStrictEqual(
      await command.runfx("run", "--rootfs", root, "--", "/bin/sh", "-c", "echo out; echo err >&2; exit 7"),
      { code: 7, stdout: "out\n", stderr: "err\n" }
    )
    const killed = await command.runfx(
      "run",
      "--rootfs",
      root,
      "--",
      "/bin/sh",
      "-c",
      "kill -9 $$; kill -TERM 1; exit 3"
    )
    // the first process of a pid namespace is not killed by its own signals
    assert.strictEqual(killed.code, 3)
  })

  it("takes the directory of states by any path to it", async () => {
    const { stateRoot } = command
    for (const states of [`${stateRoot}/`, path.relative(process.cwd(), stateRoot)]) {
      // the last --root counts; without --rootfs, what is made for the container is made there
      const { code, stderr, stdout } = await command.runfx("--root", states, "run", "--", "/bin/sh", "-c", "echo here")
      assert.deepStrictEqual({ code, stderr, stdout }, { code: 0, stderr: "", stdout: "here\n" })
    }
    const { code, stderr } = await command.runfx("--root", "", "list")
    assert.strictEqual(code, 1)
    assert.match(stderr, /--root <dir>.*must not be empty/)
  })

  it("ends with 127 and 126 for a program that is not there or can't be executed", async () => {
    const missing = await command.runfx("run", "--rootfs", root, "--", "/bin/nosuch")
    assert.strictEqual(missing.code, 127)
    assert.match(missing.stderr, /\/bin\/nosuch/)
    const bad = await command.runfx("run", "--rootfs", root, "--", "/etc/passwd")
    assert.strictEqual(bad.code, 126)
  })

  it("passes on the descriptors that it is asked to, and no other", async () => {
    for (const [count, expected] of [["2", "0\n1\n2\n3\n4\n5\n"], ["0", "0\n1\n2\n3\n"]] as const) {
      const args = ["run", "--rootfs", root, "--preserve-fds", count, "--", "/bin/sh", "-c", "ls /proc/self/fd"]
      const child = spawn(command.file, ["--root", command.stateRoot, ...args], {
        stdio: ["ignore", "pipe", "inherit", "pipe", "pipe", "pipe"]
      })
      let text = ""
      child.stdout!.on("data", (chunk: Buffer) => void (text += chunk.toString()))
      await new Promise((resolve) => child.on("close", resolve))
      // one more is that of the listing itself
      assert.strictEqual(text, expected)
    }
  })

  it("executes what a file says, and what the options change of it", async () => {
    const id = await detached("/bin/sleep", "1000")
    const file = path.join(root, "process.json")
    const show = ["/bin/sh", "-c", "echo $A $(id -u) $PWD"]
    const execute = (...args: ReadonlyArray<string>) => command.runfx("exec", ...args)
    try {
      fs.writeFileSync(file, JSON.stringify({ args: show, cwd: "/bin", env: ["A=b"], user: { uid: 7, gid: 8 } }))
      assert.strictEqual((await execute("--process", file, id)).stdout, "b 7 /bin\n")
      assert.strictEqual((await execute("-p", file, "--env", "A=c", "--cwd", "/etc", id)).stdout, "c 7 /etc\n")
      assert.strictEqual((await execute("-p", file, id, "/bin/sh", "-c", "exit 4")).code, 4)
      fs.writeFileSync(file, JSON.stringify({ args: show, cwd: "bin" }))
      const wrong = await execute("-p", file, id)
      assert.strictEqual(wrong.code, 1)
      assert.match(wrong.stderr, /process\.cwd/)
      assert.match((await execute("-p", "/none", id)).stderr, /--process \/none: ENOENT/)
      const nothing = await execute(id)
      assert.strictEqual(nothing.code, 1)
      assert.match(nothing.stderr, /missing required argument 'cmd'/)
    } finally {
      fs.rmSync(file, { force: true })
      await command.runfx("delete", "--force", id)
    }
  })

  it("lists, signals, kills and deletes", async () => {
    const id = await detached("/bin/sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.05; done")
    assert.strictEqual(await statusOf(id), "running")
    const table = await command.runfx("list")
    assert.match(table.stdout, new RegExp(`^ID +PID +STATUS +BUNDLE +CREATED +OWNER\\n${id} +\\d+ +running `))
    assert.strictEqual((await command.runfx("list", "-q")).stdout, `${id}\n`)
    const refused = await command.runfx("delete", id)
    assert.strictEqual(refused.code, 1)
    assert.match(refused.stderr, /is running\n.*stop it first/s)
    // the shell may not have set its trap yet: a signal that it has no handler for does not reach it
    await until(async () => {
      assert.strictEqual((await command.runfx("kill", id)).code, 0)
      return await statusOf(id) === "stopped"
    }).catch(async (error: unknown) => {
      await command.runfx("delete", "--force", id)
      throw error
    })
    const again = await command.runfx("kill", id)
    assert.strictEqual(again.code, 1)
    assert.match(again.stderr, /is stopped/)
    assert.strictEqual((await command.runfx("delete", id)).code, 0)
    const gone = await command.runfx("delete", id)
    assert.strictEqual(gone.code, 1)
    assert.match(gone.stderr, /there is no container/)
    assert.strictEqual((await command.runfx("delete", "--force", id)).code, 0)
  })

  it("signals the first process, or all of them", async () => {
    const script = "sleep 100 & sleep 100 & trap : USR1; while :; do wait; done"
    const id = await detached("/bin/sh", "-c", script)
    const first = await pidOf(id)
    const sleeping = (): number =>
      fs.readFileSync(`/proc/${first}/task/${first}/children`, "utf8").trim().split(" ").length
    await until(() => sleeping() === 2)
    assert.strictEqual((await command.runfx("kill", id, "WINCH")).code, 0)
    assert.strictEqual((await command.runfx("kill", "--all", id, "12")).code, 0)
    // what has no handler for SIGUSR2 has ended, but for the first process of a pid namespace
    await until(() => fs.readFileSync(`/proc/${first}/task/${first}/children`, "utf8") === "")
    assert.strictEqual(await statusOf(id), "running")
    await command.runfx("delete", "-f", id)
  })

  it("delete --force ends a container that runs", async () => {
    const id = await detached("/bin/sleep", "1000")
    const pid = await pidOf(id)
    assert.strictEqual((await command.runfx("delete", "-f", id)).code, 0)
    assert.isTrue(hasEnded(pid))
  })

  it("refuses ids that could be paths, and an id twice", async () => {
    const ids = ["", "..", "../x", "a\nb", "x".repeat(2000)]
    const commands = [
      ...ids.map((id) => ["run", "--id", id, "--rootfs", root, "--", "/bin/true"]),
      ["delete", "../x"],
      ["delete", "--force", ".."],
      ["kill", "a/b"],
      ["exec", "a b", "/bin/true"]
    ]
    for (const args of commands) {
      const { code, stderr } = await command.runfx(...args)
      assert.strictEqual(code, 1, args.join(" ").slice(0, 100))
      assert.match(stderr, /invalid container id/, args.join(" ").slice(0, 100))
    }
    const id = await detached("/bin/sleep", "1000")
    const twice = await command.runfx("run", "--id", id, "--rootfs", root, "--", "/bin/true")
    assert.strictEqual(twice.code, 1)
    assert.match(twice.stderr, /exists/)
    assert.strictEqual(await statusOf(id), "running")
    await command.runfx("delete", "-f", id)
  })

  it("shows and removes what a damaged state has left", async () => {
    const id = await detached("/bin/sleep", "1000")
    const pid = await pidOf(id)
    const file = `${command.stateRoot}/${id}/state.json`
    const whole = fs.readFileSync(file, "utf8")
    for (
      const damage of ["", "{", whole.slice(0, whole.length / 2), whole.replace(/"version":\s*\d+/, "\"version\":99")]
    ) {
      fs.writeFileSync(file, damage)
      const listed = await command.runfx("list")
      assert.strictEqual(listed.code, 0)
      assert.match(listed.stdout, new RegExp(`^${id} +0 +broken`, "m"))
      assert.include(listed.stderr, file)
      for (const args of [["delete", id], ["kill", id, "KILL"], ["exec", id, "/bin/true"]]) {
        const { code, stderr } = await command.runfx(...args)
        assert.strictEqual(code, 1)
        assert.include(stderr, file)
      }
    }
    fs.writeFileSync(file, whole)
    assert.strictEqual(await statusOf(id), "running")
    fs.rmSync(file)
    assert.match((await command.runfx("delete", id)).stderr, /the file is missing[^]*delete --force/)
    assert.isTrue(fs.existsSync(`/proc/${pid}`))
    assert.strictEqual((await command.runfx("delete", "--force", id)).code, 0)
    await until(() => hasEnded(pid))
  })

  it("can be killed at any moment of a start: delete --force removes what is left", async () => {
    const statuses = new Set<string | undefined>()
    /** Kills it after so many looks at all processes, or once it runs. */
    const killAfter = async (moment: number | "running"): Promise<void> => {
      const id = fresh()
      const { process: killed } = command.begin("run", "--id", id, "--rootfs", root, "--", "/bin/sleep", "1000")
      const ended = new Promise((resolve) => killed.on("exit", resolve))
      const inits = () =>
        fs.readdirSync("/proc").filter((pid) => {
          try {
            return fs.readFileSync(`/proc/${pid}/stat`, "utf8").includes(`(runfx-init) S ${killed.pid} `)
          } catch {
            return false
          }
        })
      await until(() => fs.existsSync(`${command.stateRoot}/${id}`))
      if (moment === "running") await until(async () => await statusOf(id) === "running")
      else for (let look = 0; look < moment; look++) inits()
      const orphans = inits()
      killed.kill("SIGKILL")
      await ended
      statuses.add(await statusOf(id))
      assert.deepStrictEqual(await command.runfx("delete", "--force", id), { code: 0, stdout: "", stderr: "" })
      // each looks after the runtime, and ends without it
      await until(() => orphans.every((pid) => !fs.existsSync(`/proc/${pid}`)))
    }
    for (const moment of [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, "running"] as const) await killAfter(moment)
    // what is made is written down first. This process may be held up between its look and the signal
    const isEarly = () => statuses.has("creating") || statuses.has("broken")
    for (let more = 0; more < 20 && !isEarly(); more++) await killAfter(0)
    assert.isTrue(isEarly(), "it was never killed before it was complete")
    // what it ran ends with it
    assert.isTrue(statuses.has("running") || statuses.has("stopped"), "it was never killed after the start")
  })

  it("lets one of two commands win that want the same thing", async () => {
    const id = fresh()
    const starts = await Promise.all(
      [0, 1, 2].map(() => command.runfx("run", "-d", "--id", id, "--rootfs", root, "--", "/bin/sleep", "1000"))
    )
    assert.deepStrictEqual(starts.map(({ code }) => code).toSorted(), [0, 1, 1])
    const deletes = await Promise.all([0, 1, 2].map(() => command.runfx("delete", "--force", id)))
    assert.deepStrictEqual(deletes.map(({ code, stderr }) => [code, stderr]), [[0, ""], [0, ""], [0, ""]])
  })

  it("runs many at once", async () => {
    const ends = await Promise.all(
      Array.from(
        { length: 8 },
        (_, index) => command.runfx("run", "--id", fresh(), "--rootfs", root, "--", "/bin/sh", "-c", `exit ${index}`)
      )
    )
    assert.deepStrictEqual(ends.map(({ code, stderr }) => [code, stderr]), ends.map((_, index) => [index, ""]))
  })

  it("leaves the host as it was after thirty runs in a row", async () => {
    const before = state()
    for (let run = 0; run < 30; run++) {
      const { code, stderr } = await command.runfx("run", "--id", fresh(), "--rootfs", root, "--", "/bin/true")
      assert.deepStrictEqual([code, stderr], [0, ""])
    }
    assert.deepStrictEqual(changes(before, state()), {})
  })

  const forking = "i=0; while [ $i -lt 100 ]; do (while :; do (:); done) & i=$((i+1)); done; " +
    "while [ $i -lt 200 ]; do (while :; do sleep 0.01; done) & i=$((i+1)); done; wait"

  for (const own of [true, false]) {
    it(`kills two hundred processes that fork, ${own ? "in" : "without"} a pid namespace of their own`, async () => {
      const id = fresh()
      const bundle = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-bundle-"))
      const config = {
        ociVersion: "1.0.2",
        root: { path: root },
        process: { args: ["/bin/sh", "-c", forking], cwd: "/", env: ["PATH=/bin"], user: { uid: 0, gid: 0 } },
        mounts: [{ destination: "/proc", type: "proc", source: "proc" }],
        linux: { namespaces: [...(own ? [{ type: "pid" }] : []), { type: "mount" }] }
      }
      fs.writeFileSync(`${bundle}/config.json`, JSON.stringify(config))
      const begun = await command.runfx("run", "-d", "--id", id, "--bundle", bundle)
      assert.deepStrictEqual([begun.code, begun.stderr], [0, ""])
      const members = () => {
        const found = cgroups(id).find((directory) => fs.existsSync(`${directory}/cgroup.procs`))
        return found === undefined ? [] : fs.readFileSync(`${found}/cgroup.procs`, "utf8").trim().split("\n")
      }
      await until(() => members().length >= 200)
      const killed = await command.runfx("kill", id, "KILL")
      assert.deepStrictEqual([killed.code, killed.stderr], [0, ""])
      assert.deepStrictEqual(members().filter((pid) => pid !== ""), [])
      assert.strictEqual(await statusOf(id), "stopped")
      assert.strictEqual((await command.runfx("delete", id)).code, 0)
      fs.rmSync(bundle, { recursive: true })
    })
  }
})
