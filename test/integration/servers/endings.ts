/** Servers that are stopped, killed or lost. */
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import { createInterface } from "node:readline"
import { CLD, CLONE, P, SIG, W } from "../../../src/native/constants.ts"
import { Fork } from "../../../src/native/Fork.ts"
import { sys } from "../../../src/native/Kernel.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import { openSuccessor } from "../../../src/steps/parent/child.ts"
import { ChannelGarbled } from "../../../src/steps/parent/errors.ts"
import { hasEnded } from "../../support/host.ts"
import { eventually } from "../../support/until.ts"
import { repository, waiting } from "./setup.ts"

const stateOf = (pid: number): string => /^State:\s+(\w)/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))![1]!

describe("a server", () => {
  layer(Linux.layer, { excludeTestServices: true })((it) => {
    it.effect("that is stopped holds nobody up, and goes on", () =>
      Effect.gen(function*() {
        const { end, pid, release } = yield* waiting(Effect.sleep(1))
        yield* sys.kill({ pid, signal: SIG.STOP })
        yield* eventually(() => stateOf(pid) === "T")
        yield* release
        const other = yield* waiting()
        yield* other.release
        assert.deepInclude(yield* other.end, { code: CLD.EXITED, status: 7 })
        assert.strictEqual(stateOf(pid), "T")
        yield* sys.kill({ pid, signal: SIG.CONT })
        assert.deepInclude(yield* end, { code: CLD.EXITED, status: 7 })
      }))

    it.effect("that is killed in the middle of a call does nothing more", () =>
      Effect.gen(function*() {
        let went = false
        const { end, pid } = yield* waiting(Effect.sync(() => went = true))
        yield* sys.kill({ pid, signal: SIG.KILL })
        assert.deepInclude(yield* end, { code: CLD.KILLED, status: SIG.KILL })
        const next = yield* waiting()
        yield* next.release
        assert.deepInclude(yield* next.end, { code: CLD.EXITED, status: 7 })
        assert.isFalse(went)
      }))

    it.effect("that has ended takes its effect along: nothing of it runs on, and its finalizers have run once", () =>
      Effect.gen(function*() {
        let ticks = 0
        const finalized: Array<string> = []
        const tick = Effect.andThen(Effect.sleep(1), Effect.sync(() => ticks++))
        const child = Effect.ensuring(
          Effect.forever(tick),
          // a call of a process that is not there any more has no answer: it must not be waited for
          Effect.onExit(
            Effect.sync(() => finalized.push("begun")).pipe(Effect.andThen(Effect.orDie(sys.getpid({})))),
            (exit) => Effect.sync(() => finalized.push(exit._tag))
          )
        )
        const { fiber, forget, pid } = yield* (yield* Fork).start(0, child, [])
        yield* eventually(() => ticks > 3)
        yield* sys.kill({ pid, signal: SIG.KILL })
        yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
        yield* forget
        assert.isDefined(fiber.pollUnsafe())
        assert.deepStrictEqual(finalized, ["begun", "Failure"])
        const before = ticks
        // timers of one length come in the order in which they were set: one of its own would come before these
        for (let turn = 0; turn < 3; turn++) yield* Effect.sleep(1)
        assert.strictEqual(ticks, before)
        yield* forget
        assert.deepStrictEqual(finalized, ["begun", "Failure"])
      }))

    it.effect("can be lost in its second process any number of times", () =>
      Effect.gen(function*() {
        const fork = yield* Fork
        // a group has 63 places, and is used again
        for (let times = 0; times < 70; times++) {
          let second: number | undefined
          const child = Effect.gen(function*() {
            yield* sys.reclone({ flags: 0 })
            second = yield* sys.getpid({})
            return yield* Effect.forever(Effect.sleep(1000))
          })
          const { fiber, forget, pid } = yield* fork.start(0, child, [])
          yield* eventually(() => second !== undefined || fiber.pollUnsafe() !== undefined)
          assert.isDefined(second, `the ${times + 1}. time`)
          yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
          yield* sys.kill({ pid: second!, signal: SIG.KILL })
          yield* sys.waitid({ idtype: P.PID, id: second!, options: W.EXITED })
          yield* forget
        }
      }))

    it.effect("never has a fiber of this process go on in the middle of another one", () =>
      Effect.gen(function*() {
        const fork = yield* Fork
        const depths: Array<number> = []
        /** How many fibers are at work, one below the other. */
        const depth = () => {
          const { stackTraceLimit } = Error
          Error.stackTraceLimit = Infinity
          const { stack } = new Error()
          Error.stackTraceLimit = stackTraceLimit
          return stack!.match(/runLoop/g)?.length ?? 0
        }
        const waitsFor = (item: number) =>
          Effect.gen(function*() {
            // by itself from here on, and not within who has started it
            yield* Effect.yieldNow
            for (let round = 0; round < 4; round++) {
              const pid = yield* fork.spawn(0, sys.nanosleep({ nanoseconds: BigInt(item % 3 + 1) * 1_000_000n }))
              yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
              depths.push(depth())
            }
            return item
          })
        const items = Array.from({ length: 12 }, (_, index) => index)
        assert.deepStrictEqual(yield* Effect.forEach(items, waitsFor, { concurrency: "unbounded" }), items)
        assert.deepStrictEqual(depths, Array.from({ length: 48 }, () => 1))
      }))

    it.effect("is not taken at its word about the process in which it goes on", () =>
      Effect.gen(function*() {
        const fork = yield* Fork
        /** A child that goes on in another one: both pids. */
        const successive = Effect.gen(function*() {
          let next: number | undefined
          const first = yield* fork.spawn(
            0,
            Effect.gen(function*() {
              yield* sys.setsid({})
              yield* sys.reclone({ flags: CLONE.PARENT })
              next = yield* sys.getpid({})
              yield* sys.nanosleep({ nanoseconds: 60_000_000_000n })
            })
          )
          yield* eventually(() => next !== undefined)
          return { first, next: next! }
        })
        const one = yield* successive
        const other = yield* successive
        yield* sys.close({ fd: yield* openSuccessor(one.next, one.first) })
        const { end, pid, release } = yield* waiting()
        // no child; a child that goes on for another one; a child that is in no session of the first one's
        for (const wrong of [1, -1, 4_000_000, other.next, other.first, pid]) {
          const stranger = yield* Effect.flip(openSuccessor(wrong, one.first))
          assert.instanceOf(stranger, ChannelGarbled)
          assert.include(stranger.message, `the pid of a stranger (${wrong})`)
        }
        yield* release
        yield* end
        for (const { first, next } of [one, other]) {
          yield* sys.kill({ pid: next, signal: SIG.KILL })
          for (const pid of [first, next]) yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
        }
      }))

    it.effect("ends with this process, however that ends", () =>
      Effect.gen(function*() {
        const script = `
          import * as Effect from "effect/Effect"
          import { Fork } from "${repository}dist/native/Fork.js"
          import * as Linux from "${repository}dist/native/linux/Linux.js"
          const spawn = Effect.flatMap(Fork, (fork) => fork.spawn(0, Effect.never))
          console.log(await Effect.runPromise(Effect.provide(spawn, Linux.layer)))
          setInterval(() => {}, 1000)`
        const parent = spawn(process.execPath, ["--input-type=module", "-e", script], { cwd: repository })
        const line = yield* Effect.promise(() =>
          createInterface({ input: parent.stdout })[Symbol.asyncIterator]().next()
        )
        const pid = Number(line.value)
        assert.match(fs.readlinkSync(`/proc/${pid}/exe`), /runfx-init/)
        parent.kill("SIGKILL")
        yield* eventually(() => hasEnded(pid))
      }))
  })
})
