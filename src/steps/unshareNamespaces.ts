/**
 * Make the namespaces that clone(2) could not make.
 *
 * The cgroup namespace comes last, since its root is the cgroup in which the process is at that moment. The offsets of a
 * new time namespace are written at once: with its first process they become fixed.
 *
 * @see unshare(2), cgroup_namespaces(7), time_namespaces(7)
 */
import * as Effect from "effect/Effect"
import type { Container } from "../config/Container.ts"
import * as Step from "../engine/Step.ts"
import { CLONE } from "../native/constants.ts"
import { type Kernel, sys, type SyscallError } from "../native/Kernel.ts"
import { NamespacesJoined, NamespacesMade } from "./facts.ts"
import { Init } from "./Init.ts"
import { selfCalls, writeSelf } from "./procSelf.ts"

/** How often an unshare(2) that gave EINVAL is tried again: some kernels give it where another call races with it. */
const retries = 5
const pause = 1_000_000n

const unshare = (flags: number, left = retries): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.catchIf(
    sys.unshare({ flags }),
    ({ code }) => code === "EINVAL" && left > 0,
    () => Effect.andThen(sys.nanosleep({ nanoseconds: pause }), unshare(flags, left - 1))
  )

const offsetsOf = ({ timeOffsets }: Container): string =>
  timeOffsets.map(({ clock, nanoseconds, seconds }) => `${clock} ${seconds} ${nanoseconds}\n`).join("")

/** Makes the namespaces of `Init.unshare`. */
export const unshareNamespaces = Step.make("unshareNamespaces", {
  doc: "make the namespaces that clone could not make",
  calls: ["unshare", "nanosleep", ...selfCalls],
  requires: [Init, NamespacesJoined],
  provides: NamespacesMade,
  reversal: "irreversible",
  advice: {
    EPERM: "new namespaces need CAP_SYS_ADMIN in the user namespace that the process is in; offsets need CAP_SYS_TIME",
    ENOSPC: "a limit of /proc/sys/user/max_*_namespaces is reached",
    EINVAL: "a namespace type may be unknown to this kernel: compare the configuration with /proc/self/ns",
    ERANGE: "with its offset a clock would be negative, or beyond 146 years"
  },
  run: Effect.gen(function*() {
    const { container, unshare: flags } = yield* Init
    const early = flags & ~CLONE.NEWCGROUP
    if (early !== 0) yield* unshare(early)
    if ((flags & CLONE.NEWTIME) !== 0 && container.timeOffsets.length > 0) {
      yield* writeSelf("timens_offsets", offsetsOf(container))
    }
    if ((flags & CLONE.NEWCGROUP) !== 0) yield* unshare(CLONE.NEWCGROUP)
  }).pipe(Effect.as(true as const))
})
