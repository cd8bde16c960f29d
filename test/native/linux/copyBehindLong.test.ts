import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Call } from "../../../src/native/Kernel.ts"
import { exitOf } from "../../../src/native/linux/failed.ts"
import type { Library, Word } from "../../../src/native/linux/koffi.ts"
import { Batch } from "../../../src/native/linux/rpc/Batch.ts"
import { History } from "../../../src/native/linux/rpc/History.ts"
import { Journey } from "../../../src/native/linux/rpc/Journey.ts"
import { KeptParts } from "../../../src/native/linux/rpc/Kept.ts"
import { entry, sizes } from "../../../src/native/linux/rpc/layout.ts"
import { OpenFiles } from "../../../src/native/linux/rpc/OpenFiles.ts"
import type { Process } from "../../../src/native/linux/rpc/Process.ts"
import { Scratch } from "../../../src/native/linux/Scratch.ts"
import { numbersFor } from "../../../src/native/linux/syscallNumbers.ts"
import type { Raw } from "../../../src/native/linux/Syscalls.ts"
import { refused } from "../../../src/native/Refused.ts"

const regionOf = (address: number, size: number) => {
  const bytes = Buffer.alloc(size)
  return { bytes, region: { address, size, front: bytes.subarray(0, 0x20000), whole: () => bytes } }
}

type Chdir = Extract<Call, { readonly _tag: "chdir" }>

/** Processes of one kernel, whose server is this: it makes calls of chdir(2), and refuses one path. */
const machine = () => {
  const [history, kept] = [new History(), new KeptParts()]
  /** A process, the journeys of which run; `made` is how often it was asked for each path. */
  return (refuses: string | undefined) => {
    const list = regionOf(0x1000_0000_0000, 0x20_0000)
    const args = regionOf(0x1000_0020_0000, 0x7f_f000)
    const memory = new Scratch({} as Library, args.region)
    const made = new Map<string, number>()
    const makeOne = (index: number): boolean => {
      const start = index * sizes.entry
      const at = Number(list.bytes.readBigUInt64LE(start + entry.arguments)) - args.region.address
      const path = args.bytes.toString("utf8", at, args.bytes.indexOf(0, at))
      made.set(path, (made.get(path) ?? 0) + 1)
      // a list that is made again and again would never end
      if (made.get(path)! > 2) throw new Error(`${path} is made more than twice`)
      const result = path === refuses ? -2n : 0n
      list.bytes.writeBigInt64LE(result, start + entry.result)
      return result === list.bytes.readBigInt64LE(start + entry.wanted)
    }
    const process = {
      files: new OpenFiles(),
      memory,
      batch: new Batch(list.region),
      numbers: numbersFor("x64"),
      history,
      kept,
      link: 3,
      isFiltered: true,
      isServed: true,
      isBusy: false,
      idle: Effect.void,
      leave: Effect.never,
      handle: (call: Chdir, raw: Raw) =>
        exitOf(call, () => {
          const none: Word = 0
          const result = raw(80, memory.text(call.path), none, none, none, none, none)
          if (result < 0) throw refused(-result)
        }),
      make: (_: number, count: number) =>
        Effect.sync(() => {
          memory.reset()
          for (let index = 0; index < count; index++) if (!makeOne(index)) return index
          return count
        })
    }
    return { journey: new Journey(process as unknown as Process), made }
  }
}

/** A step that goes to directories, and depends on one fact. */
const going = (name: string, count: number) => {
  const of = {}
  return (journey: Journey, fact: number) => {
    const paths = Array.from({ length: count }, (_, index) => `/${name}-${fact}-${index}`)
    const run = Effect.forEach(
      paths,
      (path) => Effect.suspend(() => journey.invoke({ _tag: "chdir", path }, () => Effect.die("by itself"))),
      { discard: true }
    )
    const inputs = { of, match: (known: unknown) => known === fact ? [] : undefined }
    return { name, of, inputs, run, known: () => ({ inputs: fact, result: undefined }) }
  }
}

/** Runs steps, those again that were lost, until all is certain; returns the exit of the last one. */
const runAll = (journey: Journey, steps: ReadonlyArray<ReturnType<ReturnType<typeof going>>>) =>
  Effect.gen(function*() {
    let last: Exit.Exit<unknown, unknown> = Exit.void
    const copied: Array<string> = []
    let at = 0
    for (let turn = 0; turn < 20; turn++) {
      for (; at < steps.length && (at === 0 || Exit.isSuccess(last)); at++) {
        const { inputs, known, name, of, run } = steps[at]!
        const exit = journey.copied(name, inputs, () => run)
        if (exit !== undefined) copied.push(name)
        last = exit ?? (yield* journey.part(name, run, journey.keeps(of) ? { of, parameters: [], known } : undefined))
        if (journey.isLost) break
      }
      const again = yield* journey.settle
      if (again === undefined) return { copied, last }
      at = again
    }
    throw new Error("it never ends")
  })

describe("a part that was copied behind a list that is longer than usual", () => {
  it.effect("makes no call of the list again if one of its own does not go as before", () =>
    Effect.gen(function*() {
      const begin = machine()
      const [long, late] = [going("long", 2000), going("late", 5)]
      const start = (fact: number, refuses?: string) => {
        const { journey, made } = begin(refuses)
        return Effect.map(runAll(journey, [long(journey, fact), late(journey, 0)]), (end) => ({ ...end, made }))
      }
      for (let fact = 0; fact < 3; fact++) yield* start(fact)
      const { copied, last, made } = yield* start(3, "/late-0-3")
      assert.deepStrictEqual(copied, ["late"])
      assert.isTrue(Exit.isFailure(last))
      assert.deepStrictEqual([...made].filter(([, count]) => count > 1), [])
      assert.deepStrictEqual([made.size, made.get("/late-0-4")], [2004, undefined])
    }))
})
