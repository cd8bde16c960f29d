/**
 * The side-car of `userns`: a process with the host's privileges in the namespaces of the waiting init, all but the user
 * namespace. It does the part that root of the user namespace may not do, and exits.
 *
 * @category pipelines
 * @since 0.1.0
 */
import * as Pipeline from "../engine/Pipeline.ts"
import { announceNamespaces } from "../steps/announceNamespaces.ts"
import { awaitParent } from "../steps/awaitParent.ts"
import { finishSideCar } from "../steps/finishSideCar.ts"
import { forkIntoNamespaces } from "../steps/forkIntoNamespaces.ts"
import { Init } from "../steps/init/Init.ts"
import { joinNamespaces } from "../steps/joinNamespaces.ts"
import { protectProcess } from "../steps/protectProcess.ts"
import { remountReadonly } from "../steps/remountReadonly.ts"
import { bindRoot } from "../steps/rootfs/bindRoot.ts"
import { createDevices } from "../steps/rootfs/createDevices.ts"
import { createWorkingDirectory } from "../steps/rootfs/createWorkingDirectory.ts"
import { enterRoot } from "../steps/rootfs/enterRoot.ts"
import { linkDevices } from "../steps/rootfs/linkDevices.ts"
import { mountFilesystems } from "../steps/rootfs/mountFilesystems.ts"
import { ownershipOutside } from "../steps/rootfs/ownershipOutside.ts"
import { setRootPropagation } from "../steps/rootfs/setRootPropagation.ts"
import { setupNetwork } from "../steps/setupNetwork.ts"
import { setupRoute } from "../steps/setupRoute.ts"
import { unshareNamespaces } from "../steps/unshareNamespaces.ts"

const steps = Pipeline.make(
  { name: "usernsSetup", doc: "the side-car that builds the root from outside of the user namespace", inputs: [Init] },
  awaitParent,
  protectProcess,
  joinNamespaces,
  // makes nothing here; steps below require that it was done
  unshareNamespaces,
  // procfs shows the pid namespace of the process that mounts it
  forkIntoNamespaces,
  announceNamespaces,
  setupNetwork,
  setupRoute,
  // files and nodes that are made belong to the ids that root of the container has outside
  ownershipOutside,
  setRootPropagation,
  bindRoot,
  mountFilesystems,
  createDevices,
  linkDevices,
  createWorkingDirectory,
  // moves the root of every process of the mount namespace that sat on the old one: the init's too
  enterRoot,
  remountReadonly,
  finishSideCar
)

/**
 * The type of {@link usernsSetup}: a name that an editor shows in place of all steps.
 *
 * @since 0.2.0
 */
export interface UsernsSetup extends Pipeline.Of<typeof steps> {}

/** Network, routes and root of a container with a user namespace, from outside of it. */
export const usernsSetup: UsernsSetup = steps
