/**
 * The edge between the command and the effects: the live kernel goes in, an exit code comes out. Errors are printed here
 * and nowhere else.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import process from "node:process"
import { rootCause } from "../engine/PipelineError.ts"
import { Fork } from "../native/Fork.ts"
import { Kernel } from "../native/Kernel.ts"
import * as Linux from "../native/Linux.ts"
import { ending } from "../runtime/signals.ts"

/** Options of every subcommand. */
export interface GlobalOptions {
  /** Directory of the state of all containers. */
  readonly root?: string
}

const property = (error: unknown, name: string): unknown =>
  typeof error === "object" && error !== null ? (error as Readonly<Record<string, unknown>>)[name] : undefined

/** The exit code of an error: the one it names itself (126, 127), else 1. */
const exitCodeOf = (error: unknown): number => {
  const code = property(rootCause(error), "exitCode")
  return typeof code === "number" ? code : 1
}

/**
 * An error as the user sees it: what happened, and what to do about it. Names in it may be an image's, or the words of a
 * process of the container: what would command the user's terminal is shown as `\\x1b`.
 */
export const report = (error: unknown): string => {
  const message = error instanceof Error ? error.message : String(error)
  const advice = property(error, "advice")
  const hasAdvice = typeof advice === "string" && !message.includes(advice)
  const text = `runfx: ${message}${hasAdvice ? `\n  what to do: ${advice}` : ""}\n`
  return text.replace(
    /[^\P{Cc}\n\t]/gu,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`
  )
}

/** A defect is a bug of ours: it is shown with its stack. */
const reportDefect = (defect: unknown): string =>
  `runfx: this is a bug in runfx: ${defect instanceof Error ? defect.stack ?? defect.message : String(defect)}\n`

/**
 * Runs a subcommand on the live kernel, and sets the exit code of this process: what the effect gives, or 1 and a message
 * for a failure. SIGINT and its like interrupt it, which rolls back what it had begun, unless it passes them on itself.
 */
export const onLinux = async (
  effect: Effect.Effect<number, unknown, Kernel | Fork>
): Promise<void> => {
  // a reader that has seen enough (head, less) closes the pipe: no failure of ours
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error
    process.exit(0)
  })
  const kernel = Linux.make()
  const context = Context.make(Kernel, kernel).pipe(Context.add(Fork, Linux.fork(kernel)))
  let interrupted: number | undefined
  const interrupt = (name: NodeJS.Signals, signal: number) => {
    interrupted = signal
    // another listener knows better: it passes it on to the program that runs, whose answer is awaited then
    if (process.listenerCount(name) > 1) return
    Effect.runFork(Fiber.interrupt(fiber))
  }
  // first: the effect makes things before it gives the event loop a turn, and a signal without a listener would end this
  // process with all of them left behind
  for (const name of ending) process.on(name, interrupt)
  const fiber = Effect.runFork(Effect.provideContext(effect, context))
  const exit = await Effect.runPromise(Fiber.await(fiber))
  for (const name of ending) process.off(name, interrupt)

  if (Exit.isSuccess(exit)) {
    process.exitCode = exit.value
    return
  }
  const failure = exit.cause.reasons.find(Cause.isFailReason)
  if (failure !== undefined) {
    process.stderr.write(report(failure.error))
    process.exitCode = exitCodeOf(failure.error)
    return
  }
  if (Cause.hasInterruptsOnly(exit.cause)) {
    process.exitCode = 128 + (interrupted ?? 15)
    return
  }
  process.stderr.write(reportDefect(Cause.squash(exit.cause)))
  process.exitCode = 1
}
