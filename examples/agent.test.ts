/**
 * What an agent's sandbox keeps from it, tested without starting one: on a kernel in memory, without root, on any system.
 *
 *     npx vitest run examples/agent.test.ts
 *
 * docs/testing.md goes through it.
 */
import * as Effect from "effect/Effect"
import fc from "fast-check"
import * as Sandbox from "runfx/sandbox"
import { Check, Program, type Script } from "runfx/testing"
import { expect, test } from "vitest"

// ── the application's own sandbox ────────────────────────────────────────────────────────────────────────────────────

const sandbox = Sandbox.workspace("/srv/project", {
  hidden: [".git/", ".env"],
  network: { allow: ["example.org"] },
  inherit: ["LANG"],
  limits: { processes: 64, memory: "256 MiB", time: "10 minutes" }
})

const runAgent = Sandbox.run(sandbox, ["/usr/bin/agent", "--task", "review"])

// ── the machine that it is tested on ─────────────────────────────────────────────────────────────────────────────────

const files = {
  "/usr/bin/agent": { mode: 0o755 },
  "/srv/project": { directory: true, uid: 1000, gid: 1000 },
  "/home/me/.ssh/id_ed25519": { text: "secret", mode: 0o600 }
}

const repository = { ...files, "/srv/project/.git/config": { text: "history" } }

const env = { LANG: "C.UTF-8", API_KEY: "secret", SSH_AUTH_SOCK: "/run/agent.sock" }

/** Runs it with a program in the agent's place. */
const check = (agent: Script, machine: Check.Options["machine"] = { files: repository }) =>
  Check.runPromise(runAgent, { machine, env, programs: { "/usr/bin/agent": agent } })

// ── the tests ────────────────────────────────────────────────────────────────────────────────────────────────────────

test("the agent has its own network, at most 64 processes and 256 MiB, and no secrets in its environment", async () => {
  const seen = Check.seen(await check(() => 0))
  expect(seen.interfaces.map(({ name }) => name)).toEqual(["lo"])
  expect(seen.limits).toEqual({ processes: 64, memory: 256 * 1024 ** 2 })
  expect(Object.keys(seen.env).filter((name) => !/proxy/i.test(name))).toEqual(["PATH", "HOME", "LANG"])
  expect(seen.processes).toEqual([1])
  expect(seen.capabilities).toEqual([])
  expect(Object.keys(seen.descriptors)).toEqual(["0", "1", "2"])
})

test("an agent that tries can write in its workspace only, and start no more than 64 processes", async () => {
  const checked = await check(() =>
    Effect.gen(function*() {
      expect(yield* Program.errnoOf(Program.writeFile("/srv/project/result", "done"))).toBeUndefined()
      expect(yield* Program.errnoOf(Program.readFile("/srv/project/.git/config"))).toBe("ENOENT")
      expect(yield* Program.errnoOf(Program.writeFile("/usr/bin/agent", ""))).toBe("EROFS")
      expect(yield* Program.errnoOf(Program.readFile("/home/me/.ssh/id_ed25519"))).toBe("ENOENT")
      expect(yield* Program.forkBomb).toBe(64)
    })
  )
  expect(Check.succeeded(checked)).toMatchObject({ exitCode: 0, stderr: "" })
})

test("an agent reaches example.org, and nobody else", async () => {
  const checked = await check((self) =>
    Effect.gen(function*() {
      expect(yield* Program.reach(self, "example.org:443")).toBe("allowed")
      expect(yield* Program.reach(self, "example.com:443")).toBe("refused")
      expect(yield* Program.reach(self, "169.254.169.254:80")).toBe("refused")
    })
  )
  const { connections } = Check.succeeded(checked)
  expect(connections.map(({ host }) => host)).toEqual(["example.org", "example.com", "169.254.169.254"])
})

test("an agent that takes too much memory is ended, and the result says why", async () => {
  const checked = await check(() => Program.useMemory(300 * 1024 ** 2))
  expect(Check.succeeded(checked)).toMatchObject({ exitCode: null, signal: "SIGKILL", outOfMemory: true })
})

test("an agent that does not end is ended after ten minutes, which take no time here", async () => {
  const checked = await check(() => Effect.sleep("Infinity"))
  expect(Check.succeeded(checked)).toMatchObject({ timedOut: true, signal: "SIGKILL" })
  Check.unchanged(checked, ["cgroups", "files", "links", "mounts", "processes"])
})

test("a pool of four serves ten agents", async () => {
  const serve = Effect.scoped(Effect.gen(function*() {
    const pool = yield* Sandbox.Pool.make({ size: 4, sandbox })
    return yield* Effect.all(Array.from({ length: 10 }, () => Sandbox.Pool.run(pool, ["/usr/bin/agent"])), {
      concurrency: "unbounded"
    })
  }))
  const agent: Script = () => Effect.andThen(Effect.sleep("1 minute"), Program.print("done"))
  const checked = await Check.runPromise(serve, {
    machine: { files: repository },
    programs: { "/usr/bin/agent": agent }
  })
  expect(Check.succeeded(checked).map(({ stdout }) => stdout)).toEqual(Array.from({ length: 10 }, () => "done"))
})

test("no .git can be read, wherever it is in the workspace", async () => {
  const directory = fc.array(fc.constantFrom("src", "vendor", ".git"), { minLength: 1, maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(fc.array(directory, { minLength: 1, maxLength: 5 }), async (directories) => {
      const paths = directories.map((parts) => `/srv/project/${parts.join("/")}/file`)
      const texts = Object.fromEntries(paths.map((path) => [path, { text: "content" }]))
      const checked = await check(
        () =>
          Effect.forEach(paths, (path) =>
            Effect.gen(function*() {
              const refused = yield* Program.errnoOf(Program.readFile(path))
              expect(refused !== undefined).toBe(path.includes("/.git/"))
            }), { discard: true }),
        { files: { ...files, ...texts } }
      )
      expect(Check.succeeded(checked)).toMatchObject({ exitCode: 0, stderr: "" })
    }),
    { numRuns: 20 }
  )
})
