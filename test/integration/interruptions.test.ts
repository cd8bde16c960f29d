/** Starts, executions and removals that are interrupted at any moment leave nothing, on the kernel of this host. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { Fork } from "../../src/native/Fork.ts"
import { Kernel, sys } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { containerOf, leavesNothing, on, options } from "../support/containers.ts"
import { ownPlace } from "../support/ownPlace.ts"
import { missing } from "../support/rootfs.ts"
import { withConsole } from "../support/withConsole.ts"

const place = ownPlace()

/** How often each is interrupted, times `RUNFX_RUNS`. */
const times = Math.max(1, Math.round(6 * Number(process.env["RUNFX_RUNS"] ?? 1)))
const seed = Number(process.env["RUNFX_SEED"] ?? Math.floor(Math.random() * 2 ** 31))

/** Numbers from 0 to 1, the same for the same seed: a linear congruential generator. */
const randomFrom = (seed: number) => {
  let state = seed
  return () => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31
}

/** The kernel of this host, which counts the calls of this process and of its children, and does something at one of them. */
const counting = () => {
  const kernel = Linux.make()
  const clock = { count: 0, at: Infinity, act: () => {} }
  const counted: Kernel["Service"] = {
    invoke: (call) =>
      Effect.suspend(() => {
        if (++clock.count === clock.at) clock.act()
        return kernel.invoke(call)
      })
  }
  return { kernel: counted, clock }
}

type Run<A> = Effect.Effect<A, unknown, Kernel | Fork>

/** Something that is interrupted, between what must be there first and what is left to do where it was not interrupted. */
interface Tried {
  readonly first?: (id: string) => Run<unknown>
  readonly what: (id: string) => Run<unknown>
  readonly last?: (id: string) => Run<unknown>
}

const brief = (terminal = false) => containerOf(place, ["/bin/true"], { process: { terminal } })
/** The handle is the caller's own: who is interrupted before it is closed leaves it open itself. */
const create = (id: string) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      restore(Runtime.create(options(place, containerOf(place, ["/bin/sleep", "1000"]), { id }))),
      ({ pidfd }) => sys.close({ fd: pidfd })
    )
  )
const remove = (id: string) => Runtime.remove(id, { stateRoot: place.stateRoot, force: true })
/** It may be gone already. */
const removeLeft = (id: string) =>
  Effect.catch(remove(id), (error) => error._tag === "ContainerNotFound" ? Effect.void : Effect.fail(error))

const commands: Readonly<Record<string, Tried>> = {
  create: { what: create, last: removeLeft },
  run: { what: (id) => Runtime.run(options(place, brief(), { id })) },
  "run with a terminal": {
    what: (id) => withConsole((consoleSocket) => Runtime.run(options(place, brief(true), { id, consoleSocket })))
  },
  exec: {
    first: create,
    what: (id) => Runtime.exec({ id, stateRoot: place.stateRoot, process: brief().process }),
    last: remove
  },
  delete: { first: create, what: remove, last: removeLeft }
}

describe.skipIf(missing !== undefined)("interrupted at any moment", () => {
  for (const [name, { first, last, what }] of Object.entries(commands)) {
    it.live(`${name} leaves nothing`, () => {
      const { clock, kernel } = counting()
      const random = randomFrom(seed + name.length)
      /** Interrupts it before the n-th of its calls; whether that came before its end. */
      const interruptedAt = (nth: number) =>
        Effect.gen(function*() {
          const id = place.id()
          if (first !== undefined) yield* first(id)
          const start = clock.count
          const fiber = yield* Effect.forkChild(what(id))
          let hasCome = false
          clock.act = () => {
            hasCome = true
            // when the call is made, or waits
            queueMicrotask(() => fiber.interruptUnsafe())
          }
          clock.at = start + nth
          const exit = yield* Fiber.await(fiber)
          clock.at = Infinity
          const calls = clock.count - start
          if (last !== undefined) yield* last(id)
          // an interruption is nothing that goes wrong
          if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) throw Cause.squash(exit.cause)
          return { calls, isInterrupted: Exit.isFailure(exit), hasCome }
        })
      return on(
        Effect.gen(function*() {
          yield* interruptedAt(Infinity)
          const { calls } = yield* interruptedAt(Infinity)
          let interrupted = 0
          for (let count = 0; count < times; count++) {
            const nth = count === 0 ? 1 : 1 + Math.floor(random() * calls)
            const where = `where ${name} was interrupted at call ${nth} of ${calls} (RUNFX_SEED=${seed})`
            const { hasCome, isInterrupted } = yield* leavesNothing(place, interruptedAt(nth), where)
            if (isInterrupted) interrupted++
            if (count === 0) assert.isTrue(hasCome)
          }
          process.stdout.write(`${name}: ${interrupted} of ${times} interrupted, of ${calls} calls, seed ${seed}\n`)
        }),
        kernel
      )
    })
  }
})
