/**
 * The edge between the command and the effects: the live kernel goes in, an exit code comes out. Errors are printed here
 * and nowhere else.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import process from "node:process"
import { DiedIn, exitCodeOf, type Place, render, rootCause } from "../engine/PipelineError.ts"
import { visible } from "../engine/visible.ts"
import { Fork } from "../native/Fork.ts"
import { Kernel } from "../native/Kernel.ts"
import * as Linux from "../native/linux/Linux.ts"
import { catchSignals, isEnding } from "../runtime/caught.ts"
import * as Streams from "../runtime/streams.ts"
import { lookUpModes, lookUpSize, OwnModes, OwnSize } from "../runtime/terminal.ts"
import { withFilter } from "./filtered.ts"
import { leaveHungUp } from "./hungUp.ts"

/** Options of every subcommand. */
export interface GlobalOptions {
  /** Directory of the state of all containers. */
  readonly root?: string
  /** Also print what helps to find a fault. */
  readonly debug?: boolean
}

/** An error as the user sees it: what happened, and what to do about it. */
export const report = (error: unknown): string => visible(`runfx: ${render(error)}\n`)

/**
 * Prints each log entry as a line on standard error: `runfx: warning: …`, and with {@link debugging} also
 * `runfx: debug: …`. `Effect.logWarning` is for what the user can act on; everything else is `Effect.logDebug`.
 */
const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
  const level = logLevel === "Warn" ? "warning" : logLevel.toLowerCase()
  const text = (Array.isArray(message) ? message : [message]).map(String).join(" ")
  Streams.write("stderr", visible(`runfx: ${level}: ${text}\n`))
})

/** Whether debug lines are asked for: `--debug`, which sets `RUNFX_DEBUG`, or that variable with any value but 0 or none. */
const debugging = (): boolean => !["", "0", undefined].includes(process.env["RUNFX_DEBUG"])

/** A defect is a bug in runfx or in the step that it came from: it is shown with its stack. */
const reportDefect = (defect: unknown, place?: Place): string => {
  const where = place === undefined ? "runfx" : `the step ${place.step} of ${place.pipeline}`
  const what = defect instanceof Error ? defect.stack ?? defect.message : String(defect)
  return visible(`runfx: this is a bug in ${where}: ${what}\n`)
}

/** What ended a subcommand from outside. */
interface Outside {
  /** The last signal that would have ended this process. */
  signal?: number
  /** The first error of standard output or standard error. */
  lost?: Streams.StreamError
  /** The first error that Node or one of its callbacks has thrown and that could not be caught. */
  thrown?: { readonly error: unknown }
}

/**
 * Reports what would end this process and leave behind everything that it has made: signals, lost streams, uncaught
 * errors.
 *
 * @param end is called for each of them that no other listener handles
 * @param looks whether nothing is made: then a signal may end this process
 * @returns what has happened so far, and a function that stops the reports
 */
const outside = (end: () => void, looks: boolean): { readonly seen: Outside; readonly stop: () => void } => {
  const seen: Outside = {}
  const receive = (signal: number, taken: boolean): boolean => {
    if (!isEnding(signal)) return false
    seen.signal = signal
    // another listener passes it on to the running program, and this process waits for the program's end
    if (!taken) end()
    return true
  }
  const stops = [
    // the kernel sends the first process of a pid namespace no signal that nobody listens to
    ...(looks && process.pid !== 1 ? [] : [catchSignals(receive)]),
    Streams.watch((error) => {
      seen.lost ??= error
      end()
    })
  ]
  const thrown = (error: unknown) => {
    seen.thrown ??= { error }
    end()
  }
  process.on("uncaughtException", thrown)
  return {
    seen,
    stop: () => {
      process.off("uncaughtException", thrown)
      stops.forEach((stop) => stop())
    }
  }
}

/** The message at the end, and the exit code. */
const ending = (exit: Exit.Exit<number, unknown>, { lost, signal, thrown }: Outside): readonly [string, number] => {
  const texts: Array<string> = []
  const codes: Array<number> = []
  const failed = (text: string, code: number) => {
    texts.push(text)
    codes.push(code)
  }
  const failure = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason) : undefined
  const isLost = failure !== undefined && rootCause(failure.error) instanceof Streams.StreamError
  if (lost !== undefined && !isLost) failed(report(lost), lost.exitCode)
  if (failure !== undefined) failed(withFilter(report(failure.error)), exitCodeOf(failure.error))
  else if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) {
    const place = Context.getOrUndefined(Cause.annotations(exit.cause), DiedIn)
    failed(reportDefect(Cause.squash(exit.cause), place), 1)
  }
  if (thrown !== undefined) failed(reportDefect(thrown.error), 1)
  if (Exit.isFailure(exit) && codes.length === 0) codes.push(128 + (signal ?? 15))
  return [texts.join(""), codes[0] ?? (Exit.isSuccess(exit) ? exit.value : 1)]
}

/**
 * Runs a subcommand on the live kernel, and sets the exit code of this process: what the effect returns, or 1 and a
 * message for a failure. SIGINT and similar signals interrupt it, which rolls back what it had begun, unless it passes
 * them on itself; so does an error of standard output or standard error.
 *
 * @param options.looks whether it makes nothing: then signals end this process, and nobody takes the time to listen to them
 */
export const onLinux = async (
  effect: Effect.Effect<number, unknown, Kernel | Fork>,
  { looks = false }: { readonly looks?: boolean } = {}
): Promise<void> => {
  const kernel = kernelOrReport()
  if (kernel !== undefined) await onKernel(effect, kernel, looks)
}

/** The kernel that this process runs on; `undefined`, with a report, if runfx can't use it. */
const kernelOrReport = (): Kernel["Service"] | undefined => {
  try {
    return Linux.make()
  } catch (error) {
    if (!(error instanceof Linux.HostUnsupported)) throw error
    process.exitCode = 1
    Streams.write("stderr", report(error))
    return undefined
  }
}

const onKernel = async (
  effect: Effect.Effect<number, unknown, Kernel | Fork>,
  kernel: Kernel["Service"],
  looks: boolean
): Promise<void> => {
  let end: () => void = () => {}
  // first: the effect makes things before it lets the event loop run, and a signal without a listener would end this
  // process with all of them left behind
  const { seen, stop } = outside(() => end(), looks)
  const context = Context.make(Kernel, kernel).pipe(
    Context.add(Fork, Linux.fork(kernel)),
    Context.add(OwnSize, Effect.provideService(lookUpSize, Kernel, kernel)),
    Context.add(OwnModes, Effect.provideService(lookUpModes, Kernel, kernel)),
    Context.add(Logger.CurrentLoggers, new Set([logger])),
    Context.add(References.MinimumLogLevel, debugging() ? "Debug" : "Info")
  )
  const exit = await new Promise<Exit.Exit<number, unknown>>((resolve) => {
    const fiber = Effect.runFork(Effect.provideContext(effect, context))
    end = () => fiber.interruptUnsafe()
    fiber.addObserver(resolve)
  })
  // everything is undone by now; the remaining output may never be read
  const leave = () => {
    Effect.runSync(Effect.provideContext(leaveHungUp, context))
    process.exit(128 + (seen.signal ?? 15))
  }
  end = () => seen.signal === undefined ? undefined : leave()
  const interrupted = Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
  if (!interrupted) await Streams.flushed()
  const [text, code] = ending(exit, seen)
  process.exitCode = code
  if (text !== "") await new Promise((resolve) => void Streams.write("stderr", text, resolve))
  if (interrupted && Streams.isPending()) leave()
  Effect.runSync(Effect.provideContext(leaveHungUp, context))
  stop()
  // the last listener, when nothing is left to do: without it, Node takes its heap apart, page by page
  process.once("exit", () => process.exit())
}
