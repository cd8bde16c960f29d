/**
 * The options of a start, and their check before anything is done. A caller in plain JavaScript gets the path of a mistake, too,
 * and a container that breaks a rule is refused, no matter how it was made.
 *
 * @category options
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { ConfigError, pathOf, type Problem, problem } from "../config/ConfigError.ts"
import type { Container, Process } from "../config/Container.ts"
import { millisecondsOf, type Time, time } from "../config/shape/quantity.ts"
import {
  type Fields,
  flag,
  func,
  list,
  may,
  oneOf,
  open,
  record,
  type Shape,
  struct,
  text,
  uint64,
  whole
} from "../config/shape/Shape.ts"
import { modelNames, type Names, validate, validateProcess } from "../config/validate.ts"
import type * as Pipeline from "../engine/Pipeline.ts"
import type * as Step from "../engine/Step.ts"
import type { Limit } from "../native/results.ts"
import type { Setns } from "../pipelines/setns.ts"
import type { Standard } from "../pipelines/standard.ts"
import type { Userns } from "../pipelines/userns.ts"
import type { Inherited, Port } from "../steps/init/Init.ts"
import type { Strategy } from "../steps/network/Strategy.ts"
import type { AnyContainerId } from "../steps/state/ContainerId.ts"
import { Patience, StartsAtOnce } from "./defaults.ts"
import type { Flow } from "./flow.ts"
import { keep, keptFor } from "./keptContainer.ts"

/** Which pipeline the init of a new container runs. */
export type InitType = "standard" | "userns"

/** An edit of the init's pipeline, of whichever type that is. */
export type InitFlow<P extends Pipeline.Any = Pipeline.Any> = Flow<Standard | Userns, P>

/** A step that makes a root before it is entered; it may require `Init` and `MountsContained`, and nothing else. */
export type MakeRoot = Step.Any & {
  /** The directories of the host that it stacks, for plans of a container that has such a root. */
  readonly layers?: ReadonlyArray<string>
}

/**
 * What a program inherits, and how long its start may take. If absent:
 *
 * - `stdio`: the streams of this process
 * - `preservedFds`: 0
 * - `descriptors`: none
 * - `consoleSocket`: the runtime takes the terminal's master itself, if the program has a terminal
 * - `nofile`: the hard limit of this process, and as soft limit 1024, or the hard one if that is lower. Node raises its own
 *   soft limit before JavaScript runs, so the original limit can't be known here; a caller who wants to pass it on must
 *   provide it (the command does)
 */
export interface ProcessHandles extends Partial<Omit<Inherited, "port">> {
  /**
   * How long the start may take, from the birth of the process until its program runs: milliseconds, or a `Duration`, or a
   * text such as `"10 seconds"`; {@link Patience} if absent, or 60 s. A process of the container can't extend this time. It must
   * be above 0 and below 25 days.
   */
  readonly patience?: Time
  /**
   * Whether a signal that would end this process first ends what it is starting or running. That holds for signals without a
   * listener, except SIGUSR1, on which Node starts its debugger. `true` if absent; with `false`, such a signal ends this
   * process at once, as in any Node program. Node tells only the main thread of signals: for what a worker thread runs, the main one
   * must listen, and tell the worker.
   */
  readonly endOnSignal?: boolean
}

/**
 * A container to start.
 *
 * - `P`: the pipeline of its init, which says what that can fail with
 */
export interface RunOptions<out P extends Pipeline.Any = Pipeline.Any> extends ProcessHandles {
  /** Its name: 1 to 1024 of the characters A-Z a-z 0-9 _ + . - and neither "." nor "..". */
  readonly id: AnyContainerId
  /** It must follow the rules of `validate`. Without `process.capabilities`, the program has none. */
  readonly container: Container
  /** A port of the container's loopback interface on which the caller answers; none if absent. */
  readonly port?: Port
  /** The names of the container's parts in its document, for problems that are found later; by default, the model's names. */
  readonly names?: Names
  readonly bundle?: string
  /** Directory of the state directories; {@link StateRoot} if absent. */
  readonly stateRoot?: string
  /** By default {@link typeFor}. */
  readonly type?: InitType
  /** Mount the host's files on `container.rootfs`, with writes that are discarded. */
  readonly scratch?: boolean
  /**
   * A step that makes the root on `container.rootfs`, as `emptyRoot` does, in the container's mount namespace, so that nothing
   * is left of it. It runs in the process that builds the root: the side-car if the type is `userns`, otherwise the init.
   */
  readonly makeRoot?: MakeRoot
  /**
   * Edits the init's pipeline: an edit, or a function that is given the preset. The result is checked before anything is
   * done: the error names a missing requirement, a step out of order, or a missing exec.
   *
   * **Example** (A step more, in whichever init the container has)
   *
   * ```ts
   * const flow = Pipeline.insertAfter("findProgram", announce)
   * ```
   */
  readonly flow?: InitFlow<P>
  /**
   * Whether process 1 is runfx's own and starts the program: it reaps orphans, passes signals on to the program, and exits with
   * its status, or 128 and the signal that ended it. It needs no program in the container's root, but a pid namespace of the
   * container's own. `false` if absent.
   */
  readonly init?: boolean
  /**
   * Returns the program when the rest of the container is ready, and may take any time for it; `patience` counts again from
   * there. It must follow the rules of {@link Process}, and may change `args`, `env` and `cwd` of the container's process.
   */
  readonly late?: Effect.Effect<Process>
  /**
   * Whether `run` reports what the container has used and which limits it has reached, for any exit code; `false` if absent.
   */
  readonly measured?: boolean
  /** Kinds of network in addition to the built-in ones. */
  readonly strategies?: ReadonlyArray<Strategy>
}

/** A process to add to a running container; `P` is its pipeline, as in {@link RunOptions}. */
export interface ExecOptions<out P extends Pipeline.Any = Pipeline.Any> extends ProcessHandles {
  readonly id: AnyContainerId
  readonly stateRoot?: string
  readonly process: Process
  /** Whether `exec` reports what the program has used; `false` if absent. */
  readonly measured?: boolean
  /** As in {@link RunOptions}. */
  readonly flow?: Flow<Setns, P>
}

/** No descriptor has a higher number: `fs.nr_open` can't be set above it. */
const highestFd = 2 ** 31 - 1

/** No shape: the rules of the configuration check it. */
const judged: Shape = () => {}

const threeDescriptors = list(whole(3, highestFd))

const stdio: Shape = (value, at, tell) => {
  if (Array.isArray(value) && value.length !== 3) tell(at, value, "must be three descriptors: input, output and error")
  else threeDescriptors(value, at, tell)
}

/** The highest number that a descriptor may have in the program: a higher one may be above its limit. */
const highestNumber = 255

const descriptors: Shape = (value, at, tell) => {
  record(whole(3, highestFd))(value, at, tell)
  const numbers = typeof value === "object" && value !== null ? Object.keys(value) : []
  for (const number of numbers) {
    if (!/^[1-9]\d*$/.test(number) || Number(number) < 3 || Number(number) > highestNumber) {
      tell([...at, number], undefined, `must be for a number from 3 to ${highestNumber}`)
    }
    const fd: unknown = Reflect.get(value as object, number)
    if (numbers.includes(String(fd))) tell([...at, number], fd, "must not be a number that the program has one under")
  }
}

const inherited: Fields<Partial<Omit<Inherited, "port">>> = {
  stdio: may(stdio),
  preservedFds: may(whole(0, highestFd - 3)),
  descriptors: may(descriptors),
  consoleSocket: may(whole(0, highestFd)),
  nofile: may(struct<Limit>({ soft: uint64, hard: uint64 }))
}

/** What a program inherits, from the options of its start. */
export const inheritedOf = (options: ProcessHandles): Partial<Inherited> =>
  Object.fromEntries(Object.entries(options).filter(([key, value]) => key in inherited && value !== undefined))

/** How long a start may take by default, in milliseconds. */
const defaultPatience = 60_000

const handles: Fields<ProcessHandles> = { ...inherited, patience: may(time), endOnSignal: may(flag) }

const names = may(open<Names>({ sections: open<object>({}), fields: open<object>({}), offsets: open<object>({}) }))

const runShape = struct<RunOptions>({
  ...handles,
  id: text,
  container: judged,
  port: may(struct<Port>({ number: whole(1, 65535), socket: whole(0, highestFd) })),
  names,
  bundle: may(text),
  stateRoot: may(text),
  type: may(oneOf("standard", "userns")),
  scratch: may(flag),
  makeRoot: may(open<object>({})),
  init: may(flag),
  late: may(open<object>({})),
  measured: may(flag),
  flow: may(func),
  strategies: may(list(open<Strategy>({ name: text, create: func, initialize: func, remove: func })))
})

const execShape = struct<ExecOptions>({
  ...handles,
  id: text,
  stateRoot: may(text),
  process: judged,
  measured: may(flag),
  flow: may(func)
})

const problemsOf = (shape: Shape, options: unknown): ReadonlyArray<Problem> => {
  const all: Array<Problem> = []
  shape(options, [], (at, value, rule) => {
    all.push(at.length === 0 ? problem("options", value, rule) : problem(pathOf(at), value, rule))
  })
  return all
}

const refuseWith = (problems: ReadonlyArray<Problem>): Effect.Effect<never, ConfigError> =>
  Effect.fail(new ConfigError({ problems }))

const unlessAny = (problems: ReadonlyArray<Problem>): Effect.Effect<void, ConfigError> =>
  problems.length === 0 ? Effect.void : refuseWith(problems)

const commonShape = struct<{ readonly patience: Time }>({ patience: time })

/** How long a start may take, in milliseconds: by options that were checked, or by the application's default. */
export const patienceOf = Effect.fnUntraced(function*(options: ProcessHandles): Effect.fn.Return<number, ConfigError> {
  if (options.patience !== undefined) return millisecondsOf(options.patience)!
  const patience = yield* Patience
  if (patience === undefined) return defaultPatience
  yield* checkShape(commonShape, { patience })
  return millisecondsOf(patience)!
})

/** How many starts may be on their way at a time by default: enough that the thread has work while some of them wait. */
const defaultAtOnce = 4

/** How many starts may be on their way at a time: by the application's default. */
export const startsAtOnce: Effect.Effect<number, ConfigError> = /* @__PURE__ */ Effect.gen(function*() {
  const atOnce = (yield* StartsAtOnce) ?? defaultAtOnce
  yield* checkShape(struct<{ readonly startsAtOnce: number }>({ startsAtOnce: whole(1, 2 ** 32) }), {
    startsAtOnce: atOnce
  })
  return atOnce
})

/** Checks options that are judged by their shape alone. */
export const checkShape = (shape: Shape, options: unknown): Effect.Effect<void, ConfigError> =>
  Effect.suspend(() => unlessAny(problemsOf(shape, options)))

/**
 * Checks the options of a start, and its container by all rules that need no kernel. Returns them with the container that is
 * to be started, which is the same one in each start if the caller's is: see `keptContainer.ts`.
 */
export const checkRunOptions = <O extends RunOptions>(options: O): Effect.Effect<O, ConfigError> =>
  Effect.suspend(() => {
    const problems = problemsOf(runShape, options)
    if (problems.length > 0) return refuseWith(problems)
    const started = keptFor(options.container)
    if (started !== undefined) return Effect.succeed({ ...options, container: started })
    const found = inContainer(validate(options.container, options.names))
    return found.length > 0 ? refuseWith(found) : Effect.succeed({ ...options, container: keep(options.container) })
  })

/** Problems of the container as a whole are reported for the option. */
const inContainer = (problems: ReadonlyArray<Problem>): ReadonlyArray<Problem> =>
  problems.map((found) => found.path === "" ? { ...found, path: "container" } : found)

/** Checks the options of another process; the process itself is checked with its container. */
export const checkExecOptions = (options: ExecOptions): Effect.Effect<void, ConfigError> =>
  checkShape(execShape, options)

/** Checks another process by the rules of the first one. */
export const checkProcess = (process: Process, container: Container): Effect.Effect<void, ConfigError> =>
  Effect.suspend(() => unlessAny(validateProcess(process, container, modelNames)))

/** Whether a signal ends what is attached, and then this process. It is read before the options are checked. */
export const endsOnSignal = (options: ProcessHandles | undefined): boolean => options?.endOnSignal !== false
