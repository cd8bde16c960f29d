/**
 * The first process of a container with a user namespace whose root is built from outside of it: root of such a namespace
 * may not make device nodes. The side-car (`usernsSetup`) builds the root while this one waits.
 *
 * @category pipelines
 * @since 0.1.0
 */
import * as Pipeline from "../engine/Pipeline.ts"
import { adoptBuiltRoot } from "../steps/adoptBuiltRoot.ts"
import { announceNamespaces } from "../steps/announceNamespaces.ts"
import { applyLabels } from "../steps/applyLabels.ts"
import { awaitParent } from "../steps/awaitParent.ts"
import { awaitRelease } from "../steps/awaitRelease.ts"
import { becomeNamespaceRoot } from "../steps/becomeNamespaceRoot.ts"
import { connectStdio } from "../steps/connectStdio.ts"
import { enterBuiltRoot } from "../steps/enterBuiltRoot.ts"
import { forkIntoNamespaces } from "../steps/forkIntoNamespaces.ts"
import { Init } from "../steps/init/Init.ts"
import { joinCgroup } from "../steps/joinCgroup.ts"
import { joinNamespaces } from "../steps/joinNamespaces.ts"
import { maskPaths } from "../steps/maskPaths.ts"
import { openConsole } from "../steps/openConsole.ts"
import { openPort } from "../steps/openPort.ts"
import { populateEnv } from "../steps/populateEnv.ts"
import { protectProcess } from "../steps/protectProcess.ts"
import { readonlyPaths } from "../steps/readonlyPaths.ts"
import { reopenDevNull } from "../steps/rootfs/reopenDevNull.ts"
import { saveParentDeathSignal } from "../steps/saveParentDeathSignal.ts"
import { sessionKeyring } from "../steps/sessionKeyring.ts"
import { setDomainname } from "../steps/setDomainname.ts"
import { setHostname } from "../steps/setHostname.ts"
import { setInitialAffinity } from "../steps/setInitialAffinity.ts"
import { setNoNewPrivileges } from "../steps/setNoNewPrivileges.ts"
import { setOomScoreAdj } from "../steps/setOomScoreAdj.ts"
import { setScheduling } from "../steps/setScheduling.ts"
import { setUmask } from "../steps/setUmask.ts"
import { setupRlimits } from "../steps/setupRlimits.ts"
import { startSession } from "../steps/startSession.ts"
import { unshareNamespaces } from "../steps/unshareNamespaces.ts"
import { verifyMounts } from "../steps/verifyMounts.ts"
import { writeSysctl } from "../steps/writeSysctl.ts"
import { finalize } from "./finalize.ts"

const steps = Pipeline.make(
  { name: "userns", doc: "the first process of a container whose root a side-car builds", inputs: [Init] },
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
  // -- namespaces ---------------------------------------------------------------------------------------------------
  protectProcess,
  joinNamespaces,
  unshareNamespaces,
  // once the user namespace that is joined or made has its id maps, and with the authority that entering it gave
  becomeNamespaceRoot,
  forkIntoNamespaces,
  // here the side-car does network, routes and the root
  announceNamespaces,
  startSession,
  sessionKeyring,
  // the side-car has brought the loopback interface up
  openPort,
  // -- the root that was built --------------------------------------------------------------------------------------
  // pivot_root does not move a working directory along unless it is the old root itself
  enterBuiltRoot,
  adoptBuiltRoot,
  reopenDevNull,
  openConsole,
  setUmask,
  setHostname,
  setDomainname,
  writeSysctl,
  applyLabels,
  readonlyPaths,
  maskPaths,
  // the last look at the root as a whole, by a process that may look everywhere and open what it needs
  verifyMounts,
  // -- the process --------------------------------------------------------------------------------------------------
  setupRlimits,
  saveParentDeathSignal,
  setNoNewPrivileges,
  setScheduling,
  // all that takes time is done
  awaitRelease,
  ...finalize.steps
)

/**
 * The type of {@link userns}: a name that an editor shows in place of all steps.
 *
 * @since 0.2.0
 */
export interface Userns extends Pipeline.Of<typeof steps> {}

/** From the fresh process to the program, in a root that the side-car builds. */
export const userns: Userns = steps
