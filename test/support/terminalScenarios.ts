/** Programs of a sandbox on a terminal: for root and for a user. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import * as promises from "../../src/promise.ts"
import * as Sandbox from "../../src/sandbox.ts"
import { bytes, effect, type Scenario, text } from "./scenario.ts"

/** Root of its user namespace, without which a caller without privileges has no terminals. */
const box = Sandbox.make({ user: "root" })

const onTerminal = (script: string, stateRoot: string, terminal: Sandbox.SpawnOptions["terminal"] = true) =>
  Sandbox.spawn(box, ["sh", "-c", script], { stateRoot, terminal })

/** Lines without regard to when the terminal has echoed what was typed. */
const echoed = (output: string) => output.trimEnd().split("\r\n").toSorted()

/** All of them, by name. */
export const terminalScenarios: Readonly<Record<string, Scenario>> = {
  "has the size that was asked for, and colours": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      const usual = yield* onTerminal("stty size; tty; [ -t 2 ] && echo $TERM; ls --color=auto -d /usr", stateRoot)
      const [size, tty, term, colour] = (yield* text(usual.stdout)).split("\r\n")
      assert.deepEqual([size, tty, term], ["24 80", "/dev/pts/0", "xterm-256color"])
      assert.ok(colour!.includes("\u001b["), colour)
      const { exitCode } = yield* usual.exit
      assert.equal(exitCode, 0)
      const other = yield* onTerminal("stty size", stateRoot, { rows: 40, columns: 132 })
      assert.equal(yield* text(other.stdout), "40 132\r\n")
      const wrong = yield* Effect.flip(onTerminal("stty size", stateRoot, { rows: 0, columns: 1 }))
      assert.equal(wrong._tag, "InvalidSandbox")
    })
  ),
  "is refused by name if the caller can't have one": effect(({ root, stateRoot }) =>
    Effect.gen(function*() {
      const process = yield* Effect.exit(Sandbox.spawn(Sandbox.make(), ["true"], { stateRoot, terminal: true }))
      // a user with subordinate ids may
      if (process._tag === "Success") return
      const error = process.cause.reasons.find(Cause.isFailReason)?.error
      assert.deepEqual([root, error?._tag], [false, "SandboxUnavailable"])
      assert.match(error!.message, /^terminal can't be had here: /)
    })
  ),
  "is full for who types while its program does not read, and nobody else is held up": async ({ stateRoot }) => {
    const box = promises.sandbox({ user: "root", limits: { time: "60 seconds" } })
    const options = { stateRoot, terminal: true }
    const deaf = await box.spawn("stty raw -echo; echo up; exec sleep infinity", options)
    await new Promise((resolve) => deaf.stdout.once("data", resolve))
    let taken = false
    deaf.stdin.write(Buffer.alloc(1 << 20), () => void (taken = true))
    // another program, from start to end: with a thread that waits, there would be none
    assert.equal((await promises.run("echo else", { stateRoot })).stdout, "else\n")
    assert.equal(taken, false)
    await deaf.close()
    const reader = await box.spawn("stty raw -echo; echo up; head -c 1000000 | cksum", options)
    await new Promise((resolve) => reader.stdout.once("data", resolve))
    reader.stdin.write(Buffer.alloc(1_000_000, "typed"))
    const sum = execFileSync("cksum", { input: Buffer.alloc(1_000_000, "typed"), encoding: "utf8" })
    let all = ""
    for await (const chunk of reader.stdout) all += String(chunk)
    assert.equal(all.trim(), sum.trim())
  },
  "is resized while its program runs, which is told": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      const script = "trap 'stty size; exit 5' WINCH; echo on; while :; do sleep 0.1; done"
      const process = yield* onTerminal(script, stateRoot)
      const output = yield* Effect.forkChild(text(process.stdout))
      // as long as it has not set its trap, it does not notice
      const resizing = Effect.forever(
        Effect.andThen(
          Effect.andThen(process.resize({ rows: 7, columns: 70 }), process.resize({ rows: 9, columns: 90 })),
          Effect.sleep("100 millis")
        )
      )
      yield* Effect.raceFirst(Effect.ignore(process.exit), Effect.ignore(resizing))
      assert.match(yield* Fiber.join(output), /on\r\n.*9 90\r\n$/s)
      assert.equal((yield* process.exit).exitCode, 5)
      const piped = yield* Sandbox.spawn(Sandbox.make(), ["true"], { stateRoot })
      assert.equal((yield* Effect.flip(piped.resize({ rows: 1, columns: 1 })))._tag, "SandboxUnavailable")
    })
  ),
  "loses no byte of a megabyte, also of one that ends at once": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      const process = yield* onTerminal("stty -opost; head -c 1048576 /dev/zero | tr '\\0' x; printf end", stateRoot)
      const all = yield* text(process.stdout)
      assert.deepEqual([all.length, all.slice(-4)], [1_048_579, "xend"])
      assert.equal(yield* text(process.stderr), "")
    })
  ),
  "is typed at: lines, ^C, and the end of input": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      const cat = yield* Sandbox.spawn(box, ["cat"], { stateRoot, terminal: true })
      yield* Stream.run(Stream.make(bytes("hello\n")), cat.stdin)
      assert.equal(yield* text(cat.stdout), "hello\r\nhello\r\n")
      assert.equal((yield* cat.exit).exitCode, 0)
      const sleep = yield* onTerminal("echo on; exec sleep 1000", stateRoot)
      const output = yield* Effect.forkChild(text(sleep.stdout))
      yield* Effect.forkChild(Stream.run(Stream.concat(Stream.make(bytes("\u0003")), Stream.never), sleep.stdin))
      assert.equal((yield* sleep.exit).exitCode, 128 + 2)
      yield* Fiber.join(output)
    })
  ),
  "ends its program when it is hung up": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      const process = yield* onTerminal("echo on; exec sleep 1000", stateRoot)
      // whoever stops reading closes it
      yield* Stream.runHead(process.stdout)
      assert.equal((yield* process.exit).exitCode, 128 + 1)
    })
  ),
  "of a further program: run to its end, with another size, and output that others hold open": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      const first = yield* Sandbox.spawn(box, ["sleep", "1000"], { stateRoot })
      const terminal = { rows: 12, columns: 34 }
      // the job in the background has the terminal open when the program has ended
      const script =
        "stty size; tty; echo $TERM $A; cat; (trap '' HUP; sleep 1000) & head -c 200000 /dev/zero | tr '\\0' x"
      const options = { terminal, input: "typed\n", env: { A: "1" }, overflow: "last" } as const
      const { exitCode, stderr, stdout } = yield* first.exec(["sh", "-c", script], options)
      assert.deepEqual([exitCode, stderr], [0, ""])
      const sorted = ["/dev/pts/0", "12 34", "typed", "typed", "xterm-256color 1", "x".repeat(200_000)].toSorted()
      assert.deepEqual(echoed(stdout), sorted)
      const piped = yield* first.exec(["sh", "-c", "tty; echo $TERM"])
      assert.equal(piped.stdout, "not a tty\n\n")
      const wrong = yield* Effect.flip(first.exec(["true"], { terminal: { rows: 0, columns: 1 } }))
      assert.equal(wrong._tag, "InvalidSandbox")
    })
  ),
  "of a further program that is talked to, resized and hung up": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      const first = yield* Sandbox.spawn(box, ["sleep", "1000"], { stateRoot })
      const shell = yield* first.spawn(["sh"], { terminal: true, env: { PS1: "" } })
      yield* shell.resize({ rows: 5, columns: 50 })
      yield* Stream.run(Stream.make(bytes("stty size; exit 3\n")), shell.stdin)
      assert.match(yield* text(shell.stdout), /5 50\r\n/)
      assert.equal((yield* shell.exit).exitCode, 3)
      const hung = yield* first.spawn(["sh", "-c", "echo on; exec sleep 1000"], { terminal: true })
      yield* Stream.runHead(hung.stdout)
      assert.equal((yield* hung.exit).signal, "SIGHUP")
      const cat = yield* Effect.scoped(Effect.gen(function*() {
        const cat = yield* first.spawn(["cat"])
        assert.equal((yield* Effect.flip(cat.resize({ rows: 1, columns: 1 })))._tag, "SandboxUnavailable")
        return cat
      }))
      assert.equal(yield* cat.isRunning, false)
      assert.equal(yield* first.isRunning, true)
    })
  ),
  "of the programs of a pool, each with its own size": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      const { Pool } = Sandbox
      const pool = yield* Pool.make({ size: 1, sandbox: box, terminal: { rows: 20, columns: 70 }, stateRoot })
      const { exitCode, stdout } = yield* Pool.run(pool, ["sh", "-c", "stty size; tty; echo $TERM; cat"], {
        input: "in\n"
      })
      assert.deepEqual([exitCode, echoed(stdout)], [0, ["/dev/pts/0", "20 70", "in", "in", "xterm-256color"]])
      const size = { rows: 10, columns: 40 }
      const other = yield* Pool.spawn(pool, ["sh", "-c", "stty size; read line; stty size"], { size })
      yield* other.resize({ rows: 11, columns: 41 })
      yield* Stream.run(Stream.make(bytes("go\n")), other.stdin)
      assert.match(yield* text(other.stdout), /^(go\r\n)?1[01] 4[01]\r\n(go\r\n)?11 41\r\n$/)
      const plain = yield* Pool.make({ size: 1, stateRoot })
      assert.equal((yield* Effect.flip(Pool.run(plain, ["true"], { size })))._tag, "SandboxUnavailable")
      assert.equal(
        (yield* Effect.flip(Pool.make({ size: 1, terminal: { rows: 0, columns: 1 }, stateRoot })))._tag,
        "InvalidSandbox"
      )
    })
  ),
  "of a program that is run to its end": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      const { exitCode, stdout } = yield* Sandbox.run(box, ["sh", "-c", "tty; cat"], {
        stateRoot,
        terminal: true,
        input: "in\n"
      })
      assert.deepEqual([exitCode, echoed(stdout)], [0, ["/dev/pts/0", "in", "in"]])
    })
  ),
  "with promises": async ({ stateRoot }) => {
    const shell = await promises.spawn(["sh"], {
      user: "root",
      stateRoot,
      terminal: { rows: 30, columns: 100 },
      env: { PS1: "> " }
    })
    await shell.resize({ rows: 31, columns: 101 })
    shell.stdin.end("stty size; exit 3\n")
    let all = ""
    for await (const chunk of shell.stdout) all += String(chunk)
    assert.match(all, /31 101\r\n/)
    assert.equal((await shell.exit).exitCode, 3)
    await shell.close()
    const first = await promises.spawn("sleep 1000", { user: "root", stateRoot })
    const second = await first.spawn("read line; stty size; exec sleep 1000", { terminal: true })
    await second.resize({ rows: 7, columns: 77 })
    second.stdin.write("on\n")
    for await (const chunk of second.stdout) if (String(chunk).includes("7 77")) break
    assert.equal((await second.exit).signal, "SIGHUP")
    assert.equal((await first.exec("tty", { terminal: true })).stdout, "/dev/pts/0\r\n")
    await first.close()
    const pool = await promises.pool({ size: 1, sandbox: { user: "root" }, terminal: true, stateRoot })
    assert.equal((await pool.run("stty size", { size: { rows: 8, columns: 88 } })).stdout, "8 88\r\n")
    await pool.close()
  }
}
