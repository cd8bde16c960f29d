/**
 * Give a terminal to a program that is executed in a running container, whose `/dev/console` is taken.
 *
 * @see pts(4), ioctl_tty(2), TIOCGPTPEER
 * @category steps
 * @since 0.1.0
 */
import * as Step from "../engine/Step.ts"
import { setUpTerminal, terminalAdvice, terminalCalls } from "./init/console.ts"
import { Init } from "./init/Init.ts"

/** Sets up the terminal of a process that is executed in a running container, whose `/dev/console` is taken. */
export const openConsoleForExec = Step.make("openConsoleForExec", {
  doc: "make the terminal, send its master away, and put it on stdio",
  calls: terminalCalls,
  requires: [Init],
  reversal: "irreversible",
  replayable: true,
  advice: terminalAdvice,
  run: setUpTerminal(false)
})
