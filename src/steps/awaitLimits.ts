/**
 * Tell the parent that the container is set up, and wait until it has limited the CPU time. The setup is the runtime's work:
 * with shares of 2 next to busy processes, or with a quota of 1 %, it would take a second and more.
 *
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import * as Cgroup from "./cgroup/Cgroup.ts"
import { receiveCalls, send } from "./channel/channel.ts"
import { awaitWord } from "./init/awaitWord.ts"
import { InCgroup, InNamespaces } from "./init/facts.ts"
import { Init } from "./init/Init.ts"

/** Says "Prepared" and waits for the second "Go", if the CPU time is limited. */
export const awaitLimits = Step.make("awaitLimits", {
  doc: "wait until the parent has limited the CPU time, if it is limited",
  calls: ["sendmsg", ...receiveCalls],
  requires: [Init, InCgroup, InNamespaces],
  reversal: "harmless",
  replayable: true,
  run: Effect.gen(function*() {
    const { cgroup: manager, channel, container: { cgroup } } = yield* Init
    if (manager === undefined || cgroup === undefined || !Cgroup.limitsCpuTime(manager, cgroup)) return
    yield* send(channel, { _tag: "Prepared" })
    yield* awaitWord(channel, "Go")
  })
})
