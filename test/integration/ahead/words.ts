/** A word that a process waits for is expected: what comes behind it does not wait for it. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Events } from "../../../src/engine/Events.ts"
import * as Pipeline from "../../../src/engine/Pipeline.ts"
import * as Step from "../../../src/engine/Step.ts"
import { AT, O, P, SIG, SOCK, W } from "../../../src/native/constants.ts"
import { Fork } from "../../../src/native/Fork.ts"
import { Kernel, sys } from "../../../src/native/Kernel.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import { receiveLikely, send } from "../../../src/steps/channel/channel.ts"
import { missing } from "../../support/rootfs.ts"
import { inTurns, waiting } from "./setup.ts"

const kernel = Linux.make()

const live = Effect.provideService(Kernel, kernel)

/** How many descriptors a process has. */
const descriptors = Effect.gen(function*() {
  const fd = yield* sys.openat({ dirfd: AT.FDCWD, path: "/proc/self/fd", flags: O.RDONLY | O.CLOEXEC, mode: 0 })
  const entries = yield* sys.getdents64({ fd })
  yield* sys.close({ fd })
  return entries.length
})

/** What a process comes to that waits for "Go" at the end of a channel, and does something behind it. */
const waits = (there: number, behind: () => void, last: Effect.Effect<unknown, unknown, Kernel> = Effect.void) =>
  Effect.gen(function*() {
    yield* sys.umask({ mask: 0o22 })
    const { _tag, ...word } = yield* receiveLikely(there, { _tag: "Go" })
    behind()
    yield* sys.umask({ mask: 0o77 })
    return { _tag, message: "message" in word ? word.message._tag : undefined, last: yield* last }
  })

/** A channel. Both ends are closed at the end, those that are not closed already. */
const channel = Effect.acquireRelease(
  Effect.map(sys.socketpair({ type: SOCK.SEQPACKET | SOCK.CLOEXEC }), ([here, there]) => ({ here, there })),
  ({ here, there }) => Effect.forEach([here, there], (fd) => Effect.ignore(sys.close({ fd })), { discard: true })
)

/** The same, ahead of the process and not: what it comes to if this is done when it waits. */
const both = (say: (here: number) => Effect.Effect<unknown, unknown, Kernel>, last?: Parameters<typeof waits>[2]) =>
  Effect.gen(function*() {
    const ends: Array<unknown> = []
    // the first process of a kernel opens descriptors that others inherit
    yield* inTurns(kernel, descriptors)
    for (const one of [kernel, waiting(kernel)]) {
      const { here, there } = yield* channel
      const process = yield* Effect.forkChild(inTurns(one, waits(there, () => {}, last)))
      yield* say(here)
      ends.push((yield* Fiber.join(process)).end)
      yield* Effect.forEach([here, there], (fd) => Effect.ignore(sys.close({ fd })))
    }
    assert.deepStrictEqual(ends[0], ends[1])
    return ends[0] as { readonly _tag: string; readonly message: string | undefined }
  }).pipe(Effect.scoped, live)

describe.skipIf(missing !== undefined)("a word that is expected", () => {
  it.live("is not waited for: the effect continues before it is said", () =>
    Effect.gen(function*() {
      const { here, there } = yield* channel
      const behind = yield* Deferred.make<void>()
      const process = yield* Effect.forkChild(
        inTurns(kernel, waits(there, () => Deferred.doneUnsafe(behind, Effect.void)))
      )
      // it would never be said if the effect waited for it
      yield* Effect.timeout(Deferred.await(behind), "1 minute")
      yield* send(here, { _tag: "Go" })
      const { end } = yield* Fiber.join(process)
      assert.include(end as object, { _tag: "Message", message: "Go" })
    }).pipe(Effect.scoped, live))

  it.live("may be another one, or none, or come with a descriptor", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* both((here) => send(here, { _tag: "Enter" }))).message, "Enter")
      assert.strictEqual((yield* both((here) => sys.close({ fd: here })))._tag, "Closed")
      const raw = (data: string, fds: ReadonlyArray<number>) => (here: number) =>
        sys.sendmsg({ fd: here, data: Buffer.from(data), fds, flags: 0 })
      assert.strictEqual((yield* both(raw("Gone", [])))._tag, "Raw")
      assert.strictEqual((yield* both(raw(`{"_tag":"No"}`, [])))._tag, "Raw")
      assert.strictEqual((yield* both(raw(`{"_tag":"Go"}`, [0, 1]), descriptors))._tag, "Message")
    }))

  /** Runs a pipeline of three steps, the second of which waits for a word, in a process; calls back behind it. */
  const start = (there: number, behind: () => void, told: Array<string> = []) => {
    const step = (name: string, run: Effect.Effect<unknown, unknown, Kernel>) =>
      Step.make(name, {
        doc: "",
        calls: ["umask", "recvmsg", "close"],
        reversal: "irreversible",
        replayable: true,
        run: Effect.asVoid(Effect.orDie(run))
      })
    const pipeline = Pipeline.make(
      { name: "test", doc: "", inputs: [] },
      step("first", sys.umask({ mask: 0 })),
      step("waits", receiveLikely(there, { _tag: "Go" })),
      step("behind", Effect.sync(behind))
    )
    const child = Pipeline.runUnchecked(pipeline).pipe(
      Effect.provideService(Events, ({ _tag, step }) => Effect.sync(() => void told.push(`${_tag} ${step}`)))
    )
    return Linux.fork(kernel).start(0, live(child))
  }
  const reap = (pid: number) =>
    Effect.andThen(sys.kill({ pid, signal: SIG.KILL }), sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED }))

  it.live("never comes if the process is killed: it is told of no further than that", () =>
    Effect.gen(function*() {
      const { there } = yield* channel
      const [behind, told] = [yield* Deferred.make<void>(), new Array<string>()]
      const { catchUp, forget, pid } = yield* start(there, () => Deferred.doneUnsafe(behind, Effect.void), told)
      yield* Deferred.await(behind)
      // it may be killed before it has begun, too
      while ((yield* sleeps(pid)) === false) yield* Effect.yieldNow
      yield* reap(pid)
      yield* catchUp
      yield* forget
      assert.deepStrictEqual(told, ["Started first", "Completed first", "Started waits", "Failed waits"])
    }).pipe(Effect.scoped, live))

  it.live("is not expected any more by an effect whose process was given up", () =>
    Effect.gen(function*() {
      const { there } = yield* channel
      const order: Array<string> = []
      const { forget, pid } = yield* start(there, () => order.push("behind"))
      // the effect lets others run once it has handed over its list, and another process can get its memory now
      yield* forget
      yield* reap(pid)
      const { end } = yield* inTurns(kernel, Effect.andThen(sys.umask({ mask: 0o22 }), descriptors)).pipe(
        Effect.provideService(Fork, Linux.fork(kernel))
      )
      assert.isAbove(Number(end), 0)
      assert.deepStrictEqual(order, [])
    }).pipe(Effect.scoped, live))
})

/** Whether a process waits in recvmsg(2). */
const sleeps = (pid: number) =>
  Effect.gen(function*() {
    const fd = yield* sys.openat({
      dirfd: AT.FDCWD,
      path: `/proc/${pid}/syscall`,
      flags: O.RDONLY | O.CLOEXEC,
      mode: 0
    })
    const text = Buffer.from(yield* sys.read({ fd, count: 100 })).toString()
    yield* sys.close({ fd })
    return /^(47|212) /.test(text)
  })
