/**
 * Make the init not dumpable, so that processes inside of the container can't trace it or reach the host through its
 * open descriptors and its `/proc/<pid>/exe` (CVE-2016-9962, CVE-2019-5736). execve(2) ends it.
 *
 * From here on the files of `/proc/self` belong to the host's root. If the process is in a user namespace, it has to write to
 * them before.
 *
 * @see prctl(2), PR_SET_DUMPABLE
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { PR } from "../native/constants.ts"
import { sys } from "../native/Kernel.ts"
import { Unreachable } from "./init/facts.ts"

/** Makes the process not dumpable. */
export const protectProcess = Step.make("protectProcess", {
  doc: "make the process unreachable for tracers inside of the container",
  calls: ["prctl"],
  provides: Unreachable,
  reversal: "irreversible",
  deterministic: true,
  run: Effect.as(sys.prctl({ option: PR.SET_DUMPABLE, arg2: 0, arg3: 0, arg4: 0, arg5: 0 }), true as const)
})
