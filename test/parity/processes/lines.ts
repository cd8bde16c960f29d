/** Words for the scenarios here. */
import { CLONE, W } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { as, fork, gate, line, pass, start, waitFor } from "../../support/vocabulary.ts"

/** As process 2 of a pid namespace, so that the numbers are the same on both sides. */
export const numbered = (lines: Scenario): Scenario => [fork(CLONE.NEWPID, [fork(0, lines)])]

/** A pidfd of a process. */
export const pidfd = (pid: string | number, name: string, flags = 0) => line("pidfd_open", { pid, flags }, as(name))

export const wait = (idtype: number, id: number | string, options: number) =>
  line("waitid", { idtype, id, options }, { see: ["code", "status"] })

/** Wait for a child that has ended, and leave it. */
export const ended = (name: string) => waitFor(`$${name}`, W.EXITED | W.NOWAIT)

/** A child that waits at a gate which nobody opens. */
export const sleeper = (name: string): Scenario => [gate("never"), start(name, 0, [pass("never")])]
