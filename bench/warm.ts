/**
 * The process that starts containers, for `measure.mjs`. Each line of its input is a request in JSON; it answers with a line.
 *
 *     { "do": "run", "bundle": B, "count": N }                  N containers, one after the other; "watch": "tracer", "metrics" or
 *                                                               "steps"
 *     { "do": "parallel", "bundle": B, "count": N }             N containers, 32 or "atOnce": A at a time; "threads": T shares them
 *                                                               among as many worker threads
 *     { "do": "attacked", "bundle": B, "count": N }             N programs, 32 at a time, into a container that stops them
 *     { "do": "engine" }                                        the engine's own time for a step
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"
import { once } from "node:events"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { monitorEventLoopDelay } from "node:perf_hooks"
import process from "node:process"
import { createInterface } from "node:readline"
import * as v8 from "node:v8"
import { isMainThread, parentPort, threadId, Worker } from "node:worker_threads"
import type { Container } from "../src/config/Container.ts"
import { type Event, Events } from "../src/engine/Events.ts"
import * as Pipeline from "../src/engine/Pipeline.ts"
import * as Step from "../src/engine/Step.ts"
import { Fork } from "../src/native/Fork.ts"
import { Kernel } from "../src/native/Kernel.ts"
import * as Linux from "../src/native/linux/Linux.ts"
import * as Metrics from "../src/runtime/Metrics.ts"
import * as Runtime from "../src/runtime/Runtime.ts"

const kernel = Linux.make()
const context = Context.make(Kernel, kernel).pipe(Context.add(Fork, Linux.fork(kernel)))

const containers = new Map<string, Container>()
const containerOf = (bundle: string): Container => {
  const known = containers.get(bundle) ?? v8.deserialize(readFileSync(join(bundle, "container"))) as Container
  containers.set(bundle, known)
  return known
}

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

type Watch = "nobody" | "tracer" | "metrics" | "steps"

const tracer = Tracer.make({ span: (options) => new Tracer.NativeSpan(options) })

/** Lets somebody look at what runs. Whoever looks takes time, too. */
const watchedBy =
  (watch: Watch, note: (event: Event) => void) => <A, E>(self: Effect.Effect<A, E>): Effect.Effect<A, E> => {
    switch (watch) {
      case "tracer":
        return Effect.provideService(self, Tracer.Tracer, tracer)
      case "metrics":
        return Effect.provide(self, Metrics.layer)
      case "steps":
        return Effect.provideService(self, Events, (event) => Effect.sync(() => note(event)))
      case "nobody":
        return self
    }
  }

let count = 0
const run = async (
  bundle: string,
  steps: Map<string, Array<number>>,
  watch: Watch = "nobody"
): Promise<number> => {
  const note = (event: Event): void => {
    if (event._tag !== "Completed") return
    const name = `${event.pipeline}/${event.step}`
    const times = steps.get(name)
    if (times === undefined) steps.set(name, [event.milliseconds])
    else times.push(event.milliseconds)
  }
  const start = performance.now()
  const { code, events } = await Effect.runPromise(
    Runtime.run({ id: `bench-${process.pid}-${threadId}-${count++}`, container: containerOf(bundle), bundle }).pipe(
      Effect.provideContext(context),
      watchedBy(watch, note)
    )
  )
  const milliseconds = performance.now() - start
  if (code !== 0) throw new Error(`the program ended with ${code}`)
  if (watch === "steps") events.forEach(note)
  return milliseconds
}

/** How many are on their way at once, in all threads together, if nothing else is said. */
const usualAtOnce = 32

const field = (name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(readFileSync("/proc/self/status", "utf8"))?.[1])

/** What the event loop and the memory of this process are like while something runs. */
const watched = async (use: () => Promise<unknown>) => {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  let resident = 0
  const timer = setInterval(() => resident = Math.max(resident, field("VmRSS")), 50)
  delay.enable()
  const start = performance.now()
  try {
    await use()
  } finally {
    delay.disable()
    clearInterval(timer)
  }
  return {
    milliseconds: performance.now() - start,
    longestDelay: delay.max / 1e6,
    usualDelay: delay.percentile(99) / 1e6,
    resident
  }
}

const many = (count: number, each: (index: number) => Effect.Effect<unknown>, atOnce = usualAtOnce) =>
  Effect.runPromise(
    Effect.forEach(Array.from({ length: count }, (_, index) => index), each, { concurrency: atOnce, discard: true })
  )

/** Each has a runtime of its own, and continues, too. */
const workers: Array<Worker> = []

/** Has a worker thread answer a request. */
const askWorker = async (worker: Worker, request: Request): Promise<void> => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
  worker.postMessage(request)
  const [{ error }] = await once(worker, "message") as [{ readonly error?: string }]
  if (error !== undefined) throw new Error(error)
}

const parallel = ({ atOnce = usualAtOnce, bundle, count, threads = 0 }: Request) => {
  if (threads === 0) return watched(() => many(count, () => Effect.promise(() => run(bundle, new Map())), atOnce))
  while (workers.length < threads) workers.push(new Worker(new URL(import.meta.url)))
  const share: Request = { do: "parallel", bundle, count: count / threads, atOnce: atOnce / threads }
  return watched(() => Promise.all(workers.map((worker) => askWorker(worker, share))))
}

/** Programs that join a container which stops whoever comes in: the start of each ends when its patience does. */
const attacked = (bundle: string, count: number) =>
  Effect.runPromise(Effect.provideContext(
    Effect.gen(function*() {
      const id = `bench-${process.pid}-attacked`
      const container = containerOf(bundle)
      yield* Runtime.create({ id, container, bundle })
      const process_ = { ...container.process, args: ["/bin/true"] }
      let failed = 0
      const join = Effect.tap(
        // one that comes through is a program, and nobody but its caller says how long a program may be stopped
        Effect.exit(Effect.timeout(Runtime.exec({ id, process: process_, patience: 1000 }), "5 seconds")),
        (exit) => Effect.sync(() => void (failed += exit._tag === "Failure" ? 1 : 0))
      )
      const seen = yield* Effect.promise(() => watched(() => many(count, () => Effect.provideContext(join, context))))
      yield* Runtime.remove(id, { force: true })
      return { ...seen, failed }
    }),
    context
  ))

interface Request {
  readonly do: "run" | "parallel" | "attacked" | "engine"
  readonly bundle: string
  readonly count: number
  readonly watch?: Watch
  readonly atOnce?: number
  readonly threads?: number
}

const runs = async ({ bundle, count, watch }: Request) => {
  const steps = new Map<string, Array<number>>()
  const times: Array<number> = []
  for (let index = 0; index < count; index++) times.push(await run(bundle, steps, watch))
  return {
    times,
    steps: Object.fromEntries([...steps].map(([name, of]) => [name, median(of)])),
    resident: field("VmRSS"),
    peak: field("VmHWM"),
    descriptors: readdirSync("/proc/self/fd").length
  }
}

const answer = (request: Request): Promise<unknown> => {
  switch (request.do) {
    case "run":
      return runs(request)
    case "parallel":
      return parallel(request)
    case "attacked":
      return attacked(request.bundle, request.count)
    case "engine":
      return Promise.resolve({ engine: engine() })
  }
}

const said = (request: Request): Promise<unknown> =>
  answer(request).catch((error: unknown) => ({ error: String(error) }))

const main = async () => {
  if (!isMainThread) {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
    return void parentPort!.on("message", async (request: Request) => parentPort!.postMessage(await said(request)))
  }
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await said(JSON.parse(line) as Request))}\n`)
  }
  for (const worker of workers) await worker.terminate()
}
main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
  process.exitCode = 1
})
