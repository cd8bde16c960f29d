/** exec, kill and delete that fail at any call. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fs from "node:fs"
import * as Pipeline from "../../../src/engine/Pipeline.ts"
import { SIG } from "../../../src/native/constants.ts"
import type { Fork } from "../../../src/native/Fork.ts"
import { type Kernel, sys } from "../../../src/native/Kernel.ts"
import { exec as execPipeline } from "../../../src/pipelines/exec.ts"
import { kill as killPipeline } from "../../../src/pipelines/kill.ts"
import { remove as removePipeline } from "../../../src/pipelines/remove.ts"
import { setns } from "../../../src/pipelines/setns.ts"
import { awaitExit } from "../../../src/runtime/awaitExit.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import { StateCorrupt } from "../../../src/steps/state/errors.ts"
import { containerOf, failureOf, leavesNothing, on, options } from "../../support/containers.ts"
import { missing } from "../../support/rootfs.ts"
import { before, checkError, counting, faultsHappen, faultsOf, faulty, last, place, tell, toldBy } from "./setup.ts"

/** A container that sleeps, while `use` lasts. */
const whileRunning = <A>(
  use: (running: { readonly id: string; readonly pid: number }) => Effect.Effect<A, unknown, Kernel | Fork>,
  given: { readonly userns?: boolean } = {}
) =>
  on(Effect.gen(function*() {
    const given_ = options(place, containerOf(place, ["/bin/sleep", "1000"], given))
    const { pid, pidfd } = yield* Runtime.create(given_)
    const exit = yield* Effect.exit(use({ id: given_.id, pid }))
    yield* Runtime.remove(given_.id, { stateRoot: place.stateRoot, force: true })
    yield* sys.close({ fd: pidfd })
    return yield* exit
  }))

const execOptions = (id: string): Runtime.ExecOptions => {
  const { process } = containerOf(place, ["/bin/true"])
  return { id, stateRoot: place.stateRoot, patience: 120_000, process: { ...process, oomScoreAdj: 50 } }
}

describe.skipIf(missing !== undefined)("a command that fails", () => {
  it.live("exec, at any call of the parent and in any step of the process, leaves nothing", () =>
    leavesNothing(
      place,
      whileRunning(({ id, pid }) =>
        Effect.gen(function*() {
          const parent = counting()
          assert.strictEqual((yield* on(Runtime.exec(execOptions(id)), parent.kernel)).code, 0)
          const child = counting()
          const flow = (preset: Pipeline.Any) => Effect.succeed(before(preset, "reportReady", tell(child.counts)))
          const told = toldBy(yield* Effect.exit(on(Runtime.exec({ ...execOptions(id), flow }), child.kernel)))
          const faults = [
            ...faultsOf(execPipeline, parent.counts, true),
            ...faultsOf(setns, told, false, (step) => last[step] ?? 0)
          ]
          const outcomes = yield* Effect.forEach(faults, (fault) =>
            Effect.gen(function*() {
              const what = `by ${fault.code} at call ${fault.nth} of ${fault.pipeline}/${fault.step}`
              const run = on(Runtime.exec(execOptions(id)), faulty(fault))
              const exit = yield* leavesNothing(place, Effect.exit(run), what)
              if (Exit.isFailure(exit)) checkError(failureOf(exit), fault)
              else assert.strictEqual(exit.value.code, 0, what)
              assert.isTrue(fs.existsSync(`/proc/${pid}`), `the container ended ${what}`)
              return Exit.isFailure(exit)
            }))
          faultsHappen(outcomes)
        })
      )
    ))

  it.live("kill, at any call, leaves nothing frozen; it can be repeated", () =>
    Effect.gen(function*() {
      const { counts, kernel } = counting()
      const kill = (id: string) => Runtime.kill(id, SIG.KILL, { stateRoot: place.stateRoot })
      yield* whileRunning(({ id }) => on(kill(id), kernel))
      const outcomes = yield* Effect.forEach(faultsOf(killPipeline, counts, true), (fault) =>
        leavesNothing(
          place,
          whileRunning(({ id }) =>
            Effect.gen(function*() {
              const exit = yield* Effect.exit(on(kill(id), faulty(fault)))
              if (Exit.isFailure(exit)) checkError(failureOf(exit), fault)
              const [listed] = yield* Runtime.list(place.stateRoot)
              assert.isTrue(listed !== undefined && "status" in listed && listed.status !== "paused")
              // it may have ended all the same
              yield* Effect.catchTag(
                kill(id),
                "NotRunning",
                ({ status }) => Effect.sync(() => assert.strictEqual(status, "stopped"))
              )
              return Exit.isFailure(exit)
            })
          ),
          `by ${fault.code} at call ${fault.nth} of ${fault.step}`
        ))
      faultsHappen(outcomes)
    }))

  it.live("delete, at any call, can be repeated", () =>
    Effect.gen(function*() {
      const stopped = Effect.gen(function*() {
        const given = options(place, containerOf(place, ["/bin/true"]))
        const { pidfd } = yield* Runtime.create(given)
        yield* awaitExit(pidfd)
        yield* sys.close({ fd: pidfd })
        return given.id
      })
      const remove = (id: string) => Runtime.remove(id, { stateRoot: place.stateRoot })
      const { counts, kernel } = counting()
      yield* on(Effect.flatMap(stopped, remove), kernel)
      const outcomes = yield* Effect.forEach(faultsOf(removePipeline, counts, true), (fault) =>
        leavesNothing(
          place,
          Effect.gen(function*() {
            const id = yield* on(stopped)
            const exit = yield* Effect.exit(on(remove(id), faulty(fault)))
            if (Exit.isFailure(exit)) {
              checkError(failureOf(exit), fault)
              // the state file goes last, but before its directory
              const again = yield* Effect.exit(on(remove(id)))
              if (Exit.isFailure(again)) {
                assert.instanceOf(failureOf(again), StateCorrupt)
                yield* on(Runtime.remove(id, { stateRoot: place.stateRoot, force: true }))
              }
            }
            return Exit.isFailure(exit)
          }),
          `by ${fault.code} at call ${fault.nth} of ${fault.step}`
        ))
      faultsHappen(outcomes)
    }))
})
