/** What the tests of filters share: files in a directory of their own, and programs that are executed under a filter. */
import { layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, beforeAll } from "vitest"
import type { Seccomp } from "../../../src/config/Container.ts"
import * as c from "../../../src/native/constants.ts"
import { Fork } from "../../../src/native/Fork.ts"
import { type Kernel, sys, type SyscallError } from "../../../src/native/Kernel.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import { execThroughTrampoline, failureOf, type Filter } from "../../../src/native/trampoline.ts"
import { compile } from "../../../src/steps/seccomp/compile.ts"

export const AT_FDCWD = c.AT.FDCWD
export const live = layer(Linux.layer)

let directory = ""

beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-filters-"))
})

afterAll(() => fs.rmSync(directory, { recursive: true }))

export const below = (name: string): string => path.join(directory, name)

export const script = (name: string, text: string): string => {
  fs.writeFileSync(below(name), text, { mode: 0o755 })
  return below(name)
}

/** The errno of a call, or `ok`. */
export const outcome = <A, R>(effect: Effect.Effect<A, SyscallError, R>): Effect.Effect<string, never, R> =>
  Effect.match(effect, { onSuccess: () => "ok", onFailure: ({ code }) => code })

export const noNewPrivileges = sys.prctl({ option: c.PR.SET_NO_NEW_PRIVS, arg2: 1, arg3: 0, arg4: 0, arg5: 0 })
export const machine = process.arch === "arm64" ? "arm64" : "x64"
export const filterOf = (seccomp: Seccomp): Filter => Result.getOrThrow(compile(seccomp, machine))

export const seccomp = (over: Partial<Seccomp>): Seccomp => ({
  defaultAction: "SCMP_ACT_ALLOW",
  architectures: [],
  flags: [],
  syscalls: [],
  ...over
})

export const refusing = (names: ReadonlyArray<string>, action = "SCMP_ACT_ERRNO", errnoRet?: number): Seccomp =>
  seccomp({ syscalls: [{ names, action, args: [], ...(errnoRet === undefined ? {} : { errnoRet }) }] })

/** Runs a child that ends by exec, with a channel; gives what came through the channel and how the child ended. */
export const execute = (
  path: string,
  options: {
    readonly argv?: ReadonlyArray<string>
    readonly envp?: ReadonlyArray<string>
    readonly filter?: Filter
    readonly before?: Effect.Effect<unknown, unknown, Kernel>
  } = {}
) =>
  Effect.gen(function*() {
    const fork = yield* Fork
    const [mine, theirs] = yield* sys.socketpair({ type: c.SOCK.SEQPACKET | c.SOCK.CLOEXEC })
    const output = yield* sys.openat({
      dirfd: AT_FDCWD,
      path: below("output"),
      flags: c.O.RDWR | c.O.CREAT | c.O.TRUNC | c.O.CLOEXEC,
      mode: 0o666
    })
    const pid = yield* fork.spawn(
      0,
      Effect.gen(function*() {
        yield* sys.dup3({ oldfd: output, newfd: 1, flags: 0 })
        // should a trampoline ever execute itself for ever, it ends
        yield* sys.prlimit64({ pid: 0, resource: c.RLIMIT.CPU, limit: { soft: 5n, hard: 5n } })
        yield* options.before ?? Effect.void
        return yield* execThroughTrampoline({
          path,
          argv: options.argv ?? [path],
          envp: options.envp ?? [],
          channel: theirs,
          ...(options.filter === undefined ? {} : { filter: options.filter })
        })
      })
    )
    yield* sys.close({ fd: theirs })
    // the first message, or the end of the channel, which is the moment of the exec
    const { data } = yield* sys.recvmsg({ fd: mine, size: 64, flags: 0 })
    const ended = yield* sys.waitid({ idtype: c.P.PID, id: pid, options: c.W.EXITED })
    yield* sys.close({ fd: output })
    yield* sys.close({ fd: mine })
    return {
      failure: data.length === 0 ? undefined : failureOf(data),
      ended: ended?.code === c.CLD.EXITED ? ended.status : `signal ${ended?.status}`,
      output: fs.readFileSync(below("output"), "utf8")
    }
  })
