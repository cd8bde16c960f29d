/** Containers that are frozen, by a kill that was cut short, by a pause, or by themselves in a group below their own. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { SIG } from "../../src/native/constants.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import * as Cgroup from "../../src/steps/cgroup/Cgroup.ts"
import { containerOf, leavesNothing, on } from "../support/containers.ts"
import { ownPlace } from "../support/ownPlace.ts"
import { missing } from "../support/rootfs.ts"

const place = ownPlace()

interface Frozen {
  /** Freezes the container as a whole. */
  readonly whole: () => void
  /** Puts its process into a group below its own, and freezes that. */
  readonly below: () => void
}

/** A container that sleeps, and how it can be frozen in each hierarchy that can; at the end nothing of it is left. */
const each = (use: (id: string, frozen: Frozen) => Effect.Effect<void, unknown, never>) =>
  Effect.gen(function*() {
    let tried = 0
    for (const key of ["freezer", "unified"]) {
      yield* leavesNothing(
        place,
        Effect.gen(function*() {
          const id = place.id()
          const stateRoot = place.stateRoot
          const container = containerOf(place, ["/bin/sleep", "1000"])
          const { pid, pidfd, state } = yield* on(Runtime.create({ id, container, stateRoot }))
          const group = state.cgroup === undefined ? undefined : Cgroup.groupOf(state.cgroup, key)
          const [file, value] = key === "freezer" ? ["freezer.state", "FROZEN"] : ["cgroup.freeze", "1"]
          if (group !== undefined && fs.existsSync(`${group.path}/${file}`)) {
            tried++
            yield* use(id, {
              whole: () => fs.writeFileSync(`${group.path}/${file}`, value!),
              below: () => {
                fs.mkdirSync(`${group.path}/below`, { recursive: true })
                fs.writeFileSync(`${group.path}/below/cgroup.procs`, String(pid))
                fs.writeFileSync(`${group.path}/below/${file}`, value!)
              }
            })
          }
          yield* on(Runtime.remove(id, { stateRoot, force: true }))
          fs.closeSync(pidfd)
        }),
        key
      )
    }
    assert.isAbove(tried, 0)
  })

const statusOf = (id: string) =>
  on(Effect.map(Runtime.list(place.stateRoot), (all) => {
    const found = all.find((one) => one.id === id)
    return found !== undefined && "status" in found ? found.status : undefined
  }))

describe.skipIf(missing !== undefined)("a container that is frozen", () => {
  it.live("is killed and removed", () => each((_, { whole }) => Effect.sync(whole)))

  it.live("in a group of its own below is killed and removed", () => each((_, { below }) => Effect.sync(below)))

  it.live("by somebody else, as a whole or below, is paused or says what can hold it, within its patience", () =>
    each((id, { below, whole }) =>
      Effect.gen(function*() {
        const entry = (yield* on(Runtime.list(place.stateRoot))).find((one) => one.id === id)
        const cgroup = entry !== undefined && "state" in entry ? entry.state.cgroup : undefined
        for (const freeze of [below, whole]) {
          freeze()
          const paused = yield* Effect.result(on(Cgroup.freeze(cgroup!, { milliseconds: 50 })))
          if (paused._tag === "Success") continue
          // on a hybrid host version 2 does not see what version 1 holds
          const error = paused.failure
          assert.strictEqual(error._tag, "FreezeTimeout")
          assert.include(error.message, Cgroup.groupOf(cgroup!, "unified")!.path)
          assert.include((error as { readonly advice?: string }).advice, "FROZEN in a freezer.state")
        }
      })
    ))

  it.live("is thawed by SIGCONT, as a whole", () =>
    each((id, { below, whole }) =>
      Effect.gen(function*() {
        below()
        whole()
        assert.strictEqual(yield* statusOf(id), "paused")
        yield* on(Runtime.kill(id, SIG.CONT, { stateRoot: place.stateRoot }))
        assert.strictEqual(yield* statusOf(id), "running")
        // what it had frozen itself goes on as well: a signal that can be caught reaches it
        const running = yield* on(Runtime.exec({
          id,
          stateRoot: place.stateRoot,
          process: containerOf(place, ["/bin/true"]).process
        }))
        assert.strictEqual(running.code, 0)
      })
    ))
})

describe.skipIf(missing !== undefined)("a container with thousands of cgroups of its own", () => {
  it.live("is removed with all of them", () =>
    leavesNothing(
      place,
      Effect.gen(function*() {
        const id = place.id()
        const stateRoot = place.stateRoot
        const container = containerOf(place, ["/bin/sleep", "1000"])
        const { pidfd, state } = yield* on(Runtime.create({ id, container, stateRoot }))
        const group = Cgroup.groups(state.cgroup!)[0]!
        for (let outer = 0; outer < 20; outer++) {
          for (let inner = 0; inner < 50; inner++) {
            fs.mkdirSync(`${group.path}/a${outer}/b${inner}`, { recursive: true })
          }
        }
        yield* on(Runtime.remove(id, { stateRoot, force: true }))
        fs.closeSync(pidfd)
      })
    ))
})
