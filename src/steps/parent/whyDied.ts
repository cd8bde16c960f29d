/**
 * Why an init died without a message, or was refused a call, as far as its cgroup's counters, its limits and its filter show.
 *
 * @category parent
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import type { Rlimit } from "../../config/Container.ts"
import { given } from "../../engine/given.ts"
import { RLIMIT } from "../../native/constants.ts"
import type { Kernel } from "../../native/Kernel.ts"
import type { CgroupManager } from "../cgroup/Manager.ts"
import { type Shortage, shortage } from "../cgroup/shortage.ts"
import { earlyFilter, refusedCalls } from "../seccomp/needed.ts"
import type { Launch } from "./Launch.ts"

/** What is known about an end. */
export interface WhyDied {
  readonly shortage?: Shortage
  /** Calls of the start that the configuration's seccomp filter refuses. */
  readonly forbidden?: ReadonlyArray<string>
  /** The configured limit of the processor time. */
  readonly cpuTime?: Rlimit
}

/** Looks for an explanation. If the look-up fails, there is none. */
export const whyDied = (
  launch: Launch["Service"],
  cgroup: CgroupManager | undefined
): Effect.Effect<WhyDied, never, Kernel> => reasonsOf(launch, cgroup)

const reasonsOf = Effect.fnUntraced(function*(
  { init, record: { container, process } }: Launch["Service"],
  cgroup: CgroupManager | undefined
): Effect.fn.Return<WhyDied, never, Kernel> {
  const found = cgroup === undefined ? undefined : yield* Effect.orElseSucceed(shortage(cgroup), () => undefined)
  const seccomp = earlyFilter(container, process)
  const forbidden = seccomp === undefined ? [] : refusedCalls(seccomp, init)
  return {
    ...given({ shortage: found, cpuTime: process.rlimits.findLast(({ resource }) => resource === RLIMIT.CPU) }),
    ...(forbidden.length === 0 ? {} : { forbidden })
  }
})
