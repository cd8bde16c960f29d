/**
 * Let the init enter its namespaces, and learn which process it is afterwards: a process enters a pid namespace by cloning
 * another one, and then ends.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { O } from "../../native/constants.ts"
import { using } from "../../native/Files.ts"
import { sys } from "../../native/Kernel.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import { send } from "../channel/channel.ts"
import { openSuccessor } from "./child.ts"
import { await_, reapWithin, whileInitWaits } from "./conversation.ts"
import { Channel, ClonedProcess, ContainerCgroup, EnteredProcess, IdsMapped } from "./facts.ts"
import { Launch } from "./Launch.ts"
import { whyDied } from "./whyDied.ts"

/** How long a process may take to end after it has cloned its successor, in milliseconds: it has nothing else to do. */
const predecessorEnd = 10_000

/** Says "Enter" and waits for "Entered". */
export const enterNamespaces = Step.make("enterNamespaces", {
  doc: "let the init enter its namespaces, and learn its pid there",
  calls: ["sendmsg", "poll", "recvmsg", "pidfd_open", "waitid", "getsid", "dup3", ...Cgroup.shortageCalls],
  requires: [Launch, Channel, ContainerCgroup, ClonedProcess, IdsMapped],
  provides: EnteredProcess,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const launch = yield* Launch
    const { patience } = launch
    const { manager } = yield* ContainerCgroup
    const { parent: channel } = yield* Channel
    const cloned = yield* ClonedProcess
    const { deadline, pidfd, report } = cloned
    const peer = { channel, pidfd, report, patience, deadline, why: whyDied(launch, manager) }
    yield* whileInitWaits(peer, send(channel, { _tag: "Enter" }))
    const { pid = cloned.pid } = yield* await_(peer, "Entered")
    if (pid === cloned.pid) return cloned
    // the first process ends once it has cloned the second. The handle of the second gets the descriptor number of the
    // first, so that the rollback that kills and reaps the first acts on the second
    yield* reapWithin(pidfd, predecessorEnd)
    yield* using(openSuccessor(pid, cloned.pid), (oldfd) => sys.dup3({ oldfd, newfd: pidfd, flags: O.CLOEXEC }))
    return { pid, pidfd, deadline, report }
  })
})
