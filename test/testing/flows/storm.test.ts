/**
 * Two acts on the same container at the same time: one of them whole before a call of the other. Both end. What either fails
 * with is what has become of the container meanwhile: it has ended, is being ended, is deleted, or is paused.
 */
import { assert, describe, it, vi } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { rootCause } from "../../../src/engine/PipelineError.ts"
import { SIG } from "../../../src/native/constants.ts"
import type { Fork } from "../../../src/native/Fork.ts"
import { Kernel } from "../../../src/native/Kernel.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import * as Cgroup from "../../../src/steps/cgroup/Cgroup.ts"
import * as Store from "../../../src/steps/state/Store.ts"
import * as Recorder from "../../../src/testing/Recorder.ts"
import { processOf, stateRoot } from "../../support/flows/containers.ts"
import { perform, runs } from "../../support/flows/runs.ts"
import { id } from "../../support/flows/scenes.ts"
import { running, setting } from "../../support/runningContainer.ts"
import { withoutTraces } from "../../support/shortTraces.ts"

withoutTraces()
vi.setConfig({ testTimeout: 240_000 })

type Act = Effect.Effect<unknown, unknown, Kernel | Fork>

const process = processOf(setting("v2"), setting("v2").process, "tool")
const withCgroup = (use: (cgroup: Cgroup.CgroupManager) => Act): Act =>
  Effect.flatMap(Store.load(stateRoot, id), ({ cgroup }) => use(cgroup!))

const acts = {
  start: Runtime.start({ id, stateRoot, process, patience: 50 }),
  term: Runtime.kill(id, SIG.TERM, { stateRoot }),
  cont: Runtime.kill(id, SIG.CONT, { stateRoot }),
  kill: Runtime.kill(id, SIG.KILL, { stateRoot }),
  remove: Runtime.remove(id, { stateRoot }),
  force: Runtime.remove(id, { stateRoot, force: true }),
  list: Runtime.list(stateRoot),
  prune: Runtime.prune({ stateRoot }),
  pause: withCgroup((cgroup) => Cgroup.freeze(cgroup)),
  resume: withCgroup((cgroup) => Cgroup.thaw(cgroup)),
  stats: withCgroup(Cgroup.stats)
} satisfies Record<string, Act>

type Name = keyof typeof acts

const ends = ["kill", "force", "term"] as const
const ended = Object.fromEntries(ends.map((other) => [other, ["NotRunning stopped", "NotRunning ending"]]))

/**
 * What an act may fail with beside another one. While a container is deleted, there is no state for a moment, and then no
 * container.
 */
const truths: Readonly<Partial<Record<Name, Readonly<Partial<Record<Name, ReadonlyArray<string>>>>>>> = {
  start: { ...ended, pause: ["NotRunning paused"] },
  term: ended,
  kill: ended,
  cont: { ...ended, pause: ["FreezeTimeout"] },
  remove: Object.fromEntries(
    Object.keys(acts).map((other) => [other, ["StillRunning running", "StillRunning paused"]])
  ),
  pause: { force: ["CgroupGone"], remove: ["CgroupGone"] },
  resume: { pause: ["FreezeTimeout"] }
}

const isTrue = (text: string, act: Name, other: Name): boolean =>
  truths[act]?.[other]?.includes(text) === true ||
  ((other === "force" || other === "remove") && ["ContainerNotFound", "StateCorrupt"].includes(text))

const startedOnce = new Map<string, ReturnType<typeof running>>()
const started = (cgroup: "v1" | "v2") => {
  const found = startedOnce.get(cgroup) ?? running(cgroup)
  startedOnce.set(cgroup, found)
  return found
}

/** Runs one act, and another one whole before its `n`th call; nothing of the latter if there is no such call. */
const meet = (cgroup: "v1" | "v2", one: Act, n: number, other: Act) => {
  let count = 0
  let theirs: Exit.Exit<unknown, unknown> | undefined
  const both = Effect.gen(function*() {
    const kernel = yield* Kernel
    const [go, done] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
    yield* Effect.forkChild(
      Effect.andThen(Deferred.await(go), Effect.exit(other)).pipe(
        Effect.flatMap((exit) => Effect.suspend(() => Deferred.succeed(done, void (theirs = exit))))
      )
    )
    const meanwhile = Effect.andThen(Deferred.succeed(go, undefined), Deferred.await(done))
    return yield* Effect.provideService(one, Kernel, {
      invoke: (call) =>
        // not while a process of the container is the one to call: no time passes on the model then
        Effect.withFiber((fiber) =>
          fiber.getRef(Recorder.Side) === "parent" && ++count === n
            ? Effect.andThen(meanwhile, kernel.invoke(call))
            : kernel.invoke(call)
        )
    })
  })
  const { exit } = perform(started(cgroup).state, both)
  return { ours: exit, theirs }
}

/** The tag and the status of an error. */
const told = (exit: Exit.Exit<unknown, unknown>): string | undefined => {
  if (Exit.isSuccess(exit)) return undefined
  const error = rootCause(Cause.squash(exit.cause)) as { readonly _tag?: string; readonly status?: unknown }
  return typeof error.status === "string" ? `${error._tag} ${error.status}` : `${error._tag}`
}

const names = Object.keys(acts) as ReadonlyArray<Name>
const others = ["kill", "force", "pause", "term"] as const
/** From one call to the next that is tried: all of them with `RUNFX_RUNS=37`. */
const distance = Math.max(1, Math.round(37 / runs(1)))

describe.each(["v1", "v2"] as const)("with cgroups of %s,", (cgroup) => {
  it.each(names)("%s and what ends or stops the container fail with what has become of it", (name) => {
    const wrong: Array<string> = []
    for (const other of others) {
      for (let n = 1;; n += distance) {
        const { ours, theirs } = meet(cgroup, acts[name], n, acts[other])
        if (theirs === undefined) break
        for (const [act, exit, beside] of [[name, ours, other], [other, theirs, name]] as const) {
          const text = told(exit)
          if (text !== undefined && !isTrue(text, act, beside)) {
            wrong.push(`${act} beside ${beside}, at call ${n} of ${name}: ${text}: ${String(exit)}`)
          }
        }
      }
    }
    assert.deepStrictEqual(wrong, [])
  })
})
