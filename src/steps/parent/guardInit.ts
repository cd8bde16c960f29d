/**
 * If the caller stays with the program: have the program end with the caller, even if it works against that.
 *
 * The kernel tells the program of the caller's death (`saveParentDeathSignal`), but a program can take that off. So a process
 * that no container can reach gets a handle of it, and kills it when the caller has gone: the guard (`Fork.guard`). That is
 * done before the program is let go, and is a step of its own, so that a plan shows which programs do not outlive their caller.
 * It makes no call of the {@link Kernel}: how a process ends with this one belongs to how processes are made.
 *
 * @see pidfd_send_signal(2), PR_SET_PDEATHSIG(2const)
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { SIG } from "../../native/constants.ts"
import { Fork } from "../../native/Fork.ts"
import { EnteredProcess, Guarded } from "./facts.ts"
import { Launch } from "./Launch.ts"

/** Guards the process, unless the caller does not stay, or the configuration asks for another signal than SIGKILL. */
export const guardInit = Step.make("guardInit", {
  doc: "have the program end with its caller, if that stays with it",
  calls: [],
  requires: [Launch, EnteredProcess, Fork],
  provides: Guarded,
  reversal: "harmless",
  advice: { EAGAIN: "no more processes are allowed, or the guard is stopped" },
  run: Effect.gen(function*() {
    const { attached, record: { container, parentDeathSignal } } = yield* Launch
    const signal = container.parentDeathSignal ?? parentDeathSignal
    if (attached && signal === SIG.KILL) yield* (yield* Fork).guard((yield* EnteredProcess).pidfd)
    return true as const
  })
})
