/**
 * Undo what the process has inherited from Node.js, so that the program starts as from a shell.
 *
 * Node ignores SIGPIPE and SIGXFSZ (and has set all other signals to their default, whatever its parent had ignored),
 * raises the soft limit of descriptors to the hard one, marks descriptors close-on-exec, and makes pipes and terminals
 * of stdio non-blocking. An ignored signal, a limit and a signal mask outlive execve(2).
 *
 * It comes after the steps that have several files open at once: the limit of descriptors may be lower than that.
 *
 * @see execve(2), signal(7)
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import * as Ahead from "../native/Ahead.ts"
import { F, FD, O, RLIMIT, SIG, SIG_HOW } from "../native/constants.ts"
import type { AnyFd } from "../native/Handle.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../native/Kernel.ts"
import { ProcessRestored } from "./init/facts.ts"
import { Init } from "./init/Init.ts"
import { RlimitError } from "./init/rlimits.ts"

const stdio = [0, 1, 2]

const inherit = Effect.fnUntraced(function*(fd: AnyFd) {
  const flags = yield* Ahead.likelyBits(FD.CLOEXEC, FD.CLOEXEC)(sys.fcntl({ fd, command: F.GETFD, argument: 0 }))
  if ((flags & FD.CLOEXEC) !== 0) yield* sys.fcntl({ fd, command: F.SETFD, argument: flags & ~FD.CLOEXEC })
})

const block = Effect.fnUntraced(function*(fd: AnyFd) {
  const flags = yield* Ahead.likelyBits(O.NONBLOCK, 0)(sys.fcntl({ fd, command: F.GETFL, argument: 0 }))
  if ((flags & O.NONBLOCK) !== 0) yield* sys.fcntl({ fd, command: F.SETFL, argument: flags & ~O.NONBLOCK })
})

/** If the caller has started the runtime with a part of stdio closed, the program starts without it, too. */
const ifOpen = (effect: Effect.Effect<void, SyscallError, Kernel>) => orOn(["EBADF"], undefined)(effect)

/** Restores signals, limits and descriptors. */
export const restoreProcess = Step.make("restoreProcess", {
  doc: "undo what Node.js did to signals, limits and descriptors",
  calls: ["prlimit64", "rt_sigaction", "rt_sigprocmask", "fcntl"],
  requires: [Init],
  provides: ProcessRestored,
  reversal: "irreversible",
  deterministic: true,
  advice: { EBADF: "a descriptor that has to be preserved is not open: check --preserve-fds" },
  run: Effect.gen(function*() {
    const { nofile, preservedFds, process } = yield* Init
    const { hard, soft } = process.rlimits.findLast(({ resource }) => resource === RLIMIT.NOFILE) ?? nofile
    yield* Effect.mapError(
      Ahead.unseen(sys.prlimit64({ pid: 0, resource: RLIMIT.NOFILE, limit: { soft, hard } })),
      ({ code }) => new RlimitError({ resource: RLIMIT.NOFILE, soft, hard, code })
    )
    yield* sys.rt_sigaction({ signal: SIG.PIPE, disposition: "SIG_DFL" })
    yield* sys.rt_sigaction({ signal: SIG.XFSZ, disposition: "SIG_DFL" })
    yield* Ahead.unseen(sys.rt_sigprocmask({ how: SIG_HOW.SETMASK, signals: [] }))
    for (const fd of stdio) yield* ifOpen(Effect.andThen(inherit(fd), block(fd)))
    for (let fd = 3; fd < 3 + preservedFds; fd++) yield* inherit(fd)
  }).pipe(Effect.as(true as const))
})
