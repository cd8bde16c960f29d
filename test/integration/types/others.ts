/** Limits, clocks and devices of a container, and users without privileges. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import { type Command, complete, makeCommand } from "../../support/command.ts"
import { containerOf, failureOf, leavesNothing, on, options } from "../../support/containers.ts"
import { missing } from "../../support/rootfs.ts"
import { type Kind, kinds, look, ns, place, proc, sleeping, status, tell } from "./setup.ts"

describe.skipIf(missing !== undefined)("a container", () => {
  const [standard, userns] = kinds as readonly [Kind, Kind, Kind]

  it.live("is under the limits of its configuration", () =>
    look(standard, {
      cgroup: { devices: [], pids: { limit: 17n }, memory: { limit: 64n << 20n } },
      process: {
        oomScoreAdj: 300,
        rlimits: [{ resource: 7, soft: 100n, hard: 200n }, { resource: 4, soft: 0n, hard: 0n }],
        scheduler: { policy: 0, nice: 7, priority: 0, flags: 0, runtime: 0n, deadline: 0n, period: 0n },
        cpuAffinity: { final: [0] },
        umask: 0o77
      }
    }, ({ id, pid }) => {
      assert.strictEqual(proc(pid, "oom_score_adj"), "300\n")
      assert.match(proc(pid, "limits"), /^Max open files +100 +200 /m)
      assert.match(proc(pid, "limits"), /^Max core file size +0 +0 /m)
      assert.strictEqual(status(pid)["Cpus_allowed_list"], "0")
      assert.strictEqual(status(pid)["Umask"], "0077")
      assert.strictEqual(proc(pid, "stat").replace(/^.*\) /, "").split(" ")[16], "7")
      const values = ["pids.max", "memory.max", "memory.limit_in_bytes"].flatMap((file) =>
        ["", "pids/", "memory/"].flatMap((controller) => {
          try {
            return [fs.readFileSync(`/sys/fs/cgroup/${controller}${groupOf(pid, controller)}/${file}`, "utf8").trim()]
          } catch {
            return []
          }
        })
      )
      assert.sameMembers([...new Set(values)], ["17", String(64 << 20)], id)
    }))

  /** The path of a process's cgroup. */
  const groupOf = (pid: number, controller: string): string =>
    proc(pid, "cgroup").split("\n").find((line) => line.split(":")[1] === controller.replace("/", ""))?.split(":")[2] ??
      ""

  it.live("has clocks of its own where a time namespace asks for them", () =>
    Effect.gen(function*() {
      const namespaces = containerOf(place, sleeping).namespaces
      const text = yield* tell(standard, "cut -d. -f1 /proc/uptime; readlink /proc/self/ns/time", {
        namespaces: [...namespaces, { type: "time" }],
        timeOffsets: [{ clock: "boottime", seconds: 1_000_000_000n, nanoseconds: 0 }]
      })
      const [uptime, link] = text.split("\n")
      assert.isAbove(Number(uptime), 1_000_000_000)
      assert.notStrictEqual(link, ns("self", "time"))
    }))

  it.live("may not reach a device that its rules forbid, with the capability to make nodes", () =>
    Effect.gen(function*() {
      const { process } = containerOf(place, sleeping)
      const mknod = 27
      const add = (set: ReadonlyArray<number> = []) => [...set, mknod]
      const text = yield* tell(
        standard,
        "mknod /dev/mine c 1 3; echo $?; mknod /dev/kmsg c 1 11 && head -c1 /dev/kmsg; mknod /dev/zero2 c 1 5; " +
          "head -c2 /dev/zero2 | wc -c",
        {
          process: {
            capabilities: {
              ...process.capabilities!,
              bounding: add(process.capabilities?.bounding),
              effective: add(process.capabilities?.effective),
              permitted: add(process.capabilities?.permitted)
            }
          }
        }
      )
      assert.match(text, /^0\nhead: \/dev\/kmsg: Operation not permitted\n2\n$/)
    }))

  it.live("refuses what a container without its own mount namespace would do to the host", () =>
    Effect.forEach([standard, userns], (kind) =>
      leavesNothing(
        place,
        Effect.gen(function*() {
          const container = containerOf(place, sleeping, { userns: kind.userns })
          const joining = {
            ...container,
            namespaces: container.namespaces.map((namespace) =>
              namespace.type === "mnt" ? { ...namespace, path: "/proc/1/ns/nosuch" } : namespace
            )
          }
          const exit = yield* Effect.exit(on(Runtime.run(options(place, joining, { type: kind.type }))))
          assert.isTrue(Exit.isFailure(exit))
          assert.match(failureOf(exit).message, /nosuch/)
        })
      ), { discard: true }))
})

describe.skipIf(missing !== undefined)("a user without privileges", () => {
  let command: Command
  let home = ""
  let reason: string | undefined
  beforeAll(async () => {
    command = makeCommand()
    home = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-home-"))
    fs.chownSync(home, 1000, 1000)
    const probe = await as("unshare", "-Ur", "true").catch(() => ({ code: 1, stderr: "setpriv(1) is missing" }))
    if (probe.code !== 0) reason = `a user can't make a user namespace here: ${probe.stderr}`
    const node = await as("node", "-e", "0").catch(() => ({ code: 1 }))
    if (node.code !== 0) reason = "another user can't run this node"
  })
  afterAll(async () => {
    await runfx("delete", "--force", "mine")
    command.remove()
    fs.rmSync(home, { recursive: true })
  })
  const as = (...args: ReadonlyArray<string>) =>
    complete("setpriv", ["--reuid=1000", "--regid=1000", "--clear-groups", "env", `HOME=${home}`, ...args])
  const runfx = (...args: ReadonlyArray<string>) => as(command.file, "--root", `${home}/state`, ...args)

  it("runs containers, and programs in them", async (context) => {
    if (reason !== undefined) return context.skip(reason)
    const ran = await runfx(
      "run",
      "--rootfs",
      place.root,
      "--",
      "/bin/sh",
      "-c",
      "id -u; cat /proc/self/uid_map /proc/self/setgroups; exit 4"
    )
    assert.deepStrictEqual([ran.code, ran.stderr], [4, ""])
    assert.match(ran.stdout, /^0\n +0 +1000 +1\ndeny\n$/)

    const begun = await runfx("run", "-d", "--id", "mine", "--rootfs", place.root, "--", ...sleeping)
    assert.deepStrictEqual(begun, { code: 0, stdout: "mine\n", stderr: "" })
    const [listed] = JSON.parse((await runfx("list", "-f", "json")).stdout) as ReadonlyArray<{ readonly pid: number }>
    const within = await runfx(
      "exec",
      "mine",
      "/bin/sh",
      "-c",
      "readlink /proc/self/ns/user; readlink /proc/self/ns/net; exit 9"
    )
    assert.deepStrictEqual(within, {
      code: 9,
      stdout: `${ns(listed!.pid, "user")}\n${ns(listed!.pid, "net")}\n`,
      stderr: ""
    })
    assert.strictEqual(status(listed!.pid)["Uid"], "1000\t1000\t1000\t1000")
    assert.deepStrictEqual(await runfx("delete", "--force", "mine"), { code: 0, stdout: "", stderr: "" })
    assert.deepStrictEqual(fs.readdirSync(`${home}/state`), [])
  })

  it("is told what it may not do", async (context) => {
    if (reason !== undefined) return context.skip(reason)
    const bridge = await runfx("run", "--rootfs", place.root, "--network", "bridge", "--", "/bin/true")
    assert.strictEqual(bridge.code, 1)
    assert.match(bridge.stderr, /connectNetworks.*EPERM[^]*CAP_NET_ADMIN/)
    assert.deepStrictEqual(fs.readdirSync(`${home}/state`), [])
  })
})
