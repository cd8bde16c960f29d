/**
 * A run as a trace, in the format of Chrome's trace events, which Perfetto (ui.perfetto.dev) and chrome://tracing show: the
 * runtime, the init and each further process, with their steps and calls, on one clock.
 *
 * The run is the same as without a trace, so steps run ahead of their process. Their times are those that the process has
 * noted by the same clock (`CLOCK_MONOTONIC`). The process makes their calls from a list, so these calls have no times. The
 * trace has them among the arguments of their step, in order.
 *
 * @see https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU (Trace Event Format)
 * @category traces
 * @since 0.2.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { rowOf } from "../native/calls.ts"
import type { Fork } from "../native/Fork.ts"
import { type Call, type Kernel, render, renderedArguments, SyscallError, withoutSecrets } from "../native/Kernel.ts"
import type { Current, Event } from "./Events.ts"
import { type Child, observe, type Observer, type RanAhead } from "./Observer.ts"
import { place, type Placed, type Slice } from "./traceSlices.ts"
import { visibleJson } from "./visible.ts"

/** One process. */
interface Process {
  readonly name: string
  pid: number
  readonly slices: Array<Slice>
  /** Slices that have not ended, by fiber and step. */
  readonly open: Map<string, Slice>
  /** The steps that have failed. */
  readonly failures: Array<{ readonly name: string; readonly at: number }>
  /** The first pipeline that it ran. */
  pipeline: string | undefined
}

/** How many calls outside of any step are kept. The proxy of a terminal makes them without end. */
const mostOutside = 10_000

/** One event of the format. Times are in microseconds. */
interface TraceEvent {
  readonly name: string
  readonly ph: "X" | "M" | "i"
  readonly cat?: string
  readonly pid: number
  readonly tid: number
  readonly ts?: number
  readonly dur?: number
  /** Scope of an instant: a line across the whole process. */
  readonly s?: "p"
  readonly args?: Readonly<Record<string, unknown>>
}

/** Records a run. */
export interface Trace {
  /** Runs an effect and records it. A trace holds one run. */
  readonly record: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R | Kernel | Fork>
  /**
   * The trace so far as JSON, one event a line. In the middle of a run, what has not ended is cut off there and marked
   * `unfinished`.
   *
   * @param about metadata for the file: what was run, and the error if it failed
   */
  readonly toText: (about?: Readonly<Record<string, string>>) => string
}

const codeOf = (exit: Exit.Exit<unknown, unknown>): string | undefined => {
  const error = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason)?.error : undefined
  return error instanceof SyscallError ? error.code : undefined
}

/** The outcome of a call, as arguments of its slice. */
const outcomeOf = ({ _tag }: Call, exit: Exit.Exit<unknown, unknown>): Readonly<Record<string, unknown>> => {
  if (Exit.isSuccess(exit)) return typeof exit.value === "number" ? { result: exit.value } : {}
  const errno = codeOf(exit)
  if (errno !== undefined) return { errno }
  // an execve(2) that succeeds does not return, so its fiber is interrupted
  return rowOf(_tag).result.kind === "never" ? {} : { interrupted: true }
}

const lineOf = ({ call, exit }: RanAhead["calls"][number]): string => {
  const errno = exit === undefined ? undefined : codeOf(exit)
  return `${render(withoutSecrets(call))}${errno === undefined ? "" : ` = -1 ${errno}`}`
}

/** The times of a step that ran ahead. The calls that it made one by one lie within. */
const aheadOf = (
  { began, calls, ended }: RanAhead,
  alone: ReadonlyMap<Call, Slice>,
  { now, since }: { readonly since: number; readonly now: number }
): Pick<Slice, "args" | "began"> & { readonly ended: number } => {
  const slices = calls.flatMap(({ call }) => alone.get(call) ?? [])
  const listed = calls.filter(({ call }) => !alone.has(call))
  // a process in a time namespace has another clock, and a container's process may write any number
  const isKnown = began !== undefined && ended !== undefined && began >= since && ended <= now
  const from = isKnown ? began : slices[0]?.began ?? since
  const to = isKnown ? ended : slices.at(-1)?.ended ?? from
  return {
    began: Math.min(from, ...slices.map((slice) => slice.began)),
    ended: Math.max(to, ...slices.map((slice) => slice.ended ?? now)),
    args: {
      ranAhead: true,
      ...isKnown ? {} : { time: "not known" },
      ...listed.length === 0 ? {} : { callsFromList: listed.map(lineOf) }
    }
  }
}

/** What the processes of a trace share. */
interface Common {
  readonly now: () => number
  readonly begin: () => Process
  /** How many calls were made outside of any step so far. */
  outside: number
}

/** Records what one process does. */
class Writer implements Observer {
  readonly #process: Process
  readonly #common: Common
  /** Calls of steps that ran ahead, which were made one by one. */
  readonly #alone = new Map<Call, Slice>()
  readonly #born: number
  /** By fiber: when its last step ended. */
  readonly #last = new Map<number, number>()

  constructor(process: Process, common: Common) {
    this.#process = process
    this.#common = common
    this.#born = common.now()
  }

  step(event: Event, fiber: number, ahead?: RanAhead): void {
    const { _tag, pipeline, step: name } = event
    const { open, slices } = this.#process
    this.#process.pipeline ??= pipeline
    const now = this.#common.now()
    const slice = { name, kind: "step" as const, fiber, began: now, ended: undefined, args: { pipeline } }
    const key = `${fiber}/${pipeline}/${name}`
    if (_tag === "Started") {
      // a step that ran ahead reports everything at its end
      if (ahead === undefined) {
        open.set(key, slice)
        slices.push(slice)
      }
      return
    }
    if (_tag === "Undone" || _tag === "UndoFailed") {
      return this.#ended({ ...slice, name: `undo ${name}`, began: now - event.milliseconds, ended: now }, _tag)
    }
    if (ahead !== undefined) {
      const { args, ...times } = aheadOf(ahead, this.#alone, { since: this.#last.get(fiber) ?? this.#born, now })
      return this.#ended({ ...slice, ...times, args: { pipeline, ...args } }, _tag)
    }
    const begun = open.get(key)
    open.delete(key)
    if (begun === undefined) return
    begun.ended = now
    this.#told(begun, _tag)
  }

  /** Adds a slice that has ended. */
  #ended(slice: Slice, tag: Event["_tag"]): void {
    this.#process.slices.push(slice)
    this.#told(slice, tag)
  }

  #told({ args, ended = this.#common.now(), fiber, name }: Slice, tag: Event["_tag"]): void {
    this.#last.set(fiber, ended)
    if (tag !== "Failed" && tag !== "UndoFailed") return
    args["failed"] = true
    this.#process.failures.push({ name: `${String(args["pipeline"])}: ${name}`, at: ended })
  }

  ahead(): void {}

  call(call: Call, fiber: number, step: Current | undefined): (exit: Exit.Exit<unknown, unknown>) => void {
    if (step === undefined && this.#common.outside++ >= mostOutside) return () => {}
    const shown = withoutSecrets(call)
    const { now } = this.#common
    const args: Record<string, unknown> = { call: render(shown), arguments: renderedArguments(shown) }
    const slice: Slice = { name: call._tag, kind: "call", fiber, began: now(), ended: undefined, args }
    this.#process.slices.push(slice)
    if (step !== undefined) this.#alone.set(call, slice)
    return (exit) => {
      slice.ended = now()
      Object.assign(args, outcomeOf(call, exit))
    }
  }

  child(): Child {
    const made = this.#common.begin()
    return {
      observer: new Writer(made, this.#common),
      started: (pid) => void (made.pid = pid),
      ended: () => {
        // still open: the step that executed the program, or ended the process
        for (const slice of made.open.values()) slice.ended = this.#common.now()
        made.open.clear()
      }
    }
  }
}

/**
 * In microseconds, to a 1024th: viewers add a beginning and a duration as floating-point numbers, and of thousandths the sum may
 * be larger than the beginning of the next slice, which then lies within this one.
 */
const micro = (nanoseconds: number): number => Math.round(nanoseconds / 1e3 * 1024) / 1024

const eventOf = (pid: number) => ({ from, lane, slice: { args, ended, kind, name }, to }: Placed): TraceEvent => ({
  name: args["failed"] === true ? `${name} (failed)` : name,
  cat: kind,
  ph: "X",
  pid,
  tid: lane + 1,
  ts: micro(from),
  dur: micro(to) - micro(from),
  args: ended === undefined ? { ...args, unfinished: true } : args
})

/** The names of a process and of its lanes, in their order. */
const namesOf = ({ name, pid, pipeline }: Process, index: number, lanes: number): ReadonlyArray<TraceEvent> => [
  {
    name: "process_name",
    ph: "M",
    pid,
    tid: 0,
    args: { name: pipeline === undefined ? name : `${name} (${pipeline})` }
  },
  { name: "process_sort_index", ph: "M", pid, tid: 0, args: { sort_index: index } },
  ...Array.from({ length: lanes }, (_, lane): TraceEvent => ({
    name: "thread_name",
    ph: "M",
    pid,
    tid: lane + 1,
    args: { name: lane === 0 ? "steps and calls" : `beside, ${lane}` }
  }))
]

const eventsOf = (process: Process, index: number, origin: number, now: number): ReadonlyArray<TraceEvent> => {
  const placed = place(process.slices, origin, now)
  const { failures, pid } = process
  return [
    ...namesOf(process, index, 1 + Math.max(0, ...placed.map(({ lane }) => lane))),
    ...placed.map(eventOf(pid)),
    ...failures.map(({ at, name }): TraceEvent => ({
      name: `failed: ${name}`,
      cat: "failure",
      ph: "i",
      s: "p",
      pid,
      tid: 1,
      ts: micro(Math.max(0, Math.round((at - origin) * 1e6)))
    }))
  ]
}

/**
 * Makes a trace.
 *
 * **Example** (A trace of a container, also if it fails)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { writeFileSync } from "node:fs"
 * import * as Trace from "runfx/engine/Trace"
 * import * as Runtime from "runfx/runtime/Runtime"
 *
 * const trace = Trace.make()
 * const program = trace.record(Runtime.run({ id: "box", container })).pipe(
 *   Effect.ensuring(Effect.sync(() => writeFileSync("box.trace.json", trace.toText({ title: "box" }))))
 * )
 * ```
 *
 * @param pid of this process, as the trace shows it
 */
export const make = ({ pid = 1 }: { readonly pid?: number } = {}): Trace => {
  const processes: Array<Process> = []
  let origin = 0
  const common = {
    now: (): number => 0,
    outside: 0,
    begin: (): Process => {
      const name = processes.length === 0 ? "parent" : processes.length === 1 ? "init" : `init ${processes.length}`
      const process: Process = { name, pid: 0, slices: [], open: new Map(), failures: [], pipeline: undefined }
      processes.push(process)
      return process
    }
  }
  return {
    record: (self) =>
      Effect.flatMap(Clock.Clock, (clock) => {
        common.now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
        origin = common.now()
        const parent = common.begin()
        parent.pid = pid
        return observe(new Writer(parent, common))(self)
      }),
    toText: (about = {}) => {
      const now = common.now()
      // a process without a pid was never started
      const made = processes.filter((process) => process.pid > 0)
      const events = made.flatMap((process, index) => eventsOf(process, index, origin, now))
      const left = common.outside - mostOutside
      const more = { ...about, ...left > 0 ? { leftOut: `${left} calls outside of steps` } : {} }
      return visibleJson(
        `{"displayTimeUnit":"ms","otherData":${JSON.stringify(more)},"traceEvents":[\n${
          events.map((event) => JSON.stringify(event)).join(",\n")
        }\n]}\n`
      )
    }
  }
}
