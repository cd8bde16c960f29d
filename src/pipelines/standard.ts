/**
 * What happens when a container starts, and in what order: the pipeline that its first process runs.
 *
 * It serves containers of root, and those of a user without privileges, whose init is root in its user namespace.
 *
 * @category pipelines
 * @since 0.1.0
 */
import * as Pipeline from "../engine/Pipeline.ts"
import { announceNamespaces } from "../steps/announceNamespaces.ts"
import { applyLabels } from "../steps/applyLabels.ts"
import { awaitParent } from "../steps/awaitParent.ts"
import { awaitRelease } from "../steps/awaitRelease.ts"
import { becomeNamespaceRoot } from "../steps/becomeNamespaceRoot.ts"
import { connectStdio } from "../steps/connectStdio.ts"
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
import { remountReadonly } from "../steps/remountReadonly.ts"
import { bindRoot } from "../steps/rootfs/bindRoot.ts"
import { createDevices } from "../steps/rootfs/createDevices.ts"
import { createWorkingDirectory } from "../steps/rootfs/createWorkingDirectory.ts"
import { enterRoot } from "../steps/rootfs/enterRoot.ts"
import { linkDevices } from "../steps/rootfs/linkDevices.ts"
import { mountFilesystems } from "../steps/rootfs/mountFilesystems.ts"
import { ownershipInside } from "../steps/rootfs/ownershipInside.ts"
import { reopenDevNull } from "../steps/rootfs/reopenDevNull.ts"
import { setRootPropagation } from "../steps/rootfs/setRootPropagation.ts"
import { saveParentDeathSignal } from "../steps/saveParentDeathSignal.ts"
import { sessionKeyring } from "../steps/sessionKeyring.ts"
import { setDomainname } from "../steps/setDomainname.ts"
import { setHostname } from "../steps/setHostname.ts"
import { setInitialAffinity } from "../steps/setInitialAffinity.ts"
import { setNoNewPrivileges } from "../steps/setNoNewPrivileges.ts"
import { setOomScoreAdj } from "../steps/setOomScoreAdj.ts"
import { setScheduling } from "../steps/setScheduling.ts"
import { setUmask } from "../steps/setUmask.ts"
import { setupNetwork } from "../steps/setupNetwork.ts"
import { setupRlimits } from "../steps/setupRlimits.ts"
import { setupRoute } from "../steps/setupRoute.ts"
import { startSession } from "../steps/startSession.ts"
import { unshareNamespaces } from "../steps/unshareNamespaces.ts"
import { verifyMounts } from "../steps/verifyMounts.ts"
import { writeSysctl } from "../steps/writeSysctl.ts"
import { finalize } from "./finalize.ts"

const steps = Pipeline.make(
  { name: "standard", doc: "the first process of a container", inputs: [Init] },
  // bad input ends it before anything is done
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
  // before the first namespace that others are in: they could trace a process that is dumpable (CVE-2016-9962)
  protectProcess,
  joinNamespaces,
  unshareNamespaces,
  // once the user namespace that is joined or made has its id maps, and with the authority that entering it gave
  becomeNamespaceRoot,
  forkIntoNamespaces,
  announceNamespaces,
  startSession,
  sessionKeyring,
  // -- network: while no path of the container is used yet ----------------------------------------------------------
  setupNetwork,
  setupRoute,
  // while nobody else is in the container
  openPort,
  // -- the root file system -----------------------------------------------------------------------------------------
  ownershipInside,
  // what is mounted from here on must not reach the host
  setRootPropagation,
  bindRoot,
  mountFilesystems,
  createDevices,
  linkDevices,
  createWorkingDirectory,
  enterRoot,
  // the container's own node, once no path leads to the host any more
  reopenDevNull,
  openConsole,
  // after the last thing that is made in it
  remountReadonly,
  setUmask,
  // -- what the host's files say about the container ----------------------------------------------------------------
  setHostname,
  setDomainname,
  writeSysctl,
  applyLabels,
  // after the sysctls, which they would make unwritable
  readonlyPaths,
  maskPaths,
  // the last look at the root as a whole, by a process that may look everywhere and open what it needs
  verifyMounts,
  // -- the process --------------------------------------------------------------------------------------------------
  // late: a low limit on descriptors or memory is meant for the program, not for the way to it
  setupRlimits,
  // the change of the user clears it
  saveParentDeathSignal,
  setNoNewPrivileges,
  setScheduling,
  // all that takes time is done
  awaitRelease,
  ...finalize.steps
)

/**
 * The type of {@link standard}: a name that an editor shows in place of all steps.
 *
 * @since 0.2.0
 */
export interface Standard extends Pipeline.Of<typeof steps> {}

/** From the fresh process to the program. */
export const standard: Standard = steps
