/**
 * Tell the parent that the container is set up, if it still has to limit the CPU time, and wait until the program may run.
 *
 * The setup is the runtime's work: with shares of 2 next to busy processes, or with a quota of 1 %, it would take a second and
 * more. While it is done, the parent writes the container down.
 *
 * @category steps
 * @since 0.3.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import * as Cgroup from "./cgroup/Cgroup.ts"
import { receiveCalls, send } from "./channel/channel.ts"
import { awaitWord } from "./init/awaitWord.ts"
import { InCgroup, InNamespaces } from "./init/facts.ts"
import { Init } from "./init/Init.ts"

/** Says "Prepared" if the CPU time is limited, and waits for the second "Go". */
export const awaitRelease = Step.make("awaitRelease", {
  doc: "wait until the parent has written the container down and limited its CPU time",
  calls: ["sendmsg", ...receiveCalls],
  requires: [Init, InCgroup, InNamespaces],
  reversal: "harmless",
  replayable: true,
  run: Effect.gen(function*() {
    const { cgroup: manager, channel, container: { cgroup } } = yield* Init
    const isLimited = manager !== undefined && cgroup !== undefined && Cgroup.limitsCpuTime(manager, cgroup)
    if (isLimited) yield* send(channel, { _tag: "Prepared" })
    yield* awaitWord(channel, "Go")
  })
})
