/**
 * What a program of Effect's `ChildProcess` sees of a spawner, whichever it is: each behaviour that Effect holds its own to, by
 * a sandbox. docs/spawner.md lists them.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import { type ChildProcessHandle, ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import assert from "node:assert/strict"
import { readdirSync, readFileSync } from "node:fs"
import process from "node:process"
import * as Sandbox from "../../src/sandbox.ts"
import { bytes, isGone, type Scenario, type Setting, text } from "./scenario.ts"
import { eventually, until } from "./until.ts"

type Used = Effect.Effect<unknown, unknown, Scope.Scope | ChildProcessSpawner>

/** A scenario, with a layer that runs every child process in a sandbox. */
const spawner =
  (use: Used | ((setting: Setting) => Used), description: Sandbox.Description = {}): Scenario => async (setting) => {
    const layer = Sandbox.spawnerLayer(Sandbox.make(description), { stateRoot: setting.stateRoot })
    const effect = typeof use === "function" ? use(setting) : use
    await Effect.runPromise(Effect.provide(Effect.scoped(effect), Layer.provide(layer, Sandbox.layer)))
  }

const shell = (script: string, options: ChildProcess.CommandOptions = {}) =>
  ChildProcess.make("sh", ["-c", script], options)

type Said = Effect.Effect<readonly [out: string, error: string, exitCode: number], PlatformError.PlatformError>

/** All that a program writes, and its exit code. */
const outcome = (handle: ChildProcessHandle): Said =>
  Effect.gen(function*() {
    const [out, error] = yield* Effect.all([text(handle.stdout), text(handle.stderr)], { concurrency: 2 })
    return [out, error, yield* handle.exitCode] as const
  })

/** Runs a command, which must write this. */
const says = (command: ChildProcess.Command, out: string, error = "", exitCode = 0): Scenario =>
  spawner(Effect.gen(function*() {
    assert.deepEqual(yield* outcome(yield* command), [out, error, exitCode])
  }))

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

/** The reason of a platform error. */
const reasonOf = (command: ChildProcess.Command) =>
  Effect.map(Effect.flip(Effect.scoped(command)), ({ reason }) => reason)

/** Waits until a program says a word. */
const word = (handle: ChildProcessHandle) => Stream.runHead(Stream.decodeText(handle.stdout))

/** Processes of this machine that were started with a word in their arguments. */
const processesWith = (mark: string): ReadonlyArray<number> =>
  readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(mark)
    } catch {
      return false
    }
  })

let marks = 0
const newMark = (): string => `of-spawner-${process.pid}-${++marks}`

const noneWith = (mark: string) => Effect.promise(() => until(() => processesWith(mark).length === 0))

/** A program with children and grandchildren, all of which say that they are there. */
const family = (mark: string, then: string) =>
  ChildProcess.make("sh", [
    "-c",
    `for i in 1 2 3; do sh -c 'sh -c "echo there; sleep 1000" ${mark} & echo there; sleep 1000' ${mark} & done; ${then}`,
    mark
  ])

/** Opens a command in a scope of its own. */
const inOwnScope = (command: ChildProcess.Command) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const handle = yield* Effect.provideService(command, Scope.Scope, scope)
    return { handle, close: Scope.close(scope, Exit.void) }
  })

const quiet = { stdin: "ignore", stdout: "ignore", stderr: "ignore" } as const
const echo = ChildProcess.make`echo hello`
const upper = ChildProcess.make("tr", ["a-z", "A-Z"])

const basics: Readonly<Record<string, Scenario>> = {
  "basic: a program's output and exit code are there": says(
    ChildProcess.make("sh", ["-c", "printf portable"]),
    "portable"
  ),
  "basic: arguments arrive one by one": says(ChildProcess.make("echo", ["hello", "a  b"]), "hello a  b\n"),
  "basic: a command is a template": says(ChildProcess.make`echo spawned`, "spawned\n"),
  "cwd: a command has its directory": says(ChildProcess.make("pwd", [], { cwd: "/tmp" }), "/tmp\n"),
  "cwd: a template has its directory": says(ChildProcess.make({ cwd: "/usr" })`pwd`, "/usr\n"),
  "env: a variable is there": says(shell("echo $A", { env: { A: "one" }, extendEnv: true }), "one\n"),
  "env: several are there": says(
    shell("echo $A-$B-$C", { env: { A: "1", B: "2", C: "3" }, extendEnv: true }),
    "1-2-3\n"
  ),
  "env: setEnv adds, and the later word counts": says(
    ChildProcess.setEnv(shell("echo $A-$B-$C", { env: { A: "1", B: "2" } }), { B: "new", C: "3" }),
    "1-new-3\n"
  ),
  "shell: sh -c expands": says(shell("echo $A", { env: { A: "expanded" } }), "expanded\n"),
  "shell: without one nothing is expanded": says(ChildProcess.make("echo", ["$HOME"], { shell: false }), "$HOME\n"),
  "shell: a pipeline of the shell's own": says(shell("echo hello | tr a-z A-Z"), "HELLO\n"),
  "shell: true joins the words for /bin/sh": says(
    ChildProcess.make("echo", ["$HOME;", "echo 2"], { shell: true }),
    "/tmp\n2\n"
  ),
  "template: words": says(echo, "hello\n"),
  "template: a text is one argument": says(ChildProcess.make`echo hello ${"a  world"}`, "hello a  world\n"),
  "template: a number": says(ChildProcess.make`echo count is ${42}`, "count is 42\n"),
  "template: a list is several arguments": says(ChildProcess.make`ls ${["-d", "-1"]} ${"/usr"}`, "/usr\n"),
  "template: several values": says(ChildProcess.make`echo ${"hello"} ${"world"}`, "hello world\n"),
  "template: with options": says(ChildProcess.make({ cwd: "/tmp" })`echo ${"test.txt"}`, "test.txt\n")
}

const streams: Readonly<Record<string, Scenario>> = {
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

const control: Readonly<Record<string, Scenario>> = {
  "kill: ends a program, whose exit code is an error then": spawner(Effect.gen(function*() {
    const handle = yield* ChildProcess.make("sleep", ["1000"])
    assert.ok(handle.pid > 0 && (yield* handle.isRunning))
    yield* handle.kill()
    assert.equal(yield* handle.isRunning, false)
    const error = yield* Effect.flip(handle.exitCode)
    assert.deepEqual([error._tag, error.reason.method], ["PlatformError", "exitCode"])
    assert.match(error.message, /'SIGTERM'/)
  })),
  "kill: of a program that blocks all signals for a moment, as a shell does while it starts another": spawner(
    Effect.forEach([1, 2, 3, 4, 5], () =>
      Effect.gen(function*() {
        const handle = yield* shell("sleep 1000")
        yield* handle.kill({ forceKillAfter: "30 seconds" })
        assert.match((yield* Effect.flip(handle.exitCode)).message, /'SIGTERM'/)
      }))
  ),
  "kill: with a signal that is named": spawner(Effect.gen(function*() {
    const handle = yield* ChildProcess.make("sleep", ["1000"])
    yield* handle.kill({ killSignal: "SIGKILL" })
    assert.match((yield* Effect.flip(handle.exitCode)).message, /'SIGKILL'/)
  })),
  "kill: by force, if the first signal is ignored for too long": spawner(Effect.gen(function*() {
    const handle = yield* shell("trap '' TERM; echo on; exec cat", { killSignal: "SIGKILL", stderr: "ignore" })
    yield* word(handle)
    yield* handle.kill({ killSignal: "SIGTERM", forceKillAfter: "50 millis" })
    assert.equal(yield* handle.isRunning, false)
    assert.ok(Exit.isFailure(yield* Effect.exit(handle.exitCode)))
  })),
  "scope: its end is by force, if the signal is ignored for too long": spawner(Effect.gen(function*() {
    const { close, handle } = yield* inOwnScope(
      shell("trap '' TERM; echo on; sleep 1000", { killSignal: "SIGTERM", forceKillAfter: "50 millis" })
    )
    yield* word(handle)
    yield* close
    assert.equal(yield* handle.isRunning, false)
  })),
  "scope: its end lets the program clean up": spawner(Effect.gen(function*() {
    const { close, handle } = yield* inOwnScope(
      shell("trap 'echo bye >&2; exit 0' TERM; echo on; while :; do sleep 0.1; done")
    )
    yield* word(handle)
    const last = yield* Effect.forkChild(text(handle.stderr))
    yield* close
    assert.equal(yield* Fiber.join(last), "bye\n")
    assert.equal(yield* handle.exitCode, 0)
  })),
  "scope: an interruption ends it": spawner(Effect.gen(function*() {
    const pids: Array<number> = []
    const running = Effect.scoped(Effect.gen(function*() {
      const handle = yield* shell("trap '' TERM; echo on; sleep 1000", { forceKillAfter: "50 millis" })
      yield* word(handle)
      pids.push(handle.pid)
      yield* Effect.never
    }))
    const fiber = yield* Effect.forkChild(running)
    yield* Effect.promise(() => until(() => pids.length === 1))
    yield* Fiber.interrupt(fiber)
    yield* Effect.promise(() => isGone(pids[0]!))
  })),
  "error: an exit code that is not 0 is none": says(shell("exit 1"), "", "", 1),
  "error: a command that is not there": spawner(Effect.gen(function*() {
    const { _tag, method, module } = yield* reasonOf(ChildProcess.make("nonexistent-command-12345"))
    assert.deepEqual([_tag, module, method], ["NotFound", "ChildProcess", "spawn"])
  })),
  "error: a directory that is not there": spawner(Effect.gen(function*() {
    assert.equal((yield* reasonOf(ChildProcess.make("true", { cwd: "/nonexistent/directory" })))._tag, "NotFound")
  })),
  "error: a file that may not be executed": spawner(Effect.gen(function*() {
    const { _tag, method, module } = yield* reasonOf(ChildProcess.make({ cwd: "/etc" })`./passwd`)
    assert.deepEqual([_tag, module, method], ["PermissionDenied", "ChildProcess", "spawn"])
  })),
  "error: what a sandbox does not have is refused by name": spawner(Effect.gen(function*() {
    const refused = yield* reasonOf(ChildProcess.make("true", { stdin: "inherit" }))
    assert.equal(refused._tag, "BadArgument")
    assert.match(String(refused.description), /^stdin: /)
    // a type that a later version of Effect may have
    const fd3 = { type: "duplex" } as unknown as ChildProcess.AdditionalFdConfig
    assert.match(
      String((yield* reasonOf(ChildProcess.make("true", { additionalFds: { fd3 } }))).description),
      /^additionalFds\.fd3: /
    )
  })),
  "env: nothing of the application's is there, whatever extendEnv says": spawner(Effect.gen(function*() {
    const spawner = yield* ChildProcessSpawner
    const names = yield* spawner.lines(shell("env | cut -d= -f1 | sort", { extendEnv: true }))
    assert.deepEqual(names, ["HOME", "PATH", "PWD"])
  })),
  "detached: leads a session of its own, and ends with its scope": spawner(Effect.gen(function*() {
    const { close, handle } = yield* inOwnScope(shell("echo on; sleep 1000", { detached: true }))
    yield* word(handle)
    yield* close
    assert.equal(yield* handle.isRunning, false)
  }))
}

const pipelines: Readonly<Record<string, Scenario>> = {
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

const fds: Readonly<Record<string, Scenario>> = {
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

const supervision: Readonly<Record<string, Scenario>> = {
  "children: end with the program that is killed": spawner(Effect.gen(function*() {
    const mark = newMark()
    const handle = yield* family(mark, "echo there; wait")
    yield* Stream.runDrain(Stream.take(Stream.splitLines(Stream.decodeText(handle.stdout)), 7))
    assert.equal(yield* handle.isRunning, true)
    assert.ok(processesWith(mark).length >= 7)
    yield* handle.kill()
    assert.equal(yield* handle.isRunning, false)
    yield* noneWith(mark)
  })),
  "children: end with the program that fails": spawner(Effect.gen(function*() {
    const mark = newMark()
    const { close, handle } = yield* inOwnScope(family(mark, "exit 1"))
    assert.equal(yield* handle.exitCode, 1)
    yield* noneWith(mark)
    yield* close
  })),
  "children: end with the program that succeeds, or is killed from outside": spawner(Effect.gen(function*() {
    const mark = newMark()
    assert.equal(yield* (yield* family(mark, "exit 0")).exitCode, 0)
    yield* noneWith(mark)
    const handle = yield* family(mark, "echo there; wait")
    yield* word(handle)
    process.kill(handle.pid, "SIGKILL")
    assert.ok(Exit.isFailure(yield* Effect.exit(handle.exitCode)))
    yield* noneWith(mark)
  })),
  "children: that ignore the signal end with their program": spawner(Effect.gen(function*() {
    const mark = newMark()
    const deaf = `sh -c 'trap "" TERM; echo there; sleep 1000' ${mark} & echo there; wait`
    const handle = yield* ChildProcess.make("sh", ["-c", deaf, mark])
    yield* Stream.runDrain(Stream.take(Stream.splitLines(Stream.decodeText(handle.stdout)), 2))
    yield* handle.kill({ forceKillAfter: "200 millis" })
    yield* noneWith(mark)
  })),
  "unref: it continues when its scope ends": spawner(Effect.gen(function*() {
    const { close, handle } = yield* inOwnScope(shell("sleep 1000", quiet))
    yield* handle.unref
    yield* close
    assert.equal(yield* handle.isRunning, true)
    yield* handle.kill({ killSignal: "SIGKILL" })
    assert.equal(yield* handle.isRunning, false)
  })),
  "unref: what takes it back has it end with its scope": spawner(Effect.gen(function*() {
    const { close, handle } = yield* inOwnScope(shell("sleep 1000", quiet))
    yield* yield* handle.unref
    yield* close
    assert.equal(yield* handle.isRunning, false)
  })),
  "unref: its exit code is there after the end of its scope": spawner(Effect.gen(function*() {
    const { close, handle } = yield* inOwnScope(shell("sleep 0.05", quiet))
    yield* handle.unref
    yield* close
    assert.equal(yield* handle.exitCode, 0)
  })),
  "unref: what it writes is there after the end of its scope": spawner(Effect.gen(function*() {
    const { close, handle } = yield* inOwnScope(shell("sleep 0.1; seq 20000"))
    yield* handle.unref
    const read = yield* Effect.forkChild(text(handle.stdout))
    yield* close
    assert.equal((yield* Fiber.join(read)).trimEnd().split("\n").at(-1), "20000")
  })),
  "unref: its children end with it, when it fails": spawner(Effect.gen(function*() {
    const mark = newMark()
    const { close, handle } = yield* inOwnScope(family(mark, "sleep 0.1; exit 1"))
    yield* handle.unref
    yield* close
    assert.equal(yield* handle.exitCode, 1)
    yield* noneWith(mark)
  })),
  "unref: of a pipeline, all of its programs": spawner(Effect.gen(function*() {
    const mark = newMark()
    const waiting = ChildProcess.make("sh", ["-c", "sleep 1000; :", mark], { stdout: "pipe" })
    const { close, handle } = yield* inOwnScope(ChildProcess.pipeTo(waiting, waiting))
    yield* handle.unref
    yield* close
    // a third has the mark while a shell has forked and its child has not yet executed sleep
    yield* eventually(() => processesWith(mark).length === 2)
    yield* handle.kill({ killSignal: "SIGKILL" })
    yield* noneWith(mark)
  })),
  "unref: the end of the layer leaves it alone, too": async ({ stateRoot }) => {
    const layer = Layer.provide(Sandbox.spawnerLayer(Sandbox.make(), { stateRoot }), Sandbox.layer)
    const handle = await Effect.runPromise(
      Effect.provide(
        Effect.scoped(Effect.gen(function*() {
          const handle = yield* shell("sleep 1000", quiet)
          yield* handle.unref
          return handle
        })),
        layer
      )
    )
    assert.equal(await Effect.runPromise(handle.isRunning), true)
    await Effect.runPromise(handle.kill())
    await isGone(handle.pid)
  },
  "a failure while it runs ends it": spawner(Effect.gen(function*() {
    const pids: Array<number> = []
    const exit = yield* Effect.exit(Effect.scoped(Effect.gen(function*() {
      pids.push((yield* ChildProcess.make("sleep", ["1000"])).pid)
      yield* Effect.die(new Error("a bug"))
    })))
    assert.ok(Exit.isFailure(exit) && String(Cause.squash(exit.cause)).includes("a bug"))
    yield* Effect.promise(() => isGone(pids[0]!))
  }))
}

/** All of them, by name. */
export const spawners: Readonly<Record<string, Scenario>> = {
  ...basics,
  ...streams,
  ...control,
  ...pipelines,
  ...fds,
  ...supervision
}
