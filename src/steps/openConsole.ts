/**
 * Give a container's first program a terminal, and bind it on `/dev/console`.
 *
 * @see pts(4), ioctl_tty(2), TIOCGPTPEER
 * @category steps
 * @since 0.1.0
 */
import * as Step from "../engine/Step.ts"
import * as Files from "../native/Files.ts"
import { setUpTerminal, terminalAdvice, terminalCalls } from "./init/console.ts"
import { Init } from "./init/Init.ts"

/** Sets up the terminal of a container's first process, and binds it on `/dev/console`. */
export const openConsole = Step.make("openConsole", {
  doc: "make the terminal, send its master away, and put it on stdio and /dev/console",
  calls: [...terminalCalls, ...Files.makeCalls, "open_tree", "move_mount"],
  requires: [Init],
  reversal: "irreversible",
  replayable: true,
  advice: terminalAdvice,
  run: setUpTerminal(true)
})
