/**
 * The live layer: makes the calls of `calls.ts` on the kernel that this process runs on, and starts processes that make
 * them for it.
 *
 * Every call is one raw syscall(2), without the C library's wrappers: those of setresuid(2) and others change every thread,
 * and they know nothing of the processes of {@link fork}. What a call needs in memory is put together in `linux/`, one file
 * a family of calls; how another process makes calls is said in `linux/remote`.
 *
 * **Example** (A name of one's own)
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
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { PreventSchedulerYield } from "effect/Scheduler"
import { Fork } from "./Fork.ts"
import { type Call, Kernel, type Result, SyscallError } from "./Kernel.ts"
import * as Koffi from "./koffi.ts"
import { credentials } from "./linux/credentials.ts"
import { files } from "./linux/files.ts"
import { filters } from "./linux/filters.ts"
import * as Machine from "./linux/Machine.ts"
import { mounts } from "./linux/mounts.ts"
import { namespaces } from "./linux/namespaces.ts"
import { network } from "./linux/network.ts"
import { processes } from "./linux/processes.ts"
import { invalid, Refused } from "./linux/Refused.ts"
import { gone } from "./linux/remote/Calls.ts"
import { Nursery, type Server } from "./linux/remote/Nursery.ts"
import * as Waiting from "./linux/remote/Waiting.ts"
import { scheduling } from "./linux/scheduling.ts"
import { sockets } from "./linux/sockets.ts"

const handlersOf = (machine: Machine.Machine): Machine.Handlers => ({
  ...processes(machine),
  ...namespaces(machine),
  ...credentials(machine),
  ...scheduling(machine),
  ...files(machine),
  ...mounts(machine),
  ...sockets(machine),
  ...network(machine),
  ...filters(machine)
})

/** Which process makes the calls of a fiber; absent for this one. */
const CurrentProcess = Context.Reference<Server | undefined>("runfx/native/CurrentProcess", {
  defaultValue: () => undefined
})

/** The status of a child whose effect came to an end other than by `execve` or `exit_group`. */
const lostStatus = 255

/** A process that was made. */
interface Born {
  child?: Server
  /** Ends it, if it has not ended yet. */
  end?: () => void
}

/** Where a clone(2) puts the process that it made, for the one who started it. */
const Birth = Context.Reference<Born | undefined>("runfx/native/Birth", {
  defaultValue: () => undefined
})

/** An errno is often only an answer, and a stack trace costs more than the call. */
const failed = (call: Call, { code, detail }: Refused): SyscallError => {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return new SyscallError(detail === undefined ? { call, code } : { call, code, detail })
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/**
 * One for the whole process: its children and the threads that they come from are the process's, and outlive every layer;
 * and one thread serves them all, so that each must know who waits.
 */
let live: Kernel["Service"] | undefined

/**
 * The kernel that this process runs on. The first time it loads koffi, which takes a millisecond.
 *
 * @throws where the system is not Linux on x86-64 or arm64, and where koffi can't be loaded
 */
export const make = (): Kernel["Service"] => live ??= makeWith(Koffi.load())

const makeWith = (library: Koffi.Library): Kernel["Service"] => {
  const machine = Machine.make(library)
  const reset = () => machine.memory.reset()
  const own = { handlers: handlersOf(machine), calls: { begin: reset, resume: reset, made: () => {} } }
  const nursery = new Nursery(library, machine, handlersOf)

  const exitOf = <A>(call: Call, make: () => A): Exit.Exit<A, SyscallError> => {
    try {
      return Exit.succeed(make())
    } catch (cause) {
      if (!(cause instanceof Refused)) throw cause
      return Exit.fail(failed(call, cause))
    }
  }

  const waiting = Waiting.make({
    attempt: <C extends Call>(call: C, server: Server | undefined, phase: Waiting.Phase = "starts") => {
      const { calls, handlers } = server === undefined ? own : Nursery.placeOf(server)
      if (phase === "goesOn") calls.resume()
      else calls.begin(phase === "waits")
      const handler = handlers[call._tag as keyof Machine.Handlers] as (call: Call) => Result<C>
      const exit = exitOf(call, () => handler(call))
      if (Exit.isSuccess(exit)) calls.made(call, exit.value)
      return exit
    },
    thread: () => nursery.thread(),
    sleep: (server, microseconds) => nursery.sleep(server, microseconds),
    release: (server) => nursery.release(server)
  })

  const cloning = (
    call: Extract<Call, { readonly _tag: Machine.Cloning }>,
    server: Server | undefined,
    birth: Born | undefined
  ): Effect.Effect<number | void, SyscallError> => {
    try {
      return exitOf(call, (): number | void => {
        Nursery.check(call.flags)
        if (call._tag === "reclone") {
          if (server === undefined) throw invalid("only a process of the Fork service can go on in another one")
          return nursery.reclone(server, call.flags)
        }
        if (birth === undefined) throw invalid("a bare clone returns twice: use the Fork service")
        const child = nursery.clone(call.flags, server)
        birth.child = child
        waiting.begin(child)
        birth.end = () => {
          nursery.end(child, lostStatus)
          waiting.end(child)
        }
        return child.pid
      })
    } catch (cause) {
      if (server === undefined || cause !== gone) throw cause
      waiting.end(server)
      return Waiting.nothingMore
    }
  }

  return {
    invoke: <C extends Call>(call: C): Effect.Effect<Result<C>, SyscallError> =>
      Effect.withFiber((fiber) => {
        const server = fiber.getRef(CurrentProcess)
        if (call._tag === "clone" || call._tag === "reclone") {
          return cloning(call, server, fiber.getRef(Birth)) as Effect.Effect<Result<C>, SyscallError>
        }
        return waiting.invoke(call, server)
      })
  }
}

/**
 * Starts processes by way of a kernel. Where the live kernel is wrapped, by a recorder or a fault injector, the wrapped one
 * is given here, so that the wrapper sees the `clone`.
 */
export const fork = (kernel: Kernel["Service"]): Fork["Service"] => ({
  spawn: <R>(flags: number, child: Effect.Effect<unknown, unknown, R>) =>
    Effect.contextWith((context: Context.Context<R>) =>
      Effect.uninterruptible(Effect.suspend(() => {
        const birth: Born = {}
        return Effect.map(
          Effect.provideService(kernel.invoke({ _tag: "clone", flags }), Birth, birth),
          (pid) => {
            const inside = context.pipe(
              Context.add(CurrentProcess, birth.child),
              Context.add(PreventSchedulerYield, true)
            ) as Context.Context<R>
            // whatever its effect came to, a process must not stay behind
            const ended = Effect.andThen(Effect.exit(child), kernel.invoke({ _tag: "exit_group", status: lostStatus }))
            // here it comes to an end only where a wrapper of the kernel refuses the exit
            Effect.runForkWith(inside)(ended).addObserver(() => birth.end?.())
            return pid
          }
        )
      }))
    )
})

/** {@link make} and {@link fork} as a layer. */
export const layer: Layer.Layer<Kernel | Fork> = /* @__PURE__ */ Layer.effectContext(
  /* @__PURE__ */ Effect.sync(() => {
    const kernel = make()
    return Context.make(Kernel, kernel).pipe(Context.add(Fork, fork(kernel)))
  })
)
