/**
 * For a process that lives long and starts many containers: have V8 compile, before the first fork, what an init runs.
 *
 * A child of a fork throws away what it has compiled, so without this each one compiles every step anew. Not loaded by
 * the command, whose one container would not gain by it.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { Fork } from "../native/Fork.ts"
import { type Call, type CallName, Kernel, type Result } from "../native/Kernel.ts"
import * as Koffi from "../native/koffi.ts"
import * as Linux from "../native/Linux.ts"
import * as ModelKernel from "../testing/ModelKernel.ts"
import { fromHost } from "../testing/Seed.ts"
import * as Runtime from "./Runtime.ts"

/** Handlers that go on until the kernel answers something else than 0, or that do not come back. */
const endless: ReadonlySet<CallName> = new Set<CallName>([
  "clone",
  "reclone",
  "execve",
  "execveat",
  "exit_group",
  "getrandom",
  "getdents64",
  "rtnetlink",
  "waitid",
  "recvmsg"
])

/** How many rounds {@link warmUp} makes: more make the heap larger, which every fork pays for. */
const defaultRounds = 3

/**
 * Rehearses the start of a container on a model of this machine. The host is only read: every call is answered by the
 * model, and the handlers of the live kernel run with a system call that does nothing.
 *
 * The rehearsal should look like what comes later: same kind of container, same flow. It takes about a second. Where the
 * process was started with `--expose-gc`, the garbage is collected at the end, so that the children do not inherit it.
 *
 * Two flags of Node keep what was won: `--no-flush-bytecode`, and, set by `v8.setFlagsFromString("--no-opt")` after
 * this, no more optimising, for a child would be gone before it pays.
 *
 * Never fails: where the model has no answer for a host, the rehearsal ends there.
 *
 * **Example** (A process that is ready)
 *
 * ```ts
 * await Effect.runPromise(warmUp({ id: "rehearsal", container }))
 * const { code } = await Effect.runPromise(Effect.provide(Runtime.run({ id: "first", container }), Linux.layer))
 * ```
 */
export const warmUp = (
  options: Runtime.RunOptions,
  { rounds = defaultRounds }: { readonly rounds?: number } = {}
): Effect.Effect<void> =>
  Effect.gen(function*() {
    const library = Koffi.load()
    const idle = Linux.make({ ...library, syscall: () => 0, errno: () => 0 })
    for (let round = 0; round < rounds; round++) {
      const model = ModelKernel.make(fromHost())
      const rehearsed = {
        invoke: <C extends Call>(call: C): Effect.Effect<Result<C>, never> => {
          if (!endless.has(call._tag)) Effect.runSyncExit(idle.invoke(call))
          return model.kernel.invoke(call) as never
        }
      }
      const context = Context.make(Kernel, rehearsed as Kernel["Service"]).pipe(Context.add(Fork, model.fork))
      yield* Effect.exit(Effect.provideContext(Runtime.create(options), context))
      // lets timers and other fibers have their turn
      yield* Effect.yieldNow
    }
    const { gc } = globalThis as { readonly gc?: () => void }
    gc?.()
  })
