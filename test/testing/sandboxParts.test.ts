/** What of a sandbox needs more than its own calls: workspaces, lists of hosts, process 1, pools, memory; all on the model. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import fc from "fast-check"
import { SIG } from "../../src/native/constants.ts"
import { sys } from "../../src/native/Kernel.ts"
import * as Sandbox from "../../src/sandbox.ts"
import { Check, Faults, Program, type Script } from "../../src/testing/Testing.ts"
import { runs } from "../support/flows/runs.ts"
import { withoutTraces } from "../support/shortTraces.ts"

withoutTraces()

const MiB = 1024 ** 2

const files = {
  "/usr/bin/agent": { mode: 0o755 },
  "/run/runfx": { directory: true, mode: 0o700 },
  "/project": { directory: true, uid: 1000, gid: 1000 }
}

const check = <A, E>(
  act: Parameters<typeof Check.runPromise<A, E>>[0],
  agent: Script,
  options: Check.Options = {}
) => Check.runPromise(act, { machine: { files }, programs: { "/usr/bin/agent": agent }, ...options })

const command = ["/usr/bin/agent"]
const run = (description: Sandbox.Description) => Sandbox.run(Sandbox.make(description), command)
const forever: Script = () => Effect.sleep("Infinity")
const tables = ["cgroups", "files", "links", "mounts", "processes", "sockets"] as const

/** It must have ended well: an error of its program is told. */
const ended = (checked: Check.Checked<Sandbox.Result, unknown>): Sandbox.Result => {
  const result = Check.succeeded(checked)
  assert.deepInclude(result, { exitCode: 0, stderr: "" })
  return result
}

describe("a workspace", () => {
  const machine = {
    files: {
      ...files,
      "/project/src/main.ts": { text: "main", uid: 1000, gid: 1000 },
      "/project/.git/config": { text: "history", uid: 1000, gid: 1000 },
      "/project/lib/.git/HEAD": { text: "history", uid: 1000, gid: 1000 },
      "/project/.env": { text: "TOKEN=1", uid: 1000, gid: 1000 }
    }
  }

  it("can be written, but for what is read-only or hidden, and its program is its owner", async () => {
    const checked = await check(
      Sandbox.run(Sandbox.workspace("/project"), command),
      () =>
        Effect.gen(function*() {
          yield* Program.writeFile("src/main.ts", "main")
          assert.strictEqual(yield* Program.readFile(".git/config"), "history")
          assert.strictEqual(yield* Program.errnoOf(Program.writeFile(".git/config", "")), "EROFS")
          assert.strictEqual(yield* Program.errnoOf(Program.writeFile("lib/.git/HEAD", "")), "EROFS")
          assert.strictEqual(yield* Program.readFile(".env"), "")
          assert.strictEqual(yield* Program.errnoOf(Program.writeFile(".ssh/keys", "")), "EROFS")
          yield* Program.writeFile("/home/sandbox/.cache", "")
        }),
      { machine }
    )
    ended(checked)
    assert.deepInclude(Check.seen(checked), { cwd: "/project", user: { uid: 1000, gid: 1000, groups: [] } })
    // the placeholder of .ssh is gone, too
    Check.unchanged(checked)
  })

  it("that is none is told, by its own word", async () => {
    for (const directory of ["/none", "/usr/bin/agent"]) {
      const error = Check.failed(await check(Sandbox.run(Sandbox.workspace(directory), command), forever))
      assert.match(error.message, /^workspace\.directory = .*: must be a directory on the host$/)
    }
  })

  it("hides a name in what is read-only, too, and what a link of that name leads to in the workspace", async () => {
    const made = {
      "/project/vendor/.env": { text: "secret" },
      "/project/vendor/code": { text: "code" },
      "/project/secrets": { text: "secret" },
      "/project/a/.env": { symlink: "../secrets" },
      // a program made these, and must not take files of the host from the next one, nor keep it from starting
      "/project/b/.env": { symlink: "/usr/bin/agent" },
      "/project/c/.env": { symlink: ".env" }
    }
    const checked = await check(
      Sandbox.run(Sandbox.workspace("/project", { readOnly: ["vendor/"] }), command),
      () =>
        Effect.gen(function*() {
          for (const path of ["vendor/.env", "secrets", "a/.env"]) {
            assert.strictEqual(yield* Program.readFile(path), "", path)
          }
          assert.strictEqual(yield* Program.readFile("vendor/code"), "code")
          assert.strictEqual(yield* Program.errnoOf(Program.writeFile("vendor/code", "")), "EROFS")
        }),
      { machine: { files: { ...machine.files, ...made } } }
    )
    ended(checked)
    Check.unchanged(checked)
  })

  it("that holds the states of containers is refused, as any directory that can be written", async () => {
    const above = [
      [{ workspace: { directory: "/run" } }, "workspace.directory"],
      [{ writable: ["/run/runfx"] }, "writable[0]"],
      [{ mounts: [Sandbox.bind("/run", { at: "/data", readOnly: false })] }, "mounts[0]"],
      [{ root: "/", readOnly: false }, "root"]
    ] as const
    for (const [description, place] of above) {
      const error = Check.failed(await check(run(description), forever))
      assert.include(error.message, `${place} = `)
      assert.include(error.message, "must not hold the states of containers (/run/runfx)")
    }
    for (const description of [{ mounts: [Sandbox.bind("/run", { at: "/data" })] }, { writable: ["/project"] }]) {
      ended(await check(run(description), () => 0))
    }
  })

  it("in which nothing can be made is left as it was, with no descriptor of it open", async () => {
    for (const code of ["ENOSPC", "EDQUOT"] as const) {
      for (const name of [".ssh", ".env"]) {
        const checked = await check(Sandbox.run(Sandbox.workspace("/project"), command), forever, {
          faults: Faults.failWhen((call) => "path" in call && call.path === name && call._tag.startsWith("mk"), code)
        })
        Check.failed(checked, { code })
        Check.unchanged(checked)
      }
    }
  })

  it("hides a name wherever it is, and nothing else", async () => {
    const name = fc.constantFrom("a", "b", ".git", "c.git")
    const paths = fc.uniqueArray(fc.array(name, { minLength: 1, maxLength: 4 }), {
      minLength: 1,
      maxLength: 6,
      selector: (parts) => parts.join("/")
    })
    await fc.assert(
      fc.asyncProperty(paths, async (all) => {
        const made = Object.fromEntries(all.map((parts) => [`/project/${parts.join("/")}/file`, { text: "secret" }]))
        const checked = await check(
          Sandbox.run(Sandbox.workspace("/project", { hidden: [".git/"], readOnly: [] }), command),
          () =>
            Effect.forEach(all, (parts) =>
              Effect.gen(function*() {
                const read = Effect.orElseSucceed(Program.readFile(`${parts.join("/")}/file`), () => "")
                assert.strictEqual(yield* read, parts.includes(".git") ? "" : "secret", parts.join("/"))
              }), { discard: true }),
          { machine: { files: { ...files, ...made } } }
        )
        ended(checked)
        Check.unchanged(checked, ["mounts", "nodes", "files", "processes"])
      }),
      { numRuns: runs(10) }
    )
  })
})

describe("a list of hosts", () => {
  const reaching = (to: ReadonlyArray<string>): Script => (self) =>
    Effect.forEach(to, (one) => Effect.flatMap(Program.reach(self, one), (word) => Program.print(`${word}\n`)), {
      discard: true
    })
  const words = (checked: Check.Checked<Sandbox.Result, unknown>) => ended(checked).stdout.trim().split("\n")

  it("is all that can be reached, and what was asked for is in the result", async () => {
    const to = ["example.org:443", "example.org:22", "api.example.org:443", "[2001:4860::8]:443", "10.0.0.7:80"]
    const checked = await check(
      run({ network: { allow: ["example.org", "*.example.org:443", "10.0.0.7:80"] } }),
      reaching([...to, "example.com:80", "no host at all"])
    )
    const expected = ["allowed", "refused", "allowed", "refused", "allowed", "refused", "refused"] as const
    assert.deepStrictEqual(words(checked), [...expected])
    const { connections } = Check.succeeded(checked)
    assert.deepStrictEqual(connections.map(({ outcome }) => outcome), [...expected])
    assert.deepInclude(connections[1], { host: "example.org", port: 22, reason: "example.org:22 is not allowed" })
    assert.deepStrictEqual(Check.seen(checked).interfaces.map(({ name }) => name), ["lo"])
    Check.unchanged(checked, tables)
  })

  it("asks the functions of the application, and leads to no private address", async () => {
    const asked: Array<string> = []
    const checked = await check(
      run({
        network: {
          allow: ["own.example", "gone.example"],
          ask: ({ host }) => Promise.resolve(asked.push(host) > 0 && host === "asked.example"),
          resolve: (name) => name === "own.example" ? ["169.254.169.254"] : name === "gone.example" ? [] : ["1.1.1.1"]
        }
      }),
      reaching(["own.example:443", "gone.example:443", "asked.example:443", "other.example:443"])
    )
    assert.deepStrictEqual(words(checked), ["refused", "failed", "allowed", "refused"])
    assert.deepStrictEqual(asked, ["asked.example", "other.example"])
  })

  it("is the same in a pool, and twice", async () => {
    const once = () =>
      check(
        Effect.scoped(Effect.gen(function*() {
          const sandbox = Sandbox.make({ network: { allow: ["example.org"] } })
          const pool = yield* Sandbox.Pool.make({ size: 2, sandbox })
          // a handler of requests has no kernel at hand, and needs none
          const one: Effect.Effect<Sandbox.Result, Sandbox.SandboxError> = Sandbox.Pool.run(pool, command)
          return yield* Effect.all([one, one], { concurrency: 2 })
        })),
        reaching(["example.org:443", "example.com:443"])
      )
    const [first, second] = [await once(), await once()]
    for (const { stdout } of Check.succeeded(first)) assert.strictEqual(stdout, "allowed\nrefused\n")
    assert.deepStrictEqual(Check.succeeded(first), Check.succeeded(second))
    Check.unchanged(first, tables)
  })

  it("is nothing without one: a sandbox reaches itself only, and what is beyond an interface is not guessed", async () => {
    for (const network of ["loopback", "none"] as const) {
      assert.deepStrictEqual(words(await check(run({ network }), reaching(["example.org:443"]))), ["unreachable"])
    }
    const checked = await check(run({ network: "host" }), reaching(["example.org:443"]))
    assert.throws(() => Check.succeeded(checked), /does not know what can be reached over the interface eth0/)
  })
})

describe("a process 1 of runfx's own", () => {
  const spawned = <A, E>(use: (process: Sandbox.Process) => Effect.Effect<A, E>, options?: Sandbox.SpawnOptions) =>
    Effect.scoped(Effect.flatMap(Sandbox.spawn(Sandbox.make({ init: true }), command, options), use))

  it("ends as its program does, and takes along what that leaves behind", async () => {
    const checked = await check(run({ init: true }), () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* sys.getppid({}), 1)
        yield* Program.fork(Effect.andThen(Program.fork(Effect.sleep("Infinity")), Effect.void))
        yield* Program.children
        return 7
      }))
    assert.strictEqual(Check.succeeded(checked).exitCode, 7)
    Check.unchanged(checked)
  })

  it("waits for those whose parents have ended", async () => {
    const checked = await check(run({ init: true }), () =>
      Effect.gen(function*() {
        const orphan = Program.fork(Effect.as(Effect.sleep("1 second"), 0))
        yield* Program.fork(Effect.as(orphan, 0))
        yield* Program.children
        yield* Effect.sleep("1 minute")
      }))
    const result = ended(checked)
    // the program and process 1: no zombie is left of the orphan
    const { model } = checked
    assert.strictEqual([...model.state().processes.values()].filter(({ status }) => status === "zombie").length, 0)
    assert.strictEqual(result.durations.run, 60_000)
  })

  it("hands signals on, also those that came while it was paused", async () => {
    const ending = (pause: boolean) =>
      spawned((process) =>
        Effect.gen(function*() {
          if (pause) yield* process.pause
          yield* process.signal("TERM")
          if (pause) yield* process.resume
          return (yield* process.exit).exitCode
        })
      )
    for (const pause of [false, true]) {
      const checked = await check(ending(pause), forever)
      assert.strictEqual(Check.succeeded(checked), 128 + SIG.TERM)
      Check.unchanged(checked)
    }
  })

  it("is there with a terminal, whose foreground is the program's", async () => {
    const checked = await check(
      spawned((process) => Effect.map(process.exit, ({ exitCode }) => exitCode), { terminal: true }),
      () => Effect.as(sys.ioctl_gwinsz({ fd: 0 }), 5)
    )
    assert.strictEqual(Check.succeeded(checked), 5)
    Check.unchanged(checked)
  })

  it("tells why the program could not be executed", async () => {
    const error = Check.failed(await check(Sandbox.run(Sandbox.make({ init: true }), ["/usr/bin/none"]), forever))
    assert.strictEqual(error._tag === "SandboxFailed" ? error.code : "", "ProgramNotFound")
  })
})

describe("a pool", () => {
  it("of four serves ten, each in a sandbox of its own, and leaves nothing", async () => {
    const checked = await check(
      Effect.scoped(Effect.gen(function*() {
        const pool = yield* Sandbox.Pool.make({ size: 4, sandbox: Sandbox.make({ limits: { processes: 8 } }) })
        const numbers = Array.from({ length: 10 }, (_, index) => index)
        const results = yield* Effect.forEach(numbers, (one) => Sandbox.Pool.run(pool, [...command, `${one}`]), {
          concurrency: 10
        })
        yield* pool.full
        return { said: results.map(({ stdout }) => stdout), waiting: yield* pool.waiting }
      })),
      ({ argv }) =>
        Effect.gen(function*() {
          assert.isUndefined(yield* Program.errnoOf(Program.writeFile("/tmp/own", "")))
          yield* Effect.sleep("1 second")
          yield* Program.print(argv[1]!)
        })
    )
    assert.deepStrictEqual(Check.succeeded(checked), { said: [..."0123456789"], waiting: 4 })
    Check.unchanged(checked)
  })
})

describe("memory", () => {
  it("beyond the limit ends the program, and the result says so", async () => {
    for (const cgroup of ["v1", "v2"] as const) {
      const checked = await check(
        run({ limits: { memory: "256 MiB" } }),
        () => Effect.andThen(Program.useMemory(200 * MiB), Program.useMemory(57 * MiB)),
        { machine: { files, cgroup } }
      )
      assert.deepInclude(Check.succeeded(checked), { exitCode: null, signal: "SIGKILL", outOfMemory: true })
      Check.unchanged(checked)
    }
  })

  it("within it is no breach, and is told by the statistics while it is in use", async () => {
    const checked = await check(
      Effect.scoped(Effect.gen(function*() {
        const process = yield* Sandbox.spawn(Sandbox.make({ limits: { memory: "256 MiB" } }), command)
        yield* Effect.sleep("1 second")
        const during = (yield* process.stats).memory
        return { during, ...yield* process.exit }
      })),
      () => Effect.andThen(Program.useMemory(256 * MiB), Effect.sleep("1 minute"))
    )
    assert.deepInclude(Check.succeeded(checked), { during: 256 * MiB, exitCode: 0, outOfMemory: false })
  })

  it("of a child ends the largest, and its parent goes on", async () => {
    const checked = await check(run({ limits: { memory: "256 MiB" } }), () =>
      Effect.gen(function*() {
        yield* Program.useMemory(20 * MiB)
        yield* Program.fork(Effect.as(Program.useMemory(300 * MiB), 0))
        assert.deepStrictEqual(yield* Program.children, [SIG.KILL])
        return 3
      }))
    assert.deepInclude(Check.succeeded(checked), { exitCode: 3, outOfMemory: true })
  })

  it("is used by programs on the model only", async () => {
    const exit = await Effect.runPromiseExit(Program.useMemory(1))
    assert.match(String(exit), /only a program on the model does this/)
  })
})

describe("a sandbox that has ended", () => {
  it("has no pause and no further program, and says that it has ended", async () => {
    const acts = Effect.scoped(Effect.gen(function*() {
      const process = yield* Sandbox.spawn(Sandbox.make({ limits: { processes: 8 } }), command)
      yield* process.exit
      const errors = [yield* Effect.flip(process.pause), yield* Effect.flip(process.exec(command))]
      return errors.map(({ message }) => message.replace(process.id, "ID"))
    }))
    const checked = await check(acts, () => Effect.void)
    assert.deepStrictEqual(Check.succeeded(checked), ["the sandbox ID has ended", "the sandbox ID has ended"])
    Check.unchanged(checked)
  })
})
