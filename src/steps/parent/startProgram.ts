/**
 * Wait until the program that was handed out runs.
 *
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import { programRuns } from "./conversation.ts"
import { Channel, ClonedProcess, ContainerCgroup, EnteredProcess, HandedOut, Started } from "./facts.ts"
import { Launch } from "./Launch.ts"
import { peerOf } from "./peerOf.ts"

/** Waits for "Ready" and for the end of file behind it. */
export const startProgram = Step.make("startProgram", {
  doc: "wait until the program runs",
  calls: ["poll", "recvmsg", "close", "waitid", ...Cgroup.shortageCalls],
  requires: [Launch, Channel, ContainerCgroup, ClonedProcess, EnteredProcess, HandedOut],
  provides: Started,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { init } = yield* Launch
    const { closeParent } = yield* Channel
    const { pidfd, report } = yield* EnteredProcess
    const { deadline, process } = yield* HandedOut
    const { catchUp, forget } = yield* ClonedProcess
    yield* programRuns(yield* peerOf({ pidfd, report, deadline }), init.name, process)
    yield* closeParent
    yield* catchUp
    // what the fiber reports while it ends is not about the init
    const events = [...report.events]
    yield* forget
    return { events }
  })
})
