/** `runfx exec`: a further program in a running container. */
import * as Effect from "effect/Effect"
import process from "node:process"
import { Events } from "../engine/Events.ts"
import { processOf, type ProcessOptions, withProcessOptions } from "../runtime/containerOf.ts"
import * as Runtime from "../runtime/Runtime.ts"
import { relaySignals } from "../runtime/signals.ts"
import { ownSize } from "../runtime/terminal.ts"
import * as Store from "../steps/state/Store.ts"
import { type GlobalOptions, onLinux } from "./edge.ts"
import { consoleSocket, flowOption, journal, timings, writePid } from "./support.ts"

/** The options of `exec`; those of `plan exec` are among them. */
export interface ExecCommand extends GlobalOptions, ProcessOptions {
  readonly id: string
  /** A file with the process; the other options change what it says. */
  readonly process?: string
  readonly flow?: string
  readonly detach?: boolean
  readonly pidFile?: string
  readonly timings?: boolean
  readonly preserveFds?: number
  readonly consoleSocket?: string
}

/** What `exec` hands to the runtime: the container's process, or the one of a file, and what the options change. */
export const execOptions = (command: ExecCommand) =>
  Effect.gen(function*() {
    const stateRoot = command.root ?? (yield* Runtime.stateRoot)
    const { container } = yield* Store.load(stateRoot, command.id)
    const whole = command.process === undefined
      ? { ...container.process, terminal: false }
      : yield* processOf(command.process, container)
    const base = yield* withProcessOptions(whole, command)
    const size = ownSize()
    const options: Runtime.ExecOptions = {
      id: command.id,
      stateRoot,
      process: size === undefined ? base : { ...base, consoleSize: size },
      ...(yield* flowOption(command.flow)),
      ...(command.preserveFds === undefined ? {} : { preservedFds: command.preserveFds })
    }
    return options
  })

/** Runs it. The exit code is the program's. */
export const exec = (command: ExecCommand): Promise<void> => {
  const { events, listen } = journal()
  return onLinux(
    Effect.gen(function*() {
      const options = { ...(yield* execOptions(command)), ...(yield* consoleSocket(command.consoleSocket)) }
      if (command.detach === true) {
        const running = yield* Runtime.start(options)
        writePid(command.pidFile, running.pid)
        if (command.timings === true) process.stderr.write(timings([...events, ...running.events]))
        return 0
      }
      const relay = yield* relaySignals
      const ended = yield* Runtime.exec(options, (running) =>
        Effect.suspend(() => {
          writePid(command.pidFile, running.pid)
          return relay.to(running.pidfd)
        })).pipe(
          Effect.provideService(Events, (event) => Effect.andThen(listen(event), relay.listen(event)))
        )
      if (command.timings === true) process.stderr.write(timings([...events, ...ended.events]))
      return ended.code
    }).pipe(Effect.scoped, Effect.provideService(Events, listen))
  )
}
