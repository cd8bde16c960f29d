/** The file systems that the model computes, and the working copy of a machine that has them. */
import type { Call } from "../native/Kernel.ts"
import { cgroupNode } from "./Cgroups.ts"
import { type ComputedFileSystems, Machine } from "./Machine.ts"
import { procNode, procPlace } from "./Proc.ts"
import type { State } from "./State.ts"

const computed: ComputedFileSystems = {
  proc: { node: procNode, place: procPlace },
  cg: { node: cgroupNode }
}

/** A working copy for one call of one process. */
export const machineOf = (state: State, pid: number, call: Call, timedOut = false): Machine =>
  new Machine(computed, state, pid, call, timedOut)
