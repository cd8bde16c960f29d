/**
 * The shared tail of every init pipeline: give up what the program may not have, become its user, become the program.
 *
 * @category pipelines
 * @since 0.1.0
 */
import * as Pipeline from "../engine/Pipeline.ts"
import { chdir } from "../steps/chdir.ts"
import { clearKeepCaps } from "../steps/clearKeepCaps.ts"
import { closeExecFrom } from "../steps/closeExecFrom.ts"
import { dropBoundingSet } from "../steps/dropBoundingSet.ts"
import { dropCapabilities } from "../steps/dropCapabilities.ts"
import { exec } from "../steps/exec.ts"
import { findProgram } from "../steps/findProgram.ts"
import {
  Environment,
  InCgroup,
  LimitsSet,
  NamespaceRoot,
  NoNewPrivileges,
  ParentDeathSignal,
  StdioConnected
} from "../steps/init/facts.ts"
import { Init } from "../steps/init/Init.ts"
import { loadSeccompBeforeUser } from "../steps/loadSeccompBeforeUser.ts"
import { prepareSeccomp } from "../steps/prepareSeccomp.ts"
import { reportReady } from "../steps/reportReady.ts"
import { restoreParentDeathSignal } from "../steps/restoreParentDeathSignal.ts"
import { restoreProcess } from "../steps/restoreProcess.ts"
import { PathsMasked } from "../steps/rootfs/facts.ts"
import { setKeepCaps } from "../steps/setKeepCaps.ts"
import { setupUser } from "../steps/setupUser.ts"
import { verifyParent } from "../steps/verifyParent.ts"
import { verifyWorkingDirectory } from "../steps/verifyWorkingDirectory.ts"
import { writeTrampoline } from "../steps/writeTrampoline.ts"

const steps = Pipeline.make(
  {
    name: "finalize",
    doc: "give up what the program may not have, and become it",
    inputs: [
      Init,
      StdioConnected,
      InCgroup,
      NamespaceRoot,
      Environment,
      PathsMasked,
      LimitsSet,
      ParentDeathSignal,
      NoNewPrivileges
    ]
  },
  // no handle on the host is left when the first path of the container is used (CVE-2024-21626)
  closeExecFrom,
  // as root first: the program's user may not be allowed to search the way there
  chdir,
  // without no_new_privs a filter needs CAP_SYS_ADMIN, which is dropped below
  loadSeccompBeforeUser,
  // takes CAP_SETPCAP, which the change of the user clears from the effective set
  dropBoundingSet,
  // or else the change of the user would clear the permitted set
  setKeepCaps,
  setupUser,
  // as the user, and only now: what was refused above is tried again, and the result must be inside of the root
  verifyWorkingDirectory,
  clearKeepCaps,
  // last of the credentials: everything above needed some of them
  dropCapabilities,
  // Node's marks on signals, limits and descriptors are not the program's
  restoreProcess,
  // the change of the user has cleared it
  restoreParentDeathSignal,
  // a parent that died before that line sends no signal any more
  verifyParent,
  // what is wrong with the filter is reported while the parent still listens
  prepareSeccomp,
  // as the program's user, in its directory, in its root
  findProgram,
  // while what fails can be reported in full
  writeTrampoline,
  reportReady,
  // loads the filter, as the last thing
  exec
)

/**
 * The type of {@link finalize}: a name that an editor shows in place of all steps.
 *
 * @since 0.2.0
 */
export interface Finalize extends Pipeline.Of<typeof steps> {}

/** From the container's root to the program. Each step needs what a later one takes away, or what an earlier one has done. */
export const finalize: Finalize = steps
