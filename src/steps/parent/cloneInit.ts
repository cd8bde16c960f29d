/**
 * Clone the process that becomes the container's init, with its new namespaces. It waits on the channel until the parent
 * lets it in; on rollback it is killed and reaped.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { given } from "../../engine/given.ts"
import * as Step from "../../engine/Step.ts"
import { AT, CLONE, STATX } from "../../native/constants.ts"
import { Fork } from "../../native/Fork.ts"
import { type Kernel, sys, type SyscallError } from "../../native/Kernel.ts"
import { refusalCalls, whyNoNamespace } from "../caller/whyNoNamespace.ts"
import type { NamespaceRefused } from "../init/errors.ts"
import { emptyReport, initMain } from "../init/initMain.ts"
import { childCalls, spawnChild } from "./child.ts"
import { Channel, ClonedProcess, ContainerCgroup } from "./facts.ts"
import { handedOver } from "./handedOver.ts"
import { Launch } from "./Launch.ts"
import type { NamespacePlan } from "./namespacePlan.ts"

const namespaceAt = (path: string) =>
  Effect.map(
    sys.statx({ dirfd: AT.FDCWD, path, flags: 0, mask: STATX.INO }),
    ({ dev, ino }) => `${dev.major}:${dev.minor}:${ino}`
  )

/** Whether the init's pid namespace is another one than the parent's. The one that it joins can be the parent's own. */
const leavesPidNamespace = ({ clone, joins, unshare }: NamespacePlan): Effect.Effect<boolean, never, Kernel> => {
  if (((clone | unshare) & CLONE.NEWPID) !== 0) return Effect.succeed(true)
  const path = joins.find(({ type }) => type === "pid")?.path
  if (path === undefined) return Effect.succeed(false)
  return Effect.all([namespaceAt(path), namespaceAt("/proc/self/ns/pid")]).pipe(Effect.match({
    // a path that is not there is named by the init, which joins it; a procfs without this process is another namespace's
    onFailure: () => true,
    onSuccess: ([joined, own]) => joined !== own
  }))
}

/** Clones the init. */
export const cloneInit = Step.make("cloneInit", {
  doc: "clone the process that becomes the container, in its new namespaces",
  calls: ["getpid", ...new Set(["statx" as const, ...childCalls, ...refusalCalls])],
  requires: [Launch, Channel, ContainerCgroup, Fork],
  provides: ClonedProcess,
  reversal: "compensated",
  advice: {
    EAGAIN:
      "no more processes are allowed: the user's limit (RLIMIT_NPROC, ulimit -u), pids.max of the caller's cgroup " +
      "or of one above it, or the host's kernel.pid_max or kernel.threads-max is reached",
    ENOMEM: "the kernel has no memory for another process, or the memory limit of the caller's cgroup is reached"
  },
  run: Effect.gen(function*() {
    const { init, namespaces, patience, record } = yield* Launch
    const channel = yield* Channel
    const { manager } = yield* ContainerCgroup
    const report = emptyReport()
    const { clone, joins, unshare } = namespaces
    // getppid(2) returns 0 if the parent is outside of the pid namespace; a process that is cloned again has the same parent
    const parentPid = (yield* leavesPidNamespace(namespaces)) ? 0 : yield* sys.getpid({})
    const { inside, passed } = handedOver({ channel: channel.child, ...record })
    const child = initMain(init, { parentPid, joins, unshare, ...given({ cgroup: manager }), ...inside }, report)
    const deadline = (yield* Clock.currentTimeMillis) + patience
    const cloned = yield* Effect.catch(
      spawnChild(clone, child, passed),
      (error): Effect.Effect<never, SyscallError | NamespaceRefused, Kernel> =>
        error.call._tag === "clone" ? Effect.flatMap(whyNoNamespace(error, clone), Effect.fail) : Effect.fail(error)
    )
    // while the parent holds the child's end, the death of the init does not close the channel
    yield* channel.closeChild
    return { deadline, report, ...cloned }
  })
})
