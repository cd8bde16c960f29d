/** Which descriptors of an application are in a sandbox: those that are passed by name, and no other. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import assert from "node:assert/strict"
import { fstatSync, readFileSync, readSync } from "node:fs"
import { open } from "node:fs/promises"
import { AT, O, SOCK } from "../../src/native/constants.ts"
import { sys } from "../../src/native/Kernel.ts"
import * as promises from "../../src/promise.ts"
import * as Sandbox from "../../src/sandbox.ts"
import { effect, type Scenario, text } from "./scenario.ts"

/** The numbers that a shell has, without the one that it lists them with; and what is behind each. */
const list = "for fd in /proc/self/fd/*; do readlink $fd; done | sed 's/:.*//' | sort | uniq -c | tr -s ' \\n' ' '"
const numbers = "ls /proc/self/fd | tr '\\n' ' '"

/** Descriptors that an application has opened without close-on-exec: any program that it starts as others do has them. */
const leaky = Effect.acquireRelease(
  Effect.gen(function*() {
    const [read, write] = yield* sys.pipe2({ flags: 0 })
    const [one, other] = yield* sys.socketpair({ type: SOCK.STREAM })
    const file = yield* sys.openat({ dirfd: AT.FDCWD, path: "/etc/passwd", flags: O.RDONLY, mode: 0 })
    const root = yield* sys.openat({ dirfd: AT.FDCWD, path: "/", flags: O.RDONLY | O.DIRECTORY, mode: 0 })
    return { read, write, one, other, file, root }
  }),
  (all) => Effect.ignore(Effect.forEach(Object.values(all), (fd) => sys.close({ fd })))
)

/** Runs all three ways to start a program, and returns what each wrote. */
const eachWay = (command: string, options: Pick<Sandbox.Options, "descriptors" | "stateRoot">) =>
  Effect.gen(function*() {
    const box = Sandbox.make()
    const program = ["sh", "-c", command]
    const ran = yield* Sandbox.run(box, program, options)
    const spawned = yield* Sandbox.spawn(box, program, options)
    const all = yield* text(spawned.all)
    const waiting = yield* Sandbox.spawn(box, ["sleep", "1000"], options)
    const { stateRoot: _, ...own } = options
    const executed = yield* waiting.exec(program, own)
    return [ran.stdout + ran.stderr, all, executed.stdout + executed.stderr]
  })

/** Scenarios by name. */
export const descriptors: Readonly<Record<string, Scenario>> = {
  "nothing of the application's is inherited, with close-on-exec or without": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      yield* leaky
      // ls has one more, for the directory
      assert.deepEqual(yield* eachWay(numbers, { stateRoot }), Array.from({ length: 3 }, () => "0 1 2 3 "))
      for (const said of yield* eachWay(list, { stateRoot })) assert.doesNotMatch(said, /socket|passwd/)
    })
  ),
  "what is named is there, under its number and under no other": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      const { file, one, other, read, write } = yield* leaky
      yield* sys.write({ fd: write, data: Buffer.from("from the pipe\n".repeat(3)) })
      const heard = yield* eachWay(`read line <&7; echo $line; ${numbers}; echo of the program >&5`, {
        stateRoot,
        descriptors: { 7: read, 5: one, 3: { fd: file } }
      })
      // dash reads a pipe byte by byte
      assert.deepEqual(heard, Array.from({ length: 3 }, () => "from the pipe\n0 1 2 3 4 5 7 "))
      const told = Buffer.alloc(1000)
      assert.equal(told.toString("latin1", 0, readSync(other, told)).split("\n")[0], "of the program")
      // they are the application's still
      assert.ok(fstatSync(file).isFile())
    })
  ),
  "numbers that the application has in use are free for the program": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      const { file } = yield* leaky
      const passwd = readFileSync("/etc/passwd", "utf8").split("\n")[0]
      // among these are those of the pipes, the channel and what else the start makes
      const all = Array.from({ length: 40 }, (_, index) => index + 3)
      const options = { stateRoot, descriptors: Object.fromEntries(all.map((number) => [number, file])) }
      const program = "ls /proc/self/fd | wc -l; for fd in $(seq 3 42); do head -1 /proc/self/fd/$fd; done | uniq"
      for (const said of yield* eachWay(program, options)) assert.equal(said, `44\n${passwd}\n`)
    })
  ),
  "what is not open, or no number of a descriptor, is refused by name": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      const problemsOf = (descriptors: unknown) =>
        Effect.map(
          Effect.flip(
            Sandbox.run(Sandbox.make(), ["true"], { stateRoot, descriptors: descriptors as Sandbox.Descriptors })
          ),
          (error) =>
            error._tag === "InvalidSandbox" ? error.problems.map(({ path, rule }) => `${path}: ${rule}`) : error
        )
      assert.deepEqual(yield* problemsOf({ 2: 1, 300: 1, x: 1 }), [
        "descriptors.2: must be for a number from 3 to 255",
        "descriptors.300: must be for a number from 3 to 255",
        "descriptors.x: must be for a number from 3 to 255"
      ])
      assert.deepEqual(yield* problemsOf({ 3: 1_000_000, 4: {} }), ["descriptors.4: must be a descriptor that is open"])
      assert.deepEqual(yield* problemsOf({ 3: 1_000_000 }), ["descriptors.3: must be a descriptor that is open"])
    })
  ),
  "a file of Node's is passed by promises as well": async ({ stateRoot }) => {
    const file = await open("/etc/passwd")
    try {
      const { stdout } = await promises.run("head -1 <&3", { stateRoot, descriptors: { 3: file } })
      assert.equal(stdout, `${readFileSync("/etc/passwd", "utf8").split("\n")[0]}\n`)
    } finally {
      await file.close()
    }
  },
  "one that the application closes meanwhile is there": effect(({ stateRoot }) =>
    Effect.gen(function*() {
      const [read, write] = yield* sys.pipe2({ flags: O.CLOEXEC })
      yield* sys.write({ fd: write, data: Buffer.from("kept") })
      const process = yield* Sandbox.spawn(Sandbox.make(), ["sh", "-c", "read go; cat <&3"], {
        stateRoot,
        descriptors: { 3: read }
      })
      yield* sys.close({ fd: read })
      yield* sys.close({ fd: write })
      yield* Stream.run(Stream.make(new TextEncoder().encode("go\n")), process.stdin)
      assert.equal(yield* text(process.stdout), "kept")
    })
  )
}
