/**
 * Set the capability sets of the process to exactly the configured ones.
 *
 * Effective, permitted and inheritable go in one capset(2). The ambient set follows, since it takes only what is both
 * permitted and inheritable by then; it is what a program of a user other than root keeps over its exec.
 *
 * A capability that the process does not hold can't be set: the error names it. (The OCI specification wants a runtime to
 * continue with fewer, and a warning: the command removes such capabilities from a document before the start.)
 *
 * @see capabilities(7), capset(2), PR_CAP_AMBIENT(2const)
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { nameOf, numbers, toBits } from "../config/capabilities.ts"
import type { Capabilities } from "../config/Container.ts"
import * as Step from "../engine/Step.ts"
import { PR } from "../native/constants.ts"
import { type Kernel, onErrno, sys, type SyscallError } from "../native/Kernel.ts"
import { CapabilitiesUnavailable } from "./init/errors.ts"
import { BoundingSetDropped, CapabilitiesSet, ExecUser } from "./init/facts.ts"
import { Init } from "./init/Init.ts"

const ambient = (operation: number, capability: number) =>
  sys.prctl({ option: PR.CAP_AMBIENT, arg2: operation, arg3: capability, arg4: 0, arg5: 0 })

/**
 * The part of the ambient set that the kernel can raise. The rest is left out: many configurations name it out of habit,
 * without an inheritable set. The decoder warns about it.
 */
export const raisable = ({ ambient, inheritable, permitted }: Capabilities): ReadonlyArray<number> =>
  ambient.filter((capability) => permitted.includes(capability) && inheritable.includes(capability))

/** Fails with {@link CapabilitiesUnavailable} if a set has what the process can't get. */
const check = Effect.fnUntraced(function*(
  wanted: Capabilities
): Effect.fn.Return<void, SyscallError | CapabilitiesUnavailable, Kernel> {
  const held = yield* sys.capget({ pid: 0 })
  const limits = [
    ["permitted", held.permitted],
    ["effective", toBits(wanted.permitted)],
    ["inheritable", held.permitted | held.inheritable]
  ] as const
  for (const [set, limit] of limits) {
    const missing = wanted[set].filter((capability) => (limit & toBits([capability])) === 0n)
    if (missing.length > 0) return yield* new CapabilitiesUnavailable({ set, capabilities: missing.map(nameOf) })
  }
  const bounded = held.inheritable | toBits(wanted.bounding)
  const unbounded = wanted.inheritable.filter((capability) => (bounded & toBits([capability])) === 0n)
  if (unbounded.length > 0) {
    return yield* new CapabilitiesUnavailable({
      set: "inheritable",
      capabilities: unbounded.map(nameOf),
      areUnbounded: true
    })
  }
})

/** The last capability that every kernel knows: since Linux 3.16. */
const everywhere = numbers.AUDIT_READ

/**
 * Whether capset(2) refuses all that {@link check} does. It refuses permitted capabilities that the process does not hold, and
 * effective ones that are not permitted, but ignores those that the kernel does not know; and with `CAP_SETPCAP` it takes
 * inheritable ones that are not held.
 */
const isRefused = ({ effective, inheritable, permitted }: Capabilities): boolean =>
  [...permitted, ...effective].every((capability) => capability <= everywhere) &&
  inheritable.every((capability) => permitted.includes(capability))

/** Sets the five sets; leaves them alone if no capabilities are configured. */
export const dropCapabilities = Step.make("dropCapabilities", {
  doc: "set the capability sets to exactly the configured ones",
  calls: ["capget", "capset", "prctl"],
  requires: [Init, BoundingSetDropped, ExecUser],
  provides: CapabilitiesSet,
  reversal: "irreversible",
  deterministic: true,
  run: Effect.gen(function*() {
    const { capabilities: wanted } = (yield* Init).process
    if (wanted === undefined) return
    if (!isRefused(wanted)) yield* check(wanted)
    yield* sys.capset({
      effective: toBits(wanted.effective),
      permitted: toBits(wanted.permitted),
      inheritable: toBits(wanted.inheritable)
    }).pipe(
      // the sets are as they were, and say why; to look first would take a turn of the process
      onErrno(["EPERM"], (refused) => Effect.andThen(check(wanted), Effect.fail(refused)))
    )
    yield* ambient(PR.CAP_AMBIENT_CLEAR_ALL, 0)
    for (const capability of raisable(wanted)) yield* ambient(PR.CAP_AMBIENT_RAISE, capability)
  }).pipe(Effect.as(true as const))
})
