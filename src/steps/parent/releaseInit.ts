/**
 * Let the init go on to its program, and wait until exec has closed the channel.
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { send } from "../channel.ts"
import { await_, awaitExec, whileInitWaits } from "./conversation.ts"
import { Channel, ClonedProcess, EnteredProcess, Started } from "./facts.ts"
import { Launch } from "./Launch.ts"

/** Says "Go", waits for "Ready" and for the end of file behind it. */
export const releaseInit = Step.make("releaseInit", {
  doc: "let the init go on, and wait until its program runs",
  calls: ["sendmsg", "poll", "recvmsg", "waitid", "close"],
  requires: [Launch, Channel, ClonedProcess, EnteredProcess],
  provides: Started,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const launch = yield* Launch
    const { closeParent, parent: channel } = yield* Channel
    const { pidfd } = yield* EnteredProcess
    const { events } = yield* ClonedProcess
    const peer = { channel, pidfd, patience: launch.patience }
    yield* whileInitWaits(peer, send(channel, { _tag: "Go" }))
    yield* await_(peer, "Ready")
    yield* awaitExec(peer, launch.init.name, {
      _tag: "execve",
      path: launch.process.args[0] ?? "",
      argv: launch.process.args,
      envp: launch.process.env
    })
    yield* closeParent
    return { events }
  })
})
