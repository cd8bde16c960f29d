/**
 * Clone once more if a pid or time namespace was joined or made: they take effect for children only.
 *
 * After this step the process is another one, with the same parent; the old one has exited with status 0. The parent
 * learns the new pid from the credentials that the kernel adds to the next message on the channel.
 *
 * @see pid_namespaces(7), time_namespaces(7)
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { CLONE } from "../native/constants.ts"
import { sys } from "../native/Kernel.ts"
import { Forked, NamespacesMade } from "./init/facts.ts"
import { Init } from "./init/Init.ts"

/** Continues in a child, if that is needed. */
export const forkIntoNamespaces = Step.make("forkIntoNamespaces", {
  doc: "go on in a child, which is inside of the pid and time namespaces",
  calls: ["setsid", "reclone"],
  requires: [Init, NamespacesMade],
  provides: Forked,
  reversal: "irreversible",
  replayable: true,
  advice: {
    EAGAIN: "the user's process limit (RLIMIT_NPROC) or the cgroup's pids limit is reached",
    ENOMEM: "the pid namespace's first process has ended: the container is stopped"
  },
  run: Effect.gen(function*() {
    const { joins, unshare } = yield* Init
    const joined = joins.some(({ type }) => type === "pid" || type === "time")
    const made = (unshare & (CLONE.NEWPID | CLONE.NEWTIME)) !== 0
    if (!joined && !made) return true as const
    // the child is in the group that this makes, by which the parent finds and reaps it if it dies before its pid is known
    yield* sys.setsid({})
    yield* sys.reclone({ flags: CLONE.PARENT })
    return true as const
  })
})
