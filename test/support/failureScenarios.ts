/** What neither a program nor its application may lose or hold up: docs/failures.md lists all such cases. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import assert from "node:assert/strict"
import { randomBytes } from "node:crypto"
import { readdirSync } from "node:fs"
import { Readable } from "node:stream"
import * as promises from "../../src/promise.ts"
import * as Sandbox from "../../src/sandbox.ts"
import { effect, firstWord, isGone, type Scenario, sh, text } from "./scenario.ts"
import { until } from "./until.ts"

const size = 8 * 1024 ** 2

const isSame = (one: Uint8Array, other: Uint8Array, what: string): void =>
  assert.equal(Buffer.compare(one, other), 0, `${what}: ${one.length} bytes of ${other.length}`)

/** Scenarios by name. */
export const failures: Readonly<Record<string, Scenario>> = {
  "8 MiB of random bytes arrive as they were written, both ways": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      const sent = randomBytes(size)
      const box = Sandbox.make({ limits: { output: size } })
      const ran = yield* Sandbox.run(box, ["cat"], { stateRoot, input: sent })
      isSame(ran.stdoutBytes, sent, "run")
      assert.deepEqual([ran.exitCode, ran.truncated], [0, false])
      const both = yield* Sandbox.run(box, ["sh", "-c", "tee /dev/stderr"], { stateRoot, input: sent })
      isSame(both.stdoutBytes, sent, "run, stdout")
      isSame(both.stderrBytes, sent, "run, stderr")
      const spawned = yield* Sandbox.spawn(box, ["cat"], { stateRoot, pipes: { 3: "output" } })
      yield* Effect.forkScoped(Stream.run(Stream.make(sent), spawned.stdin))
      isSame(Buffer.concat(yield* Stream.runCollect(spawned.stdout)), sent, "spawn")
      const waiting = yield* Sandbox.spawn(box, ["sleep", "1000"], { stateRoot })
      isSame((yield* waiting.exec(["cat"], { input: sent })).stdoutBytes, sent, "exec")
    })
  ),
  "8 MiB of random bytes arrive by promises and Node's streams": async ({ stateRoot }) => {
    const sent = randomBytes(size)
    const { stdoutBytes } = await promises.run(["cat"], { stateRoot, input: sent, limits: { output: size } })
    isSame(stdoutBytes, sent, "run")
    const process = await promises.spawn(["cat"], { stateRoot })
    process.stdin.end(sent)
    const chunks: Array<Buffer> = []
    for await (const chunk of process.stdout) chunks.push(chunk as Buffer)
    isSame(Buffer.concat(chunks), sent, "spawn")
    await process.exit
    const half = size / 2
    const input = Readable.from([sent.subarray(0, half), sent.subarray(half)])
    const streamed = await promises.run(["cat"], { stateRoot, input, limits: { output: size } })
    isSame(streamed.stdoutBytes, sent, "run, with a stream")
  },
  "an input that never ends, or breaks off, does not hold up who waits for the program": async ({ stateRoot }) => {
    const stuck = async function*() {
      yield "a word"
      await new Promise(() => {})
    }
    assert.equal((await promises.run("head -c 6", { stateRoot, input: stuck() })).stdout, "a word")
    const broken = async function*() {
      yield "half"
      throw new Error("gone")
    }
    await assert.rejects(promises.run("cat", { stateRoot, input: broken() }), /^Error: gone$/)
  },
  "a program without an input has the null device, and no empty pipe that it would search": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      const is = (what: string) => ["sh", "-c", `[ -${what} /dev/stdin ] && ! read word && echo yes`]
      const box = Sandbox.make()
      assert.equal((yield* Sandbox.run(box, is("c"), { stateRoot })).stdout, "yes\n")
      assert.equal((yield* Sandbox.run(box, is("p"), { stateRoot, input: "" })).stdout, "yes\n")
      const first = yield* Sandbox.spawn(box, ["sleep", "1000"], { stateRoot })
      assert.equal((yield* first.exec(is("c"))).stdout, "yes\n")
    })
  ),
  "a program that dies at once has lost nothing of what it wrote": effect((setting) =>
    Effect.gen(function*() {
      const box = Sandbox.make({ limits: { output: 70_000 } })
      // more than a pipe holds, and less
      const program = ["sh", "-c", "head -c 69999 /dev/zero; printf x; printf y >&2; exit 9"]
      const all = yield* Effect.forEach(Array.from({ length: 20 }), () =>
        Sandbox.run(box, program, { stateRoot: setting.stateRoot }), {
        concurrency: 5
      })
      const said = all.map(({ exitCode, stderr, stdout, truncated }) => [
        exitCode,
        stdout.length,
        stdout.at(-1),
        stderr,
        truncated
      ])
      assert.deepEqual(said, all.map(() => [9, 70_000, "x", "y", false]))
    })
  ),
  "200 sandboxes, 32 at a time, have each its own output and exit code": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      const box = Sandbox.make()
      const numbers = Array.from({ length: 200 }, (_, index) => index)
      const program = "read word; echo out-$word-$1; echo err-$1 >&2; exit $(($1 % 7))"
      const all = yield* Effect.forEach(
        numbers,
        (number) =>
          Sandbox.run(box, ["sh", "-c", program, "sh", String(number)], { stateRoot, input: `in-${number}\n` }),
        { concurrency: 32 }
      )
      assert.deepEqual(
        all.map(({ exitCode, stderr, stdout }) => [stdout, stderr, exitCode]),
        numbers.map((number) => [`out-in-${number}-${number}\n`, `err-${number}\n`, number % 7])
      )
      assert.deepEqual(readdirSync(stateRoot).filter((name) => name.startsWith("sandbox-")), [])
    })
  ),
  "what a program that is killed had written by then is there": effect((setting) =>
    Effect.gen(function*() {
      const process = yield* sh("seq 1000; echo on >&2; sleep 1000", setting)
      yield* Stream.runHead(process.stderr)
      yield* process.kill({ killSignal: "SIGKILL" })
      assert.equal((yield* text(process.stdout)).trimEnd().split("\n").length, 1000)
    })
  ),
  "an application that stops reading early has the program end of its next word": effect((setting) =>
    Effect.gen(function*() {
      const process = yield* Sandbox.spawn(Sandbox.make(), ["yes"], { stateRoot: setting.stateRoot })
      yield* Stream.runHead(process.stdout)
      // a first process of a pid namespace is not ended by SIGPIPE, but yes(1) gives up when it can't write
      assert.notEqual((yield* process.exit).exitCode, 0)
    })
  ),
  "a program that closes its output is not waited for by its reader, and goes on": effect((setting) =>
    Effect.gen(function*() {
      const process = yield* sh("echo last; exec >&- 2>&-; read line; exit 5", setting)
      assert.equal(yield* text(process.stdout), "last\n")
      assert.equal(yield* process.isRunning, true)
      yield* Stream.run(Stream.make(new TextEncoder().encode("go\n")), process.stdin)
      assert.equal((yield* process.exit).exitCode, 5)
    })
  ),
  "a program that stops itself is ended by the end of its scope": effect((setting) =>
    Effect.gen(function*() {
      const pid = yield* Effect.scoped(Effect.gen(function*() {
        const process = yield* sh("echo on; sh -c 'kill -STOP $PPID $$'; sleep 1000", setting)
        yield* firstWord(process)
        return process.pid
      }))
      yield* Effect.promise(() => isGone(pid))
    })
  ),
  "a file system that is full is full for the program alone": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      const box = Sandbox.make({ tmp: "1 MiB", limits: { output: "4 MiB" } })
      const fill = "head -c 2000000 /dev/zero > /tmp/full; echo $?; head -c 2000000 /dev/zero"
      const [one, other] = yield* Effect.all([
        Sandbox.run(box, ["sh", "-c", fill], { stateRoot }),
        Sandbox.run(box, ["sh", "-c", "head -c 500000 /dev/zero > /tmp/some; echo $?"], { stateRoot })
      ], { concurrency: 2 })
      assert.equal(one.stdoutBytes.length, "1\n".length + 2_000_000)
      assert.match(one.stderr, /No space left on device/)
      assert.equal(other.stdout, "0\n")
    })
  ),
  "what is let go of runs on after its scope, and is ended by name": effect((setting) =>
    Effect.gen(function*() {
      const process = yield* Effect.scoped(Effect.gen(function*() {
        const process = yield* Sandbox.spawn(Sandbox.make(), ["sleep", "1000"], { stateRoot: setting.stateRoot })
        yield* process.unref
        return process
      }))
      assert.equal(yield* process.isRunning, true)
      yield* process.kill()
      assert.equal((yield* process.exit).signal, "SIGTERM")
    })
  ),
  "an application that throws in the middle of a stream ends the program": async ({ stateRoot }) => {
    const pids: Array<number> = []
    const read = async () => {
      const process = await promises.spawn("while :; do echo on; sleep 0.05; done", { stateRoot })
      pids.push(process.pid)
      try {
        for await (const _ of process.stdout) throw new Error("a bug")
      } finally {
        await process.close()
      }
    }
    await assert.rejects(read, /a bug/)
    await until(() => pids.length === 1)
    await isGone(pids[0]!)
  }
}
