/** A process 1 of runfx's own before a program: for root and for a user. */
import * as Effect from "effect/Effect"
import assert from "node:assert/strict"
import { readdirSync } from "node:fs"
import * as Sandbox from "../../src/sandbox.ts"
import { effect, firstWord, type Scenario, sh } from "./scenario.ts"
import { until } from "./until.ts"

const run = (script: string, stateRoot: string, more: Sandbox.Description = {}) =>
  Sandbox.run(Sandbox.make({ init: true, ...more }), ["sh", "-c", script], { stateRoot })

/** All of them, by name. */
export const reaperScenarios: Readonly<Record<string, Scenario>> = {
  "ends as its program does": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      assert.equal((yield* run("exit 7", stateRoot)).exitCode, 7)
      assert.equal((yield* run("kill -KILL $$", stateRoot)).exitCode, 128 + 9)
      assert.equal((yield* run("exit 3", stateRoot, { seccomp: "strict" })).exitCode, 3)
      assert.equal((yield* run("exit 4", stateRoot, { seccomp: "none" })).exitCode, 4)
      const { stdout } = yield* run("cat /proc/1/comm; ls /proc/1/fd 2>/dev/null | wc -l; echo $PPID", stateRoot)
      // it can't be looked into, and has nothing
      assert.match(stdout, /^memfd:runfx-ini\n0\n1\n$/)
      const missing = yield* Effect.flip(
        Sandbox.run(Sandbox.make({ init: true }), ["/nonexistent"], { stateRoot })
      )
      assert.equal(missing._tag === "SandboxFailed" ? missing.code : "", "ProgramNotFound")
    })
  ),
  "leaves no zombies": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      const zombies = "grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l"
      const script = `for i in 1 2 3 4 5 6 7 8; do (sh -c 'exit 0' & exec true) ; done
        for try in $(seq 100); do n=$(${zombies}); [ $n = 0 ] && break; sleep 0.2; done; echo $n`
      assert.equal((yield* run(script, stateRoot)).stdout, "0\n")
    })
  ),
  "hands signals on": effect((setting) =>
    Effect.gen(function*() {
      const handles = yield* sh("trap 'exit 5' TERM; echo on; while :; do sleep 0.1; done", setting, { init: true })
      yield* firstWord(handles)
      // and it has no descriptor, whoever looks
      // it closes them while the program starts
      const descriptors = () => readdirSync(`/proc/${handles.pid}/fd`)
      if (setting.root) yield* Effect.promise(() => until(() => descriptors().length === 0))
      yield* handles.signal("TERM")
      assert.equal((yield* handles.exit).exitCode, 5)
      const silent = yield* sh("echo on; exec sleep 1000", setting, { init: true })
      yield* firstWord(silent)
      yield* silent.signal("TERM")
      assert.equal((yield* silent.exit).exitCode, 128 + 15)
    })
  ),
  "takes a daemon along when the program ends": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      const { exitCode, stdout } = yield* run("(setsid sleep 1000 &) ; echo done", stateRoot)
      assert.deepEqual([exitCode, stdout], [0, "done\n"])
    })
  ),
  "stands before programs of a pool": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      const pool = yield* Sandbox.Pool.make({ size: 1, sandbox: Sandbox.make({ init: true }), stateRoot })
      const { exitCode, stdout } = yield* Sandbox.Pool.run(pool, ["sh", "-c", "echo $PPID; kill -TERM $$"])
      assert.deepEqual([exitCode, stdout], [128 + 15, "1\n"])
    })
  )
}
