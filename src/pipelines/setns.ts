/**
 * What happens when a process is executed in a running container: the pipeline of that process.
 *
 * @category pipelines
 * @since 0.1.0
 */
import * as Pipeline from "../engine/Pipeline.ts"
import { adoptMounts } from "../steps/adoptMounts.ts"
import { announceNamespaces } from "../steps/announceNamespaces.ts"
import { applyLabels } from "../steps/applyLabels.ts"
import { awaitParent } from "../steps/awaitParent.ts"
import { becomeNamespaceRoot } from "../steps/becomeNamespaceRoot.ts"
import { connectStdio } from "../steps/connectStdio.ts"
import { forkIntoNamespaces } from "../steps/forkIntoNamespaces.ts"
import { Init } from "../steps/init/Init.ts"
import { joinCgroup } from "../steps/joinCgroup.ts"
import { joinNamespaces } from "../steps/joinNamespaces.ts"
import { joinSessionKeyring } from "../steps/joinSessionKeyring.ts"
import { openConsoleForExec } from "../steps/openConsoleForExec.ts"
import { populateEnv } from "../steps/populateEnv.ts"
import { protectProcess } from "../steps/protectProcess.ts"
import { reopenDevNullForExec } from "../steps/reopenDevNullForExec.ts"
import { saveParentDeathSignal } from "../steps/saveParentDeathSignal.ts"
import { setInitialAffinity } from "../steps/setInitialAffinity.ts"
import { setNoNewPrivileges } from "../steps/setNoNewPrivileges.ts"
import { setOomScoreAdj } from "../steps/setOomScoreAdj.ts"
import { setScheduling } from "../steps/setScheduling.ts"
import { setUmask } from "../steps/setUmask.ts"
import { setupRlimits } from "../steps/setupRlimits.ts"
import { startSession } from "../steps/startSession.ts"
import { unshareNamespaces } from "../steps/unshareNamespaces.ts"
import { finalize } from "./finalize.ts"

const steps = Pipeline.make(
  { name: "setns", doc: "a further process of a running container", inputs: [Init] },
  populateEnv,
  // processes that may see this one later must not find the application's own streams in it
  connectStdio,
  // as execCPUAffinity asks: before the cgroup and its cpuset hold the process
  setInitialAffinity,
  // before anything else: what it starts, and the memory that it takes, can't be outside of its limits
  joinCgroup,
  awaitParent,
  // as the caller: a process that can't be dumped, or that changed its user, does not own the file
  setOomScoreAdj,
  // -- namespaces: the container's, all of them, the user namespace too ---------------------------------------------
  // before the container's processes can see this one (CVE-2016-9962)
  protectProcess,
  joinNamespaces,
  // makes nothing here; steps below require that it was done
  unshareNamespaces,
  forkIntoNamespaces,
  // asks /proc/self whether groups may be dropped: the container's /proc shows only who is in its pid namespace
  becomeNamespaceRoot,
  announceNamespaces,
  adoptMounts,
  reopenDevNullForExec,
  startSession,
  joinSessionKeyring,
  // -- the process; before privileges go, as for the first one ------------------------------------------------------
  openConsoleForExec,
  setUmask,
  applyLabels,
  setupRlimits,
  saveParentDeathSignal,
  setNoNewPrivileges,
  setScheduling,
  ...finalize.steps
)

/**
 * The type of {@link setns}: a name that an editor shows in place of all steps.
 *
 * @since 0.2.0
 */
export interface Setns extends Pipeline.Of<typeof steps> {}

/** From the fresh process into the container, to the program. */
export const setns: Setns = steps
