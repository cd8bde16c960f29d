/**
 * The live layer: makes the calls of `calls.ts` on the kernel that this process runs on, and starts processes that make
 * them for it.
 *
 * Every call is one raw syscall(2), without the C library's wrappers: some of these, such as setresuid(2), change every
 * thread, and none knows the processes of {@link fork}. The handlers, a file for each family of calls, build a call's
 * arguments in memory. `rpc/` lets another process make the call.
 *
 * **Example** (The release of the kernel)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Kernel, sys } from "runfx/native/Kernel"
 * import * as Linux from "runfx/native/Linux"
 *
 * const kernel = Linux.make()
 * const release = Effect.runSync(
 *   Effect.provideService(Effect.map(sys.uname({}), (names) => names.release), Kernel, kernel)
 * )
 * ```
 *
 * @category kernels
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { PreventSchedulerYield, Scheduler } from "effect/Scheduler"
import * as Ahead from "../Ahead.ts"
import { forAll } from "../definition.ts"
import { Fork, type Guard, make as makeFork, type Passed, type Start, type Started } from "../Fork.ts"
import { KeepsAlive } from "../KeepsAlive.ts"
import { type Call, Kernel, provideMake, type Result, SyscallError } from "../Kernel.ts"
import { invalid } from "../Refused.ts"
import { credentials } from "./credentials.ts"
import { exitOf } from "./failed.ts"
import { files } from "./files.ts"
import { filters } from "./filters.ts"
import { HostUnsupported } from "./HostUnsupported.ts"
import * as Koffi from "./koffi.ts"
import { messages } from "./messages.ts"
import { mounts } from "./mounts.ts"
import { namespaces } from "./namespaces.ts"
import { network } from "./network.ts"
import { paths } from "./paths.ts"
import { placesOf } from "./places.ts"
import { processes } from "./processes.ts"
import { type Attempt, BlockingCalls, type Come } from "./rpc/BlockingCalls.ts"
import { type Client, gone } from "./rpc/Client.ts"
import { checkFlags } from "./rpc/cloneFlags.ts"
import { History } from "./rpc/History.ts"
import { Journey } from "./rpc/Journey.ts"
import { KeptParts } from "./rpc/Kept.ts"
import { LoopBudget } from "./rpc/LoopBudget.ts"
import { type Learned, ServedProcess } from "./rpc/ServedProcess.ts"
import type { Server } from "./rpc/ServerGroup.ts"
import { type Awaited, type Progress, ServerPool } from "./rpc/ServerPool.ts"
import { scheduling } from "./scheduling.ts"
import { signals } from "./signals.ts"
import { sockets, timeLimitOf } from "./sockets.ts"
import * as Syscalls from "./Syscalls.ts"
import { terminals } from "./terminals.ts"

export { HostUnsupported }

const handlersOf = (machine: Syscalls.Syscalls): Syscalls.Handlers =>
  forAll<Syscalls.Handlers>()("handler in src/native/linux", {
    ...processes(machine),
    ...signals(machine),
    ...namespaces(machine),
    ...credentials(machine),
    ...scheduling(machine),
    ...files(machine),
    ...paths(machine),
    ...mounts(machine),
    ...sockets(machine),
    ...messages(machine),
    ...terminals(machine),
    ...network(machine),
    ...filters(machine)
  }, true)

/** The server that makes a fiber's calls; absent if this process makes them. */
const CurrentProcess = Context.Reference<Server | undefined>("runfx/native/CurrentProcess", {
  defaultValue: () => undefined
})

/** The exit status of a child whose effect ended without `execve` or `exit_group`. */
const lostStatus = 255

/** A process that was spawned. */
interface Spawned {
  /** Which descriptors of this process it has; all if absent. */
  readonly descriptors?: ReadonlyArray<Passed>
  child?: Server
  /** Ends it, if it still runs. */
  end?: () => void
  /** Lets its effect continue with what it has answered. */
  catchUp?: Effect.Effect<void>
  /** Stops asking it for calls. */
  forget?: () => void
}

/** Where clone(2) puts the process that it made, for the effect that started it. */
const CurrentSpawn = Context.Reference<Spawned | undefined>("runfx/native/CurrentSpawn", {
  defaultValue: () => undefined
})

/** What this process makes its own calls with. */
interface Own {
  readonly handlers: Syscalls.Handlers
  readonly client: Pick<Client, "begin" | "made" | "resume">
}

/** Makes a call with the handlers of a server, or of this process if none is given. */
const attempting = (own: Own): Attempt => (call, server, phase = "starts") => {
  const { client, handlers } = server === undefined ? own : ServerPool.slotOf(server)
  if (phase === "resumes") client.resume()
  else client.begin(phase === "waits")
  const handler = handlers[call._tag as keyof Syscalls.Handlers] as (call: Call) => Result<typeof call>
  const exit = exitOf(call, () => handler(call), server === undefined ? placesOf : (one) => server.files.placesOf(one))
  if (Exit.isSuccess(exit)) {
    client.made(call, exit.value)
    server?.files.made(call, exit.value)
  }
  return exit
}

/** The journey for the process that makes a fiber's calls. */
const journeys = (learned: Learned, come: Come): Effect.Effect<Ahead.Journey | undefined> =>
  Effect.withFiber((fiber) => {
    const server = fiber.getRef(CurrentProcess)
    return Effect.suspend(() => {
      const isGone = () => server?.slot.server.current !== server
      if (server === undefined || isGone() || server.slot.client.isFiltered) return Effect.undefined
      const process = new ServedProcess(server, learned, come)
      return Effect.map(process.idle, () => isGone() ? undefined : new Journey(process))
    })
  })

const guarding = (pool: ServerPool): Guard => (pidfd) =>
  Effect.suspend(() => {
    const call: Call = { _tag: "sendmsg", fd: -1, data: new Uint8Array(), fds: [pidfd], flags: 0 }
    return exitOf(call, () => pool.guard.hold(pidfd))
  })

/**
 * One kernel for the whole process. Children and their threads belong to the process and outlive every layer, and one
 * thread serves them all, so all waits must be known in one place.
 */
let live: Live | undefined

interface Live {
  readonly kernel: Kernel["Service"]
  readonly guard: Guard
}

const theLive = (): Live => live ??= makeWith(Koffi.load())

/**
 * The kernel that this process runs on. The first call loads koffi, which takes a millisecond.
 *
 * @throws {HostUnsupported} if the system is not Linux on x86-64 or arm64, or if koffi can't be loaded
 */
export const make = (): Kernel["Service"] => theLive().kernel

type Cloning = Extract<Call, { readonly _tag: Syscalls.Cloning }>

/** The work of a call of clone(2), which waits in between. */
const cloned = function*(
  { blocking, pool }: { readonly blocking: BlockingCalls; readonly pool: ServerPool },
  call: Cloning,
  server: Server | undefined,
  spawned: Spawned | undefined
): Progress<number | void> {
  checkFlags(call.flags)
  if (call._tag === "reclone") {
    if (server === undefined) throw invalid("only a process of the Fork service can go on in another one")
    return yield* pool.reclone(server, call.flags)
  }
  if (spawned === undefined) throw invalid("a bare clone returns twice: use the Fork service")
  const child = yield* pool.clone(call.flags, server, spawned.descriptors)
  blocking.passed()
  spawned.child = child
  spawned.end = () => {
    pool.end(child, lostStatus)
    blocking.end(child)
  }
  spawned.catchUp = blocking.catchUp(child)
  spawned.forget = () => blocking.forget(child)
  return child.pid
}

/** Whether a fiber may be suspended: not if `Effect.runSync` runs it. */
const canWait = (fiber: Fiber.Fiber<unknown, unknown>): boolean => fiber.getRef(Scheduler).executionMode === "async"

const makeWith = (library: Koffi.Library): Live => {
  const machine = Syscalls.make(library)
  const reset = () => machine.memory.reset()
  const budget = new LoopBudget()
  const pool = new ServerPool(library, machine, handlersOf)
  const made = (call: Call) => call._tag === "close" && pool.closed(call.fd)
  const own: Own = { handlers: handlersOf(machine), client: { begin: reset, resume: reset, made } }

  const blocking = new BlockingCalls({
    attempt: attempting(own),
    budget,
    when: (awaited, go) => pool.when(awaited, go),
    whenReady: (watched, go, keepsAlive) => pool.watcher.when(watched, go, keepsAlive),
    timeLimit: timeLimitOf(machine),
    release: (server) => pool.release(server),
    lose: (server) => pool.lose(server)
  })

  const cloning = (
    call: Cloning,
    server: Server | undefined,
    spawned: Spawned | undefined
  ): Effect.Effect<number | void, SyscallError> => {
    const progress = cloned({ pool, blocking }, call, server, spawned)
    return blocking.come(server, () => {
      let awaited: Awaited | undefined
      const exit = exitOf(call, () => {
        const next = progress.next()
        if (next.done === true) return next.value
        awaited = next.value
      })
      return awaited ?? exit
    })
  }

  const plain = <C extends Call>(call: C, server: Server | undefined, fiber: Fiber.Fiber<unknown, unknown>) =>
    call._tag === "clone" || call._tag === "reclone"
      ? cloning(call, server, fiber.getRef(CurrentSpawn)) as Effect.Effect<Result<C>, SyscallError>
      : blocking.invoke(call, server, canWait(fiber), fiber.getRef(KeepsAlive))

  const make = <C extends Call>(
    call: C,
    fiber: Fiber.Fiber<unknown, unknown>
  ): Effect.Effect<Result<C>, SyscallError> => {
    const server = fiber.getRef(CurrentProcess)
    const journey = server === undefined ? undefined : fiber.getRef(Ahead.Current)
    if (journey === undefined) return plain(call, server, fiber)
    const join = () => {
      try {
        return journey.invoke(call, () => plain(call, server, fiber))
      } catch (cause) {
        if (cause !== gone) throw cause
        return plain(call, server, fiber)
      }
    }
    // many calls may join a list before it is made
    return canWait(fiber) ? blocking.inTurn(join) : join()
  }

  const kernel: Kernel["Service"] = {
    invoke: <C extends Call>(call: C): Effect.Effect<Result<C>, SyscallError> =>
      Effect.withFiber((fiber) => make(call, fiber))
  }
  provideMake(kernel, make, (fiber) => fiber.getRef(CurrentProcess) === undefined)
  Ahead.provide(
    kernel,
    journeys(
      { numbers: machine.numbers, history: new History(), kept: new KeptParts() },
      (server, next) => blocking.come(server, next)
    )
  )
  return { kernel, guard: guarding(pool) }
}

const starting =
  (kernel: Kernel["Service"]): Start =>
  <R>(flags: number, child: Effect.Effect<unknown, unknown, R>, descriptors?: ReadonlyArray<Passed>) =>
    Effect.contextWith((context: Context.Context<R>) =>
      Effect.uninterruptible(Effect.suspend(() => {
        const spawned: Spawned = descriptors === undefined ? {} : { descriptors }
        return Effect.map(
          Effect.provideService(kernel.invoke({ _tag: "clone", flags }), CurrentSpawn, spawned),
          (pid): Started => {
            const inside = context.pipe(
              Context.add(CurrentProcess, spawned.child),
              Context.add(PreventSchedulerYield, true)
            ) as Context.Context<R>
            // a process must not stay behind, however its effect ends
            const ended = Effect.andThen(Effect.exit(child), kernel.invoke({ _tag: "exit_group", status: lostStatus }))
            const fiber = Effect.runForkWith(inside)(ended)
            // the effect only ends here if it is interrupted, or if a wrapper of the kernel refuses the exit
            fiber.addObserver(() => spawned.end?.())
            return { pid, fiber, catchUp: spawned.catchUp ?? Effect.void, forget: forgetting(fiber, spawned) }
          }
        )
      }))
    )

/**
 * Starts processes through a kernel. If a recorder or a fault injector wraps the live kernel, pass the wrapper, so that it
 * sees the `clone`.
 */
export const fork = (kernel: Kernel["Service"]): Fork["Service"] =>
  makeFork(starting(kernel), (pidfd) => Effect.suspend(() => theLive().guard(pidfd)))

/** How long the finalizers of a child's effect may take, in milliseconds. */
const farewell = 1000

const forgetting = (fiber: Fiber.Fiber<unknown, unknown>, spawned: Spawned): Effect.Effect<void> =>
  Effect.suspend(() => {
    spawned.forget?.()
    fiber.interruptUnsafe()
    if (fiber.pollUnsafe() !== undefined) return Effect.void
    // a real timer, not a test's clock; and not interruptible
    return Effect.uninterruptible(Effect.callback<void>((resume) => {
      const done = () => {
        clearTimeout(timer)
        resume(Effect.void)
      }
      const timer = setTimeout(done, farewell)
      fiber.addObserver(done)
    }))
  })

/**
 * {@link make} and {@link fork} as a layer. Fails with {@link HostUnsupported} where {@link make} throws.
 *
 * There is one kernel in a process, and it stays: the end of the layer's scope releases nothing. What it holds is a thread, a
 * process (the guard), four descriptors and a few pages of memory, whatever was started; none of them keeps the process from its
 * end.
 */
export const layer: Layer.Layer<Kernel | Fork, HostUnsupported> = /* @__PURE__ */ Layer.effectContext(
  /* @__PURE__ */ Effect.try({
    try: () => {
      const kernel = make()
      return Context.make(Kernel, kernel).pipe(Context.add(Fork, fork(kernel)))
    },
    catch: (error) => {
      if (error instanceof HostUnsupported) return error
      throw error
    }
  })
)
