/** What a program does with sandboxes that run: run here as root, and in another process as a user without privileges. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import assert from "node:assert/strict"
import { getEventListeners } from "node:events"
import { readdirSync } from "node:fs"
import * as promises from "../../src/promise.ts"
import * as Sandbox from "../../src/sandbox.ts"
import { bytes, effect, firstWord, isGone, type Scenario, sh, text } from "./scenario.ts"
import { until } from "./until.ts"

const spawning: Readonly<Record<string, Scenario>> = {
  "a program is talked to by its streams": effect((setting) =>
    Effect.gen(function*() {
      const process = yield* sh("while read line; do echo \"got $line\"; echo err >&2; done; exit 3", setting)
      yield* Stream.run(Stream.make(bytes("one\n"), bytes("two\n")), process.stdin)
      const [out, err] = yield* Effect.all([text(process.stdout), text(process.stderr)], { concurrency: 2 })
      assert.deepEqual([out, err], ["got one\ngot two\n", "err\nerr\n"])
      const { exitCode, signal } = yield* process.exit
      assert.deepEqual([exitCode, signal, yield* process.isRunning], [3, null, false])
    })
  ),
  "who does not read holds the program up, and loses nothing": effect((setting) =>
    Effect.gen(function*() {
      const process = yield* sh("head -c 3000000 /dev/zero; echo done >&2", setting)
      // it can't have come to its second line before the first one was read
      const early = yield* Effect.timeoutOption(text(process.stderr), "300 millis")
      assert.equal(early._tag, "None")
      assert.equal(yield* process.isRunning, true)
      const size = yield* Stream.runFold(process.stdout, () => 0, (all, chunk) => all + chunk.length)
      assert.equal(size, 3_000_000)
      assert.equal((yield* process.exit).exitCode, 0)
    })
  ),
  "bytes arrive as they are": effect((setting) =>
    Effect.gen(function*() {
      const process = yield* Sandbox.spawn(Sandbox.make(), ["cat"], { stateRoot: setting.stateRoot })
      const sent = Uint8Array.from({ length: 200_000 }, (_, index) => index * 7 % 256)
      yield* Effect.forkScoped(Stream.run(Stream.make(sent), process.stdin))
      const chunks = yield* Stream.runCollect(process.stdout)
      assert.equal(Buffer.compare(Buffer.concat(chunks), sent), 0)
    })
  ),
  "a signal ends one that says nothing of it, and is handled by one that does": effect((setting) =>
    Effect.gen(function*() {
      const silent = yield* Sandbox.spawn(Sandbox.make(), ["sleep", "1000"], { stateRoot: setting.stateRoot })
      yield* silent.signal("TERM")
      const { exitCode, signal } = yield* silent.exit
      assert.deepEqual([exitCode, signal], [null, "SIGTERM"])
      // nothing happens
      yield* silent.signal("SIGTERM")
      const handling = yield* sh("trap 'exit 7' USR1; echo ready; while :; do sleep 0.1; done", setting)
      yield* firstWord(handling)
      yield* handling.signal("SIGUSR1")
      assert.equal((yield* handling.exit).exitCode, 7)
      const wrong = yield* Effect.flip(handling.signal("SIGNONE"))
      assert.equal(wrong._tag, "InvalidSandbox")
    })
  ),
  "a program that has closed its input is no reader": effect((setting) =>
    Effect.gen(function*() {
      const process = yield* sh("exec <&-; echo closed; sleep 1000", setting)
      yield* firstWord(process)
      const error = yield* Effect.flip(Stream.run(Stream.make(new Uint8Array(100_000)), process.stdin))
      assert.deepEqual([error._tag, error.code, error.stream], ["SandboxStreamError", "EPIPE", "stdin"])
    })
  ),
  "further programs run in the same sandbox": effect((setting) =>
    Effect.gen(function*() {
      const process = yield* sh("echo first > /tmp/file; echo ready; sleep 1000", setting, { env: { A: "1" } })
      yield* firstWord(process)
      const result = yield* process.exec(["sh", "-c", "cat /tmp/file -; echo $A $B; pwd; (sleep 1000 &); exit 4"], {
        input: "input\n",
        env: { B: "2" },
        cwd: "/"
      })
      assert.deepEqual([result.exitCode, result.stdout, result.stderr], [4, "first\ninput\n1 2\n/\n", ""])
      const many = yield* Effect.forEach([1, 2, 3, 4], (n) => process.exec(["echo", String(n)]), { concurrency: 4 })
      assert.deepEqual(many.map(({ stdout }) => stdout), ["1\n", "2\n", "3\n", "4\n"])
      const missing = yield* Effect.flip(process.exec(["nonesuch"]))
      assert.equal(missing._tag, "SandboxFailed")
    })
  ),
  "it is paused, goes on, and tells what it uses, where it has a cgroup": effect((setting) =>
    Effect.gen(function*() {
      const process = yield* sh("while :; do echo tick; sleep 0.05; done", setting)
      if (!setting.root) {
        const error = yield* Effect.flip(process.pause)
        assert.deepEqual([error._tag, error.message], [
          "SandboxUnavailable",
          "pause can't be had here: the sandbox has no cgroup"
        ])
        return
      }
      yield* firstWord(process)
      const { cpu, processes } = yield* process.stats
      assert.ok(cpu! > 0 && processes! >= 1, JSON.stringify({ cpu, processes }))
      yield* process.pause
      yield* process.resume
      yield* process.pause
      // what is frozen dies all the same
      yield* process.signal("SIGKILL")
      assert.equal((yield* process.exit).signal, "SIGKILL")
    })
  ),
  "its time is over even while it is paused": effect((setting) =>
    Effect.gen(function*() {
      if (!setting.root) return
      const process = yield* sh("echo on; sleep 1000", setting, { limits: { time: "3 seconds" } })
      yield* firstWord(process)
      yield* process.pause
      const { signal, timedOut } = yield* process.exit
      assert.deepEqual([signal, timedOut], ["SIGKILL", true])
    })
  ),
  "an input that breaks off is no input that ends": effect((setting) =>
    Effect.gen(function*() {
      const input = Stream.concat(Stream.make(bytes("half")), Stream.die(new Error("a bug")))
      const exit = yield* Effect.exit(Sandbox.run(Sandbox.make(), ["cat"], { stateRoot: setting.stateRoot, input }))
      assert.match(String(exit._tag === "Failure" ? Cause.squash(exit.cause) : exit.value), /a bug/)
    })
  ),
  "the end of the scope, an interruption and a defect end it": async (setting) => {
    const pids: Array<number> = []
    const program = (then: Effect.Effect<unknown>) =>
      Effect.scoped(Effect.gen(function*() {
        const process = yield* sh("trap '' TERM; echo on; sleep 1000", setting)
        yield* firstWord(process)
        pids.push(process.pid)
        yield* then
      })).pipe(Effect.provide(Sandbox.layer))
    await Effect.runPromise(program(Effect.void))
    const died = await Effect.runPromiseExit(program(Effect.die(new Error("a bug"))))
    assert.ok(Exit.isFailure(died) && String(Cause.squash(died.cause)).includes("a bug"))
    const fiber = Effect.runFork(program(Effect.never))
    await until(() => pids.length === 3)
    await Effect.runPromise(Fiber.interrupt(fiber))
    for (const pid of pids) await isGone(pid)
  }
}

const probing: Readonly<Record<string, Scenario>> = {
  "tells what this host allows, and what to do about what it does not": effect((setting) =>
    Effect.gen(function*() {
      const findings = yield* Sandbox.probe({ stateRoot: setting.stateRoot })
      assert.deepEqual(findings[0], { name: "sandbox", ok: true, found: "a program has run in one" })
      assert.equal(new Set(findings.map(({ name }) => name)).size, 9)
      for (const { found, ok, remedy } of findings) {
        assert.ok(found !== "" && (ok ? remedy === undefined : remedy !== ""), JSON.stringify(findings))
      }
      const cgroups = findings.find(({ name }) => name === "cgroups")
      if (setting.root) assert.equal(cgroups?.ok, true)
    })
  )
}

const promised: Readonly<Record<string, Scenario>> = {
  "runs a command line, a list, and a template that quotes": async ({ stateRoot }) => {
    const box = promises.sandbox()
    const { exitCode, stdout } = await promises.run("echo $((1 + 1)); exit 3", {
      stateRoot,
      limits: { time: "1 minute" }
    })
    assert.deepEqual([exitCode, stdout], [3, "2\n"])
    assert.equal((await box.run(["echo", "$HOME"], { stateRoot })).stdout, "$HOME\n")
    const value = "it's; echo \"$HOME\" `id`\n*"
    const line = promises.shell`printf %s ${value}; printf %s ${["a b", 2]}`
    assert.equal((await box.run(line, { stateRoot })).stdout, `${value}a b2`)
    assert.equal((await box.extend({ env: { A: "1" } }).run("echo $A", { stateRoot, input: "" })).stdout, "1\n")
  },
  "rejects with classes of errors": async ({ stateRoot }) => {
    const wrong = { limits: { memroy: 1 } } as promises.Description
    await assert.rejects(promises.run("true", { ...wrong, stateRoot }), (error) => {
      assert.ok(error instanceof promises.InvalidSandboxError && error instanceof promises.SandboxError)
      assert.deepEqual([error.code, error.problems[0]!.path], ["INVALID", "limits.memroy"])
      return true
    })
    await assert.rejects(promises.run(["nonesuch"], { stateRoot }), (error) => {
      assert.ok(error instanceof promises.SandboxError && !(error instanceof promises.InvalidSandboxError))
      assert.match(error.step, /findProgram$/)
      assert.equal(error.code, "ProgramNotFound")
      // as the description has it, and not as a configuration does
      assert.match(error.advice!, /^check PATH in env and/)
      return true
    })
  },
  "refuses what it does not know, wherever that is said": async ({ stateRoot }) => {
    const refused = (promise: Promise<unknown>, path: string, rule = /^is no key that is known here/) =>
      assert.rejects(promise, (error) => {
        assert.ok(error instanceof promises.InvalidSandboxError, String(error))
        assert.equal(error.problems[0]!.path, path)
        assert.match(error.problems[0]!.rule, rule)
        return true
      })
    const box = promises.sandbox()
    const limits = { limits: { time: 1 }, stateRoot } as promises.Options
    await refused(box.run("true", limits), "limits")
    await refused(box.spawn("true", limits), "limits")
    await refused(promises.spawn("true", { input: "", stateRoot } as promises.SpawnOptions), "input")
    const signal = new AbortController() as unknown as AbortSignal
    await refused(box.run("true", { signal, stateRoot }), "signal", /^must be an AbortSignal/)
    await refused(promises.run("true", { stateRoot, limits: { output: "1 GiB" } }), "limits.output", /^must be at most/)
    const process = await box.spawn("sleep 1000", { stateRoot })
    await refused(process.exec("true", limits), "limits")
    await refused(process.spawn("true", limits), "limits")
    await process.close()
  },
  "ends with an AbortSignal": async ({ stateRoot }) => {
    const reason = new Error("enough")
    await assert.rejects(promises.run("sleep 1000", { stateRoot, signal: AbortSignal.abort(reason) }), reason)
    const running = new AbortController()
    const both = [1, 2].map(() => promises.run("sleep 1000", { stateRoot, signal: running.signal }))
    // one for all, since Node warns of a leak at eleven
    assert.equal(getEventListeners(running.signal, "abort").length, 1)
    setTimeout(() => running.abort(reason), 50)
    await Promise.all(both.map((promise) => assert.rejects(promise, reason)))
    const spawned = new AbortController()
    const process = await promises.spawn("echo on; sleep 1000", { stateRoot, signal: spawned.signal })
    for await (const chunk of process.stdout) {
      assert.equal(String(chunk), "on\n")
      break
    }
    spawned.abort(reason)
    await assert.rejects(process.exit, reason)
    await isGone(process.pid)
    // when the start has just ended, and before anybody has the program
    const late = new AbortController()
    const { removeEventListener } = AbortSignal.prototype
    AbortSignal.prototype.removeEventListener = function(...all) {
      late.abort(reason)
      removeEventListener.apply(this, all)
    }
    try {
      await assert.rejects(promises.spawn("sleep 1000", { stateRoot, signal: late.signal }), reason)
    } finally {
      AbortSignal.prototype.removeEventListener = removeEventListener
    }
    assert.deepEqual(readdirSync(stateRoot).filter((name) => name.startsWith("sandbox-")), [])
  },
  "has Node's streams, which are async iterables": async ({ stateRoot }) => {
    const process = await promises.spawn(["cat"], { stateRoot })
    process.stdin.write("one ")
    process.stdin.end("two")
    let all = ""
    for await (const chunk of process.stdout) all += String(chunk)
    assert.equal(all, "one two")
    assert.deepEqual([(await process.exit).exitCode, (await process.exit).signal], [0, null])
    await process.close()
  },
  "signals, executes, and closes": async ({ stateRoot }) => {
    const process = await promises.spawn("echo on > /tmp/on; sleep 1000", { stateRoot })
    const { stdout } = await process.exec("until [ -s /tmp/on ]; do sleep 0.05; done; cat /tmp/on")
    assert.equal(stdout, "on\n")
    await process.kill()
    assert.equal((await process.exit).signal, "SIGTERM")
    const other = await promises.spawn("sleep 1000", { stateRoot })
    await other.close()
    await isGone(other.pid)
  }
}

/** All of them, by name. */
export const scenarios: Readonly<Record<string, Scenario>> = Object.fromEntries(
  Object.entries({
    probe: probing,
    spawn: spawning,
    "runfx/promise": promised
  }).flatMap(
    ([group, all]) => Object.entries(all).map(([name, scenario]) => [`${group}: ${name}`, scenario])
  )
)
