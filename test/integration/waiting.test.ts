/** How this process waits for its children, and for itself: its event loop has its turn, and one child is not felt by another. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { CLD, O, P, SIG, W } from "../../src/native/constants.ts"
import { Fork } from "../../src/native/Fork.ts"
import { type Kernel, sys } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import { eventually } from "../support/until.ts"

const effectModule = fileURLToPath(import.meta.resolve("effect/Effect"))
const repository = fileURLToPath(new URL("../../", import.meta.url))

const live = <A, E>(name: string, effect: Effect.Effect<A, E, Kernel | Fork>) =>
  it.live(name, () => Effect.provide(effect, Linux.layer))

const endOf = (pid: number) => sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })

const linkOf = (pid: number | string, fd: string): string | undefined => {
  try {
    return fs.readlinkSync(`/proc/${pid}/fd/${fd}`)
  } catch {
    return undefined
  }
}

/** A child's end of its link: the only socket of one that has no descriptors of this process's. */
const linkEndOf = (pid: number): number =>
  Number(fs.readdirSync(`/proc/${pid}/fd`).find((fd) => Number(fd) > 2 && linkOf(pid, fd)?.startsWith("socket:")))

/** A child that does as it is told, and one that nobody disturbs. */
const start = (child: Effect.Effect<unknown, unknown, Kernel | Fork>) =>
  Effect.flatMap(Fork, (fork) => fork.start(0, child, []))

const honest = Effect.gen(function*() {
  const { pid } = yield* start(Effect.andThen(sys.getpid({}), sys.exit_group({ status: 7 })))
  assert.deepInclude(yield* endOf(pid), { code: CLD.EXITED, status: 7 })
})

describe("the event loop", () => {
  live(
    "has its turn while children make calls, all of them at once",
    Effect.gen(function*() {
      let turns = 0
      let inside = 0
      let most = 0
      const count = () => {
        turns++
        immediate = setImmediate(count)
      }
      let immediate = setImmediate(count)
      const child = Effect.gen(function*() {
        most = Math.max(most, ++inside)
        for (let left = 2000; left > 0; left--) yield* sys.getpid({})
        inside--
        return yield* sys.exit_group({ status: 7 })
      })
      const one = Effect.flatMap(start(child), ({ pid }) => endOf(pid))
      const ends = yield* Effect.all(Array.from({ length: 16 }, () => one), { concurrency: 16 })
      clearImmediate(immediate)
      assert.deepStrictEqual(new Set(ends.map((end) => end?.status)), new Set([7]))
      // 32,000 calls in turns of 5 ms at most, and no child waits until another one has ended
      assert.isAbove(turns, 5)
      assert.isAbove(most, 1)
    })
  )

  live(
    "goes on while this process waits for a descriptor, for a time, and for a child",
    Effect.gen(function*() {
      const [read, write] = yield* sys.pipe2({ flags: O.CLOEXEC })
      const order: Array<string> = []
      const { pid } = yield* start(Effect.andThen(Effect.sleep(20), sys.exit_group({ status: 7 })))
      const note = (name: string) => Effect.sync(() => order.push(name))
      yield* Effect.all([
        Effect.andThen(sys.read({ fd: read, count: 1 }), note("read")),
        // the same descriptor a second time
        Effect.andThen(sys.poll({ fds: [read], events: 1, timeout: -1 }), note("poll")),
        Effect.andThen(endOf(pid), note("waitid")),
        Effect.andThen(sys.nanosleep({ nanoseconds: 5_000_000n }), note("nanosleep")),
        Effect.sleep(60).pipe(
          Effect.andThen(note("timer")),
          Effect.andThen(sys.write({ fd: write, data: Buffer.of(1, 2) }))
        )
      ], { concurrency: "unbounded" })
      assert.sameMembers(order, ["nanosleep", "waitid", "timer", "read", "poll"])
      assert.isBelow(order.indexOf("timer"), order.indexOf("read"))
      assert.isBelow(order.indexOf("timer"), order.indexOf("poll"))
      assert.deepStrictEqual(yield* sys.poll({ fds: [write], events: 1, timeout: 1 }), [0])
      for (const fd of [read, write]) yield* sys.close({ fd })
    })
  )
})

describe("a wait", () => {
  live(
    "of this process can be timed out, and leaves nothing",
    Effect.gen(function*() {
      const [read, write] = yield* sys.pipe2({ flags: O.CLOEXEC })
      const wait = Effect.timeoutOption(sys.read({ fd: read, count: 1 }), 1)
      yield* wait
      const before = fs.readdirSync("/proc/self/fd").length
      for (let left = 20; left > 0; left--) assert.strictEqual((yield* wait)._tag, "None")
      assert.strictEqual(fs.readdirSync("/proc/self/fd").length, before)
      yield* sys.write({ fd: write, data: Buffer.of(9) })
      assert.deepStrictEqual([...yield* sys.read({ fd: read, count: 1 })], [9])
      for (const fd of [read, write]) yield* sys.close({ fd })
    })
  )

  live(
    "of a child can be timed out; the child makes its next call after that one",
    Effect.gen(function*() {
      const [read, write] = yield* sys.pipe2({ flags: O.CLOEXEC })
      let timedOut = false
      const { pid } = yield* Effect.flatMap(Fork, (fork) =>
        fork.start(
          0,
          Effect.gen(function*() {
            timedOut = (yield* Effect.timeoutOption(sys.read({ fd: read, count: 1 }), 10))._tag === "None"
            const [left] = yield* sys.read({ fd: read, count: 1 })
            return yield* sys.exit_group({ status: left ?? 0 })
          }),
          [[read, read]]
        ))
      yield* eventually(() => timedOut)
      yield* sys.write({ fd: write, data: Buffer.of(1, 2) })
      // the first byte went to the call that was given up
      assert.deepInclude(yield* endOf(pid), { code: CLD.EXITED, status: 2 })
      for (const fd of [read, write]) yield* sys.close({ fd })
    })
  )
})

describe("a child", () => {
  live(
    "that rings all the time is not listened to, and goes on",
    Effect.gen(function*() {
      let link = -1
      const { pid } = yield* start(Effect.gen(function*() {
        yield* eventually(() => link >= 0)
        // as much as the socket takes, again and again
        for (let left = 50; left > 0; left--) {
          yield* Effect.exit(sys.write({ fd: link, data: Buffer.alloc(60_000) }))
        }
        return yield* sys.exit_group({ status: 7 })
      }))
      link = linkEndOf(pid)
      yield* honest
      assert.deepInclude(yield* endOf(pid), { code: CLD.EXITED, status: 7 })
    })
  )

  live(
    "that hangs up is not asked any more, and nobody else feels it",
    Effect.gen(function*() {
      let link = -1
      let went = false
      const { forget, pid } = yield* start(Effect.gen(function*() {
        yield* eventually(() => link >= 0)
        yield* Effect.exit(sys.shutdown({ fd: link, how: 2 }))
        yield* Effect.sleep(1)
        yield* Effect.exit(sys.nanosleep({ nanoseconds: 1_000_000n }))
        went = true
      }))
      link = linkEndOf(pid)
      yield* honest
      yield* sys.kill({ pid, signal: SIG.KILL })
      yield* endOf(pid)
      yield* forget
      yield* honest
      assert.isFalse(went)
    })
  )
})

describe("several runtimes", () => {
  it.live(
    "in threads and in processes beside each other start children, and see each end at once",
    () =>
      Effect.gen(function*() {
        const script = `
        import * as Effect from "effect/Effect"
        import { isMainThread, Worker } from "node:worker_threads"
        import { fileURLToPath } from "node:url"
        import { Fork } from "${repository}dist/native/Fork.js"
        import { sys } from "${repository}dist/native/Kernel.js"
        import * as Linux from "${repository}dist/native/linux/Linux.js"
        const one = Effect.gen(function*() {
          // one that says nothing when it ends
          const child = sys.execve({ path: "/bin/sh", argv: ["sh", "-c", "exit 3"], envp: [] })
          const { pid } = yield* (yield* Fork).start(0, child, [])
          const pidfd = yield* sys.pidfd_open({ pid, flags: 0 })
          const end = yield* sys.waitid({ idtype: ${P.PIDFD}, id: pidfd, options: ${W.EXITED} })
          yield* sys.close({ fd: pidfd })
          return end.status
        })
        const many = Effect.forEach(Array.from({ length: 40 }), () => one, { concurrency: 8 })
        const statuses = await Effect.runPromise(Effect.provide(many, Linux.layer))
        console.log(statuses.every((status) => status === 3) ? "well" : statuses.join())
        if (isMainThread && process.argv[2] === "threads") {
          for (let left = 3; left > 0; left--) new Worker(fileURLToPath(import.meta.url))
        }`
        const directory = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-waiting-"))
        const file = path.join(directory, "starts.mjs")
        fs.writeFileSync(file, script.replaceAll("effect/Effect", effectModule))
        const run = (...args: ReadonlyArray<string>) =>
          Effect.promise(async () => (await promisify(execFile)(process.execPath, [file, ...args])).stdout)
        try {
          // a look a second at each of them would take minutes
          const outputs = yield* Effect.all([run("threads"), run(), run()], { concurrency: 3 })
          assert.deepStrictEqual(outputs, ["well\n".repeat(4), "well\n", "well\n"])
        } finally {
          fs.rmSync(directory, { recursive: true })
        }
      })
  )
})
