/** Runtimes beside each other: in threads of one process, and in processes. They share nothing but the state directory. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as v8 from "node:v8"
import { Fork } from "../../src/native/Fork.ts"
import { sys } from "../../src/native/Kernel.ts"
import { bundleDriver } from "../support/bundleDriver.ts"
import { containerOf, makePlace, on, type Place, sh } from "../support/containers.ts"
import type { Seen } from "../support/copyingThreads.ts"
import { isolate } from "../support/host.ts"
import { missing } from "../support/rootfs.ts"
import { eventually } from "../support/until.ts"

const effectModule = fileURLToPath(import.meta.resolve("effect/Effect"))
const repository = fileURLToPath(new URL("../../", import.meta.url))

let place: Place
beforeAll(async () => {
  if (missing !== undefined) return
  await Effect.runPromise(isolate)
  place = makePlace()
})
afterAll(() => place?.remove())

/** How many threads of one process, and how many other processes, run containers. */
const threads = 3
const processes = 2
/** How many containers each of them runs, some at a time, beside the one that all of them want. */
const each = 6

/**
 * Runs containers, one of them by an id that all others use at the same time: says how the programs ended, and what became of
 * that one.
 */
const script = `
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { isMainThread, threadId, Worker } from "node:worker_threads"
import { deserialize } from "node:v8"
import { fileURLToPath } from "node:url"
import * as Linux from "${repository}dist/native/linux/Linux.js"
import * as Runtime from "${repository}dist/runtime/Runtime.js"
const [stateRoot, container, wanted, mark] = process.argv.slice(2)
const { short, long } = deserialize(readFileSync(container))
const own = (index) => Runtime.run({ id: mark + "-" + process.pid + "-" + threadId + "-" + index, stateRoot, container: short })
const ofAll = Effect.result(Runtime.run({ id: wanted, stateRoot, container: long }))
const both = Effect.all([
  Effect.forEach(Array.from({ length: ${each} }, (_, index) => index), own, { concurrency: 3 }),
  ofAll
], { concurrency: 2 })
const [runs, result] = await Effect.runPromise(Effect.provide(both, Linux.layer))
const said = result._tag === "Success" ? "ran" : result.failure.reason?._tag ?? result.failure._tag
console.log(runs.map(({ code }) => code).join() + " " + said)
if (isMainThread && process.argv[6] === "threads") {
  for (let left = ${
  threads - 1
}; left > 0; left--) new Worker(fileURLToPath(import.meta.url), { argv: process.argv.slice(2, 6) })
}`

describe.skipIf(missing !== undefined)("runtimes in threads and in processes beside each other", () => {
  it.live("run their containers to the end, and one of an id at a time", () =>
    Effect.gen(function*() {
      const file = path.join(place.stateRoot, "..", `${place.mark}-runs.mjs`)
      const containers = path.join(place.stateRoot, "..", `${place.mark}-containers`)
      fs.writeFileSync(file, script.replaceAll("effect/Effect", effectModule))
      const short = containerOf(place, sh("exit 7"), { readonlyRootfs: false })
      fs.writeFileSync(containers, v8.serialize({ short, long: short }))
      const run = (...args: ReadonlyArray<string>) =>
        Effect.promise(async () => {
          const given = [file, place.stateRoot, containers, `${place.mark}-wanted`, place.mark, ...args]
          return (await promisify(execFile)(process.execPath, given)).stdout
        })
      try {
        const all = [run("threads"), ...Array.from({ length: processes }, () => run())]
        const lines = (yield* Effect.all(all, { concurrency: "unbounded" })).join("").trim().split("\n")
        assert.lengthOf(lines, threads + processes)
        for (const line of lines) {
          const [codes, wanted] = line.split(" ")
          assert.strictEqual(codes, Array.from({ length: each }, () => 7).join(), line)
          assert.include(["ran", "IdInUse", "StateLocked"], wanted, line)
        }
        // whoever came first had it, and others may have had it after that one
        assert.isTrue(lines.some((line) => line.endsWith(" ran")), lines.join("\n"))
        assert.deepStrictEqual(fs.readdirSync(place.stateRoot), [])
      } finally {
        fs.rmSync(file)
        fs.rmSync(containers)
      }
    }))
})

describe.skipIf(missing !== undefined)("runtimes in threads that copy calls", () => {
  it.live("make of containers what a kernel makes that waits for each answer", () =>
    Effect.promise(async () => {
      const top = fs.mkdtempSync(path.join(place.stateRoot, "..", `${place.mark}-threads-`))
      try {
        const driver = bundleDriver(top, "copyingThreads")
        const { stdout } = await promisify(execFile)(process.execPath, [
          driver,
          place.stateRoot,
          place.root,
          place.mark
        ])
        const { plain, threads } = JSON.parse(stdout) as { readonly plain: Seen; readonly threads: ReadonlyArray<Seen> }
        assert.deepStrictEqual([new Set(plain.said).size, plain.runs], [3, plain.said.length])
        for (const { runs, said } of threads) {
          assert.deepStrictEqual(said, plain.said)
          // the others were copied
          assert.isAtMost(runs, 6)
        }
        assert.deepStrictEqual(fs.readdirSync(place.stateRoot), [])
      } finally {
        fs.rmSync(top, { recursive: true })
      }
    }))
})

/** Nanoseconds of a processor that a process has had. */
const spentBy = (pid: number): number => Number(fs.readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[0])

describe.skipIf(missing !== undefined)("a process that waits for the runtime", () => {
  it.live("takes next to nothing of its container's processor", () =>
    on(Effect.gen(function*() {
      const { start } = yield* Fork
      let isOver = false
      // it is there, has answered, and is asked for nothing
      const { pid } = yield* start(0, Effect.andThen(sys.getpid({}), eventually(() => isOver)), [])
      yield* eventually(() => fs.readFileSync(`/proc/${pid}/stat`, "utf8").includes(") S "))
      // what it takes to look if its runtime still lives: ten times a second
      const before = spentBy(pid)
      const beats = 5
      const from = switchesOf(pid)
      yield* eventually(() => switchesOf(pid) >= from + beats)
      const spent = spentBy(pid) - before
      isOver = true
      yield* sys.kill({ pid, signal: 9 })
      yield* sys.waitid({ idtype: 1, id: pid, options: 4 })
      assert.isBelow(spent / beats, 2e6)
    })))
})

/** How often a process has gone to sleep. */
const switchesOf = (pid: number): number =>
  Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))?.[1])
