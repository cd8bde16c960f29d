/**
 * The live layer: makes the calls of `calls.ts` on the kernel that this process runs on, and forks it.
 *
 * Every call is one raw syscall(2), without the C library's wrappers: after a raw clone(2) those may wait for threads
 * that the child does not have (glibc's setresuid asks every thread to change). What a call needs in memory is put
 * together in `linux/`, one file a family of calls.
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
import * as Layer from "effect/Layer"
import * as process from "node:process"
import { Fork, forkFlags, NotForkable } from "./Fork.ts"
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
import { Refused } from "./linux/Refused.ts"
import { scheduling } from "./linux/scheduling.ts"
import { sockets } from "./linux/sockets.ts"

/**
 * The kernel that this process runs on. Loads koffi, which takes a millisecond.
 *
 * @throws where the system is not Linux on x86-64 or arm64, and where koffi can't be loaded
 */
export const make = (library: Koffi.Library = Koffi.load()): Kernel["Service"] => {
  const machine = Machine.make(library)
  const handlers: Machine.Handlers = {
    ...processes(machine),
    ...namespaces(machine),
    ...credentials(machine),
    ...scheduling(machine),
    ...files(machine),
    ...mounts(machine),
    ...sockets(machine),
    ...network(machine),
    ...filters(machine)
  }
  return {
    invoke: <C extends Call>(call: C): Effect.Effect<Result<C>, SyscallError> =>
      Effect.suspend(() => {
        machine.memory.reset()
        try {
          return Effect.succeed((handlers[call._tag] as (call: Call) => Result<C>)(call))
        } catch (cause) {
          if (!(cause instanceof Refused)) throw cause
          const { code, detail } = cause
          return Effect.fail(new SyscallError(detail === undefined ? { call, code } : { call, code, detail }))
        }
      })
  }
}

/** The status of a child whose effect came to an end other than by `execve` or `exit_group`. */
const lostStatus = 255

/** Ends this process. By way of the kernel given, so that a recorder sees it; if that refuses, by force. */
const exit = (kernel: Kernel["Service"]): never => {
  for (let attempts = 0; attempts < 3; attempts++) {
    try {
      Effect.runSync(kernel.invoke({ _tag: "exit_group", status: lostStatus }))
    } catch {}
  }
  return process.abort()
}

/**
 * Forks by way of a kernel. Where the live kernel is wrapped, by a recorder or a fault injector, the wrapped one is given
 * here, so that the wrapper sees the `clone`.
 *
 * The first fork checks that the process can fork itself: see {@link checkForkable}.
 */
export const fork = (kernel: Kernel["Service"]): Fork["Service"] => {
  let checked = false
  // how this process was started does not change: the first fork asks, the others don't
  const check = Effect.suspend(() =>
    checked ? Effect.void : Effect.map(checkForkable(), () => {
      checked = true
    })
  )
  return {
    spawn: <R>(flags: number, child: Effect.Effect<unknown, unknown, R>) =>
      Effect.contextWith((context: Context.Context<R>) =>
        Effect.flatMap(Effect.andThen(check, kernel.invoke({ _tag: "clone", flags })), (pid) => {
          if (pid !== 0) return Effect.succeed(pid)
          // from here on this is the child: it must never return into the parent's program. Its errors are told by their
          // fields; a failed call is often only an answer, and its stack trace costs more than the call
          Error.stackTraceLimit = 0
          try {
            Effect.runSyncExitWith(context)(child)
          } catch {}
          return exit(kernel)
        })
      )
  }
}

export { forkFlags, NotForkable } from "./Fork.ts"

/**
 * Checks that this process can fork itself. Asked once, before the first fork.
 *
 * @param given the flags that Node was started with; by default those of its command line and of `NODE_OPTIONS`
 */
export const checkForkable = (
  given: ReadonlyArray<string> = [...process.execArgv, ...(process.env["NODE_OPTIONS"] ?? "").split(/\s+/)]
): Effect.Effect<void, NotForkable> =>
  Effect.suspend(() => {
    // V8 takes _ for - in the names of its flags
    const flags = new Set(given.map((flag) => flag.replaceAll("_", "-")))
    const missing = forkFlags.filter((flag) => !flags.has(flag))
    return missing.length === 0 ? Effect.void : Effect.fail(new NotForkable({ missing }))
  })

/** {@link make} and {@link fork} as a layer. */
export const layer: Layer.Layer<Kernel | Fork> = /* @__PURE__ */ Layer.effectContext(
  /* @__PURE__ */ Effect.sync(() => {
    const kernel = make()
    return Context.make(Kernel, kernel).pipe(Context.add(Fork, fork(kernel)))
  })
)
