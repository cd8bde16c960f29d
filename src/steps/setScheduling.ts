/**
 * Set how the process is scheduled, on which processors, and where its memory comes from.
 *
 * @see sched(7), ioprio_set(2), personality(2), set_mempolicy(2)
 */
import * as Effect from "effect/Effect"
import type { Container, Process } from "../config/Container.ts"
import * as Step from "../engine/Step.ts"
import { IOPRIO_WHO } from "../native/constants.ts"
import { sys } from "../native/Kernel.ts"
import { Init } from "./Init.ts"

/** More processors than any kernel is built for; those that are not there, or not in the cpuset, don't count. */
const everyCpu: ReadonlyArray<number> = Array.from({ length: 8192 }, (_, cpu) => cpu)

/**
 * The processors to set. Where a cpuset or an initial affinity is configured, an affinity that was inherited must not
 * stay: since Linux 6.2 the kernel keeps it when a process is moved into a cpuset.
 */
const affinityOf = (container: Container, { cpuAffinity }: Process): ReadonlyArray<number> | undefined => {
  if (cpuAffinity?.final !== undefined) return cpuAffinity.final
  return cpuAffinity?.initial !== undefined || container.cgroup?.cpu?.cpus !== undefined ? everyCpu : undefined
}

/**
 * Restricts the process to `cpuAffinity.initial`, where the configuration has it: before it is moved into its cgroup.
 *
 * @see OCI config.md#posix-process, execCPUAffinity
 */
export const setInitialAffinity = Step.make("setInitialAffinity", {
  doc: "restrict the process to the initial processors",
  calls: ["sched_setaffinity"],
  requires: [Init],
  reversal: "irreversible",
  advice: { EINVAL: "none of the processors of execCPUAffinity.initial may be used: compare with /proc/self/status" },
  run: Effect.gen(function*() {
    const { process } = yield* Init
    const cpus = process.cpuAffinity?.initial
    if (cpus !== undefined) yield* sys.sched_setaffinity({ pid: 0, cpus })
  })
})

/** Sets processors, scheduler, i/o priority, personality and memory policy, as far as the configuration has them. */
export const setScheduling = Step.make("setScheduling", {
  doc: "set processors, scheduler, i/o priority, personality and memory policy",
  calls: ["sched_setaffinity", "sched_setattr", "ioprio_set", "personality", "set_mempolicy"],
  requires: [Init],
  reversal: "irreversible",
  advice: {
    EPERM:
      "real-time scheduling, a lower nice value and the real-time i/o class need CAP_SYS_NICE on the host, and on " +
      "cgroup v1 real-time scheduling a linux.resources.cpu.realtimeRuntime above 0; " +
      "SCHED_DEADLINE needs all processors besides",
    EINVAL: "a processor, node, policy or priority is not one that this machine and kernel have",
    EBUSY: "the processors have no time left for the runtime that SCHED_DEADLINE asks for"
  },
  run: Effect.gen(function*() {
    const { container, process } = yield* Init
    // first, since SCHED_DEADLINE is refused to a process that is restricted to some processors
    const cpus = affinityOf(container, process)
    if (cpus !== undefined) yield* sys.sched_setaffinity({ pid: 0, cpus })
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
