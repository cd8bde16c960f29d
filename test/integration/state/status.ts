/** States that were damaged, and the status as the kernel says it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { defaultSpec } from "../../../src/config/defaults.ts"
import { CLONE, P, SIG, W } from "../../../src/native/constants.ts"
import { sys } from "../../../src/native/Kernel.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import * as Cgroup from "../../../src/steps/cgroup/Cgroup.ts"
import { identify } from "../../../src/steps/proc/processes.ts"
import type { State } from "../../../src/steps/state/State.ts"
import { status } from "../../../src/steps/state/status.ts"
import * as Store from "../../../src/steps/state/Store.ts"
import { here, shell, shellIn, withCgroup } from "../../support/cgroups.ts"
import { cgroups } from "../../support/host.ts"
import { markOf } from "../../support/mark.ts"
import { makeRoot, missing, removeRoot } from "../../support/rootfs.ts"
import { state, withRoot } from "./setup.ts"

describe.skipIf(missing !== undefined)("a container whose state was damaged", () => {
  const spoil: Readonly<Record<string, (file: string) => void>> = {
    "overwritten": (file) => fs.writeFileSync(file, "{"),
    "a link": (file) => {
      fs.rmSync(file)
      fs.symlinkSync("/dev/zero", file)
    },
    "a directory": (file) => {
      fs.rmSync(file)
      fs.mkdirSync(file)
    }
  }
  for (const [what, damage] of Object.entries(spoil)) {
    for (const place of ["in a cgroup of its own choice", "without a cgroup"]) {
      it.effect(`is killed and removed with all that it had, ${place}: ${what}`, () =>
        withRoot((root) =>
          Effect.gen(function*() {
            const id = markOf("damaged")
            const rootfs = makeRoot()
            const { cgroup, ...rest } = defaultSpec({ rootfs, args: ["/bin/sleep", "1000"] })
            const given = place === "without a cgroup" ? rest : { ...rest, cgroup: { ...cgroup!, path: `/${id}/x` } }
            const { pidfd } = yield* Runtime.create({ id, stateRoot: root, container: given })
            damage(`${root}/${id}/state.json`)
            const removed = yield* Effect.exit(Runtime.remove(id, { stateRoot: root, force: true }))
            // no start makes a directory there: it stays, and the container is killed all the same
            assert.strictEqual(removed._tag, what === "a directory" ? "Failure" : "Success")
            // it was killed: as a child of this process, it was reaped as well
            assert.strictEqual((yield* Effect.flip(sys.pidfd_send_signal({ pidfd, signal: 0 }))).code, "ESRCH")
            assert.deepStrictEqual(fs.readdirSync(root), what === "a directory" ? [id] : [])
            assert.isEmpty(cgroups(id))
            yield* sys.close({ fd: pidfd })
            removeRoot(rootfs)
          })
        ))
    }
  }
})

describe("the status", () => {
  it.effect("is what the kernel says", () =>
    withRoot((root) =>
      Effect.gen(function*() {
        yield* Store.create(root, "a")
        const of = (init: State["init"]) => {
          const { init: _, ...rest } = state("a")
          return status(root, init === undefined ? rest : { ...rest, init })
        }
        const { pid, release } = yield* shell("exec sleep 100", CLONE.NEWPID)
        const init = (yield* identify(pid))!
        assert.strictEqual(yield* of(undefined), "creating")
        fs.writeFileSync(`${root}/a/${Store.startGate}`, "")
        assert.strictEqual(yield* of(init), "created")
        fs.rmSync(`${root}/a/${Store.startGate}`)
        yield* release
        assert.strictEqual(yield* of(init), "running")
        assert.strictEqual(yield* of({ ...init, startTime: init.startTime + 1n }), "stopped")
        yield* sys.kill({ pid, signal: SIG.KILL })
        // a zombie until it is waited for
        yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED | W.NOWAIT })
        assert.strictEqual(yield* of(init), "stopped")
        yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
        assert.strictEqual(yield* of(init), "stopped")
      })
    ))

  it.effect.skipIf(here === undefined)(
    "is paused whoever froze the cgroup",
    () =>
      withRoot((root) =>
        withCgroup((cgroup) =>
          Effect.gen(function*() {
            yield* Store.create(root, "a")
            const pid = yield* shellIn(cgroup, "exec sleep 100")
            const saved = state("a", { cgroup, init: (yield* identify(pid))! })
            const freezer = cgroup.paths["freezer"]
            if (freezer === undefined) yield* Cgroup.freeze(cgroup)
            else fs.writeFileSync(`${freezer}/freezer.state`, "FROZEN")
            yield* Store.save(root, saved)
            assert.strictEqual(yield* status(root, yield* Store.load(root, "a")), "paused")
            yield* Cgroup.thaw(cgroup)
            assert.strictEqual(yield* status(root, saved), "running")
          })
        )
      )
  )
})
