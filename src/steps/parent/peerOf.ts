/**
 * The init as the far end of the channel.
 *
 * @category parent
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import { refuses } from "../seccomp/needed.ts"
import type { Peer } from "./conversation.ts"
import { Channel, ContainerCgroup, type EnteredProcess } from "./facts.ts"
import { Launch } from "./Launch.ts"
import { whyDied } from "./whyDied.ts"

/** The process that becomes the program, and the time by which the program must run. */
export const peerOf = (
  entered: Pick<EnteredProcess["Service"], "deadline" | "pidfd" | "report">
): Effect.Effect<Peer, never, Launch | Channel | ContainerCgroup> => peerIn(entered)

const peerIn = Effect.fnUntraced(function*(
  { deadline, pidfd, report }: Pick<EnteredProcess["Service"], "deadline" | "pidfd" | "report">
): Effect.fn.Return<Peer, never, Launch | Channel | ContainerCgroup> {
  const launch = yield* Launch
  const { manager } = yield* ContainerCgroup
  const { parent: channel } = yield* Channel
  const { patience, record: { container: { seccomp } } } = launch
  const refusesExec = seccomp !== undefined && refuses(seccomp, "execve")
  return { channel, pidfd, report, patience, deadline, isLast: true, refusesExec, why: whyDied(launch, manager) }
})
