/**
 * Exchange the host's null device on the streams of a program that is executed in a running container.
 *
 * @category steps
 * @since 0.2.0
 */
import * as Step from "../engine/Step.ts"
import { AT } from "../native/constants.ts"
import { StdioConnected } from "./init/facts.ts"
import { PathsMasked } from "./rootfs/facts.ts"
import { exchangeAdvice, exchangeCalls, exchangeNull } from "./rootfs/nullDevice.ts"

/** Opens the running container's null device again on those of descriptors 0 to 2 that are the host's. */
export const reopenDevNullForExec = Step.make("reopenDevNullForExec", {
  doc: "exchange the host's /dev/null on standard input, output and error for the container's",
  calls: exchangeCalls,
  requires: [PathsMasked, StdioConnected],
  reversal: "irreversible",
  replayable: true,
  advice: exchangeAdvice,
  // a process that has joined a mount namespace is in its root directory
  run: exchangeNull(AT.FDCWD)
})
