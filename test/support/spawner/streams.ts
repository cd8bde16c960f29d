/** Standard streams. */
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import assert from "node:assert/strict"
import { bytes, type Scenario, text } from "../scenario.ts"
import { inOwnScope, says, shell, spawner } from "./commands.ts"

/** Runs a command, whose two streams are read as one: each has its own order. */
const saysInAll = (script: string, out: ReadonlyArray<string>, error: ReadonlyArray<string>): Scenario =>
  spawner(Effect.gen(function*() {
    const handle = yield* shell(script)
    const lines = (yield* text(handle.all)).split("\n").filter((line) => line !== "")
    assert.equal(yield* handle.exitCode, 0)
    assert.deepEqual(lines.filter((line) => line.startsWith("o")), out)
    assert.deepEqual(lines.filter((line) => line.startsWith("e")), error)
    assert.equal(lines.length, out.length + error.length)
  }))

export const streams: Readonly<Record<string, Scenario>> = {
  "stderr: is captured": says(shell("echo message >&2"), "", "message\n"),
  "stderr: and stdout, each by itself": says(shell("echo out; echo err >&2"), "out\n", "err\n"),
  "stderr: with more on stdout": says(shell("seq 5; echo err >&2"), "1\n2\n3\n4\n5\n", "err\n"),
  "stderr: with more on stderr": says(shell("echo out; seq 5 >&2"), "out\n", "1\n2\n3\n4\n5\n"),
  "stderr: is empty where nothing is written": says(ChildProcess.make("echo", ["only"]), "only\n", ""),
  "stderr: alone": says(shell("echo only >&2"), "", "only\n"),
  "all: both streams as they come": saysInAll(
    "echo o1; sleep 0.01; echo e1 >&2; sleep 0.01; echo o2; sleep 0.01; echo e2 >&2",
    ["o1", "o2"],
    ["e1", "e2"]
  ),
  "all: only stdout": saysInAll("echo only", ["only"], []),
  "all: only stderr": saysInAll("echo error >&2", [], ["error"]),
  "all: many lines": saysInAll(
    "for i in 1 2 3 4 5; do echo o$i; sleep 0.01; echo e$i >&2; sleep 0.01; done",
    ["o1", "o2", "o3", "o4", "o5"],
    ["e1", "e2", "e3", "e4", "e5"]
  ),
  "all: is read without the other two": saysInAll("echo out; sleep 0.01; echo err >&2", ["out"], ["err"]),
  "stdout: is a stream": spawner(Effect.gen(function*() {
    assert.equal(yield* text((yield* ChildProcess.make("echo", ["streaming"])).stdout), "streaming\n")
  })),
  "stdout: of several lines": spawner(Effect.gen(function*() {
    const { stdout } = yield* shell("echo 1; echo 2; echo 3")
    assert.deepEqual(yield* Stream.runCollect(Stream.splitLines(Stream.decodeText(stdout))), ["1", "2", "3"])
  })),
  "stdin: a stream is what the program reads": says(
    ChildProcess.make("cat", { stdin: Stream.make(bytes("a b c")) }),
    "a b c"
  ),
  "stdin: endOnDone false leaves it open": spawner(Effect.gen(function*() {
    const handle = yield* ChildProcess.make("cat", {
      stdin: { stream: "pipe", endOnDone: false }
    })
    yield* Stream.run(Stream.make(bytes("one ")), handle.stdin)
    yield* Stream.run(Stream.make(bytes("two\n")), handle.stdin)
    assert.equal((yield* Stream.runHead(Stream.splitLines(Stream.decodeText(handle.stdout))))._tag, "Some")
    assert.equal(yield* handle.isRunning, true)
  })),
  "stdin, stdout: ignored ones": spawner(Effect.gen(function*() {
    const spawner = yield* ChildProcessSpawner
    assert.equal(yield* spawner.string(ChildProcess.make("cat", { stdin: "ignore" })), "")
    assert.equal(yield* spawner.exitCode(shell("head -c 1000000 /dev/zero", { stdout: "ignore" })), 0)
  })),
  "stdin: one that is ignored is the null device, and no empty pipe": says(
    shell("[ -c /dev/stdin ] && [ -c /dev/stderr ] && echo yes", { stdin: "ignore", stderr: "ignore" }),
    "yes\n"
  ),
  "stdout: a sink takes it": spawner(Effect.gen(function*() {
    const stdout = Sink.map(Sink.collect<Uint8Array>(), (all) => Buffer.concat(all))
    const handle = yield* shell("echo 1; echo 2", { stdout })
    assert.equal(yield* text(handle.stdout), "1\n2\n")
  })),
  "large output: of a handle": spawner(Effect.gen(function*() {
    const handle = yield* shell("seq 1 100000")
    const lines = (yield* text(handle.stdout)).trimEnd().split("\n")
    assert.deepEqual([lines.length, lines[0], lines.at(-1), yield* handle.exitCode], [100_000, "1", "100000", 0])
  })),
  "large output: of string": spawner(Effect.gen(function*() {
    const spawner = yield* ChildProcessSpawner
    const lines = (yield* spawner.string(shell("seq 1 100000"))).trimEnd().split("\n")
    assert.deepEqual([lines.length, lines.at(-1)], [100_000, "100000"])
  })),
  "large output: the scope's end does not wait for somebody to read it": spawner(Effect.gen(function*() {
    const { close, handle } = yield* inOwnScope(shell("head -c 1000000 /dev/zero; sleep 1000"))
    yield* close
    assert.equal(yield* handle.isRunning, false)
  })),
  "string, lines and exitCode, with both streams where that is asked for": spawner(Effect.gen(function*() {
    const spawner = yield* ChildProcessSpawner
    assert.deepEqual(yield* spawner.lines(shell("echo 1; echo 2; echo 3 >&2")), ["1", "2"])
    const both = yield* spawner.lines(shell("echo 1; echo 2 >&2"), { includeStderr: true })
    assert.deepEqual(both.toSorted(), ["1", "2"])
    assert.equal(yield* spawner.exitCode(shell("exit 42")), 42)
  }))
}
