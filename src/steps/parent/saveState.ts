/**
 * Write the state of the container to disk, at the end of a start.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { given } from "../../engine/given.ts"
import * as Step from "../../engine/Step.ts"
import { AT } from "../../native/constants.ts"
import type { AnyPid } from "../../native/Handle.ts"
import { orOn, sys } from "../../native/Kernel.ts"
import { procNumber, procView } from "../proc/numbers.ts"
import { identify, statCalls } from "../proc/processes.ts"
import type { State } from "../state/State.ts"
import * as Store from "../state/Store.ts"
import { ContainerCgroup, EnteredProcess, HostNetworks, StateDirectory } from "./facts.ts"
import { Launch } from "./Launch.ts"

/** The container's state is on disk. */
export class SavedState extends Context.Service<SavedState, State>()("runfx/SavedState") {}

/**
 * A container that outlives its runtime could not be found again.
 *
 * @since 0.2.0
 * @public
 */
export class InitUnidentified extends Data.TaggedError("InitUnidentified")<{ readonly pid: AnyPid }> {
  override get message(): string {
    return `/proc does not show process ${this.pid}, the container's first one: no later command could find it`
  }
  get advice(): string {
    return "mount a procfs of this pid namespace on /proc (unshare has --mount-proc), or run it in the foreground"
  }
}

/** Writes the state; its removal belongs to `createState`. */
export const saveState = Step.make("saveState", {
  doc: "write down what belongs to the container",
  calls: [...new Set([...Store.storeCalls, ...statCalls, "readlinkat" as const])],
  requires: [Launch, StateDirectory, ContainerCgroup, HostNetworks, EnteredProcess],
  provides: SavedState,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { attached, record: { container } } = yield* Launch
    const { complete } = yield* StateDirectory
    const { manager } = yield* ContainerCgroup
    const { pid } = yield* EnteredProcess
    const networks = yield* HostNetworks
    const view = yield* procView
    const identity = yield* identify(pid, view)
    if (identity === undefined && !attached) return yield* new InitUnidentified({ pid })
    const number = identity === undefined ? undefined : yield* procNumber(pid, view)
    const pidNamespace = number === undefined
      ? undefined
      // the runtime may not ask a process that it may not trace
      : yield* sys.readlinkat({ dirfd: AT.FDCWD, path: `/proc/${number}/ns/pid` }).pipe(
        orOn(["ENOENT", "EACCES", "EPERM"], undefined)
      )
    return yield* complete(({ runner, ...known }) => ({
      ...known,
      // a runner that stays until the end removes the container; one that exits before does not own it
      ...(attached && runner !== undefined ? { runner } : {}),
      ...(identity === undefined
        ? {}
        : { init: { ...identity, ...given({ pidNamespace }) } }),
      ...given({ cgroup: manager }),
      namespacePaths: number === undefined
        ? {}
        : Object.fromEntries(container.namespaces.map(({ type }) => [type, `/proc/${number}/ns/${type}`])),
      networks
    }))
  })
})
