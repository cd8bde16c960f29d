/**
 * Shows which step is running, on the last line of a terminal, if a start takes longer than a second. The line is removed before
 * the program is executed: from then on the terminal is the program's.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import process from "node:process"
import type { Event } from "../engine/Events.ts"
import type { Observer, RanAhead } from "../engine/Observer.ts"
import { visibleLine } from "../engine/visible.ts"
import { monotonic } from "../native/monotonic.ts"
import { isTerminal, showStatus } from "../runtime/streams.ts"

/** When the line appears, and how often it changes, in milliseconds. */
const patience = 1000
const interval = 250

/** One process: the step that is running, and those that run ahead of it. */
interface Seen {
  readonly name: string
  step: string
  ahead: Array<string>
}

/** Pipelines that run after the program's end. */
const afterwards: ReadonlySet<string> = new Set(["kill", "remove"])

/** The progress of a start. */
export interface Progress {
  readonly observer: Observer
  /**
   * The line, so many milliseconds after the start, for a terminal of so many columns; `undefined` if there is nothing to
   * show, or if the program runs.
   */
  readonly line: (milliseconds: number, columns?: number) => string | undefined
}

const labelOf = ({ ahead, name, step }: Seen): string => {
  const [first = step] = ahead
  const last = ahead.at(-1) ?? first
  return `${name === "" ? "" : `${name}: `}${first}${last === first ? "" : ` to ${last}`}`
}

/** If there is not enough room, the name is cut, and not the time behind it. */
const shortened = (label: string, room: number): string =>
  label.length <= room ? label : `${label.slice(0, Math.max(0, room - 1))}…`

/**
 * Follows a run.
 *
 * @param turn is called as soon as the line must disappear, and when it may be shown again
 */
export const follow = (turn: (isSeen: boolean) => void): Progress => {
  const running: Array<Seen> = []
  let isProgram = false
  const observerOf = (seen: Seen): Observer => ({
    step: ({ _tag, pipeline, step }: Event, _fiber: number, ahead?: RanAhead) => {
      if (isProgram && afterwards.has(pipeline)) {
        isProgram = false
        turn(true)
      }
      seen.step = step
      if (ahead !== undefined && _tag !== "Started") seen.ahead = seen.ahead.filter((name) => name !== step)
    },
    ahead: (step) => {
      // a step runs again, and so do all that follow it
      const at = seen.ahead.indexOf(step)
      seen.ahead = [...at < 0 ? seen.ahead : seen.ahead.slice(0, at), step]
    },
    call: ({ _tag }) => {
      if (_tag === "execve" || _tag === "execveat") {
        isProgram = true
        turn(false)
      }
      return () => {}
    },
    child: () => {
      const child: Seen = { name: running.length === 1 ? "init" : `init ${running.length}`, step: "", ahead: [] }
      running.push(child)
      return {
        observer: observerOf(child),
        started: () => {},
        ended: () => void running.splice(running.indexOf(child), 1)
      }
    }
  })
  const parent: Seen = { name: "", step: "", ahead: [] }
  running.push(parent)
  return {
    observer: observerOf(parent),
    line: (milliseconds, columns = Infinity) => {
      const seen = running.findLast(({ ahead, step }) => step !== "" || ahead.length > 0)
      if (isProgram || seen === undefined) return undefined
      const [head, time] = ["runfx: ", `, ${Math.floor(milliseconds / 1000)} s`]
      // the last column stays empty: some terminals go to the next line after it
      return `${head}${shortened(visibleLine(labelOf(seen)), columns - 1 - head.length - time.length)}${time}`
    }
  }
}

/** Whether standard error is a terminal that knows how to clear a line. */
const canClear = (): boolean => !["dumb", "", undefined].includes(process.env["TERM"]) && isTerminal("stderr")

/** Shows it while the scope is open; `undefined` if there is no terminal. While the program runs, no timer does. */
export const progress: Effect.Effect<Observer | undefined, never, Scope.Scope> = Effect.suspend(() => {
  if (!canClear()) return Effect.succeed(undefined)
  let timer: NodeJS.Timeout | undefined
  let started = 0
  const show = () => {
    const milliseconds = monotonic() - started
    if (milliseconds >= patience) showStatus(line(milliseconds, process.stderr.columns))
  }
  const turn = (isSeen: boolean) => {
    clearInterval(timer)
    showStatus(undefined)
    if (!isSeen) return
    started = monotonic()
    timer = setInterval(show, interval).unref()
  }
  const { line, observer } = follow(turn)
  return Effect.as(Effect.acquireRelease(Effect.sync(() => turn(true)), () => Effect.sync(() => turn(false))), observer)
})
