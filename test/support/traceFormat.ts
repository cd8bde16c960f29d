/**
 * Holds a trace against the format of Chrome's trace events ("Trace Event Format", JSON object format), as strictly as its
 * viewers read it: what they leave out without a word is an error here.
 */

/** An event, as far as these traces have them. */
export interface TraceEvent {
  readonly name: string
  readonly ph: string
  readonly cat?: string
  readonly pid: number
  readonly tid: number
  readonly ts: number
  readonly dur: number
  readonly s?: string
  readonly args: Readonly<Record<string, any>>
}

/** A trace that has been read. */
export interface Read {
  readonly events: ReadonlyArray<TraceEvent>
  readonly about: Readonly<Record<string, string>>
  /** What is wrong with it. */
  readonly wrong: ReadonlyArray<string>
}

const isWhole = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0
const isTime = (value: unknown): boolean => Number.isFinite(value) && Number(value) >= 0

const keys: Readonly<Record<string, ReadonlyArray<string>>> = {
  X: ["name", "cat", "ph", "pid", "tid", "ts", "dur", "args"],
  M: ["name", "ph", "pid", "tid", "args"],
  i: ["name", "cat", "ph", "s", "pid", "tid", "ts"]
}

const metadata: Readonly<Record<string, (args: TraceEvent["args"]) => boolean>> = {
  process_name: ({ name }) => typeof name === "string" && name !== "",
  thread_name: ({ name }) => typeof name === "string" && name !== "",
  process_sort_index: ({ sort_index }) => Number.isSafeInteger(sort_index)
}

const wrongEvent = (event: TraceEvent): ReadonlyArray<string> => {
  const known = keys[event.ph]
  if (known === undefined) return [`phase ${event.ph}`]
  return [
    ...Object.keys(event).filter((key) => !known.includes(key)).map((key) => `unknown key ${key}`),
    ...known.filter((key) => !(key in event)).map((key) => `no ${key}`),
    ...typeof event.name === "string" && event.name !== "" ? [] : ["no name"],
    ...isWhole(event.pid) && event.pid > 0 && isWhole(event.tid) ? [] : ["pid or tid"],
    ...event.ph === "M" || isTime(event.ts) ? [] : [`ts ${event.ts}`],
    ...event.ph !== "X" || isTime(event.dur) ? [] : [`dur ${event.dur}`],
    ...event.ph !== "i" || event.s === "p" ? [] : [`scope ${event.s}`],
    ...event.ph !== "M" || metadata[event.name]?.(event.args) === true ? [] : [`metadata ${event.name}`]
  ].map((what) => `${what}: ${JSON.stringify(event)}`)
}

/** Slices of a thread must lie one in another, or one behind another. */
const wrongNesting = (slices: ReadonlyArray<TraceEvent>): ReadonlyArray<string> => {
  const wrong: Array<string> = []
  const open: Array<TraceEvent> = []
  // a viewer reads events of the same time in the order of the file
  for (const slice of slices.toSorted((a, b) => a.ts - b.ts || b.dur - a.dur)) {
    // as viewers add them, without rounding
    const [from, to] = [slice.ts, slice.ts + slice.dur]
    while (open.length > 0 && open.at(-1)!.ts + open.at(-1)!.dur <= from) open.pop()
    const around = open.at(-1)
    if (around !== undefined && to > around.ts + around.dur) {
      wrong.push(`${slice.name} (${from} to ${to}) reaches out of ${around.name}, which began at ${around.ts}`)
    }
    open.push(slice)
  }
  return wrong
}

const wrongNames = (events: ReadonlyArray<TraceEvent>): ReadonlyArray<string> => {
  const named = (name: string, of: (event: TraceEvent) => string) => {
    const all = events.filter((event) => event.name === name && event.ph === "M").map(of)
    const used = new Set(events.filter(({ ph }) => ph !== "M").map(of))
    return [
      ...all.length === new Set(all).size ? [] : [`${name} is there twice`],
      ...[...used].filter((one) => !all.includes(one)).map((one) => `no ${name} for ${one}`)
    ]
  }
  return [...named("process_name", ({ pid }) => `${pid}`), ...named("thread_name", ({ pid, tid }) => `${pid}/${tid}`)]
}

/** Reads a trace. */
export const readTrace = (text: string): Read => {
  const { displayTimeUnit, otherData, traceEvents, ...more } = JSON.parse(text)
  const events = traceEvents as ReadonlyArray<TraceEvent>
  const slices = events.filter(({ ph }) => ph === "X")
  const threads = [...new Set(slices.map(({ pid, tid }) => `${pid}/${tid}`))].map((thread) =>
    slices.filter(({ pid, tid }) => `${pid}/${tid}` === thread)
  )
  return {
    events,
    about: otherData,
    wrong: [
      ...displayTimeUnit === "ms" && Object.keys(more).length === 0 ? [] : ["the object has other keys"],
      ...events.flatMap(wrongEvent),
      ...threads.flatMap(wrongNesting),
      ...wrongNames(events)
    ]
  }
}
