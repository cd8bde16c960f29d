/**
 * Take the container's id, and keep a record of what a start makes. Each thing is written down before it is made, so that
 * a later command finds all of it, no matter when the start was interrupted.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { given } from "../../engine/given.ts"
import * as Step from "../../engine/Step.ts"
import { lasting, sys } from "../../native/Kernel.ts"
import { numbering, procView } from "../proc/numbers.ts"
import { identify, ownThread, statCalls } from "../proc/processes.ts"
import { unwritable } from "../state/errors.ts"
import { type State, withoutEnvironment } from "../state/State.ts"
import * as Store from "../state/Store.ts"
import { StateDirectory } from "./facts.ts"
import { Launch } from "./Launch.ts"

/**
 * Who makes it. This process, its thread and its pid namespace stay the same, no matter what is mounted at `/proc` later. If `/proc`
 * does not show all of that now, it is asked again.
 */
const ourselves = lasting(
  Effect.gen(function*() {
    const view = yield* procView
    const runner = yield* identify(yield* sys.getpid({}), view)
    const thread = yield* ownThread(view)
    const known = yield* numbering
    return { view, known: given({ numbering: known, runner: runner && { ...runner, ...given({ thread }) } }) }
  }),
  ({ known, view }) => view._tag === "Own" && known.runner !== undefined && known.numbering?.boot !== undefined
)

/** Makes the state directory with a record of the process that makes it; on rollback it is removed. */
export const createState = Step.make("createState", {
  doc: "take the container's id: make its state directory, and write down who makes it",
  calls: [...new Set([...Store.storeCalls, ...statCalls])],
  requires: [Launch],
  provides: StateDirectory,
  reversal: "compensated",
  advice: {
    ...unwritable,
    EACCES: "the caller may not write there: give a directory of its own with --root",
    EPERM: "the caller may not write there: give a directory of its own with --root",
    ENOENT: "the directory of states can't be made there: give another one with --root",
    ENOTDIR: "the directory of states must be a directory: give another one with --root"
  },
  run: Effect.gen(function*() {
    const { bundle, madeRoot, record, stateRoot } = yield* Launch
    const { container } = record
    const id = yield* Store.checkId(record.id)
    const maker = yield* ourselves
    let state: State = {
      id,
      nonce: Buffer.from(yield* sys.getrandom({ count: 16 })).toString("hex"),
      ...maker.known,
      namespacePaths: {},
      rootfs: container.rootfs,
      ...given({ madeRoot }),
      ...(bundle === "" ? {} : { bundle }),
      created: new Date(yield* Clock.currentTimeMillis).toISOString(),
      owner: (yield* sys.getresuid({})).effective,
      networks: [],
      container: withoutEnvironment(container)
    }
    const claim = yield* Store.create(stateRoot, id, (directory) => (state = { directory, ...state }))
    const noting = (whole: boolean) => (change: (known: State) => State) =>
      Effect.suspend(() => {
        state = change(state)
        return Effect.as(Store.saveIn(claim, state, whole), state)
      })
    return {
      path: claim.path,
      note: noting(false),
      complete: noting(true),
      isStillOurs: Store.checkClaim(claim).pipe(
        Effect.as(true),
        Effect.catchTag("ContainerNotFound", () => Effect.succeed(false))
      ),
      letGo: claim.letGo
    } satisfies StateDirectory["Service"]
  })
})
