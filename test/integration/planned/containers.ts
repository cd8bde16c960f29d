/** Plans of commands on a container that is there. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { SIG } from "../../../src/native/constants.ts"
import type { Fork } from "../../../src/native/Fork.ts"
import { type Kernel, sys } from "../../../src/native/Kernel.ts"
import { planDelete, planExec, planKill, planPrune } from "../../../src/runtime/plan.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import * as Store from "../../../src/steps/state/Store.ts"
import { containerOf, on, options, sh } from "../../support/containers.ts"
import { difference, done } from "../../support/planned.ts"
import { place } from "./setup.ts"

const withContainer = (
  args: ReadonlyArray<string>,
  use: (id: string, pids: ReadonlyMap<number, string>) => Effect.Effect<void, unknown, Kernel | Fork>,
  ended = false
) =>
  on(Effect.gen(function*() {
    const chosen = options(place, containerOf(place, args))
    const { pid, pidfd } = yield* Runtime.create(chosen)
    if (ended) yield* sys.waitid({ idtype: 3, id: pidfd, options: 4 })
    yield* sys.close({ fd: pidfd })
    yield* use(chosen.id, new Map([[pid, "init of the container"]])).pipe(
      Effect.ensuring(Effect.ignore(Runtime.remove(chosen.id, { stateRoot: place.stateRoot, force: true })))
    )
  }))

const sleeping = sh("sleep 300")
const forking = sh("sleep 300 & sleep 301 & wait")
/** A number that no process has. */
const gone = { pid: 4_194_305, startTime: { $bigint: "1" } }

describe("a plan of a container that is there", () => {
  const { stateRoot } = place

  it.live("tells the calls of exec", () =>
    withContainer(sleeping, (id, pids) =>
      Effect.gen(function*() {
        const { bundle, container } = yield* Store.load(stateRoot, id)
        const given = { id, stateRoot, process: { ...container.process, args: ["/bin/true"] } }
        const plan = yield* planExec(container, bundle, given)
        assert.strictEqual(plan.fails, undefined)
        const run = yield* done(Runtime.exec(given), "exec", pids)
        assert.strictEqual(difference(plan, run), "")
      })))

  it.live("tells the calls of kill", () =>
    withContainer(sleeping, (id, pids) =>
      Effect.gen(function*() {
        const { bundle, container } = yield* Store.load(stateRoot, id)
        const plan = yield* planKill(id, container, bundle, SIG.KILL, { stateRoot })
        assert.strictEqual(plan.fails, undefined)
        const run = yield* done(Runtime.kill(id, SIG.KILL, { stateRoot }), "kill", pids)
        assert.strictEqual(difference(plan, run), "")
      })))

  it.live("tells the calls of kill with TERM", () =>
    withContainer(sleeping, (id, pids) =>
      Effect.gen(function*() {
        const { bundle, container } = yield* Store.load(stateRoot, id)
        const plan = yield* planKill(id, container, bundle, SIG.TERM, { stateRoot })
        const run = yield* done(Runtime.kill(id, SIG.TERM, { stateRoot }), "kill", pids)
        assert.strictEqual(difference(plan, run), "")
      })))

  it.live("tells the calls of delete", () =>
    withContainer(["/bin/true"], (id, pids) =>
      Effect.gen(function*() {
        const { bundle, container } = yield* Store.load(stateRoot, id)
        const plan = yield* planDelete(id, container, bundle, { stateRoot }, { stateRoot, status: "stopped" })
        assert.strictEqual(plan.fails, undefined)
        const run = yield* done(Runtime.remove(id, { stateRoot }), "delete", pids)
        assert.strictEqual(difference(plan, run), "")
      }), true))

  it.live("tells the calls of delete with force", () =>
    withContainer(sleeping, (id, pids) =>
      Effect.gen(function*() {
        const { bundle, container } = yield* Store.load(stateRoot, id)
        const plan = yield* planDelete(id, container, bundle, { stateRoot, force: true })
        assert.strictEqual(plan.fails, undefined)
        const run = yield* done(Runtime.remove(id, { stateRoot, force: true }), "delete", pids)
        assert.strictEqual(difference(plan, run), "")
      })))

  const root = path.join(stateRoot, "pruned")

  it.live("tells the calls of prune: of what runs on, of what has ended, and of what is left alone", () =>
    on(
      Effect.gen(function*() {
        const pids = new Map([[gone.pid, `runtime of ${place.mark}-ended`]])
        fs.mkdirSync(root, { mode: 0o700 })
        // as a runtime leaves them that was killed: a number that no process has
        const abandoned = (id: string) => {
          const file = path.join(root, id, "state.json")
          fs.writeFileSync(file, fs.readFileSync(file, "utf8").replace("{", `{"runner":${JSON.stringify(gone)},`))
        }
        for (const [id, args] of Object.entries({ ended: ["/bin/true"], kept: sleeping, orphan: forking })) {
          const container = containerOf(place, args)
          const { pid, pidfd } = yield* Runtime.create({ id: `${place.mark}-${id}`, container, stateRoot: root })
          pids.set(pid, `init of ${place.mark}-${id}`)
          if (id === "ended") yield* sys.waitid({ idtype: 3, id: pidfd, options: 4 })
          yield* sys.close({ fd: pidfd })
          if (id !== "kept") abandoned(`${place.mark}-${id}`)
        }
        const plan = yield* planPrune({ stateRoot: root })
        assert.deepStrictEqual(plan.containers?.map(({ what }) => what), [
          "removed",
          "left alone",
          "killed and removed"
        ])
        const run = yield* done(Runtime.prune({ stateRoot: root }), "prune", pids)
        assert.strictEqual(difference(plan, run), "")
        assert.deepStrictEqual(fs.readdirSync(root), [`${place.mark}-kept`])
      }).pipe(
        Effect.ensuring(
          Effect.forEach(["ended", "kept", "orphan"], (id) =>
            Effect.ignore(Runtime.remove(`${place.mark}-${id}`, { stateRoot: root, force: true })))
        )
      )
    ))
})
