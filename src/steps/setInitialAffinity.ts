/**
 * Restrict the process to the initial processors, before it is moved into its cgroup.
 *
 * @see OCI config.md#posix-process, execCPUAffinity
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { sys } from "../native/Kernel.ts"
import { Init } from "./init/Init.ts"

/**
 * Restricts the process to `cpuAffinity.initial`, if the configuration has it: before it is moved into its cgroup.
 *
 * @see OCI config.md#posix-process, execCPUAffinity
 */
export const setInitialAffinity = Step.make("setInitialAffinity", {
  doc: "restrict the process to the initial processors",
  calls: ["sched_setaffinity"],
  requires: [Init],
  reversal: "irreversible",
  replayable: true,
  advice: {
    EINVAL: "none of the processors of execCPUAffinity.initial may be used: compare with Cpus_allowed_list in " +
      "/proc/self/status"
  },
  run: Effect.gen(function*() {
    const { process } = yield* Init
    const cpus = process.cpuAffinity?.initial
    if (cpus !== undefined) yield* sys.sched_setaffinity({ pid: 0, cpus })
  })
})
