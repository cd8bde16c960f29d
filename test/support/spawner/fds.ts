/** Further descriptors. */
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import assert from "node:assert/strict"
import process from "node:process"
import { bytes, type Scenario, text } from "../scenario.ts"
import { says, shell, spawner, word } from "./commands.ts"

export const fds: Readonly<Record<string, Scenario>> = {
  "fd: the program writes to one": spawner(Effect.gen(function*() {
    const handle = yield* shell("echo hello >&3", { additionalFds: { fd3: { type: "output" } } })
    assert.equal(yield* text(handle.getOutputFd(3)), "hello\n")
    assert.equal(yield* handle.exitCode, 0)
  })),
  "fd: the program reads one": says(
    shell("cat <&3", { additionalFds: { fd3: { type: "input", stream: Stream.make(bytes("from the parent")) } } }),
    "from the parent"
  ),
  "fd: is written by getInputFd": spawner(Effect.gen(function*() {
    const handle = yield* shell("cat <&3", { additionalFds: { fd3: { type: "input" } } })
    yield* Stream.run(Stream.make(bytes("by hand")), handle.getInputFd(3))
    assert.equal(yield* text(handle.stdout), "by hand")
  })),
  "fd: several": spawner(Effect.gen(function*() {
    const additionalFds = { fd3: { type: "output" }, fd4: { type: "output" } } as const
    const handle = yield* shell("echo 3 >&3; echo 4 >&4", { additionalFds })
    assert.deepEqual([yield* text(handle.getOutputFd(3)), yield* text(handle.getOutputFd(4))], ["3\n", "4\n"])
  })),
  "fd: with a gap between them": spawner(Effect.gen(function*() {
    const additionalFds = { fd3: { type: "output" }, fd5: { type: "output" } } as const
    const handle = yield* shell("echo 3 >&3; echo 5 >&5; ls /proc/self/fd | tr '\\n' ' '", { additionalFds })
    assert.deepEqual([yield* text(handle.getOutputFd(3)), yield* text(handle.getOutputFd(5))], ["3\n", "5\n"])
    // the fourth number is that of the directory itself
    assert.equal(yield* text(handle.stdout), "0 1 2 3 4 5 ")
  })),
  "fd: one that is not there is empty, and takes all": spawner(Effect.gen(function*() {
    const handle = yield* ChildProcess.make("echo", ["test"])
    assert.equal(yield* text(handle.getOutputFd(3)), "")
    yield* Stream.run(Stream.make(bytes("for nobody")), handle.getInputFd(3))
    assert.equal(yield* handle.exitCode, 0)
  })),
  "fd: in on one, out on another": spawner(Effect.gen(function*() {
    const fd3 = { type: "input", stream: Stream.make(bytes("hello")) } as const
    const handle = yield* shell("cat <&3 | tr a-z A-Z >&4", { additionalFds: { fd3, fd4: { type: "output" } } })
    assert.equal(yield* text(handle.getOutputFd(4)), "HELLO")
  })),
  "fd: beside the three streams": spawner(Effect.gen(function*() {
    const handle = yield* shell("echo out; echo err >&2; echo 3 >&3", { additionalFds: { fd3: { type: "output" } } })
    const all = [text(handle.stdout), text(handle.stderr), text(handle.getOutputFd(3))]
    assert.deepEqual(yield* Effect.all(all, { concurrency: 3 }), ["out\n", "err\n", "3\n"])
  })),
  "fd: a sink takes it": spawner(Effect.gen(function*() {
    const sink = Sink.map(Sink.collect<Uint8Array>(), (all) => Buffer.concat(all))
    const handle = yield* shell("echo 1 >&3; echo 2 >&3", { additionalFds: { fd3: { type: "output", sink } } })
    assert.equal(yield* text(handle.getOutputFd(3)), "1\n2\n")
  })),
  "fd: a write that fails is an error of the platform, and nobody's uncaught one": spawner(Effect.gen(function*() {
    const uncaught: Array<unknown> = []
    const listener = (error: unknown) => void uncaught.push(error)
    yield* Effect.acquireRelease(
      Effect.sync(() => process.on("uncaughtException", listener)),
      () => Effect.sync(() => process.off("uncaughtException", listener))
    )
    const handle = yield* shell("exec 3<&-; echo ready; exec sleep 1000", { additionalFds: { fd3: { type: "input" } } })
    yield* word(handle)
    const error = yield* Effect.flip(Stream.run(Stream.make(new Uint8Array(100_000)), handle.getInputFd(3)))
    assert.equal(error._tag, "PlatformError")
    assert.match(error.message, /fd3/)
    assert.deepEqual(uncaught, [])
  }))
}
