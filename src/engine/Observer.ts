/**
 * An observer hears of each process of a run, of its steps and of its calls. It changes nothing: steps run ahead whether
 * they are observed or not.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Ahead from "../native/Ahead.ts"
import { Fork, make as makeFork, type Passed } from "../native/Fork.ts"
import { type Call, Kernel, type Result, type SyscallError } from "../native/Kernel.ts"
import { type Current, CurrentStep, type Event } from "./Events.ts"

/** A step that ran ahead of its process: its times by the process's clock, if the process has noted them. */
export interface RanAhead extends Partial<Ahead.Times> {
  readonly calls: ReadonlyArray<Ahead.Settled>
}

/** Hears what one process does. Fibers are numbered; the calls of one fiber never overlap. */
export interface Observer {
  /** An event of a step. A step that ran ahead reports all its events at its end. */
  readonly step: (event: Event, fiber: number, ahead?: RanAhead) => void
  /** A step begins to run ahead. Its process has not done it yet. */
  readonly ahead: (step: string) => void
  /**
   * A step makes a call; returns the function that hears how the call ends. Calls of a step that runs ahead are not
   * reported, except those that are made one by one.
   */
  readonly call: (call: Call, fiber: number, step: Current | undefined) => (exit: Exit.Exit<unknown, unknown>) => void
  /** The process starts a child. */
  readonly child: () => Child
}

/** A child that is being started. */
export interface Child {
  readonly observer: Observer
  readonly started: (pid: number) => void
  /** It has ended, or has become a program. */
  readonly ended: () => void
}

/** The observer of a fiber's process. */
const Observing = Context.Reference<Observer | undefined>("runfx/Observer", { defaultValue: () => undefined })

/** The observer of the current fiber and the fiber's number; `undefined` without an observer. */
export const watcher = Effect.withFiber((fiber) => {
  const observer = fiber.getRef(Observing)
  return Effect.succeed(
    observer === undefined
      ? undefined
      : { observer, step: (event: Event, ahead?: RanAhead) => observer.step(event, fiber.id, ahead) }
  )
})

const watched = <A, R>(call: Call, make: Effect.Effect<A, SyscallError, R>, resultOf: (value: A) => unknown) =>
  Effect.withFiber<A, SyscallError, R>((fiber) => {
    const observer = fiber.getRef(Observing)
    if (observer === undefined) return make
    const end = observer.call(call, fiber.id, fiber.getRef(CurrentStep))
    return Effect.onExit(make, (exit) => Effect.sync(() => end(Exit.map(exit, resultOf))))
  })

const same = (value: unknown): unknown => value

/** A journey that reports the calls which are made one by one. */
const watchedJourney = (inner: Ahead.Journey): Ahead.Journey => ({
  copied: inner.copied,
  keeps: inner.keeps,
  part: inner.part,
  get isLost() {
    return inner.isLost
  },
  get left() {
    return inner.left
  },
  settle: inner.settle,
  get certain() {
    return inner.certain
  },
  times: inner.times,
  keep: inner.keep,
  calls: inner.calls,
  guessing: inner.guessing,
  once: inner.once,
  enter: inner.enter,
  invoke: (call, plain) => inner.invoke(call, () => watched(call, plain(), same))
})

const watchedKernel = (inner: Kernel["Service"]): Kernel["Service"] => {
  const outer: Kernel["Service"] = {
    invoke: <C extends Call>(call: C): Effect.Effect<Result<C>, SyscallError> =>
      Effect.withFiber((fiber) =>
        fiber.getRef(Ahead.Current) === undefined ? watched(call, inner.invoke(call), same) : inner.invoke(call)
      )
  }
  Ahead.provide(
    outer,
    Effect.map(
      Effect.provideService(Ahead.begin, Kernel, inner),
      (journey) => {
        if (journey === undefined) return undefined
        journey.keep()
        return watchedJourney(journey)
      }
    )
  )
  return outer
}

const watchedFork = (inner: Fork["Service"]): Fork["Service"] =>
  makeFork(
    <R>(flags: number, child: Effect.Effect<unknown, unknown, R>, descriptors?: ReadonlyArray<Passed>) =>
      Effect.withFiber((fiber) => {
        const born = fiber.getRef(Observing)?.child()
        if (born === undefined) return inner.start(flags, child, descriptors)
        const inside = Effect.onExit(
          Effect.provideService(child, Observing, born.observer),
          () => Effect.sync(born.ended)
        )
        const start = inner.start(flags, inside, descriptors)
        return Effect.tap(
          watched({ _tag: "clone", flags }, start, ({ pid }) => pid),
          ({ pid }) => Effect.sync(() => born.started(pid))
        )
      }),
    inner.guard
  )

/** Joins two observers of the same process. */
const both = (one: Observer, other: Observer): Observer => ({
  step: (...told) => {
    one.step(...told)
    other.step(...told)
  },
  ahead: (step) => {
    one.ahead(step)
    other.ahead(step)
  },
  call: (...made) => {
    const ends = [one.call(...made), other.call(...made)]
    return (exit) => ends.forEach((end) => end(exit))
  },
  child: () => {
    const [child, another] = [one.child(), other.child()]
    return {
      observer: both(child.observer, another.observer),
      started: (pid) => {
        child.started(pid)
        another.started(pid)
      },
      ended: () => {
        child.ended()
        another.ended()
      }
    }
  }
})

/**
 * Runs an effect under an observer, together with all processes that it starts. An observer that is there already continues
 * to hear everything.
 */
export const observe =
  (observer: Observer) => <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Kernel | Fork> =>
    Effect.contextWith((context: Context.Context<R | Kernel | Fork>) => {
      const already = Context.get(context, Observing)
      // the kernel is wrapped already, and looks for the observer in the fiber's context
      const inside = already !== undefined ? Context.add(context, Observing, both(already, observer)) : context.pipe(
        Context.add(Kernel, watchedKernel(Context.get(context, Kernel))),
        Context.add(Fork, watchedFork(Context.get(context, Fork))),
        Context.add(Observing, observer)
      )
      return Effect.provideContext(self, inside as Context.Context<R>)
    })
