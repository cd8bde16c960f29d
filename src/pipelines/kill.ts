/**
 * Kill a container: every process of it, none outside, and nothing left frozen.
 *
 * The order is forced by three facts. A process that runs can fork between the making of a list and the signal, so the
 * list is made of a frozen cgroup. A process that is frozen (in v1) does not die of SIGKILL before it is thawed. And
 * the init of a pid namespace can't end before everybody in it has been reaped, so the reaping is of all at once.
 *
 * @category pipelines
 * @since 0.1.0
 */
import * as Pipeline from "../engine/Pipeline.ts"
import { freeze } from "../steps/kill/freeze.ts"
import { KillTarget } from "../steps/kill/KillTarget.ts"
import { listProcesses } from "../steps/kill/listProcesses.ts"
import { reap } from "../steps/kill/reap.ts"
import { signalAll } from "../steps/kill/signalAll.ts"
import { thaw } from "../steps/kill/thaw.ts"

const steps = Pipeline.make(
  { name: "kill", doc: "kill all processes of a container", inputs: [KillTarget] },
  freeze,
  listProcesses,
  signalAll,
  thaw,
  reap
)

/**
 * The type of {@link kill}: a name that an editor shows in place of all steps.
 *
 * @since 0.2.0
 */
export interface Kill extends Pipeline.Of<typeof steps> {}

/** The kill pipeline. Whatever fails after the freeze, or interrupts it, the container is thawed. */
export const kill: Kill = steps
