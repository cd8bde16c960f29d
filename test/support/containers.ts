/** Containers for tests of the whole runtime: on the kernel of this host, in a state root of their own. */
import { assert } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import type { Container, Process } from "../../src/config/Container.ts"
import { defaultSpec } from "../../src/config/defaults.ts"
import { immutable } from "../../src/engine/immutable.ts"
import { Fork } from "../../src/native/Fork.ts"
import { Kernel } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import type * as Runtime from "../../src/runtime/Runtime.ts"
import { changes, snapshot } from "./host.ts"
import { markOf } from "./mark.ts"
import { makeRoot, removeRoot } from "./rootfs.ts"

/** What the tests of one file share: a root, a state root, ids that no other test process has. */
export interface Place {
  readonly root: string
  readonly stateRoot: string
  /** Part of every id. */
  readonly mark: string
  readonly id: () => string
  readonly remove: () => void
}

/** Makes a place. */
export const makePlace = (): Place => {
  const root = makeRoot()
  const stateRoot = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-state-"))
  const mark = markOf("it")
  let count = 0
  return {
    root,
    stateRoot,
    mark,
    id: () => `${mark}-${count++}`,
    remove: () => {
      removeRoot(root)
      fs.rmSync(stateRoot, { recursive: true })
    }
  }
}

/** Ids 0 to 65535 of a container as ids of the host that nobody has. */
const mappings = {
  uid: [{ containerId: 0, hostId: 100_000, size: 65_536 }],
  gid: [{ containerId: 0, hostId: 100_000, size: 65_536 }]
}

/** The default container, with what is given in place of its own. */
export const containerOf = (
  place: Place,
  args: ReadonlyArray<string>,
  given: Omit<Partial<Container>, "process"> & { readonly process?: Partial<Process>; readonly userns?: boolean } = {}
): Container => {
  const { process, userns, ...rest } = given
  const base = defaultSpec({ rootfs: place.root, args, ...(userns === true ? { mappings } : {}) })
  const container = { ...base, ...rest, process: { ...base.process, ...process } }
  // whoever changes it fails
  return immutable(container) ?? container
}

/** A shell script as arguments. */
export const sh = (script: string): ReadonlyArray<string> => ["/bin/sh", "-c", script]

/** Runs on a kernel; by default that of this host. */
export const on = <A, E>(
  effect: Effect.Effect<A, E, Kernel | Fork>,
  kernel: Kernel["Service"] = Linux.make()
): Effect.Effect<A, E> =>
  effect.pipe(Effect.provideService(Fork, Linux.fork(kernel)), Effect.provideService(Kernel, kernel))

/** Fails where an effect leaves anything on the host. */
export const leavesNothing = <A, E, R>(
  place: Place,
  effect: Effect.Effect<A, E, R>,
  what = ""
): Effect.Effect<A, E, R> =>
  Effect.gen(function*() {
    const before = snapshot(place.mark, place.stateRoot)
    const exit = yield* Effect.exit(effect)
    assert.deepStrictEqual(changes(before, snapshot(place.mark, place.stateRoot)), {}, `what is left ${what}`)
    return yield* exit
  })

/** The typed failure of an exit; fails the test where there is none. */
export const failureOf = (exit: Exit.Exit<unknown, unknown>): Error => {
  if (Exit.isSuccess(exit)) return assert.fail("it succeeded")
  const reason = exit.cause.reasons.find(Cause.isFailReason)
  if (reason === undefined || Cause.hasDies(exit.cause)) throw Cause.squash(exit.cause)
  assert.instanceOf(reason.error, Error)
  return reason.error as Error
}

/** A program that writes into a file of the root that the test reads: what a container said on its standard streams. */
export const said = (place: Place): string => fs.readFileSync(path.join(place.root, "tmp/out"), "utf8")

/** Options of a run in a place. */
export const options = (
  place: Place,
  container: Container,
  given: Partial<Runtime.RunOptions> = {}
): Runtime.RunOptions => ({ id: place.id(), stateRoot: place.stateRoot, patience: 120_000, container, ...given })
