/** Make the container's cgroups, before there is a process that could go anywhere else. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import { Launch } from "./Launch.ts"

/** The container's cgroups; absent where its configuration asks for none. */
export class ContainerCgroup extends Context.Service<ContainerCgroup, {
  readonly manager: Cgroup.CgroupManager | undefined
}>()("runfx/ContainerCgroup") {}

/** Makes the cgroups; on rollback they are removed, with waiting for the last process in them. */
export const createCgroup = Step.make("createCgroup", {
  doc: "make the container's cgroups",
  calls: [...Cgroup.directoryCalls],
  requires: [Launch],
  provides: ContainerCgroup,
  reversal: "compensated",
  advice: {
    EACCES: "the caller may not make cgroups here: run as root, have a cgroup delegated, or ask for no cgroup",
    EPERM: "the caller may not make cgroups here: run as root, have a cgroup delegated, or ask for no cgroup",
    EROFS: "/sys/fs/cgroup is mounted read-only here: mount it writable, or ask for no cgroup"
  },
  run: Effect.gen(function*() {
    const { container, id } = yield* Launch
    if (container.cgroup === undefined) return { manager: undefined }
    const planned = yield* Cgroup.plan(yield* Cgroup.detect, { id, path: container.cgroup.path })
    return { manager: yield* Cgroup.create(planned, Cgroup.requiredControllers(planned, container.cgroup)) }
  })
})
