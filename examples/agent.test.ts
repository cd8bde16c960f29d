/**
 * What an agent's sandbox keeps from it, tested without starting one: on a kernel in memory, without root, on any system.
 *
 *     npx vitest run examples/agent.test.ts
 *
 * docs/testing.md goes through it.
 */
import * as Effect from "effect/Effect"
import * as Sandbox from "runfx/sandbox"
import { Check, Program, type Script } from "runfx/testing"
import { expect, test } from "vitest"

// ── the application's own sandbox ────────────────────────────────────────────────────────────────────────────────────

const sandbox = Sandbox.make({
  writable: ["/job"],
  cwd: "/job",
  inherit: ["LANG"],
  limits: { processes: 64, memory: "256 MiB", time: "10 minutes" }
})

const runAgent = Sandbox.run(sandbox, ["/usr/bin/agent", "--task", "review"])

// ── the machine that it is tested on ─────────────────────────────────────────────────────────────────────────────────

const machine = {
  files: {
    "/usr/bin/agent": { mode: 0o755 },
    "/job": { directory: true, uid: 65534, gid: 65534 },
    "/home/me/.ssh/id_ed25519": { text: "secret", mode: 0o600 }
  }
}

const env = { LANG: "C.UTF-8", API_KEY: "secret", SSH_AUTH_SOCK: "/run/agent.sock" }

/** Runs it with a program in the agent's place. */
const check = (agent: Script) => Check.runPromise(runAgent, { machine, env, programs: { "/usr/bin/agent": agent } })

// ── the tests ────────────────────────────────────────────────────────────────────────────────────────────────────────

test("the agent has no network, at most 64 processes, and no secrets in its environment", async () => {
  const seen = Check.seen(await check(() => 0))
  expect(seen.interfaces.map(({ name }) => name)).toEqual(["lo"])
  expect(seen.limits).toEqual({ processes: 64, memory: 256 * 1024 * 1024 })
  expect(Object.keys(seen.env)).toEqual(["PATH", "HOME", "LANG"])
  expect(seen.processes).toEqual([1])
  expect(seen.capabilities).toEqual([])
  expect(Object.keys(seen.descriptors)).toEqual(["0", "1", "2"])
})

test("an agent that tries can write nothing outside of /job, and start no more than 64 processes", async () => {
  const checked = await check(() =>
    Effect.gen(function*() {
      expect(yield* Program.errnoOf(Program.writeFile("/job/result", "done"))).toBeUndefined()
      expect(yield* Program.errnoOf(Program.writeFile("/usr/bin/agent", ""))).toBe("EROFS")
      expect(yield* Program.errnoOf(Program.writeFile("/etc/passwd", ""))).toBe("EROFS")
      expect(yield* Program.errnoOf(Program.readFile("/home/me/.ssh/id_ed25519"))).toBe("ENOENT")
      expect(yield* Program.forkBomb).toBe(64)
    })
  )
  expect(Check.succeeded(checked)).toMatchObject({ exitCode: 0, stderr: "" })
})

test("an agent that does not end is ended after ten minutes, which take no time here", async () => {
  const checked = await check(() => Effect.sleep("Infinity"))
  expect(Check.succeeded(checked)).toMatchObject({ timedOut: true, signal: "SIGKILL" })
  Check.unchanged(checked, ["cgroups", "files", "links", "mounts", "processes"])
})
