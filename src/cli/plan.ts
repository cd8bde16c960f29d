/** `runfx plan`: prints what a command would do. It changes nothing, and needs no privileges. */
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import process from "node:process"
import type { Container } from "../config/Container.ts"
import { defaultSpec } from "../config/defaults.ts"
import { textOf } from "../engine/errorText.ts"
import { given } from "../engine/given.ts"
import * as Plan from "../engine/Plan.ts"
import * as PlanText from "../engine/PlanText.ts"
import { visible, visibleJson } from "../engine/visible.ts"
import { environmentOf } from "../runtime/environment.ts"
import { difference, type Existing, planDelete, planExec, planKill, planPrune, planRun } from "../runtime/plan.ts"
import * as Runtime from "../runtime/Runtime.ts"
import * as Streams from "../runtime/streams.ts"
import * as Cgroup from "../steps/cgroup/Cgroup.ts"
import type { StateCorrupt } from "../steps/state/errors.ts"
import type { State } from "../steps/state/State.ts"
import { type Status, status as statusOf } from "../steps/state/status.ts"
import * as Store from "../steps/state/Store.ts"
import { type DeleteCommand } from "./delete.ts"
import { type GlobalOptions, onLinux } from "./edge.ts"
import { type ExecCommand, execOptions } from "./exec.ts"
import { flowOption } from "./flowOption.ts"
import { type KillCommand, signalOf } from "./kill.ts"
import { accompaniedRun, type RunCommand, runOptions } from "./run.ts"
import { takesTerminal } from "./support.ts"

/** The options of all plans. */
interface PlanCommand {
  readonly format: string
  /** Also print the calls that only look. */
  readonly all?: boolean
  /** A file with an earlier plan as JSON: only the difference from it is printed. */
  readonly diff?: string
}

/** The options of `plan kill`; `--all` is that of the plan. */
interface PlanKillCommand extends KillCommand, PlanCommand {
  readonly all?: boolean
  readonly allProcesses?: boolean
}

/** The options of `plan prune`; `--all` is that of the plan. */
interface PlanPruneCommand extends GlobalOptions, PlanCommand {
  readonly detached?: boolean
  readonly flow?: string
}

const narrow = 100

/** An earlier plan. */
const read = (file: string): Effect.Effect<Plan.Plan, Error> =>
  Effect.flatMap(
    Effect.try({
      try: () => readFileSync(file, "utf8"),
      catch: (cause) => new Error(`--diff ${file}: ${textOf(cause)}`)
    }),
    (text) =>
      Effect.mapError(
        Plan.fromText(text),
        ({ message }) => new Error(`--diff ${file}: this is not a plan that --format json has printed: ${message}`)
      )
  )

const textFor = (plan: Plan.Plan, format: string, all: boolean): string => {
  switch (format) {
    case "json":
      return `${visibleJson(Plan.toText(plan))}\n`
    case "html":
      return Plan.toHtml(plan)
    default:
      return visible(PlanText.render(plan, { all, width: Math.max(narrow, process.stdout.columns ?? 160) }))
  }
}

/** Prints a plan, or its difference from an earlier one. */
const print = (plan: Plan.Plan, { all = false, diff, format }: PlanCommand): Effect.Effect<number, Error> =>
  Effect.gen(function*() {
    if (diff !== undefined) {
      const changes = difference(yield* read(diff), plan, { all })
      yield* Streams.print(changes === "" ? "" : visible(`${changes}\n`))
      // as with diff(1)
      return changes === "" ? 0 : 1
    }
    yield* Streams.print(textFor(plan, format, all))
    // whether the command would succeed
    return plan.fails === undefined ? 0 : 1
  })

/** The id of a container without a given one: in a plan it is always the same. */
const plannedId = "container"

/** What `run` would do. */
export const showRun = (command: RunCommand & PlanCommand): Promise<void> =>
  onLinux(Effect.gen(function*() {
    const planned = { ...command, id: command.id ?? plannedId }
    const options = yield* runOptions(planned)
    yield* takesTerminal(command.consoleSocket, options.container.process)
    const run = yield* accompaniedRun(planned, Runtime.run)
    return yield* print(yield* planRun(options, run(options, () => Effect.void)), command)
  }))

/** What a plan needs of an existing container. */
interface Found {
  readonly bundle?: string | undefined
  readonly container: Container
  readonly known: Existing
}

/** A container with its environment, which is not in its state: without PATH, its program may not be found. */
const whole = (state: State): Effect.Effect<Container> =>
  Effect.map(environmentOf(state), (env) => ({
    ...state.container,
    process: { ...state.container.process, env }
  }))

/** A container as it is now, according to its state. */
const asItIs = (stateRoot: string, state: State) =>
  Effect.gen(function*() {
    const status = yield* statusOf(stateRoot, state)
    const container = yield* whole(state)
    return {
      bundle: state.bundle,
      container,
      known: { stateRoot, status, orphan: true, ...given({ madeRoot: state.madeRoot }) }
    } satisfies Found
  })

/** An existing container. */
const existing = ({ id, root }: GlobalOptions & { readonly id: string }) =>
  Effect.gen(function*() {
    const stateRoot = root ?? (yield* Runtime.stateRoot)
    return yield* asItIs(stateRoot, yield* Store.load(stateRoot, id))
  })

/** What `exec` would do. */
export const showExec = (command: ExecCommand & PlanCommand): Promise<void> =>
  onLinux(Effect.gen(function*() {
    const { bundle, container, known } = yield* existing(command)
    return yield* print(yield* planExec(container, bundle, yield* execOptions(command), known), command)
  }))

/** What `kill` would do. */
export const showKill = (command: PlanKillCommand): Promise<void> =>
  onLinux(Effect.gen(function*() {
    const signal = yield* signalOf(command.signal)
    const { bundle, container, known } = yield* existing(command)
    return yield* print(
      yield* planKill(command.id, container, bundle, signal, { ...known, ...given({ all: command.allProcesses }) }),
      command
    )
  }))

/** Whether there are processes in the cgroup that a container of this id has by default. */
const isPopulated = (id: string) =>
  Cgroup.detect.pipe(
    Effect.flatMap((hierarchies) => Cgroup.plan(hierarchies, { id })),
    Effect.flatMap(Cgroup.population),
    Effect.match({ onSuccess: (count) => count > 0, onFailure: () => false })
  )

/** A container whose state can't be read: by the copy of it, or by its id alone. */
const broken = Effect.fnUntraced(function*(stateRoot: string, id: string, { missing = false }: StateCorrupt) {
  const copy = yield* Effect.result(Store.loadCopy(stateRoot, id))
  if (copy._tag === "Success") return yield* asItIs(stateRoot, copy.success)
  const status: Status = !missing && (yield* isPopulated(id)) ? "running" : "stopped"
  const left = missing ? "missing" : "damaged"
  return {
    bundle: undefined,
    container: defaultSpec({ rootfs: "/", args: ["/bin/sh"] }),
    known: { stateRoot, status, orphan: true, broken: left }
  } satisfies Found
})

/** What `delete` would do. */
export const showDelete = (command: DeleteCommand & PlanCommand): Promise<void> =>
  onLinux(Effect.gen(function*() {
    const { flow, force, id } = command
    const { strategies } = yield* flowOption(flow)
    const stateRoot = command.root ?? (yield* Runtime.stateRoot)
    const found = yield* Effect.result(existing(command))
    const isBroken = found._tag === "Failure" && found.failure._tag === "StateCorrupt" && force === true
    const { bundle, container, known }: Found = isBroken
      ? yield* broken(stateRoot, id, found.failure)
      : yield* Effect.fromResult(found)
    const options = given({ force, strategies })
    return yield* print(yield* planDelete(id, container, bundle, options, known), command)
  }))

/** What `prune` would do. */
export const showPrune = ({ detached, flow, root, ...command }: PlanPruneCommand): Promise<void> =>
  onLinux(Effect.gen(function*() {
    const { strategies } = yield* flowOption(flow)
    const plan = yield* planPrune(given({ stateRoot: root, strategies, detached }))
    const code = yield* print(plan, command)
    // as the command, which removes the others all the same
    return plan.containers?.some(({ what }) => what === "failed") === true ? 1 : code
  }))
