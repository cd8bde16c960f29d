/** `--timings`: how long each step took. */
import type { Event } from "../engine/Events.ts"

/** Eighths of a column. */
const eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]

/** Fewer columns show no difference. */
const narrowest = 8

/** A bar of a length in columns; at least an eighth, so that every step is seen. */
const bar = (length: number): string => {
  const parts = Math.max(1, Math.round(length * 8))
  return "█".repeat(Math.floor(parts / 8)) + eighths[parts % 8]!
}

/**
 * The time of each step in milliseconds, first the parent's, then the init's. On a terminal each has a bar, all on one scale:
 * the longest step fills the columns that are left. If a step of the parent waits for the init, its time includes the init's.
 *
 * @param columns of the terminal; 0 if there is none
 */
export const timings = (events: ReadonlyArray<Event>, columns = 0): string => {
  const rows = events.flatMap((event) => event._tag === "Completed" || event._tag === "Failed" ? [event] : [])
  const longest = Math.max(0, ...rows.map(({ milliseconds }) => milliseconds))
  const lines = rows.map(({ milliseconds, pipeline, step }) =>
    `${milliseconds.toFixed(3).padStart(10)} ms  ${pipeline.padEnd(12)} ${step}`
  )
  const width = Math.max(0, ...lines.map((line) => line.length)) + 2
  // the last column stays empty: some terminals go to the next line after it
  const room = columns - width - 1
  return lines.map((line, index) => {
    const { milliseconds } = rows[index]!
    const isDrawn = room >= narrowest && milliseconds > 0
    return `${isDrawn ? line.padEnd(width) + bar(room * milliseconds / longest) : line}\n`
  }).join("")
}
