/**
 * Actions for a script that is a program on the model (`programs` of `Check`): write, read, fork, and try what it should
 * not be able to do. They are made of calls, which the script's own process makes; `sys` of `runfx/native/Kernel` has all
 * other calls. A script sleeps by `Effect.sleep`, in the machine's time. To run until it is killed, it sleeps for
 * `"Infinity"`.
 *
 * **Example** (An agent that tries to leave its sandbox)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Program, type Script } from "runfx/testing"
 *
 * const agent: Script = Effect.fnUntraced(function*(self) {
 *   yield* Program.print(`${self.argv[0]} has ${Object.keys(Program.environment(self))}\n`)
 *   if ((yield* Program.errnoOf(Program.writeFile("/etc/passwd", "")) === undefined) return 1
 * })
 * ```
 *
 * @category programs
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { Acts } from "../model/Acts.ts"
import type { Executed } from "../model/State.ts"
import { AT, O, P, W } from "../native/constants.ts"
import type { Errno } from "../native/Errno.ts"
import { readAll, readText, using, writeAll } from "../native/Files.ts"
import { Fork } from "../native/Fork.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../native/Kernel.ts"

const bytesOf = (data: string | Uint8Array): Uint8Array => typeof data === "string" ? Buffer.from(data) : data

/**
 * Writes to standard output; waits while the pipe is full.
 *
 * @since 0.2.0
 */
export const print = (text: string | Uint8Array): Effect.Effect<void, SyscallError, Kernel> =>
  writeAll(1, bytesOf(text))

/**
 * Writes to standard error.
 *
 * @since 0.2.0
 */
export const printError = (text: string | Uint8Array): Effect.Effect<void, SyscallError, Kernel> =>
  writeAll(2, bytesOf(text))

/**
 * All of standard input, as text: waits for its end.
 *
 * @since 0.2.0
 */
export const input: Effect.Effect<string, SyscallError, Kernel> = Effect.map(
  readAll(0),
  (bytes) => bytes.toString("utf8")
)

/** The variables that a program was executed with. */
export const environment = ({ envp }: Executed): Readonly<Record<string, string>> =>
  Object.fromEntries(envp.map((entry) => {
    const at = entry.indexOf("=")
    return [entry.slice(0, at), entry.slice(at + 1)]
  }))

/**
 * The text of a file.
 *
 * @since 0.2.0
 */
export const readFile: (path: string) => Effect.Effect<string, SyscallError, Kernel> = readText

/**
 * Writes a file; creates it if it is not there.
 *
 * @since 0.2.0
 */
export const writeFile = (path: string, text: string | Uint8Array): Effect.Effect<void, SyscallError, Kernel> =>
  using(
    sys.openat({ dirfd: AT.FDCWD, path, flags: O.WRONLY | O.CREAT | O.TRUNC | O.CLOEXEC, mode: 0o666 }),
    (fd) => writeAll(fd, bytesOf(text))
  )

/**
 * The errno with which a call fails; `undefined` if none fails.
 *
 * **Example** (A file that can't be written)
 *
 * ```ts
 * expect(yield* Program.errnoOf(Program.writeFile("/usr/bin/tool", ""))).toBe("EROFS")
 * ```
 *
 * @since 0.2.0
 */
export const errnoOf = <A, R>(self: Effect.Effect<A, SyscallError, R>): Effect.Effect<Errno | undefined, never, R> =>
  Effect.match(self, { onFailure: ({ code }) => code, onSuccess: () => undefined })

/**
 * Starts a child that runs an Effect and exits with the status that it returns. Returns the child's pid, as the program
 * sees it.
 *
 * Fails with EAGAIN at the limit of processes.
 *
 * @since 0.2.0
 */
export const fork = <R>(
  child: Effect.Effect<number | void, unknown, R>
): Effect.Effect<number, SyscallError, R | Fork | Kernel> =>
  Effect.flatMap(Fork, ({ spawn }) =>
    spawn(
      0,
      Effect.flatMap(Effect.orElseSucceed(child, () => 1), (status) => sys.exit_group({ status: status ?? 0 }))
    ))

/** Waits for the end of all children; returns their statuses, in the order in which they end. */
export const children: Effect.Effect<ReadonlyArray<number>, SyscallError, Kernel> = Effect.gen(function*() {
  const statuses: Array<number> = []
  for (;;) {
    const ended = yield* sys.waitid({ idtype: P.ALL, id: 0, options: W.EXITED }).pipe(orOn(["ECHILD"], undefined))
    if (ended === undefined) return statuses
    if (ended !== null) statuses.push(ended.status)
  }
})

/**
 * Starts children that stay until the kernel refuses one, at most 10,000; returns how many there are, this program
 * included. They end with the sandbox.
 *
 * **Example** (A limit that holds)
 *
 * ```ts
 * expect(yield* Program.forkBomb).toBe(64)
 * ```
 *
 * @since 0.2.0
 */
export const forkBomb: Effect.Effect<number, never, Kernel | Fork> = Effect.gen(function*() {
  for (let count = 1; count < 10_000; count++) {
    if ((yield* errnoOf(fork(Effect.sleep("Infinity")))) !== undefined) return count
  }
  return 10_000
})

/**
 * Uses so many bytes more of memory, as a program does that fills an array. If that is more than its control groups allow, the
 * kernel ends the process of theirs that uses most: mostly this one, which does not return then.
 *
 * **Example** (What a breach looks like)
 *
 * ```ts
 * const run = Sandbox.run(Sandbox.make({ limits: { memory: "256 MiB" } }), ["/usr/bin/agent"])
 * const agent: Script = () => Program.useMemory(300 * 1024 ** 2)
 * const checked = await Check.runPromise(run, { machine, programs: { "/usr/bin/agent": agent } })
 * expect(Check.succeeded(checked)).toMatchObject({ signal: "SIGKILL", outOfMemory: true })
 * ```
 *
 * @since 0.2.0
 */
export const useMemory = (bytes: number): Effect.Effect<void> =>
  Effect.flatMap(Acts, (acts) => acts.useMemory(BigInt(bytes)))

/**
 * What comes of a connection that a program asks for.
 *
 * @since 0.2.0
 */
export type Reached =
  /** The list of hosts, or the application, has allowed it; on Linux it would be connected. */
  | "allowed"
  /** Neither has allowed it. */
  | "refused"
  /** It was allowed, and its name leads nowhere. */
  | "failed"
  /** The sandbox has no way out: nothing but itself is in its network. */
  | "unreachable"

/**
 * Tries to connect to `host:port`, by the proxy that the program's variables name, as most programs do. No byte goes over the
 * connection; each name leads to a public address, unless the `resolve` of the list says otherwise.
 *
 * A network that leads out in another way is not modelled: with `network: "host"` or a bridge, it dies.
 *
 * **Example** (One host)
 *
 * ```ts
 * const agent: Script = Effect.fnUntraced(function*(self) {
 *   expect(yield* Program.reach(self, "example.org:443")).toBe("allowed")
 *   expect(yield* Program.reach(self, "example.com:443")).toBe("refused")
 * })
 * ```
 *
 * @since 0.2.0
 */
export const reach = (self: Executed, to: string): Effect.Effect<Reached> =>
  Effect.gen(function*() {
    const { connect } = yield* Acts
    const { HTTPS_PROXY = "" } = environment(self)
    const port = /^http:\/\/127\.0\.0\.1:(\d+)$/.exec(HTTPS_PROXY)?.[1]
    return (yield* connect(port === undefined ? undefined : Number(port), to)) ?? "unreachable"
  })
