/** Runtimes that are killed, or end, in the middle: what they leave is found, told, and removed. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import process from "node:process"
import { bundle } from "../../scripts/bundle.mjs"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { begin, type Ended } from "../support/command.ts"
import { containerOf, makePlace, on, type Place } from "../support/containers.ts"
import { cgroups, hasEnded, isolate } from "../support/host.ts"
import { missing } from "../support/rootfs.ts"
import { until } from "../support/until.ts"

let place: Place
let programs: string | undefined
beforeAll(async () => {
  if (missing !== undefined) return
  await Effect.runPromise(isolate)
  place = makePlace()
  programs = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-dying-"))
  fs.symlinkSync(path.resolve("node_modules"), path.join(programs, "node_modules"))
  bundle(path.join(programs, "dying.cjs"), "test/support/dying.ts")
})
afterAll(() => {
  place?.remove()
  if (programs !== undefined) fs.rmSync(programs, { recursive: true })
})

/** Ends a process that starts a container, at a call of a step, or in another way once the container runs. */
const dies = (id: string, cgroup: string, step: string, ...how: ReadonlyArray<string>): Promise<Ended> =>
  begin(process.execPath, [path.join(programs!, "dying.cjs"), place.stateRoot, place.root, id, cgroup, step, ...how])
    .ended

/** Waits for a process that is about to end. */
const untilGone = (pid: number): Promise<void> => until(() => hasEnded(pid))

const stateRoot = () => ({ stateRoot: place.stateRoot })

const points = [
  ["createState", 12],
  ["createState", 18],
  ["createState", 25],
  ["createCgroup", 1],
  ["createCgroup", 20],
  ["createCgroup", 45],
  ["createCgroup", 70],
  ["createCgroup", 90],
  ["limitCgroup", 1],
  ["cloneInit", 2],
  ["enterNamespaces", 1],
  ["saveState", 1],
  ["saveState", 8],
  ["limitCpuTime", 1],
  ["releaseInit", 1],
  ["releaseInit", 3]
] as const

describe.skipIf(missing !== undefined)("a start that is killed", () => {
  for (const [step, nth] of points) {
    it(
      `before call ${nth} of ${step} is removed whole by delete --force, with its cgroups where it has put them`,
      async () => {
        const id = place.id()
        await dies(id, `/runfx-${id}/above/of-its-own`, step, String(nth))
        await Effect.runPromise(on(Runtime.remove(id, { ...stateRoot(), force: true })))
        assert.isEmpty(cgroups(id))
        assert.isFalse(fs.existsSync(`${place.stateRoot}/${id}`))
      }
    )
  }

  it("is pruned", async () => {
    const ids: Array<string> = []
    for (const [step, nth] of points.filter((_, at) => at % 3 === 1)) {
      const id = place.id()
      ids.push(id)
      await dies(id, "", step, String(nth))
    }
    // one that was killed before it had made its directory has left nothing
    const left = fs.readdirSync(place.stateRoot).filter((name) => ids.includes(name))
    assert.isNotEmpty(left)
    const pruned = await Effect.runPromise(on(Runtime.prune(stateRoot())))
    const removed = pruned.filter(({ _tag }) => _tag === "Removed").map(({ id }) => id)
    assert.sameMembers(removed, left)
    assert.isEmpty(fs.readdirSync(place.stateRoot))
    for (const id of ids) assert.isEmpty(cgroups(id))
  })
})

describe.skipIf(missing !== undefined)("a start of what shall not be attached", () => {
  for (const [step, nth] of points.filter(([, nth]) => nth < 50)) {
    it(`is undone before a signal ends the caller: before call ${nth} of ${step}`, async () => {
      const id = place.id()
      assert.strictEqual((await dies(id, "", step, String(nth), "SIGTERM")).code, 143)
      assert.isFalse(fs.existsSync(`${place.stateRoot}/${id}`))
      assert.isEmpty(cgroups(id))
    })
  }
})

describe.skipIf(missing !== undefined)("what is attached to its caller", () => {
  const signals = [
    "HUP",
    "INT",
    "QUIT",
    "TRAP",
    "ABRT",
    "USR2",
    "ALRM",
    "TERM",
    "STKFLT",
    "XCPU",
    "VTALRM",
    "PROF",
    "IO",
    "PWR"
  ]
  for (const how of [...signals.map((name) => os.constants.signals[`SIG${name}` as NodeJS.Signals]), 34, 47, 64]) {
    it(`is removed before ${how} ends the caller`, async () => {
      const id = place.id()
      const { code, stdout } = await dies(id, "", "end", String(how))
      // Node has no name for the end by a real-time signal
      if (how < 34) assert.strictEqual(code, 128 + how)
      assert.isTrue(hasEnded(Number(stdout)))
      assert.isFalse(fs.existsSync(`${place.stateRoot}/${id}`))
      assert.isEmpty(cgroups(id))
    })
  }

  for (const how of ["exit", "throw", "SIGKILL"] as const) {
    it(`ends with it, and is pruned: ${how}`, async () => {
      const id = place.id()
      const { stdout } = await dies(id, "", "end", how)
      await untilGone(Number(stdout))
      const dry = await Effect.runPromise(on(Runtime.prune({ ...stateRoot(), dryRun: true })))
      assert.deepStrictEqual(dry, [{
        _tag: "Removed",
        id: Runtime.ContainerId(id),
        why: "it has ended, and so has its runtime",
        killed: false
      }])
      assert.deepStrictEqual(await Effect.runPromise(on(Runtime.prune(stateRoot()))), dry)
      assert.isFalse(fs.existsSync(`${place.stateRoot}/${id}`))
      assert.isEmpty(cgroups(id))
    })
  }

  it("is left to prune if its caller is told to end once more while it is being removed", async () => {
    const id = place.id()
    const args = [path.join(programs!, "dying.cjs"), place.stateRoot, place.root, id, "", "stuck"]
    const caller = begin(process.execPath, args)
    await caller.says("\n")
    const told = caller.ended.then(({ code, stdout }) => ({ code, pid: Number(stdout) }))
    // the first one begins the removal, and those of the next half second are the same
    await until(() => !caller.process.kill("SIGTERM"))
    const { code, pid } = await told
    assert.strictEqual(code, 143)
    await untilGone(pid)
    const [pruned] = await Effect.runPromise(on(Runtime.prune(stateRoot())))
    assert.deepStrictEqual(pruned, {
      _tag: "Removed",
      id: Runtime.ContainerId(id),
      why: "it has ended, and so has its runtime",
      killed: false
    })
    assert.isEmpty(cgroups(id))
  })
})

describe.skipIf(missing !== undefined)("prune", () => {
  it.live("touches nothing that lives, that has an owner, or that is detached", () =>
    on(Effect.gen(function*() {
      const [attached, detached, ended] = [place.id(), place.id(), place.id()]
      const sleeper = containerOf(place, ["/bin/sleep", "1000"])
      const wait = yield* Runtime.create({ id: detached, container: sleeper, ...stateRoot() })
      const done = yield* Runtime.create({ id: ended, container: containerOf(place, ["/bin/true"]), ...stateRoot() })
      yield* Effect.promise(() => untilGone(done.pid))
      let first: ReadonlyArray<Runtime.Pruned> = []
      const { code } = yield* Runtime.run({ id: attached, container: sleeper, ...stateRoot() }, () =>
        Effect.orDie(Effect.gen(function*() {
          first = yield* Runtime.prune(stateRoot())
          yield* Runtime.kill(attached, 15, { ...stateRoot(), all: true })
          yield* Effect.forkDetach(Runtime.kill(attached, 9, stateRoot()))
        })))
      assert.strictEqual(code, 137)
      // in the order of the ids as texts: 10 comes before 9
      const kept = [attached, detached, ended].toSorted().map((id) => [id, "Kept"])
      assert.deepStrictEqual(first.map(({ _tag, id }) => [id, _tag]), kept)
      const all = yield* Runtime.prune({ ...stateRoot(), detached: true })
      assert.sameDeepMembers(all.map(({ _tag, id }) => [id, _tag]), [[detached, "Kept"], [ended, "Removed"]])
      yield* Runtime.remove(detached, { ...stateRoot(), force: true })
      for (const { pidfd } of [wait, done]) {
        fs.closeSync(pidfd)
      }
    })))
})
