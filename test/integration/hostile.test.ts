/** Programs of a container that do to those who come in whatever they can: the runtime, and other containers, go on. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { SIG } from "../../src/native/constants.ts"
import { sys } from "../../src/native/Kernel.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { containerOf, failureOf, on, options, sh } from "../support/containers.ts"
import { ownPlace } from "../support/ownPlace.ts"
import { missing } from "../support/rootfs.ts"

const place = ownPlace()

/** What this process has of its children: pieces of memory, and descriptors. */
const held = () => ({
  maps: fs.readFileSync("/proc/self/maps", "utf8").split("\n").filter((line) => line.includes("runfx-shared")).length,
  descriptors: fs.readdirSync("/proc/self/fd").length
})

/** A clock that shows what it is set to: by it, a start's patience is over when the test says so, on any machine. */
class SetClock {
  #now = 0
  constructor(live: Clock.Clock) {
    this.#now = live.currentTimeMillisUnsafe()
    this.service = Object.assign(Object.create(live) as Clock.Clock, {
      currentTimeMillisUnsafe: () => this.#now,
      currentTimeMillis: Effect.sync(() => this.#now)
    })
  }
  readonly service: Clock.Clock
  /** Puts it forward, in milliseconds. */
  forward(by: number): void {
    this.#now += by
  }
}

/** How long a start may take, in milliseconds. */
const patience = 1000

/** How often something is tried: what it says, times `RUNFX_RUNS`. */
const runs = (usual: number): number => Math.max(1, Math.round(usual * Number(process.env["RUNFX_RUNS"] ?? 1)))

/** How many of them are under way at once. */
const atOnce = 4

describe.skipIf(missing !== undefined)("a container whose program", () => {
  for (const [what, signal, starts] of [["stops", "STOP", 12], ["kills", "KILL", 100]] as const) {
    it.live(`${what} the processes that come in delays these alone`, () =>
      on(Effect.gen(function*() {
        const container = containerOf(place, sh(`while :; do kill -${signal} -1 2>/dev/null; done`), {
          readonlyRootfs: false
        })
        const attacked = options(place, container)
        const { pidfd } = yield* Runtime.create(attacked)
        const { process: enter } = containerOf(place, ["/bin/true"])
        const enters = { id: attacked.id, stateRoot: place.stateRoot, process: enter, patience }
        // who gets through is ended: a program that somebody stops has no time limit
        const attackedStart = Effect.exit(
          Runtime.exec(enters, ({ pidfd }) => Effect.ignore(sys.pidfd_send_signal({ pidfd, signal: SIG.KILL })))
        )
        const times: Array<number> = []
        const innocent = Effect.gen(function*() {
          const start = performance.now()
          assert.strictEqual((yield* Runtime.run(options(place, containerOf(place, ["/bin/true"])))).code, 0)
          times.push(performance.now() - start)
        })
        yield* innocent
        // as many places as are needed at once
        yield* Effect.forEach(Array.from({ length: atOnce }), () => attackedStart, { concurrency: atOnce })
        const before = held()
        // over and over again
        const attacks = yield* Effect.forkChild(
          Effect.forEach(Array.from({ length: runs(starts) }), () => attackedStart, { concurrency: atOnce })
        )
        do yield* innocent
        while (attacks.pollUnsafe() === undefined)
        const repeated = yield* Fiber.join(attacks)
        // while some stand still, others come to their ends
        const clock = new SetClock(yield* Clock.Clock)
        const stuck: Array<Fiber.Fiber<Exit.Exit<unknown, unknown>>> = []
        const standing = () => stuck.filter((fiber) => fiber.pollUnsafe() === undefined).length
        /** Who is killed never stands still. */
        const mustTryAgain = () => signal === "STOP" && standing() === 0
        do {
          for (let count = 0; count < atOnce; count++) {
            stuck.push(yield* Effect.forkChild(Effect.provideService(attackedStart, Clock.Clock, clock.service)))
          }
          for (let count = 0; count < 3; count++) yield* innocent
        } while (mustTryAgain())
        const stood = standing()
        // until their patience is over, each of them: the container that holds them up is still there
        clock.forward(patience + 1)
        const patient = yield* Effect.forEach(stuck, Fiber.join)
        yield* Runtime.remove(attacked.id, { stateRoot: place.stateRoot, force: true })
        yield* sys.close({ fd: pidfd })
        const ends = [...repeated, ...patient]
        process.stdout.write(
          `${what}: ${ends.length} starts were attacked, ${ends.filter(Exit.isFailure).length} of them failed; ` +
            `${stood} stood still while 3 others ran; ${times.length} others took ` +
            `${Math.round(Math.max(...times))} ms at most, ${
              Math.round(times.reduce((a, b) => a + b) / times.length)
            } ` +
            "on average\n"
        )
        // either it got through, or it is an error like any other
        for (const exit of ends) if (Exit.isFailure(exit)) assert.match(failureOf(exit).message, /^exec: /)
        const after = held()
        // as many as there were ever at once, and not one for each attack
        assert.isAtMost(after.maps, before.maps + 1 + stuck.length)
        assert.isAtMost(after.descriptors, before.descriptors + 1)
      })))
  }
})

describe("a child whose memory somebody overwrites", () => {
  it("is an error of its own, and never one of this process or of another child", async () => {
    const rounds = runs(170)
    const program = fileURLToPath(new URL("../support/noise.mjs", import.meta.url))
    const { stdout } = await promisify(execFile)(process.execPath, [program, String(rounds)], { encoding: "utf8" })
    const { after, before, defects, rounds: done } = JSON.parse(stdout) as {
      readonly before: ReadonlyArray<number>
      readonly after: ReadonlyArray<number>
      readonly defects: ReadonlyArray<string>
      readonly rounds: number
    }
    assert.strictEqual(done, rounds)
    assert.deepStrictEqual(defects, [])
    // the memory of one that has ended is used again once this process has heard of that
    const [maps, descriptors] = after
    assert.isAtMost(maps!, before[0]! + 4)
    assert.isAtMost(descriptors!, before[1]! + 2)
  })
})
