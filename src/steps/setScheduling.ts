/**
 * Set how the process is scheduled, on which processors, and where its memory comes from.
 *
 * @see sched(7), ioprio_set(2), personality(2), set_mempolicy(2)
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Process } from "../config/Container.ts"
import * as Step from "../engine/Step.ts"
import * as Ahead from "../native/Ahead.ts"
import { IOPRIO_WHO } from "../native/constants.ts"
import { sys } from "../native/Kernel.ts"
import { allProcessors } from "../native/processors.ts"
import { Init } from "./init/Init.ts"

/**
 * Sets the processors: those that are configured, or else all that the cgroup allows. An affinity that the runtime was
 * started with (by taskset(1), or `CPUAffinity=` of its service) is not the container's, and since Linux 6.2 the kernel
 * keeps it when a process is moved into a cpuset. It ignores processors that do not exist or are not in the cpuset.
 *
 * A configuration that asks for nothing does not fail if a filter around the runtime forbids the call.
 */
const setAffinity = ({ cpuAffinity }: Process) => {
  const reset = sys.sched_setaffinity({ pid: 0, cpus: allProcessors() })
  if (cpuAffinity?.final !== undefined) return sys.sched_setaffinity({ pid: 0, cpus: cpuAffinity.final })
  if (cpuAffinity?.initial !== undefined) return reset
  return Effect.catchTag(
    reset,
    "SyscallError",
    ({ message }) =>
      Ahead.once(Effect.logDebug(`the container keeps the processors that runfx was started on: ${message}`))
  )
}

/** Sets processors, scheduler, i/o priority, personality and memory policy, as far as the configuration has them. */
export const setScheduling = Step.make("setScheduling", {
  doc: "set processors, scheduler, i/o priority, personality and memory policy",
  calls: ["sched_setaffinity", "sched_setattr", "ioprio_set", "personality", "set_mempolicy"],
  requires: [Init],
  reversal: "irreversible",
  deterministic: true,
  advice: {
    EPERM:
      "real-time scheduling, a lower nice value and the real-time i/o class need CAP_SYS_NICE on the host, and on " +
      "cgroup v1 real-time scheduling a linux.resources.cpu.realtimeRuntime above 0; " +
      "SCHED_DEADLINE needs all processors besides",
    EINVAL:
      "a processor or node is not one that this machine and the cpuset have, or this kernel has no such policy or " +
      "priority",
    EBUSY: "the processors have no time left for the runtime that SCHED_DEADLINE asks for"
  },
  run: Effect.gen(function*() {
    const { container, process } = yield* Init
    // first, since SCHED_DEADLINE is refused to a process that is restricted to some processors
    yield* setAffinity(process)
    if (process.scheduler !== undefined) {
      const { deadline, flags, nice, period, policy, priority, runtime } = process.scheduler
      yield* sys.sched_setattr({
        pid: 0,
        attributes: { policy, flags: BigInt(flags), nice, priority, runtime, deadline, period }
      })
    }
    if (process.ioPriority !== undefined) {
      const { class: ioClass, priority } = process.ioPriority
      yield* sys.ioprio_set({ which: IOPRIO_WHO.PROCESS, who: 0, ioprio: (ioClass << 13) | priority })
    }
    if (container.personality !== undefined) yield* sys.personality({ persona: container.personality })
    if (container.memoryPolicy !== undefined) yield* sys.set_mempolicy(container.memoryPolicy)
  })
})
