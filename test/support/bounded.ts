/**
 * A bound for scenarios on the real kernel: one that waits for ever must fail with its name, and not hold the suite up.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as fs from "node:fs"
import * as process from "node:process"
import { P, W } from "../../src/native/constants.ts"
import type { Fork } from "../../src/native/Fork.ts"
import { type Kernel, sys } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import { eventually } from "./until.ts"

/** How long a scenario may take, in milliseconds: hundreds of times as long as the longest one does on a busy machine. */
const limit = 600_000

/** A scenario did not come to its end. Its processes have been killed. */
export class WaitsForEver extends Data.TaggedError("WaitsForEver")<{
  readonly scenario: string
  /** How many processes it had. */
  readonly killed: number
}> {
  override get message(): string {
    return `${this.scenario}: waits for ever; its ${this.killed} processes have been killed`
  }
}

/** @returns nothing if it can't be read: processes come and go */
const read = (file: string): string => {
  try {
    return fs.readFileSync(file, "utf8")
  } catch {
    return ""
  }
}

/** The memory that this process shares with those who make calls for its effects, by device and inode. */
const sharedBy = (pid: number | "self"): ReadonlySet<string> =>
  new Set(
    read(`/proc/${pid}/maps`).split("\n").filter((line) => line.includes("/memfd:runfx-shared"))
      .map((line) => line.split(/ +/).slice(3, 5).join(" "))
  )

/** The processes that run, with their parents. */
const parents = (): ReadonlyMap<number, number> =>
  new Map(
    fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((name): Array<[number, number]> => {
      const [state, parent] = read(`/proc/${name}/stat`).split(") ").at(-1)!.split(" ")
      return parent === undefined || state === "Z" || state === "X" ? [] : [[Number(name), Number(parent)]]
    })
  )

/** The children of this process, of any of its threads. To look at all processes takes 30 times as long. */
const ownChildren = (): ReadonlySet<number> =>
  new Set(
    fs.readdirSync("/proc/self/task").flatMap((thread) =>
      read(`/proc/self/task/${thread}/children`).split(" ").filter((pid) => pid !== "").map(Number)
    )
  )

/**
 * The processes of a scenario that run: the children of this process that were not there before it, those who share memory
 * with this process, whoever their parent is by now, and the descendants of all these.
 */
export const running = (before: ReadonlySet<number>): ReadonlyArray<number> => {
  const all = parents()
  const shared = sharedBy("self")
  const found = new Set([...all.keys()].filter((pid) =>
    pid !== process.pid && !before.has(pid) &&
    (all.get(pid) === process.pid || [...sharedBy(pid)].some((memory) => shared.has(memory)))
  ))
  for (let size = -1; size !== found.size;) {
    size = found.size
    for (const [pid, parent] of all) if (found.has(parent)) found.add(pid)
  }
  return [...found]
}

/** Kills the processes of a scenario, and those that they have made meanwhile: how many there were. */
const killAll = (before: ReadonlySet<number>): Effect.Effect<number, never, Kernel> =>
  Effect.gen(function*() {
    const killed = new Set<number>()
    yield* eventually(() => {
      const found = running(before)
      for (const pid of found) {
        killed.add(pid)
        try {
          process.kill(pid, "SIGKILL")
        } catch {
          // it has just ended
        }
      }
      return found.length === 0
    })
    // of those that are no children of this process there is none to wait for
    for (const id of killed) yield* Effect.ignore(sys.waitid({ idtype: P.PID, id, options: W.EXITED | W.NOHANG }))
    return killed.size
  })

/** By Node's timer: the clock of a test stands still. */
const after = (milliseconds: number): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const timer = setTimeout(() => resume(Effect.void), milliseconds)
    return Effect.sync(() => clearTimeout(timer))
  })

/**
 * Plays on the kernel of this machine, in bounded time.
 *
 * @param nameOf what is being played
 * @param overdue comes to its end when that has taken too long
 */
export const onLinux = <A, E>(
  nameOf: () => string,
  play: Effect.Effect<A, E, Kernel | Fork>,
  overdue: Effect.Effect<void> = after(limit)
): Effect.Effect<A, E | WaitsForEver> =>
  Effect.gen(function*() {
    const before = ownChildren()
    const playing = yield* Effect.forkChild(play)
    const ended = yield* Effect.raceFirst(Effect.as(Fiber.await(playing), true), Effect.as(overdue, false))
    if (ended) return yield* Fiber.join(playing)
    const scenario = nameOf()
    const killed = yield* killAll(before)
    yield* Fiber.interrupt(playing)
    return yield* new WaitsForEver({ scenario, killed })
  }).pipe(Effect.provide(Layer.orDie(Linux.layer)))
