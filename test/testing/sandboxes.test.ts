/** Sandboxes on the model: what a consumer's own tests of them rest on. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import fc from "fast-check"
import { AT, SIG } from "../../src/native/constants.ts"
import { Kernel, sys } from "../../src/native/Kernel.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import * as Sandbox from "../../src/sandbox.ts"
import { Check, Faults, Program, type Script } from "../../src/testing/Testing.ts"
import { runs } from "../support/flows/runs.ts"
import { withoutTraces } from "../support/shortTraces.ts"

withoutTraces()

const machine = {
  files: {
    "/usr/bin/agent": { mode: 0o755 },
    "/usr/bin/tool": { mode: 0o755 },
    "/job": { directory: true, uid: 65534, gid: 65534 },
    "/run/runfx": { directory: true, mode: 0o700 }
  }
}

const check = <A, E>(
  act: Parameters<typeof Check.runPromise<A, E>>[0],
  agent: Script,
  options: Check.Options = {}
) => Check.runPromise(act, { machine, programs: { "/usr/bin/agent": agent }, ...options })

/** Others have their turn behind each write. */
const slowly = ({ invoke }: Kernel["Service"]): Kernel["Service"] => ({
  invoke: (call) => call._tag === "write" ? Effect.tap(invoke(call), Effect.sleep(1)) : invoke(call)
})

const forever: Script = () => Effect.sleep("Infinity")
const echo: Script = () => Effect.flatMap(Program.input, (text) => Program.print(`${text}!`))
const agent = ["/usr/bin/agent"]

describe("a run", () => {
  const run = (description: Sandbox.Description, options?: Sandbox.Options) =>
    Sandbox.run(Sandbox.make(description), agent, options)

  it("passes on what is written, both ways, and the status", async () => {
    const checked = await check(run({}, { input: "hello" }), () =>
      Effect.gen(function*() {
        yield* Program.print(`${yield* Program.input}, world`)
        yield* Program.printError("oh")
        return 3
      }))
    const { exitCode, stderr, stdout } = Check.succeeded(checked)
    assert.deepStrictEqual({ exitCode, stderr, stdout }, { exitCode: 3, stderr: "oh", stdout: "hello, world" })
    Check.unchanged(checked)
  })

  it("has as much output as is let through, and a program that writes more is ended", async () => {
    const checked = await check(
      run({ limits: { output: "100 KiB" } }),
      () => Effect.forEach(Array.from({ length: 50 }), () => Program.print("x".repeat(10_000)), { discard: true })
    )
    const { signal, stdout, truncated } = Check.succeeded(checked)
    assert.deepStrictEqual([signal, truncated, stdout.length], ["SIGKILL", true, 102_400])
    Check.unchanged(checked)
  })

  it("takes as long as its program, by the machine's clock", async () => {
    const { durations, timedOut } = Check.succeeded(
      await check(run({ limits: { time: "2 hours" } }), () => Effect.sleep("1 hour"))
    )
    assert.deepStrictEqual([durations.run, timedOut], [3_600_000, false])
  })

  it("is ended when its time is over, with all that it has started", async () => {
    const checked = await check(
      run({ limits: { time: "2 hours", processes: 10 } }),
      () => Effect.andThen(Program.forkBomb, Effect.sleep("Infinity"))
    )
    const { durations, timedOut } = Check.succeeded(checked)
    assert.deepStrictEqual([durations.run, timedOut], [7_200_000, true])
    Check.unchanged(checked)
  })

  it("has children that its program waits for", async () => {
    const checked = await check(run({}), () =>
      Effect.gen(function*() {
        yield* Program.fork(Effect.as(Effect.sleep("2 seconds"), 7))
        yield* Program.fork(Effect.as(Effect.sleep("1 second"), 8))
        assert.deepStrictEqual(yield* Program.children, [8, 7])
      }))
    assert.strictEqual(Check.succeeded(checked).exitCode, 0)
  })

  it("tells on standard error what its program has failed with", async () => {
    const checked = await check(run({}), () => Program.readFile("/root/key").pipe(Effect.asVoid))
    const { exitCode, stderr } = Check.succeeded(checked)
    assert.strictEqual(exitCode, 1)
    assert.match(stderr, /^\/usr\/bin\/agent: openat\(.*ENOENT/)
  })

  it("breaks with a program that breaks: an assertion in it is the test's", async () => {
    const checked = await check(run({}), () => Effect.sync(() => assert.strictEqual(1, 2)))
    assert.throws(() => Check.succeeded(checked), /expected 1 to equal 2/)
  })

  it("is a failure if there is no such program", async () => {
    const checked = await check(Sandbox.run(Sandbox.make(), ["/usr/bin/nothing"]), forever)
    assert.strictEqual(Check.failed(checked)._tag, "SandboxFailed")
    Check.unchanged(checked)
  })

  it("is the same twice, in its calls and in its result", async () => {
    const once = () => check(run({}, { input: "x" }), echo)
    const [first, second] = [await once(), await once()]
    assert.deepStrictEqual(Check.succeeded(first), Check.succeeded(second))
    assert.deepStrictEqual(first.calls, second.calls)
  })
})

describe("a program that is talked to", () => {
  const text = (part: Stream.Stream<Uint8Array, Sandbox.SandboxStreamError>) => Stream.mkString(Stream.decodeText(part))
  const spawned = <A, E>(
    use: (process: Sandbox.Process) => Effect.Effect<A, E>,
    description: Sandbox.Description = {},
    options: Sandbox.SpawnOptions = {}
  ) => Effect.scoped(Effect.flatMap(Sandbox.spawn(Sandbox.make(description), agent, options), use))

  it("reads and writes", async () => {
    const checked = await check(
      spawned((process) =>
        Effect.gen(function*() {
          yield* Stream.run(Stream.make(Buffer.from("hello")), process.stdin)
          return [yield* text(process.stdout), (yield* process.exit).exitCode]
        })
      ),
      echo
    )
    assert.deepStrictEqual(Check.succeeded(checked), ["hello!", 0])
    Check.unchanged(checked)
  })

  it("is ended by a signal, or after some time by SIGKILL", async () => {
    const kill = spawned((process) =>
      Effect.gen(function*() {
        // it has said by then what it thinks of the signal
        yield* Effect.sleep("1 second")
        yield* process.kill({ killSignal: "SIGTERM", forceKillAfter: "1 minute" })
        return (yield* process.exit).signal
      })
    )
    const ended = await check(kill, forever)
    assert.strictEqual(Check.succeeded(ended), "SIGTERM")
    assert.isBelow(Number(ended.after.time), 60e9)
    const deaf: Script = () =>
      Effect.andThen(
        sys.rt_sigaction({ signal: SIG.TERM, disposition: "SIG_IGN" }),
        Effect.sleep("Infinity")
      )
    const killed = await check(kill, deaf)
    assert.strictEqual(Check.succeeded(killed), "SIGKILL")
    assert.isAtLeast(Number(killed.after.time), 60e9)
    Check.unchanged(killed)
  })

  it("takes no signal when its scope has ended, and no other program does in its place", async () => {
    const checked = await check(
      Effect.gen(function*() {
        const first = yield* spawned(Effect.succeed)
        const paused = yield* spawned((process) => Effect.as(process.pause, process), { limits: { processes: 8 } })
        return yield* spawned((second) =>
          Effect.gen(function*() {
            yield* first.signal("SIGKILL")
            yield* first.kill({ killSignal: "SIGKILL" })
            yield* paused.signal("SIGKILL")
            yield* Effect.sleep("1 second")
            return yield* second.isRunning
          })
        )
      }),
      forever
    )
    assert.isTrue(Check.succeeded(checked))
    Check.unchanged(checked)
  })

  it("is not asked to end by options that are none", async () => {
    const checked = await check(
      spawned((process) =>
        Effect.gen(function*() {
          const wrong = [{ forceKillAfter: "soon" }, { killSignal: "TREM" }, { killsignal: "KILL" }] as ReadonlyArray<
            object
          >
          const errors = yield* Effect.forEach(wrong, (options) => Effect.flip(process.kill(options)))
          return [errors.map((error) => error.message), yield* process.isRunning] as const
        })
      ),
      forever
    )
    const [lines, isRunning] = Check.succeeded(checked)
    assert.match(lines[0]!, /forceKillAfter = "soon": must be a time: .*"10 seconds"$/)
    assert.match(lines[1]!, /killSignal = "TREM": must be a signal/)
    assert.match(lines[2]!, /killsignal = "KILL": .*did you mean "killSignal"\?$/)
    assert.isTrue(isRunning)
  })

  it("has variables of its own, of which a wrong one is named, and none is shown", async () => {
    const TOKEN = Redacted.make("s3cret")
    const checked = await check(
      spawned((process) =>
        Effect.gen(function*() {
          const { stdout } = yield* process.exec(["/usr/bin/tool"], { env: { TOKEN } })
          const wrong = [{ env: { "A=B": TOKEN } }, { env: { TOKEN: "s3cret\0" } }, { cwd: "job" }]
          const errors = yield* Effect.forEach(
            wrong,
            (options) => Effect.flip(process.exec(["/usr/bin/tool"], options))
          )
          return [stdout, errors.map((error) => error.message)] as const
        })
      ),
      forever,
      { programs: { "/usr/bin/agent": forever, "/usr/bin/tool": ({ envp }) => Program.print(envp.at(-1)!) } }
    )
    const [stdout, lines] = Check.succeeded(checked)
    assert.strictEqual(stdout, "TOKEN=s3cret")
    assert.match(lines[0]!, /env\["A=B"\]: must have a name without "="/)
    assert.match(lines[1]!, /env\.TOKEN: must not contain a NUL character/)
    assert.match(lines[2]!, /cwd = "job": must be an absolute path/)
    assert.notInclude(lines.join(), "s3cret")
  })

  it("has a terminal, and ends with it", async () => {
    const checked = await check(
      spawned(
        (process) => Effect.all([text(process.stdout), process.exitCode]),
        {},
        { terminal: { rows: 30, columns: 100 } }
      ),
      () =>
        Effect.gen(function*() {
          const { columns, rows } = yield* sys.ioctl_gwinsz({ fd: 0 })
          yield* Program.print(`${rows} of ${columns}\n`)
        })
    )
    assert.deepStrictEqual(Check.succeeded(checked), ["30 of 100\r\n", 0])
    Check.unchanged(checked)
  })

  it("takes and gives more than a pipe holds, by a service of the application", async () => {
    const length = 300_000
    const checked = await check(
      Effect.provide(
        Effect.flatMap(Sandbox.Sandboxes, (own) => own.run(Sandbox.make(), agent, { input: "x".repeat(length) })),
        Sandbox.Sandboxes.layer
      ),
      () => Effect.flatMap(Program.input, Program.print)
    )
    assert.strictEqual(Check.succeeded(checked).stdout.length, length)
    Check.unchanged(checked)
  })

  it("has further programs beside it, is paused, and ends with its scope", async () => {
    const checked = await check(
      spawned((process) =>
        Effect.gen(function*() {
          const { exitCode, stdout } = yield* process.exec(["/usr/bin/tool"])
          const { processes } = yield* process.stats
          yield* process.pause
          yield* Effect.sleep("1 hour")
          yield* process.resume
          return { exitCode, stdout, processes, isRunning: yield* process.isRunning }
        }), { limits: { processes: 8 } }),
      forever,
      { programs: { "/usr/bin/agent": forever, "/usr/bin/tool": () => Program.print("tool") } }
    )
    assert.deepStrictEqual(Check.succeeded(checked), { exitCode: 0, stdout: "tool", processes: 1, isRunning: true })
    Check.unchanged(checked)
  })

  it("has no further program while it is closed, and says why", async () => {
    const checked = await check(
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const sandbox = Sandbox.make({ limits: { processes: 8 } })
        const process = yield* Scope.provide(Sandbox.spawn(sandbox, agent), scope)
        const closed = yield* Effect.forkChild(Scope.close(scope, Exit.void))
        const messages = new Set<string>()
        while (closed.pollUnsafe() === undefined) {
          yield* Effect.sleep(1)
          const error = yield* Effect.flip(process.exec(["/usr/bin/tool"]))
          messages.add(error.message.replace(process.id, "ID"))
        }
        return [...messages]
      }).pipe(Effect.updateService(Kernel, slowly)),
      forever
    )
    assert.deepStrictEqual(Check.succeeded(checked), ["the sandbox ID was closed"])
    Check.unchanged(checked)
  })

  it("is paused and continues in turn, if all is asked for at once", async () => {
    const checked = await check(
      spawned((process) =>
        Effect.gen(function*() {
          const all = Array.from({ length: 4 }, () => [process.pause, process.resume]).flat()
          yield* Effect.all(all, { concurrency: "unbounded", discard: true })
          // which may find that it is gone
          const pause = Effect.ignore(process.pause)
          yield* Effect.all([pause, process.kill({ killSignal: "SIGKILL" })], { concurrency: "unbounded" })
        }), { limits: { processes: 8 } }).pipe(Effect.updateService(Kernel, slowly)),
      forever
    )
    Check.succeeded(checked)
    Check.unchanged(checked)
  })
})

describe("a sandbox", () => {
  it("leaves nothing, whichever call fails; or says so, and a forced removal finds it", async () => {
    const run = Sandbox.run(Sandbox.make({ limits: { processes: 8, time: "1 minute" } }), agent, { input: "x" })
    const { calls } = await check(run, echo)
    const distance = Math.max(1, Math.floor(calls.length / runs(40)))
    let tried = 0
    for (let failing = 1; failing <= calls.length; failing += distance) {
      const checked = await check(run, echo, { faults: Faults.failNth(failing, "EIO") })
      const rest = Check.run(
        Effect.flatMap(
          Runtime.list("/run/runfx"),
          (all) =>
            Effect.forEach(all, ({ id }) => Effect.as(Runtime.remove(id, { stateRoot: "/run/runfx", force: true }), id))
        ),
        { machine: checked.model }
      )
      if (Check.succeeded(rest).length > 0) Check.failed(checked)
      Check.unchanged({ ...rest, before: checked.before })
      tried++
    }
    console.info(`sandboxes: ${tried} of ${calls.length} calls made to fail`)
  })

  it("keeps what it says, whatever it says", async () => {
    const described = fc.record({
      network: fc.constantFrom("loopback" as const, "none" as const, "host" as const),
      processes: fc.integer({ min: 2, max: 40 }),
      memory: fc.integer({ min: 16, max: 4096 }),
      tmp: fc.constantFrom(false as const, "8 MiB" as const),
      writable: fc.boolean(),
      hostname: fc.stringMatching(/^[a-z]{1,10}$/),
      inherit: fc.subarray(["LANG", "TERM", "SECRET"]),
      user: fc.constantFrom(undefined, "root", 1000),
      readOnly: fc.boolean(),
      cgroup: fc.constantFrom("v1" as const, "v2" as const)
    })
    let cases = 0
    const since = performance.now()
    await fc.assert(
      fc.asyncProperty(described, async (one) => {
        cases++
        const { cgroup, memory, processes, tmp, user, writable, ...plain } = one
        const sandbox = Sandbox.make({
          ...plain,
          tmp,
          cwd: "/",
          writable: writable ? ["/job"] : [],
          ...user === undefined ? {} : { user },
          limits: { processes, memory: `${memory} MiB` }
        })
        const own = { LANG: "C", TERM: "dumb", SECRET: "x" }
        const checked = await check(
          Sandbox.run(sandbox, agent),
          () =>
            Effect.gen(function*() {
              assert.strictEqual(yield* Program.forkBomb, processes)
              assert.strictEqual((yield* Program.errnoOf(Program.writeFile("/tmp/x", ""))) === undefined, tmp !== false)
              assert.isDefined(yield* Program.errnoOf(Program.writeFile("/usr/bin/tool", "")))
              const job = sys.faccessat2({ dirfd: AT.FDCWD, path: "/job", mode: 0, flags: 0 })
              assert.strictEqual(yield* Program.errnoOf(job), writable ? undefined : "ENOENT")
            }),
          { machine: { ...machine, cgroup }, env: own }
        )
        assert.strictEqual(Check.succeeded(checked).exitCode, 0, Check.succeeded(checked).stderr)
        const seen = Check.seen(checked)
        assert.deepStrictEqual(seen.limits, { processes, memory: memory * 1024 * 1024 })
        assert.deepStrictEqual(
          seen.interfaces.map(({ name }) => name),
          { loopback: ["lo"], none: ["lo"], host: ["lo", "eth0"] }[one.network]
        )
        assert.sameMembers(Object.keys(seen.env), ["PATH", "HOME", ...one.inherit])
        assert.strictEqual(seen.hostname, one.hostname)
        assert.deepStrictEqual(seen.capabilities, [])
        Check.unchanged(checked, ["cgroups", "files", "links", "mounts", "processes", "sockets"])
      }),
      { numRuns: runs(20) }
    )
    console.info(`sandboxes: ${cases} generated, ${Math.round((performance.now() - since) / cases)} ms each`)
  })
})
