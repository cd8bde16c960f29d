/**
 * What a command would do: the same pipelines, run on a model of this machine. Nothing is changed; what would fail on this
 * machine fails in the plan.
 *
 * Other commands do not load this module: the model is as large as the rest.
 *
 * @category plans
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Container } from "../config/Container.ts"
import { textOf } from "../engine/errorText.ts"
import { given } from "../engine/given.ts"
import * as Plan from "../engine/Plan.ts"
import { AT, O, STATX } from "../native/constants.ts"
import * as Files from "../native/Files.ts"
import { orOn, sys } from "../native/Kernel.ts"
import { emptyRoot } from "../steps/rootfs/emptyRoot.ts"
import { layeredRoot } from "../steps/rootfs/layeredRoot.ts"
import { scratchRoot } from "../steps/rootfs/scratchRoot.ts"
import type { MadeRoot, State } from "../steps/state/State.ts"
import type { Status } from "../steps/state/status.ts"
import * as Store from "../steps/state/Store.ts"
import * as PlanDiff from "../testing/PlanDiff.ts"
import { awaitExit } from "./awaitExit.ts"
import { lookedAt } from "./lookedAt.ts"
import { neighboursOf } from "./neighbours.ts"
import { type Act, perform, type Task } from "./onModel.ts"
import { OptionError } from "./OptionError.ts"
import { checkExecOptions, checkProcess } from "./options.ts"
import * as Runtime from "./Runtime.ts"

const planOf = (
  title: string,
  act: Act,
  containersOf?: (value: unknown) => ReadonlyArray<Plan.Fate>
): Effect.Effect<Plan.Plan, unknown> =>
  Effect.gen(function*() {
    const { exit, pids, pipelines, recorder, rollback, stays } = yield* perform(act)
    const record = recorder.entries()
    const failed = Exit.isFailure(exit)
    // an error before the first step is an error of the command line, not of the plan
    if (failed && record.every(({ step }) => step === "")) return yield* Effect.failCause(exit.cause)
    return Plan.make({
      title,
      record,
      begun: recorder.begun(),
      ...rollback === undefined ? {} : { rollback: rollback.record, rollbackAfter: rollback.after },
      pipelines,
      pids,
      stays,
      ...containersOf === undefined || failed ? {} : { containers: containersOf(exit.value) },
      ...(failed ? { error: Cause.squash(exit.cause) } : {})
    })
  })

/**
 * What {@link Runtime.run} would do with these options.
 *
 * @param act runs it, if more is done than `Runtime.run`
 */
export const planRun = (
  options: Runtime.RunOptions,
  act: Task = Runtime.run(options)
): Effect.Effect<Plan.Plan, unknown> =>
  planOf(`run ${commandOf(options.container?.process)}`, {
    act,
    preserved: options.preservedFds,
    neighbours: neighboursOf(options.container)
  })

/** The command line. A caller in plain JavaScript may pass anything; the check of it comes later. */
const commandOf = (process: { readonly args?: unknown } | undefined): string =>
  Array.isArray(process?.args) ? process.args.join(" ") : ""

/**
 * How a plan differs from an earlier one, as text; empty if there is no difference.
 *
 * @since 0.2.0
 */
export const difference = (before: Plan.Plan, after: Plan.Plan, options: PlanDiff.RenderOptions = {}): string =>
  PlanDiff.between(before, after, options)

// -- of an existing container ----------------------------------------------------------------------------------------

/**
 * What is known about a container in addition to its configuration.
 *
 * @since 0.2.0
 */
export interface Existing {
  /** Where its state is kept; if absent, where {@link Runtime.run} keeps it. */
  readonly stateRoot?: string
  /** `"running"` if absent. */
  readonly status?: Status
  /** Whether it was started by another process than the one that would run the command: that one can't reap it. */
  readonly orphan?: boolean
  /** How its root was made, as its state tells it; absent if it is a directory of the host. */
  readonly madeRoot?: MadeRoot
  /** Why neither its state nor the copy of it can be read; absent if they can. */
  readonly broken?: "damaged" | "missing"
}

/** Removes all files of a directory; returns whether it existed. */
const empty = (directory: string): Task<boolean> =>
  Effect.gen(function*() {
    const flags = O.RDONLY | O.DIRECTORY | O.CLOEXEC
    const fd = yield* sys.openat({ dirfd: AT.FDCWD, path: directory, flags, mode: 0 }).pipe(orOn(["ENOENT"], undefined))
    if (fd === undefined) return false
    for (const { name } of yield* sys.getdents64({ fd })) yield* sys.unlinkat({ dirfd: fd, path: name, flags: 0 })
    yield* sys.close({ fd })
    return true
  })

/** Removes from the model the container's state that the machine has. */
const forget = (directory: string): Task<void> =>
  Effect.gen(function*() {
    if (!(yield* empty(directory))) return
    yield* sys.unlinkat({ dirfd: AT.FDCWD, path: directory, flags: AT.REMOVEDIR })
  })

/** Removes interfaces with the container's names as well. */
const forgetLinks = ({ networks }: Container): Task<void> =>
  Effect.forEach(
    networks.flatMap(({ hostInterfaceName: link }) => link === undefined ? [] : [link]),
    (link) => sys.rtnetlink({ request: { _tag: "LinkDelete", link } }).pipe(orOn(["ENODEV"], undefined)),
    { discard: true }
  )

/** Makes a state unreadable in the model, as it is on the machine. */
const damage = (directory: string, broken: NonNullable<Existing["broken"]>): Task<void> =>
  Effect.gen(function*() {
    yield* empty(directory)
    if (broken === "missing") return
    const path = `${directory}/${Store.stateFile}`
    const fd = yield* sys.openat({ dirfd: AT.FDCWD, path, flags: O.WRONLY | O.CREAT | O.CLOEXEC, mode: 0o600 })
    yield* sys.write({ fd, data: Buffer.from("{") })
    yield* sys.close({ fd })
  })

/** If the path of a joined namespace is gone, only the container's processes hold that namespace: the model makes a new one. */
const stillThere = ({ path, type }: Container["namespaces"][number]): Task<Container["namespaces"][number]> =>
  path === undefined
    ? Effect.succeed({ type })
    : sys.statx({ dirfd: AT.FDCWD, path, flags: 0, mask: STATX.BASIC_STATS }).pipe(
      Effect.match({ onFailure: () => ({ type }), onSuccess: () => ({ type, path }) })
    )

const stateDirectory = (stateRoot: string | undefined, id: string) =>
  Effect.map(stateRoot === undefined ? Runtime.stateRoot : Effect.succeed(stateRoot), (root) => `${root}/${id}`)

/** The steps of runfx's own that make a root, by name: a state has the name. */
const rootMakers: Readonly<Record<string, (made: MadeRoot) => Pick<Runtime.RunOptions, "makeRoot" | "scratch">>> = {
  [scratchRoot.name]: () => ({ scratch: true }),
  [emptyRoot.name]: () => ({ makeRoot: emptyRoot }),
  layeredRoot: ({ layers = [] }) => ({ makeRoot: layeredRoot(layers) })
}

/** A state of 0.1.0 does not tell how the root was made: there was one way only. */
const makeAgain = (made: MadeRoot = { step: scratchRoot.name }) => rootMakers[made.step]?.(made) ?? { scratch: true }

/** What a program would find in a root can't be told if nobody here knows how it was made. */
const checkRoot = (id: string, { madeRoot }: Existing): Effect.Effect<void, OptionError> =>
  madeRoot === undefined || Object.hasOwn(rootMakers, madeRoot.step) ? Effect.void : Effect.fail(
    new OptionError({
      option: "the container",
      value: id,
      rule: `its root was made by a step of its own, ${madeRoot.step}: what is in it can't be planned`
    })
  )

/** Starts a container again in the model, to replace the machine's, and waits for its end if it has stopped. */
const again = (
  id: string,
  container: Container,
  bundle: string | undefined,
  { broken, madeRoot, stateRoot, status = "running" }: Existing
): Task<ReadonlyMap<number, string>> =>
  Effect.gen(function*() {
    const directory = yield* stateDirectory(stateRoot, id)
    yield* forget(directory)
    yield* forgetLinks(container)
    const { pid, pidfd } = yield* Runtime.create({
      ...given({ stateRoot, bundle }),
      id,
      ...container.rootfs === Files.clean(directory) ? makeAgain(madeRoot) : {},
      container: {
        ...container,
        namespaces: yield* Effect.forEach(container.namespaces, stillThere),
        process: { ...container.process, terminal: false }
      }
    })
    if (hasEnded(status)) yield* awaitExit(pidfd)
    yield* sys.close({ fd: pidfd })
    if (broken !== undefined) yield* damage(directory, broken)
    return new Map([[pid, "init of the container"]])
  })

const existing = (
  id: string,
  container: Container,
  bundle: string | undefined,
  known: Existing
): Pick<Act, "before" | "neighbours" | "orphan" | "stays"> => ({
  neighbours: neighboursOf(container),
  orphan: known.orphan ?? false,
  stays: !hasEnded(known.status ?? "running"),
  before: again(id, container, bundle, known)
})

const hasEnded = (status: Status): boolean => status === "stopped" || status === "creating"

const rootOf = ({ stateRoot }: Existing): { readonly stateRoot?: string } => given({ stateRoot })

/** What {@link Runtime.exec} would do in a container. */
export const planExec = (
  container: Container,
  bundle: string | undefined,
  options: Runtime.ExecOptions,
  known: Existing = rootOf(options)
): Effect.Effect<Plan.Plan, unknown> =>
  Effect.gen(function*() {
    // wrong options are reported before the container is started again
    yield* checkExecOptions(options)
    yield* checkProcess(options.process, container)
    yield* checkRoot(options.id, known)
    return yield* planOf(`exec ${options.id} ${commandOf(options.process)}`, {
      ...existing(options.id, container, bundle, known),
      act: Runtime.exec({ ...options, ...rootOf(known) }),
      preserved: options.preservedFds
    })
  })

/** What {@link Runtime.kill} would do to a container. */
export const planKill = (
  id: string,
  container: Container,
  bundle: string | undefined,
  signal: number,
  known: Existing & { readonly all?: boolean } = {}
): Effect.Effect<Plan.Plan, unknown> =>
  planOf(`kill ${id}`, {
    ...existing(id, container, bundle, known),
    act: Runtime.kill(id, signal, given({ all: known.all, stateRoot: known.stateRoot }))
  })

/**
 * What {@link Runtime.remove} would do to a container.
 *
 * @since 0.2.0
 */
export const planDelete = (
  id: string,
  container: Container,
  bundle: string | undefined,
  options: NonNullable<Parameters<typeof Runtime.remove>[1]> = {},
  known: Existing = rootOf(options)
): Effect.Effect<Plan.Plan, unknown> =>
  planOf(`delete ${id}`, {
    ...existing(id, container, bundle, known),
    act: Runtime.remove(id, { ...options, ...rootOf(known) })
  })

/** The states of all containers that can be read. */
const statesBelow = (options: PruneOptions): Effect.Effect<ReadonlyArray<State>, unknown> =>
  Effect.gen(function*() {
    const { exit } = yield* perform({
      act: Effect.flatMap(
        options.stateRoot === undefined ? Runtime.stateRoot : Effect.succeed(options.stateRoot),
        Store.list
      )
    })
    // the plan fails with the same error, at its step
    if (Exit.isFailure(exit)) return []
    return (exit.value as ReadonlyArray<Store.Entry>).flatMap((entry) => "state" in entry ? [entry.state] : [])
  })

const fateOf = (pruned: Runtime.Pruned): Plan.Fate => {
  const { _tag, id } = pruned
  if (_tag === "Failed") return { id, what: "failed", why: textOf(pruned.error) }
  if (_tag === "Kept") return { id, what: "left alone", why: pruned.why }
  return { id, what: pruned.killed ? "killed and removed" : "removed", why: pruned.why }
}

type PruneOptions = Omit<Runtime.PruneOptions, "dryRun"> & { readonly stateRoot?: string }

/**
 * What {@link Runtime.prune} would do with the containers of this machine, as they are now: the plan says of each whether it
 * would be killed, removed or left alone, and why.
 *
 * @since 0.2.0
 */
export const planPrune = (options: PruneOptions = {}): Effect.Effect<Plan.Plan, unknown> =>
  Effect.gen(function*() {
    const states = yield* statesBelow(options)
    return yield* planOf(
      "prune",
      { act: Runtime.prune(options), lookedAt: lookedAt(states) },
      (pruned) => (pruned as ReadonlyArray<Runtime.Pruned>).map(fateOf)
    )
  })
