/**
 * An id that is used again while somebody is still at work on the container that had it before: at each step of a start
 * and of a run, another command deletes the container and starts a new one of the same id. The first must not touch the
 * new one's state, cgroups and processes, and leaves nothing of its own.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import type { Container } from "../../src/config/Container.ts"
import { CurrentStep } from "../../src/engine/Events.ts"
import { type Call, type Kernel, sys } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import * as Cgroup from "../../src/steps/cgroup/Cgroup.ts"
import { makeCommand } from "../support/command.ts"
import { containerOf, leavesNothing, on } from "../support/containers.ts"
import { cgroups } from "../support/host.ts"
import { ownPlace } from "../support/ownPlace.ts"
import { missing } from "../support/rootfs.ts"

const place = ownPlace()

const sleeper = (given: Partial<Container> = {}): Container => containerOf(place, ["/bin/sleep", "1000"], given)

const withoutPid = (): Container => {
  const container = sleeper()
  return { ...container, namespaces: container.namespaces.filter(({ type }) => type !== "pid") }
}

const withoutCgroup = (): Container => {
  const { cgroup: _, ...rest } = sleeper()
  return rest
}

/** A close in `cloneInit` is the child's; and how often somebody has to wait is another number each time. */
const counts = ({ _tag }: Call): boolean => !["close", "poll", "waitid", "nanosleep"].includes(_tag)

/** The kernel of this host, in which something happens before one call of the parent of a start: `step` and which of it. */
const interrupted = (step: string, nth: number, happens: Effect.Effect<void, unknown>): Kernel["Service"] => {
  const kernel = Linux.make()
  let seen = 0
  return {
    invoke: (call) =>
      Effect.flatMap(CurrentStep, (current) => {
        if (!counts(call) || current?.pipeline !== "create" || current.step !== step) return kernel.invoke(call)
        if (current.undoing || ++seen !== nth) {
          return kernel.invoke(call)
        }
        return Effect.andThen(Effect.orDie(happens), kernel.invoke(call))
      }) as never
  }
}

/** How many calls each step of a start makes. */
const countsOf = (container: Container) =>
  Effect.gen(function*() {
    const kernel = Linux.make()
    const numbers = new Map<string, number>()
    const counting: Kernel["Service"] = {
      invoke: (call: Call) =>
        Effect.flatMap(CurrentStep, (current) => {
          if (counts(call) && current?.pipeline === "create" && !current.undoing) {
            numbers.set(current.step, (numbers.get(current.step) ?? 0) + 1)
          }
          return kernel.invoke(call)
        }) as never
    }
    const id = place.id()
    yield* on(
      Effect.gen(function*() {
        const { pidfd } = yield* Runtime.create({ id, container, stateRoot: place.stateRoot })
        yield* Runtime.remove(id, { stateRoot: place.stateRoot, force: true })
        yield* sys.close({ fd: pidfd })
      }),
      counting
    )
    return numbers
  })

/** That a container is there as it was: in its state, in its cgroups, as a process. */
const isUntouched = (id: string, nonce: string | undefined, pid: number, what: string) =>
  on(Effect.gen(function*() {
    const listed = (yield* Runtime.list(place.stateRoot)).find((one) => one.id === id)
    if (listed === undefined || !("state" in listed)) return assert.fail(`it has no state ${what}`)
    assert.strictEqual(listed.status, "running", what)
    assert.strictEqual(listed.state.nonce, nonce, what)
    assert.strictEqual(listed.pid, pid, what)
    const { cgroup } = listed.state
    if (cgroup === undefined) return
    for (const group of Cgroup.groups(cgroup)) {
      assert.deepStrictEqual(fs.readFileSync(`${group.path}/cgroup.procs`, "utf8").trim(), String(pid), what)
    }
  }))

/** A new container of the same id, in the place of the first one. */
const takeOver = (id: string, container: Container) =>
  Effect.gen(function*() {
    yield* Runtime.remove(id, { stateRoot: place.stateRoot, force: true })
    const { pid, pidfd, state } = yield* Runtime.create({ id, container, stateRoot: place.stateRoot })
    yield* sys.close({ fd: pidfd })
    return { pid, nonce: state.nonce }
  })

const kinds = [
  { name: "with all namespaces", make: sleeper },
  { name: "without a pid namespace", make: withoutPid },
  { name: "without a cgroup", make: withoutCgroup }
] as const

describe.skipIf(missing !== undefined)("an id that is used again", () => {
  for (const { make, name } of kinds) {
    it.live(`at any step of a start touches nothing of the new container (${name})`, () =>
      Effect.gen(function*() {
        const container = make()
        // the first start makes the state root as well
        yield* countsOf(container)
        const numbers = yield* countsOf(container)
        for (const [step, count] of numbers) {
          // in the steps that make what has a name, at many calls
          const dense = ["createState", "createCgroup", "saveState"].includes(step)
          const points = dense
            ? Array.from({ length: Math.ceil(count / 8) }, (_, at) => 1 + at * 8)
            : [count]
          for (const nth of points) {
            const what = `(before call ${nth} of ${step})`
            const id = place.id()
            yield* leavesNothing(
              place,
              Effect.gen(function*() {
                let taken: { readonly pid: number; readonly nonce: string | undefined } | undefined
                const kernel = interrupted(
                  step,
                  nth,
                  on(Effect.map(takeOver(id, container), (other) => void (taken = other)))
                )
                // it ends by itself: its start fails, or its program was killed
                const outcome = yield* Effect.exit(
                  on(Runtime.run({ id, container, stateRoot: place.stateRoot }), kernel)
                )
                if (taken === undefined) return assert.fail(`nothing happened ${what}: ${String(outcome)}`)
                yield* isUntouched(id, taken.nonce, taken.pid, what)
                yield* on(Runtime.remove(id, { stateRoot: place.stateRoot, force: true }))
                yield* on(Effect.ignore(sys.waitid({ idtype: 1, id: taken.pid, options: 4 })))
              }),
              what
            )
          }
        }
      }))
  }

  it("while the first one runs in the foreground touches nothing of the new container", async () => {
    const command = makeCommand()
    try {
      const id = place.id()
      const first = command.begin("run", "--id", id, "--", "/bin/sh", "-c", "echo up; exec sleep 1000")
      await first.says("up")
      first.process.kill("SIGSTOP")
      assert.strictEqual((await command.runfx("delete", "--force", id)).code, 0)
      assert.strictEqual((await command.runfx("run", "-d", "--id", id, "--", "/bin/sleep", "1000")).code, 0)
      const list = async () => JSON.parse((await command.runfx("list", "-f", "json")).stdout) as unknown
      const before = await list()
      first.process.kill("SIGCONT")
      assert.strictEqual((await first.ended).code, 128 + 9)
      assert.deepStrictEqual(await list(), before)
      assert.isNotEmpty(cgroups(id))
      assert.strictEqual((await command.runfx("exec", id, "/bin/true")).code, 0)
      assert.strictEqual((await command.runfx("delete", "--force", id)).code, 0)
      assert.isEmpty(cgroups(id))
    } finally {
      command.remove()
    }
  })
})

describe.skipIf(missing !== undefined)("a process that is executed in a container", () => {
  it.live("is in the container's own cgroups, wherever its first process has gone", () =>
    leavesNothing(
      place,
      on(Effect.gen(function*() {
        const id = place.id()
        const stateRoot = place.stateRoot
        const { pid, pidfd, state } = yield* Runtime.create({ id, container: sleeper(), stateRoot })
        const own = Cgroup.groups(state.cgroup!).filter(({ keys }) => keys.includes("pids") || keys.includes("unified"))
        for (const { mountpoint } of own) fs.writeFileSync(`${mountpoint}/cgroup.procs`, String(pid))
        const { process } = containerOf(place, ["/bin/sleep", "1000"])
        const added = yield* Runtime.start({ id, stateRoot, process })
        for (const { path } of own) {
          assert.strictEqual(fs.readFileSync(`${path}/cgroup.procs`, "utf8").trim(), String(added.pid))
        }
        yield* Runtime.remove(id, { stateRoot, force: true, children: [added.pid] })
        for (const fd of [pidfd, added.pidfd]) yield* sys.close({ fd })
      }))
    ))
})
