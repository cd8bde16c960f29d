/**
 * Clone the process that becomes the container's init, with its new namespaces. It waits on the channel until the parent
 * lets it in; on rollback it is killed and reaped.
 */
import * as Effect from "effect/Effect"
import type { Event } from "../../engine/Events.ts"
import * as Step from "../../engine/Step.ts"
import { CLONE } from "../../native/constants.ts"
import { Fork } from "../../native/Fork.ts"
import { sys } from "../../native/Kernel.ts"
import { initMain } from "../initMain.ts"
import { childCalls, spawnChild } from "./child.ts"
import { ContainerCgroup } from "./createCgroup.ts"
import { Channel, ClonedProcess } from "./facts.ts"
import { Launch } from "./Launch.ts"

/** Clones the init. */
export const cloneInit = Step.make("cloneInit", {
  doc: "clone the process that becomes the container, in its new namespaces",
  calls: ["getpid", ...childCalls],
  requires: [Launch, Channel, ContainerCgroup, Fork],
  provides: ClonedProcess,
  reversal: "compensated",
  advice: {
    EPERM: "new namespaces need CAP_SYS_ADMIN: run as root, or give the container a user namespace",
    EINVAL: "a namespace type may be unknown to this kernel: compare the configuration with /proc/self/ns",
    ENOSPC: "a limit of /proc/sys/user/max_*_namespaces is reached",
    EAGAIN: "the user's process limit (RLIMIT_NPROC) or the pids limit of the caller's cgroup is reached"
  },
  run: Effect.gen(function*() {
    const launch = yield* Launch
    const channel = yield* Channel
    const { manager } = yield* ContainerCgroup
    const events: Array<Event> = []
    const { clone, joins, unshare } = launch.namespaces
    const leavesPidNamespace = ((clone | unshare) & CLONE.NEWPID) !== 0 || joins.some(({ type }) => type === "pid")
    // getppid(2) is 0 where the parent is outside of the pid namespace; one that is cloned anew has the same parent
    const parentPid = leavesPidNamespace ? 0 : yield* sys.getpid({})
    const child = initMain(
      launch.init,
      {
        id: launch.id,
        container: launch.container,
        process: launch.process,
        ...(manager === undefined ? {} : { cgroup: manager }),
        channel: channel.child,
        parentPid,
        joins,
        ...(launch.joined === undefined ? {} : { joined: launch.joined }),
        unshare,
        preservedFds: launch.preservedFds,
        nofile: launch.nofile,
        ...(launch.consoleSocket === undefined ? {} : { consoleSocket: launch.consoleSocket })
      },
      channel.parent,
      (event) => void events.push(event)
    )
    const cloned = yield* spawnChild(clone, child)
    // as long as this side holds the child's end, the init's death would not close the channel
    yield* channel.closeChild
    return { ...cloned, events }
  })
})
