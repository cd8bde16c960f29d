/** Commands that are piped into others. */
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Stream from "effect/Stream"
import assert from "node:assert/strict"
import { type Scenario } from "../scenario.ts"
import { echo, newMark, noneWith, outcome, says, shell, spawner } from "./commands.ts"

const upper = ChildProcess.make("tr", ["a-z", "A-Z"])

export const pipelines: Readonly<Record<string, Scenario>> = {
  "pipeline: two programs": says(ChildProcess.pipeTo(echo, upper), "HELLO\n"),
  "pipeline: three programs": says(
    ChildProcess.make`echo hello world`.pipe(
      ChildProcess.pipeTo(upper),
      ChildProcess.pipeTo(ChildProcess.make("tr", [" ", "-"]))
    ),
    "HELLO-WORLD\n"
  ),
  "pipeline: grep": says(
    ChildProcess.pipeTo(ChildProcess.make("echo", ["line1\nline2\nline3"]), ChildProcess.make`grep line2`),
    "line2\n"
  ),
  "pipeline: commands of both forms": says(
    ChildProcess.pipeTo(ChildProcess.make("echo", ["hello"]), ChildProcess.make`tr a-z A-Z`),
    "HELLO\n"
  ),
  "pipe: from stderr": says(
    ChildProcess.pipeTo(shell("echo out; echo err >&2"), ChildProcess.make`cat`, { from: "stderr" }),
    "err\n"
  ),
  "pipe: from both": spawner(Effect.gen(function*() {
    const source = shell("echo o1; sleep 0.01; echo e1 >&2; sleep 0.01; echo o2")
    const [out] = yield* outcome(yield* ChildProcess.pipeTo(source, ChildProcess.make`cat`, { from: "all" }))
    assert.deepEqual(out.trimEnd().split("\n").toSorted(), ["e1", "o1", "o2"])
  })),
  "pipe: from stdout if nothing is said": says(
    ChildProcess.pipeTo(shell("echo out; echo err >&2"), ChildProcess.make`cat`),
    "out\n"
  ),
  "pipe: with no option in the options": says(ChildProcess.pipeTo(echo, upper, {}), "HELLO\n"),
  "pipe: from stdout by name": says(ChildProcess.pipeTo(echo, upper, { from: "stdout" }), "HELLO\n"),
  "pipe: to stdin by name": says(ChildProcess.pipeTo(echo, upper, { to: "stdin" }), "HELLO\n"),
  "pipe: each with options of its own": says(
    echo.pipe(
      ChildProcess.pipeTo(shell("cat; echo error >&2")),
      ChildProcess.pipeTo(ChildProcess.make`cat`, { from: "stderr" })
    ),
    "error\n"
  ),
  "pipe: from and to further descriptors": says(
    ChildProcess.pipeTo(
      shell("echo out; echo three >&3", { additionalFds: { fd3: { type: "output" } } }),
      shell("cat <&4"),
      { from: "fd3", to: "fd4" }
    ),
    "three\n"
  ),
  "pipe: a reader that ends early ends the writer": says(
    ChildProcess.pipeTo(ChildProcess.make("yes"), ChildProcess.make("head", ["-1"])),
    "y\n"
  ),
  "pipeline: kill ends all of its programs": spawner(Effect.gen(function*() {
    const mark = newMark()
    const waiting = (then: string) => ChildProcess.make("sh", ["-c", `echo on; ${then}; sleep 1000`, mark])
    const handle = yield* ChildProcess.pipeTo(waiting(":"), waiting("read line; echo $line"))
    yield* Stream.runDrain(Stream.take(Stream.splitLines(Stream.decodeText(handle.stdout)), 2))
    yield* handle.kill({ killSignal: "SIGKILL" })
    yield* noneWith(mark)
  }))
}
