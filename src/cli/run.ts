/** `runfx run`: a program in a new container, to its end. */
import * as Effect from "effect/Effect"
import process from "node:process"
import { Events } from "../engine/Events.ts"
import * as Pipeline from "../engine/Pipeline.ts"
import { create } from "../pipelines/create.ts"
import { containerOf, type ContainerOptions } from "../runtime/containerOf.ts"
import * as Runtime from "../runtime/Runtime.ts"
import { relaySignals } from "../runtime/signals.ts"
import { ownSize } from "../runtime/terminal.ts"
import { checkId } from "../steps/state/Store.ts"
import { type GlobalOptions, onLinux } from "./edge.ts"
import { chosenId, consoleSocket, flowOption, freeAddress, journal, timings, writePid } from "./support.ts"

/** The options of `run`; those of `plan run` are among them. */
export interface RunCommand extends GlobalOptions, ContainerOptions {
  readonly id?: string
  readonly type?: Runtime.InitType
  readonly flow?: string
  readonly detach?: boolean
  readonly pidFile?: string
  readonly showPlan?: boolean
  readonly timings?: boolean
  readonly preserveFds?: number
  readonly consoleSocket?: string
}

/** What `run` hands to the runtime. */
export const runOptions = (command: RunCommand) =>
  Effect.gen(function*() {
    const stateRoot = command.root ?? (yield* Runtime.stateRoot)
    // before it becomes part of a path that other checks would complain about
    const id = yield* checkId(command.id ?? chosenId())
    const flow = yield* flowOption(command.flow)
    const chosen = yield* containerOf(
      { ...command, strategies: flow.strategies?.map(({ name }) => name) ?? [] },
      yield* Runtime.caller,
      `${stateRoot}/${id}`,
      freeAddress(stateRoot, id)
    )
    for (const warning of chosen.warnings) process.stderr.write(`runfx: warning: ${warning}\n`)
    const size = ownSize()
    const options: Runtime.RunOptions = {
      id,
      stateRoot,
      container: size === undefined || chosen.container.process.consoleSize !== undefined
        ? chosen.container
        : { ...chosen.container, process: { ...chosen.container.process, consoleSize: size } },
      bundle: chosen.bundle,
      scratch: chosen.scratch,
      ...(command.type === undefined ? {} : { type: command.type }),
      ...flow,
      ...(command.preserveFds === undefined ? {} : { preservedFds: command.preserveFds })
    }
    return options
  })

const showPlan = (options: Runtime.RunOptions) =>
  Effect.map(Runtime.launchOf(options), ({ init, sideCar }) => {
    const lines = [create, init, ...(sideCar === undefined ? [] : [sideCar])].map((pipeline) =>
      `${pipeline.name} (${pipeline.doc}):\n${
        Pipeline.describe(pipeline).map(({ doc, name }) => `  ${name.padEnd(26)} ${doc}\n`).join("")
      }`
    )
    process.stderr.write(`${lines.join("\n")}\n`)
  })

/** Runs it. The exit code is the program's. */
export const run = (command: RunCommand): Promise<void> => {
  const { events, listen } = journal()
  return onLinux(
    Effect.gen(function*() {
      const base = yield* runOptions(command)
      const options = { ...base, ...(yield* consoleSocket(command.consoleSocket)) }
      if (command.showPlan === true) yield* showPlan(options)
      if (command.detach === true) {
        const running = yield* Runtime.create(options)
        writePid(command.pidFile, running.pid)
        process.stdout.write(`${options.id}\n`)
        if (command.timings === true) process.stderr.write(timings([...events, ...running.events]))
        return 0
      }
      const relay = yield* relaySignals
      const ended = yield* Runtime.run(options, (running) =>
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
