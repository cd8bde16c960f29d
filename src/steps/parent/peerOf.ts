/**
 * The init as the far end of the channel.
 *
 * @category parent
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import type { Peer } from "./conversation.ts"
import { Channel, ContainerCgroup, type EnteredProcess } from "./facts.ts"
import { Launch } from "./Launch.ts"
import { whyDied } from "./whyDied.ts"

/** The process that becomes the program, and the time by which the program must run. */
export const peerOf = (
  { deadline, pidfd, report }: Pick<EnteredProcess["Service"], "deadline" | "pidfd" | "report">
): Effect.Effect<Peer, never, Launch | Channel | ContainerCgroup> =>
  Effect.gen(function*() {
    const launch = yield* Launch
    const { manager } = yield* ContainerCgroup
    const { parent: channel } = yield* Channel
    return { channel, pidfd, report, patience: launch.patience, deadline, isLast: true, why: whyDied(launch, manager) }
  })
