/**
 * Raise hard limits from outside, for an init that can't do so itself: raising one takes `CAP_SYS_RESOURCE` in the first user
 * namespace. Later, when the init needs no more descriptors or memory, it sets the exact values itself.
 *
 * @see prlimit(2)
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { hasNamespace, type Rlimit } from "../../config/Container.ts"
import * as Step from "../../engine/Step.ts"
import { sys } from "../../native/Kernel.ts"
import { peerCalls, whileInitWaits } from "./conversation.ts"
import { Channel, EnteredProcess } from "./facts.ts"
import { Launch } from "./Launch.ts"

/** Raises each hard limit that is lower than the configured one; lowers none. */
export const raiseLimits = Step.make("raiseLimits", {
  doc: "raise the hard limits that the init may not raise itself",
  calls: ["prlimit64", ...peerCalls],
  requires: [Launch, Channel, EnteredProcess],
  reversal: "harmless",
  advice: { EPERM: "raising a hard limit takes CAP_SYS_RESOURCE: ask for a lower one, or start with a higher one" },
  run: Effect.gen(function*() {
    const { record: { container, process } } = yield* Launch
    const { parent: channel } = yield* Channel
    const { pid, pidfd, report } = yield* EnteredProcess
    if (!hasNamespace(container, "user")) return
    const raise = ({ hard, resource }: Rlimit) =>
      Effect.gen(function*() {
        const now = yield* sys.prlimit64({ pid, resource, limit: null })
        if (hard > now.hard) yield* sys.prlimit64({ pid, resource, limit: { soft: now.soft, hard } })
      })
    yield* whileInitWaits(
      { channel, pidfd, report },
      Effect.forEach(process.rlimits, raise, { discard: true })
    )
  })
})
