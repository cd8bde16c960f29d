/** The removal of what has ended, and a list of what is removed meanwhile. */
import { assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { AT, O, SIG } from "../../../src/native/constants.ts"
import { readAll, using, writeAll } from "../../../src/native/Files.ts"
import { Kernel, sys } from "../../../src/native/Kernel.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import { stateRoot } from "../../support/flows/containers.ts"
import { tells } from "../../support/flows/failures.ts"
import { leftovers } from "../../support/flows/leftovers.ts"
import { perform, verdict } from "../../support/flows/runs.ts"
import { id, sceneOf } from "../../support/flows/scenes.ts"
import { running, setting } from "../../support/runningContainer.ts"
import { withoutTraces } from "../../support/shortTraces.ts"

withoutTraces()
vi.setConfig({ testTimeout: 120_000 })

const open = (path: string, flags: number) => sys.openat({ dirfd: AT.FDCWD, path, flags, mode: 0o600 })

/** A second container, by its state alone. */
const beside = Effect.gen(function*() {
  const text = yield* using(open(`${stateRoot}/${id}/state.json`, O.RDONLY), readAll)
  yield* sys.mkdirat({ dirfd: AT.FDCWD, path: `${stateRoot}/zebra`, mode: 0o711 })
  const other = Buffer.from(text).toString().replace(`"id":"${id}"`, "\"id\":\"zebra\"")
  yield* using(open(`${stateRoot}/zebra/state.json`, O.WRONLY | O.CREAT), (fd) => writeAll(fd, Buffer.from(other)))
})

/** A list, and a removal of one container before a call of it. */
const listWhileRemoved = (call: number) =>
  Effect.gen(function*() {
    const kernel = yield* Kernel
    const removal = Effect.orDie(
      Effect.provideService(Runtime.remove(id, { stateRoot, force: true }), Kernel, kernel)
    )
    let made = 0
    const interrupted: Kernel["Service"] = {
      invoke: (asked) => ++made === call ? Effect.andThen(removal, kernel.invoke(asked)) : kernel.invoke(asked)
    }
    const listed = yield* Effect.provideService(Runtime.list(stateRoot), Kernel, interrupted)
    return { listed, made }
  })

describe("a list", () => {
  it("leaves out a container that vanishes meanwhile, at whatever call, and no other", () => {
    const { state } = running("v2")
    const before = perform(state, beside).model.state()
    let calls = 1
    for (let call = 1; call <= calls; call++) {
      const ran = perform(before, listWhileRemoved(call))
      if (Exit.isFailure(ran.exit)) return verdict([`the list fails at call ${call}`], ran)
      const { listed, made } = ran.exit.value
      calls = made
      const wrong = listed.filter((one) => "error" in one).map((one) => `${one.id} can't be listed, at call ${call}`)
      verdict(listed.at(-1)?.id === "zebra" ? wrong : [...wrong, `the other is not listed, at call ${call}`], ran)
    }
    assert.isAbove(calls, 30)
  })
})

describe("an act on a container", () => {
  it("whose state has just been deleted waits for the rest, and finds no container", () => {
    const act = Effect.gen(function*() {
      const kernel = yield* Kernel
      const kill = Effect.flip(Effect.provideService(Runtime.kill(id, SIG.KILL, { stateRoot }), Kernel, kernel))
      const begun: Array<Fiber.Fiber<{ readonly _tag: string }, unknown>> = []
      const watched: Kernel["Service"] = {
        invoke: (call) =>
          call._tag === "unlinkat" && call.path === "state.json"
            ? Effect.tap(
              kernel.invoke(call),
              () => Effect.map(Effect.forkDetach(kill, { startImmediately: true }), (fiber) => begun.push(fiber))
            )
            : kernel.invoke(call)
      }
      yield* Effect.provideService(Runtime.remove(id, { stateRoot, force: true }), Kernel, watched)
      return (yield* Fiber.join(begun[0]!))._tag
    })
    const ran = perform(running("v2").state, act)
    verdict(Exit.isSuccess(ran.exit) && ran.exit.value === "ContainerNotFound" ? [] : [String(ran.exit)], ran)
  })
})

describe("a run", () => {
  it("removes its container also if the lock can't be had in the end, and tells why", () => {
    const { caller, options, state } = sceneOf(setting("v2"))
    const act = Runtime.run(options, ({ pidfd }) => Effect.orDie(sys.pidfd_send_signal({ pidfd, signal: SIG.KILL })))
    const whole = perform(state, act)
    assert.isTrue(Exit.isSuccess(whole.exit), String(whole.exit))
    const started = whole.seen.findLast(({ pipeline }) => pipeline === "create")!.number
    const locks = whole.seen.filter(({ call, number, pipeline }) =>
      number > started && pipeline === "" &&
      (call._tag === "flock" || call._tag === "statx" || call._tag === "openat" || call._tag === "openat2")
    )
    for (const { number } of locks) {
      const ran = perform(state, act, { rule: (seen) => seen.number === number ? "EIO" : undefined })
      const told = Exit.isSuccess(ran.exit) || tells(ran.exit.cause, "EIO") ? [] : ["the errno is not told"]
      verdict([...told, ...leftovers(state, ran.model.state(), caller)], ran)
    }
    assert.isAbove(locks.length, 3)
  })
})

/** Directories of the caller below the root that no start has made: with something in it, and of another mode. */
const strangers = Effect.gen(function*() {
  for (const [name, mode] of [["full", 0o711], ["empty", 0o755]] as const) {
    yield* sys.mkdirat({ dirfd: AT.FDCWD, path: `${stateRoot}/${name}`, mode })
    yield* sys.fchmodat({ dirfd: AT.FDCWD, path: `${stateRoot}/${name}`, mode })
  }
  yield* using(open(`${stateRoot}/full/key`, O.WRONLY | O.CREAT), (fd) => writeAll(fd, Buffer.from("precious")))
  // what a start leaves that is cut short right after it has made its directory
  yield* sys.mkdirat({ dirfd: AT.FDCWD, path: `${stateRoot}/started`, mode: 0o711 })
  yield* sys.fchmodat({ dirfd: AT.FDCWD, path: `${stateRoot}/started`, mode: 0o711 })
})

describe("a directory without a state", () => {
  const { state } = running("v2")
  const before = perform(state, strangers).model.state()
  const names = Effect.map(Runtime.list(stateRoot), (all) => all.map((one) => one.id as string))

  it("is left alone by a prune if no start has made it", () => {
    const ran = perform(before, Effect.andThen(Runtime.prune({ stateRoot }), names))
    assert.isTrue(Exit.isSuccess(ran.exit), String(ran.exit))
    assert.deepStrictEqual(Exit.isSuccess(ran.exit) ? ran.exit.value : [], ["empty", "full", id])
  })

  it("is left alone by a forced removal if anything is in it, which says so", () => {
    const removal = Effect.flip(Runtime.remove("full", { stateRoot, force: true }))
    const ran = perform(before, Effect.flatMap(removal, (error) => Effect.map(names, (left) => ({ error, left }))))
    if (Exit.isFailure(ran.exit)) return verdict([String(ran.exit)], ran)
    const { error, left } = ran.exit.value
    assert.include(
      error.message,
      `${stateRoot}/full is not removed: it holds "key", which no start of a container has made`
    )
    assert.include(left, "full")
  })

  it("is removed by force if nothing is in it", () => {
    const ran = perform(before, Effect.andThen(Runtime.remove("empty", { stateRoot, force: true }), names))
    assert.isTrue(Exit.isSuccess(ran.exit), String(ran.exit))
    assert.notInclude(Exit.isSuccess(ran.exit) ? ran.exit.value : [], "empty")
  })
})
