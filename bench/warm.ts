/**
 * Warm starts, for `bench.mjs`: one process that runs containers, one after the other. Each line of its input is a number:
 * so many containers it runs then. It answers with one line of JSON.
 *
 *     node warm.cjs BUNDLE
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { createInterface } from "node:readline"
import * as v8 from "node:v8"
import type { Container } from "../src/config/Container.ts"
import { type Event, Events } from "../src/engine/Events.ts"
import * as Pipeline from "../src/engine/Pipeline.ts"
import * as Step from "../src/engine/Step.ts"
import { Fork } from "../src/native/Fork.ts"
import { Kernel } from "../src/native/Kernel.ts"
import * as Linux from "../src/native/Linux.ts"
import * as Runtime from "../src/runtime/Runtime.ts"

const [bundle = "."] = process.argv.slice(2)
const container = v8.deserialize(readFileSync(join(bundle, "container"))) as Container
const kernel = Linux.make()
const context = Context.make(Kernel, kernel).pipe(Context.add(Fork, Linux.fork(kernel)))

const median = (times: ReadonlyArray<number>): number =>
  times.toSorted((a, b) => a - b)[times.length >> 1] ?? Number.NaN

/** Microseconds that the engine itself takes for a step. */
const engine = (): number => {
  const steps = Array.from(
    { length: 50 },
    (_, index) => Step.make(`step${index}`, { doc: "", calls: [], reversal: "harmless", run: Effect.void })
  )
  const pipeline = { ...Pipeline.make({ name: "empty", doc: "", inputs: [] }), steps } as Pipeline.Any
  const times = Array.from({ length: 400 }, () => {
    const start = performance.now()
    Effect.runSync(Pipeline.runUnchecked(pipeline))
    return (performance.now() - start) * 1000 / steps.length
  })
  return median(times.slice(100))
}

let count = 0
const run = async (steps: Map<string, Array<number>>): Promise<number> => {
  const listen = (event: Event) =>
    Effect.sync(() => {
      if (event._tag !== "Completed") return
      const name = `${event.pipeline}/${event.step}`
      const times = steps.get(name)
      if (times === undefined) steps.set(name, [event.milliseconds])
      else times.push(event.milliseconds)
    })
  const start = performance.now()
  const { code, events } = await Effect.runPromise(
    Runtime.run({ id: `bench-${process.pid}-${count++}`, container, bundle }).pipe(
      Effect.provideContext(context),
      Effect.provideService(Events, listen)
    )
  )
  const milliseconds = performance.now() - start
  if (code !== 0) throw new Error(`the program ended with ${code}`)
  for (const event of events) Effect.runSync(listen(event))
  return milliseconds
}

const field = (name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(readFileSync("/proc/self/status", "utf8"))?.[1])

const main = async () => {
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === "engine") {
      process.stdout.write(`${JSON.stringify({ engine: engine() })}\n`)
      continue
    }
    const steps = new Map<string, Array<number>>()
    const times: Array<number> = []
    for (let index = 0; index < Number(line); index++) times.push(await run(steps))
    process.stdout.write(`${
      JSON.stringify({
        times,
        steps: Object.fromEntries([...steps].map(([name, of]) => [name, median(of)])),
        resident: field("VmRSS"),
        peak: field("VmHWM"),
        descriptors: readdirSync("/proc/self/fd").length
      })
    }\n`)
  }
}
main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
  process.exitCode = 1
})
