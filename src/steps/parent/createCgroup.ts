/**
 * Make the container's cgroups, before there is a process that could go anywhere else.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import * as Store from "../state/Store.ts"
import { ContainerCgroup, StateDirectory } from "./facts.ts"
import { Launch } from "./Launch.ts"

const notAllowed =
  "the caller may not make cgroups here: run as root, start runfx in a cgroup that is delegated to the " +
  "caller (systemd-run --user --scope -p Delegate=yes), or ask for no cgroup (--cgroups none)"

/**
 * Makes the cgroups. All are written down before they are made, and again with their inodes. The rollback waits for the last
 * process in them, and removes them.
 */
export const createCgroup = Step.make("createCgroup", {
  doc: "make the container's cgroups",
  calls: [...new Set([...Cgroup.directoryCalls, ...Store.storeCalls])],
  requires: [Launch, StateDirectory],
  provides: ContainerCgroup,
  reversal: "compensated",
  advice: {
    EACCES: notAllowed,
    EPERM: notAllowed,
    EAGAIN:
      "a cgroup above allows no more below it: raise its cgroup.max.descendants or cgroup.max.depth, or ask for no " +
      "cgroup (--cgroups none)",
    ENOSPC: "the kernel has no room for another cgroup of this kind: remove unused cgroups, or ask for no " +
      "cgroup (--cgroups none)",
    EROFS:
      "the cgroup file system is mounted read-only here (see /proc/self/mountinfo): mount it writable, or ask for no " +
      "cgroup (--cgroups none)"
  },
  run: Effect.gen(function*() {
    const { container, id } = (yield* Launch).record
    if (container.cgroup === undefined) return { manager: undefined }
    const { isStillOurs, note } = yield* StateDirectory
    const planned = yield* Cgroup.plan(yield* Cgroup.detect, { id, path: container.cgroup.path })
    const intent = yield* Cgroup.intent(planned)
    yield* note((known) => ({ cgroup: intent, ...known }))
    const required = Cgroup.requiredControllers(planned, container.cgroup)
    const manager = yield* Cgroup.create(planned, required, isStillOurs)
    // these inodes are this container's: no other container can take their names until this one is deleted
    yield* note((known) => ({ ...known, cgroup: manager }))
    return { manager }
  })
})
