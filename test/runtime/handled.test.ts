/** What a plan says of ways that are not taken: which errnos of a call are handled. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { defaultSpec } from "../../src/config/defaults.ts"
import * as Plan from "../../src/engine/Plan.ts"
import * as PlanText from "../../src/engine/PlanText.ts"
import { AT, O } from "../../src/native/constants.ts"
import { Handled, Kernel, onErrno, orOn, sys } from "../../src/native/Kernel.ts"
import { planRun } from "../../src/runtime/plan.ts"
import { ModelKernel, Recorder } from "../../src/testing/Testing.ts"

const open = (path: string) => sys.openat({ dirfd: AT.FDCWD, path, flags: O.RDONLY, mode: 0 })

/** Records what is handled of each call; with notes, as in a plan. */
const recorded = (effect: Effect.Effect<unknown, unknown, Kernel>, notes: boolean) =>
  Effect.gen(function*() {
    const recorder = Recorder.make()
    const kernel = recorder.kernel(ModelKernel.make().kernel)
    const noted = notes ? Effect.provideService(effect, Handled, { codes: [] }) : effect
    yield* Effect.exit(Effect.provideService(noted, Kernel, kernel))
    return recorder.entries().map(({ call, handled }) => [(call as { readonly path?: string }).path, handled])
  })

const flow = Effect.gen(function*() {
  yield* open("/")
  yield* open("/a").pipe(orOn(["ENOENT", "ENOTDIR"], undefined))
  yield* Effect.andThen(open("/"), open("/b")).pipe(onErrno(["ENOENT"], () => open("/c").pipe(orOn(["ENOENT"], 0))))
  yield* open("/d").pipe(orOn(["EACCES"], undefined))
})

describe("the errnos that are handled", () => {
  it.effect("are noted of the call that comes next, and of no other", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* recorded(flow, true), [
        ["/", undefined],
        ["/a", ["ENOENT", "ENOTDIR"]],
        ["/", ["ENOENT"]],
        ["/b", undefined],
        ["/c", ["ENOENT"]],
        ["/d", ["EACCES"]]
      ])
    }))

  it.effect("are noted in a plan only", () =>
    Effect.gen(function*() {
      const all = yield* recorded(flow, false)
      assert.deepStrictEqual(all.map(([, handled]) => handled), all.map(() => undefined))
    }))

  it.live("are printed with the call, and are part of the plan", () =>
    Effect.gen(function*() {
      const plan = yield* planRun({ id: "plan-test", container: defaultSpec({ rootfs: "/", args: ["/bin/sh"] }) })
      const calls = plan.rows.flatMap(({ calls }) => calls)
      const made = calls.find(({ args, name }) => name === "mkdirat" && args["path"] === "plan-test")
      assert.deepStrictEqual(made?.handles, ["EEXIST"])
      assert.match(PlanText.render(plan, { width: 400 }), /"plan-test", 0711\) \(handles EEXIST\)/)
      assert.deepStrictEqual(yield* Plan.fromText(Plan.toText(plan)), plan)
    }))
})
