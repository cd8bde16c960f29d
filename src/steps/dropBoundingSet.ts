/**
 * Reduce the capability bounding set to the configured one: what is not in it can't be gained by any exec, not even by
 * one of a set-user-id or file-capability binary.
 *
 * The loop ends when the kernel reports the end, not at the last capability that this program knows: one of a newer kernel
 * would stay, and root would get it back by exec. A capability that is configured but not available is an error: a container
 * must not have less than its configuration promises.
 *
 * @see capabilities(7), PR_CAPBSET_DROP(2const)
 * @category steps
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { last, nameOf } from "../config/capabilities.ts"
import * as Step from "../engine/Step.ts"
import * as Ahead from "../native/Ahead.ts"
import { PR } from "../native/constants.ts"
import { type Kernel, sys, type SyscallError } from "../native/Kernel.ts"
import { CapabilitiesUnavailable } from "./init/errors.ts"
import { BoundingSetDropped } from "./init/facts.ts"
import { Init } from "./init/Init.ts"

/** The bounding set holds a capability that the process may not take out of it. */
export class BoundingSetLocked extends Data.TaggedError("BoundingSetLocked")<{
  readonly capability: string
}> {
  override get message(): string {
    return `can't drop ${this.capability} from the bounding set: the process lacks CAP_SETPCAP`
  }
  get advice(): string {
    return "run the runtime with CAP_SETPCAP, or give the container a user namespace, in which its root has it"
  }
}

/** A capability set is 64 bits wide. */
const width = 64

type Answer = "held" | "absent" | "unknown"

const prctl = (option: number, capability: number) => {
  const call = sys.prctl({ option, arg2: capability, arg3: 0, arg4: 0, arg5: 0 })
  // most kernels do not know capabilities that this program has no name for
  return capability <= last ? call : Ahead.likelyFails("EINVAL")(call)
}

const orUnknown = (error: SyscallError): Effect.Effect<Answer, SyscallError> =>
  error.code === "EINVAL" ? Effect.succeed("unknown") : Effect.fail(error)

const read = (capability: number): Effect.Effect<Answer, SyscallError, Kernel> =>
  Effect.catch(
    Effect.map(prctl(PR.CAPBSET_READ, capability), (value) => value === 1 ? "held" : "absent"),
    orUnknown
  )

const drop = (capability: number): Effect.Effect<Answer, SyscallError | BoundingSetLocked, Kernel> =>
  Effect.catch(Effect.as(prctl(PR.CAPBSET_DROP, capability), "absent"), (error) =>
    // refused without CAP_SETPCAP, even if there is nothing to drop
    error.code === "EPERM" ? unlessHeld(capability) : orUnknown(error))

const unlessHeld = (capability: number): Effect.Effect<Answer, SyscallError | BoundingSetLocked, Kernel> =>
  Effect.flatMap(
    read(capability),
    (answer) =>
      answer === "held"
        ? Effect.fail(new BoundingSetLocked({ capability: nameOf(capability) }))
        : Effect.succeed(answer)
  )

/** Makes the bounding set exactly `capabilities.bounding`; leaves it alone if no capabilities are configured. */
export const dropBoundingSet = Step.make("dropBoundingSet", {
  doc: "reduce the capability bounding set to the configured one",
  calls: ["prctl"],
  requires: [Init],
  provides: BoundingSetDropped,
  reversal: "irreversible",
  deterministic: true,
  run: Effect.gen(function*() {
    const { capabilities } = (yield* Init).process
    if (capabilities === undefined) return { lastCapability: undefined }
    const kept = new Set(capabilities.bounding)
    const missing: Array<number> = []
    let end = 0
    for (; end < width; end++) {
      const answer = yield* kept.has(end) ? read(end) : drop(end)
      if (answer === "unknown") break
      if (answer === "absent" && kept.has(end)) missing.push(end)
    }
    missing.push(...[...kept].filter((capability) => capability >= end))
    if (missing.length > 0) {
      return yield* new CapabilitiesUnavailable({ set: "bounding", capabilities: missing.map(nameOf) })
    }
    return { lastCapability: end - 1 }
  })
})
