/** What a program does with a pool of sandboxes: run here as root, and in another process as a user without privileges. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import assert from "node:assert/strict"
import { existsSync, readdirSync } from "node:fs"
import process from "node:process"
import * as promises from "../../src/promise.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import * as Sandbox from "../../src/sandbox.ts"
import { effect, type Scenario, text } from "./scenario.ts"
import { until } from "./until.ts"

const { Pool } = Sandbox

const pids = (stateRoot: string) =>
  Effect.map(Runtime.list(stateRoot), (all) => all.flatMap((one) => "pid" in one ? [one.pid] : []))

const left = (stateRoot: string) => readdirSync(stateRoot).filter((name) => name.startsWith("sandbox-"))

const untilTold = (events: ReadonlyArray<Sandbox.Pool.PoolEvent>, tag: Sandbox.Pool.PoolEvent["_tag"]) =>
  Effect.promise(() => until(() => events.some(({ _tag }) => _tag === tag)))

const pooled: Readonly<Record<string, Scenario>> = {
  "each program has a sandbox of its own, and its own arguments, variables, directory and input": effect((setting) =>
    Effect.gen(function*() {
      const sandbox = Sandbox.make({ env: { A: "of the sandbox", B: "b" } })
      const pool = yield* Pool.make({ size: 2, sandbox, stateRoot: setting.stateRoot })
      const script = "echo $0 $1; echo $A $B; pwd; cat; ls /tmp; echo > /tmp/mine; ls /proc/self/fd | wc -l; exit 3"
      for (const name of ["one", "two", "three"]) {
        const { exitCode, stderr, stdout } = yield* Pool.run(pool, ["sh", "-c", script, name, "x y"], {
          env: { A: name },
          cwd: "/usr",
          input: `input of ${name}\n`
        })
        assert.deepEqual([exitCode, stdout, stderr], [3, `${name} x y\n${name} b\n/usr\ninput of ${name}\n4\n`, ""])
      }
      const { stdout } = yield* Pool.run(pool, ["pwd"])
      assert.equal(stdout, "/tmp\n")
    })
  ),
  "what is wrong with a program is its own error, and the pool goes on": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      const wrong = yield* Effect.flip(Pool.make({ size: 0, sandbox: Sandbox.make({ cwd: "tmp" }), stateRoot }))
      assert.match(wrong.message, /size/)
      const pool = yield* Pool.make({ size: 1, stateRoot })
      const codes: Array<string> = []
      for (
        const [command, options] of [
          [["nonesuch"], {}],
          [["true"], { cwd: "/nonesuch" }],
          [[], {}],
          [["true"], { env: { "": "1" } }],
          [["true"], { cwd: "tmp" }]
        ] as const
      ) {
        const error = yield* Effect.flip(Pool.run(pool, command, options))
        codes.push(error._tag === "SandboxFailed" ? error.code : error._tag)
      }
      assert.deepEqual(codes, ["ProgramNotFound", "ENOENT", "InvalidSandbox", "InvalidSandbox", "InvalidSandbox"])
      assert.equal((yield* Pool.run(pool, ["echo", "on"])).stdout, "on\n")
    })
  ),
  "more than wait are asked for at once": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      const pool = yield* Pool.make({ size: 2, concurrency: 3, stateRoot })
      const numbers = Array.from({ length: 7 }, (_, index) => String(index))
      const all = yield* Effect.forEach(numbers, (one) => Pool.run(pool, ["echo", one]), { concurrency: "unbounded" })
      assert.deepEqual(all.map(({ stdout }) => stdout.trim()), numbers)
      yield* pool.full
      assert.equal(yield* pool.waiting, 2)
      yield* Effect.promise(() => until(() => left(stateRoot).length === 2))
    })
  ),
  "one that dies while it waits is replaced, and told": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      const events: Array<Sandbox.Pool.PoolEvent> = []
      const onEvent = (event: Sandbox.Pool.PoolEvent) => Effect.sync(() => void events.push(event))
      const pool = yield* Pool.make({ size: 2, stateRoot, onEvent })
      yield* pool.full
      const [victim] = yield* pids(stateRoot)
      process.kill(victim!, "SIGKILL")
      yield* untilTold(events, "Broken")
      yield* pool.full
      assert.equal((yield* Pool.run(pool, ["echo", "on"])).stdout, "on\n")
      const broken = events.find(({ _tag }) => _tag === "Broken")
      assert.match(broken?._tag === "Broken" ? broken.error.message : "", /the init died .*: signal SIGKILL/)
    })
  ),
  "one that stands still is replaced when it is asked for": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      const events: Array<Sandbox.Pool.PoolEvent> = []
      const onEvent = (event: Sandbox.Pool.PoolEvent) => Effect.sync(() => void events.push(event))
      const pool = yield* Pool.make({ size: 1, stateRoot, onEvent })
      const [victim] = yield* pids(stateRoot)
      process.kill(victim!, "SIGSTOP")
      assert.equal((yield* Pool.run(pool, ["echo", "on"])).stdout, "on\n")
      yield* untilTold(events, "Broken")
      const broken = events.find(({ _tag }) => _tag === "Broken")
      assert.match(broken?._tag === "Broken" ? broken.error.message : "", /process \d+ is stopped/)
      assert.equal(existsSync(`/proc/${victim}`), false)
    })
  ),
  "the time of a program begins when it is handed out": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      const sandbox = Sandbox.make({ limits: { time: "3 seconds" } })
      const pool = yield* Pool.make({ size: 1, sandbox, stateRoot })
      yield* Effect.sleep("3100 millis")
      const early = yield* Pool.run(pool, ["true"])
      assert.deepEqual([early.exitCode, early.timedOut], [0, false])
      const late = yield* Pool.run(pool, ["sleep", "1000"])
      assert.deepEqual([late.signal, late.timedOut], ["SIGKILL", true])
    })
  ),
  "a program is talked to, interrupted, and ends with its scope": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      const pool = yield* Pool.make({ size: 1, stateRoot })
      const pid = yield* Effect.scoped(Effect.gen(function*() {
        const cat = yield* Pool.spawn(pool, ["cat"])
        yield* Stream.run(Stream.make(new TextEncoder().encode("hello")), cat.stdin)
        assert.equal(yield* text(cat.stdout), "hello")
        const sleep = yield* Pool.spawn(pool, ["sleep", "1000"])
        assert.equal((yield* sleep.exec(["echo", "beside"])).stdout, "beside\n")
        return sleep.pid
      }))
      assert.equal(existsSync(`/proc/${pid}`), false)
      const fiber = yield* Effect.forkChild(Pool.run(pool, ["sleep", "1000"]))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
      yield* pool.full
      yield* Effect.promise(() => until(() => left(stateRoot).length === 1))
    })
  ),
  "nothing is left when it is closed, whatever waits, starts or runs": async ({ stateRoot }) => {
    const found: Array<number> = []
    await effect(() =>
      Effect.gen(function*() {
        const pool = yield* Pool.make({ size: 3, stateRoot })
        const sleep = yield* Pool.spawn(pool, ["sleep", "1000"])
        found.push(sleep.pid, ...yield* pids(stateRoot))
      })
    )({ stateRoot, root: false })
    assert.deepEqual(left(stateRoot), [])
    assert.deepEqual(found.filter((pid) => pid > 0 && existsSync(`/proc/${pid}`)), [])
  },
  "with promises": async ({ stateRoot }) => {
    const types: Array<string> = []
    const pool = await promises.pool({
      size: 1,
      sandbox: { env: { A: "1" } },
      stateRoot,
      onEvent: ({ type }) => void types.push(type)
    })
    try {
      assert.equal((await pool.run`echo ${"a  b"} $A`).stdout, "a  b 1\n")
      assert.equal((await pool.run("cat", { input: "in" })).stdout, "in")
      // one for all, since Node warns of a leak at eleven
      const listeners = process.listenerCount("beforeExit")
      const other = await promises.pool({ size: 1, stateRoot })
      assert.equal(process.listenerCount("beforeExit"), listeners)
      await other.close()
      const cat = await pool.spawn(["cat"])
      cat.stdin.end("out")
      let all = ""
      for await (const chunk of cat.stdout) all += String(chunk)
      assert.deepEqual([all, (await cat.exit).exitCode], ["out", 0])
      await assert.rejects(pool.run(["nonesuch"]), { name: "SandboxError", code: "ProgramNotFound" })
      const reason = new Error("enough")
      const running = new AbortController()
      const promise = pool.run("sleep 1000", { signal: running.signal })
      setTimeout(() => running.abort(reason), 20)
      await assert.rejects(promise, reason)
      await pool.full()
      assert.equal(pool.waiting, 1)
    } finally {
      await pool.close()
    }
    assert.equal(types.includes("ready"), true)
    await assert.rejects(pool.run("true"), { code: "PoolClosed" })
    await assert.rejects(promises.pool({ size: -1 }), { name: "InvalidSandboxError" })
    assert.deepEqual(left(stateRoot), [])
  }
}

/** All of them, by name. */
export const poolScenarios: Readonly<Record<string, Scenario>> = pooled
