/** `runfx run`: runs a program in a new container, and waits for its end. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import process from "node:process"
import { given } from "../engine/given.ts"
import * as Pipeline from "../engine/Pipeline.ts"
import { visible } from "../engine/visible.ts"
import { SIG } from "../native/constants.ts"
import type { Fork } from "../native/Fork.ts"
import { type Kernel, onErrno, sys, type SyscallError } from "../native/Kernel.ts"
import { create } from "../pipelines/create.ts"
import { caller, stateRoot as defaultRoot } from "../runtime/caller.ts"
import { containerOf, type ContainerOptions } from "../runtime/containerOf.ts"
import { create as createContainer } from "../runtime/create.ts"
import { launchOf } from "../runtime/launch.ts"
import { OptionError } from "../runtime/OptionError.ts"
import { run as runContainer } from "../runtime/run.ts"
import type * as Runtime from "../runtime/Runtime.ts"
import { printError } from "../runtime/streams.ts"
import { tellNotices } from "../runtime/tellNotices.ts"
import { ownSize } from "../runtime/terminal.ts"
import { checkId } from "../steps/state/Store.ts"
import type { Beside, Confinement } from "./confinement.ts"
import type { GlobalOptions } from "./edge.ts"
import { flowOption } from "./flowOption.ts"
import { foreground, type ForegroundCommand } from "./foreground.ts"
import { timeOf, withPodmanOptions } from "./podman.ts"
import type { PodmanOptions } from "./podmanOptions.ts"
import { activation, chosenId, freeAddress, inherited } from "./support.ts"

/** The options of `run`; those of `plan run` are among them. */
export interface RunCommand extends GlobalOptions, ForegroundCommand, ContainerOptions, PodmanOptions, Confinement {
  readonly id?: string
  readonly type?: Runtime.InitType
  readonly flow?: string
  readonly showPlan?: boolean
  readonly preserveFds?: number
  readonly init?: boolean
}

/** It loads the proxy and HTTP, which takes as long as half of a start. */
const confinement = Effect.promise(() => import("./confinement.ts"))

const isConfined = ({ allow, workspace }: Confinement): boolean => allow !== undefined || workspace !== undefined

/** What `run` passes to the runtime. */
export const runOptions = (command: RunCommand) =>
  Effect.gen(function*() {
    const stateRoot = command.root ?? (yield* defaultRoot)
    // first: a wrong id would become part of a path, and other checks would report that
    const id = yield* checkId(command.id ?? chosenId())
    const flow = yield* flowOption(command.flow)
    const chosen = yield* containerOf(
      { ...command, strategies: flow.strategies?.map(({ name }) => name) ?? [] },
      yield* caller,
      `${stateRoot}/${id}`,
      freeAddress(stateRoot, id)
    )
    yield* tellNotices(chosen.notices)
    const container = yield* withPodmanOptions(chosen.container, command)
    const size = yield* ownSize
    const sockets = activation(process.env, process.pid)
    const options: Runtime.RunOptions = {
      id,
      stateRoot,
      container: {
        ...container,
        process: {
          ...container.process,
          env: [...container.process.env, ...sockets.env],
          ...given({ consoleSize: container.process.consoleSize ?? size })
        }
      },
      ...given({ names: chosen.names, type: command.type, init: command.init }),
      bundle: chosen.bundle,
      scratch: chosen.scratch,
      ...flow,
      ...(yield* inherited),
      // those of socket activation come first, as with runc
      preservedFds: sockets.count + (command.preserveFds ?? 0)
    }
    if (!isConfined(command)) return options
    const { confined } = yield* confinement
    return yield* confined(options, command)
  })

const showPlan = (options: Runtime.RunOptions) =>
  Effect.map(launchOf(options), ({ init, sideCar }) => {
    const lines = [create, init, sideCar].filter((pipeline) => pipeline !== undefined).map((pipeline) =>
      `${pipeline.name} (${pipeline.doc}):\n${
        Pipeline.describe(pipeline).map(({ doc, name }) => `  ${name.padEnd(26)} ${doc}\n`).join("")
      }`
    )
    return printError(visible(`${lines.join("\n")}\n`))
  }).pipe(Effect.flatten)

const checkTime = ({ detach, time }: RunCommand): Effect.Effect<unknown, OptionError> => {
  if (time === undefined) return Effect.void
  return detach === true
    ? Effect.fail(
      new OptionError({
        option: "--time",
        value: time,
        rule: "needs a runfx that waits for the program: leave out --detach"
      })
    )
    : timeOf(time)
}

/** Runs a container to its end. */
type Run = (
  options: Runtime.RunOptions,
  onRunning: (running: Runtime.RunningProcess) => Effect.Effect<void, unknown, Kernel>
) => Effect.Effect<Runtime.Ended, unknown, Kernel | Fork>

/** Runs a container together with the proxy of `--allow` and the placeholders of `--workspace`. */
const accompanied = (beside: Beside, run: Run): Run => (options, onRunning) =>
  Effect.scoped(
    Effect.flatMap(beside, (door) =>
      door === undefined
        ? run(options, onRunning)
        : run({ ...options, port: door.port }, (running) => Effect.andThen(door.open, onRunning(running))))
  )

/** Kills a program when its time is over, and says so. If it can't be killed, the run fails and removes what it has made. */
const limited = (command: RunCommand): Run => (options, onRunning) =>
  command.time === undefined ? runContainer(options, onRunning) : Effect.scoped(Effect.gen(function*() {
    const time = yield* Effect.orDie(timeOf(command.time!))
    const scope = yield* Effect.scope
    const failed = yield* Deferred.make<never, SyscallError>()
    let isOver = false
    const end = ({ pidfd }: Runtime.RunningProcess) =>
      sys.pidfd_send_signal({ pidfd, signal: SIG.KILL }).pipe(
        Effect.andThen(Effect.sync(() => void (isOver = true))),
        // it has ended by itself
        onErrno(["ESRCH"], () => Effect.void),
        Effect.catchCause((cause) => Deferred.failCause(failed, cause))
      )
    const ended = yield* Effect.raceFirst(
      runContainer(
        options,
        (running) => Effect.andThen(Effect.forkIn(Effect.delay(end(running), time), scope), onRunning(running))
      ),
      Deferred.await(failed)
    )
    // after the end, since the message waits until somebody reads it
    if (isOver) yield* printError(`runfx: the program was killed: its time is over (--time ${command.time})\n`)
    return ended
  }))

/** A run with what `--allow` and `--workspace` need. Reads the host at once; the rest is done by calls, on any kernel. */
export const accompaniedRun = (command: RunCommand, run: Run): Effect.Effect<Run, OptionError> =>
  isConfined(command)
    ? Effect.map(Effect.flatMap(confinement, ({ beside }) => beside(command)), (beside) => accompanied(beside, run))
    : Effect.succeed(run)

/** Runs it. The exit code is the program's. */
export const run = (command: RunCommand): Promise<void> =>
  foreground(command, {
    options: runOptions(command),
    processOf: ({ container }) => container.process,
    seccompOf: ({ container }) => container.seccomp,
    before: (options) =>
      Effect.andThen(
        checkTime(command),
        command.showPlan === true ? showPlan(options) : Effect.void
      ),
    announce: ({ id }) => `${id}\n`,
    detached: createContainer,
    run: (options, onRunning) =>
      Effect.flatMap(accompaniedRun(command, limited(command)), (whole) => whole(options, onRunning))
  })
