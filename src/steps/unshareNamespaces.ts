/**
 * Make the namespaces that clone(2) could not make.
 *
 * The cgroup namespace comes last, since its root is the cgroup in which the process is at that moment. The offsets of a
 * new time namespace are written at once: with its first process they become fixed.
 *
 * @see unshare(2), cgroup_namespaces(7), time_namespaces(7)
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Container } from "../config/Container.ts"
import * as Step from "../engine/Step.ts"
import { CLONE } from "../native/constants.ts"
import { type Kernel, sys, type SyscallError } from "../native/Kernel.ts"
import { refusalCalls, whyNoNamespace } from "./caller/whyNoNamespace.ts"
import type { NamespaceRefused } from "./init/errors.ts"
import { NamespacesJoined, NamespacesMade } from "./init/facts.ts"
import { Init } from "./init/Init.ts"
import { selfCalls, writeSelf } from "./proc/self.ts"

/** How often an unshare(2) that failed with EINVAL is tried again: some kernels return it if another call races with it. */
const retries = 5
const pause = 1_000_000n

const tried = (flags: number, left = retries): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.catchIf(
    sys.unshare({ flags }),
    ({ code }) => code === "EINVAL" && left > 0,
    () => Effect.andThen(sys.nanosleep({ nanoseconds: pause }), tried(flags, left - 1))
  )

const unshare = (flags: number): Effect.Effect<void, NamespaceRefused, Kernel> =>
  Effect.catch(tried(flags), (reason) => Effect.flatMap(whyNoNamespace(reason, flags), Effect.fail))

const offsetsOf = ({ timeOffsets }: Container): string =>
  timeOffsets.map(({ clock, nanoseconds, seconds }) => `${clock} ${seconds} ${nanoseconds}\n`).join("")

/** Makes the namespaces of `Init.unshare`. */
export const unshareNamespaces = Step.make("unshareNamespaces", {
  doc: "make the namespaces that clone could not make",
  calls: ["unshare", "nanosleep", ...new Set([...selfCalls, ...refusalCalls])],
  requires: [Init, NamespacesJoined],
  provides: NamespacesMade,
  reversal: "irreversible",
  deterministic: true,
  advice: {
    EPERM: "offsets of clocks need CAP_SYS_TIME in the user namespace that owns the time namespace",
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
