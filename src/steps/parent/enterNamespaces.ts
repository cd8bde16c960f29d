/**
 * Let the init into its namespaces, and learn which process came out of that: a pid namespace is entered by cloning
 * anew, and then the first process has ended.
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { O } from "../../native/constants.ts"
import { using } from "../../native/Files.ts"
import { sys } from "../../native/Kernel.ts"
import { send } from "../channel.ts"
import { await_, reap, whileInitWaits } from "./conversation.ts"
import { Channel, ClonedProcess, EnteredProcess, IdsMapped } from "./facts.ts"
import { Launch } from "./Launch.ts"

/** Says "Enter" and waits for "Entered". */
export const enterNamespaces = Step.make("enterNamespaces", {
  doc: "let the init enter its namespaces, and learn its pid there",
  calls: ["sendmsg", "poll", "recvmsg", "pidfd_open", "waitid", "dup3", "close"],
  requires: [Launch, Channel, ClonedProcess, IdsMapped],
  provides: EnteredProcess,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { patience } = yield* Launch
    const { parent: channel } = yield* Channel
    const cloned = yield* ClonedProcess
    const peer = { channel, pidfd: cloned.pidfd, patience }
    yield* whileInitWaits(peer, send(channel, { _tag: "Enter" }))
    const { pid = cloned.pid } = yield* await_(peer, "Entered")
    if (pid === cloned.pid) return cloned
    // the process that cloned this one has ended with that; its descriptor number now stands for the new one, so that
    // what was registered to kill and reap the old one does so to the new one
    yield* reap(cloned.pidfd, patience)
    yield* using(
      sys.pidfd_open({ pid, flags: 0 }),
      (pidfd) => sys.dup3({ oldfd: pidfd, newfd: cloned.pidfd, flags: O.CLOEXEC })
    )
    return { pid, pidfd: cloned.pidfd }
  })
})
