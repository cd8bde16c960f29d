/**
 * Slices of time as a trace viewer wants them: in one lane, slices are nested or follow one another.
 */

/** Something that took time, in milliseconds of one clock. */
export interface Slice {
  readonly name: string
  readonly kind: "step" | "call"
  /** The fiber that did it. Slices of one fiber are nested or follow one another. */
  readonly fiber: number
  readonly began: number
  /** When it ended; `undefined` while it runs. */
  ended: number | undefined
  readonly args: Record<string, unknown>
}

/** A slice in its lane, in whole nanoseconds from the beginning of the trace. */
export interface Placed {
  readonly slice: Slice
  readonly lane: number
  readonly from: number
  readonly to: number
}

interface Span {
  readonly fiber: number
  readonly from: number
  readonly to: number
}

/** A lane for each fiber. Fibers that follow one another share one. */
const lanesOf = (spans: ReadonlyArray<Span>): ReadonlyMap<number, number> => {
  const fibers = new Map<number, Span>()
  for (const { fiber, from, to } of spans) {
    const known = fibers.get(fiber)
    fibers.set(fiber, {
      fiber,
      from: Math.min(from, known?.from ?? from),
      to: Math.max(to, known?.to ?? to)
    })
  }
  const ends: Array<number> = []
  const lanes = new Map<number, number>()
  for (const { fiber, from, to } of [...fibers.values()].toSorted((a, b) => a.from - b.from || a.fiber - b.fiber)) {
    const free = ends.findIndex((end) => end <= from)
    const lane = free < 0 ? ends.length : free
    ends[lane] = to
    lanes.set(fiber, lane)
  }
  return lanes
}

/**
 * Puts slices into lanes. A slice that ends after the one in which it began is cut off there: the two may have the clocks
 * of different processes.
 */
export const place = (slices: ReadonlyArray<Slice>, origin: number, now: number): ReadonlyArray<Placed> => {
  const nanoseconds = (milliseconds: number): number => Math.max(0, Math.round((milliseconds - origin) * 1e6))
  const spans = slices.map((slice) => {
    const from = nanoseconds(slice.began)
    return { slice, fiber: slice.fiber, from, to: Math.max(from, nanoseconds(slice.ended ?? now)) }
  })
  const lanes = lanesOf(spans)
  const sorted = spans.toSorted((a, b) =>
    a.from - b.from || b.to - a.to || Number(a.slice.kind === "call") - Number(b.slice.kind === "call")
  )
  const open = new Map<number, Array<number>>()
  return sorted.map(({ fiber, from, slice, to }) => {
    const lane = lanes.get(fiber)!
    const ends = open.get(lane) ?? []
    open.set(lane, ends)
    while (ends.length > 0 && ends.at(-1)! <= from) ends.pop()
    const cut = Math.min(to, ends.at(-1) ?? to)
    ends.push(cut)
    return { slice, lane, from, to: cut }
  })
}
