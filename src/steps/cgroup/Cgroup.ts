/**
 * A container's cgroups: found, planned, made, limited, joined, frozen, killed, removed. Everything in one place for
 * `import * as Cgroup`; each part in a module of its own.
 *
 * **Example** (From nothing to a limited group with a process in it)
 *
 * ```ts
 * const hierarchies = yield* Cgroup.detect
 * const planned = yield* Cgroup.plan(hierarchies, { id, path: cgroup.path })
 * const manager = yield* Cgroup.create(planned, Cgroup.requiredControllers(planned, cgroup)) // inside of a step
 * yield* Cgroup.applyLimits(manager, cgroup)
 * yield* Cgroup.join(manager, pid)
 * ```
 */
export { create, destroy, directoryCalls, exists, intent } from "./create.ts"
export * from "./errors.ts"
export { freeze, freezerCalls, isFrozen, thaw } from "./freezer.ts"
export { detect } from "./Hierarchies.ts"
export { applyCpuTime, applyLimits, limitCalls, limitsCpuTime, requiredControllers } from "./limits.ts"
export { type CgroupManager, groupOf, groups, plan, unified } from "./Manager.ts"
export { join, joinSelf, killAll, memberCalls, pids, population } from "./members.ts"
export { type Shortage, shortage, shortageCalls } from "./shortage.ts"
export { stats } from "./stats.ts"
