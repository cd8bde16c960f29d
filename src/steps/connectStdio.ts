/**
 * Put the descriptors that the caller has passed on standard input, output and error.
 *
 * Until then the process has those of the application that started it. This comes while no process of a container can see it:
 * one that can see it later finds nothing of the application in it.
 *
 * @see dup(2)
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { sys } from "../native/Kernel.ts"
import { StdioConnected } from "./init/facts.ts"
import { Init } from "./init/Init.ts"

/** Connects `Init.stdio`; without it, the program has the standard streams of the application. */
export const connectStdio = Step.make("connectStdio", {
  doc: "put the descriptors that were given on standard input, output and error",
  calls: ["dup3", "close"],
  requires: [Init],
  provides: StdioConnected,
  reversal: "irreversible",
  replayable: true,
  advice: { EBADF: "a descriptor given as stdio is not open: keep it open until the program runs" },
  run: Effect.gen(function*() {
    const { stdio } = yield* Init
    if (stdio === undefined) return true as const
    // without close-on-exec, whatever the one that is given has
    for (const [newfd, oldfd] of stdio.entries()) yield* sys.dup3({ oldfd, newfd, flags: 0 })
    // one descriptor may serve several streams
    for (const fd of new Set(stdio)) yield* sys.close({ fd })
    return true as const
  })
})
