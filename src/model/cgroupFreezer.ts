/** Whether a cgroup is frozen. @see Documentation/admin-guide/cgroup-v2.rst, "cgroup.freeze" */
import { keyOf, parentPath } from "./cgroupTree.ts"
import type { Machine } from "./Machine.ts"
import type { Process } from "./State.ts"

/** Whether the group, or one above it, is frozen. */
export const frozen = (m: Machine, hierarchy: number, path: string): boolean => {
  for (let here = path;; here = parentPath(here)) {
    if (m.cgroups.get(keyOf(hierarchy, here))?.freeze === true) return true
    if (here === "/") return false
  }
}

/** Whether a process is frozen by any of its groups. */
export const isFrozen = (m: Machine, process: Process): boolean =>
  // this runs before every call, and usually nothing is frozen at all
  m.cgroups.find(({ freeze }) => freeze) !== undefined &&
  [...process.cgroups].some(([hierarchy, path]) => frozen(m, hierarchy, path))

/** Whether version 1 has frozen it, where even SIGKILL waits for the thaw (admin-guide/cgroup-v1/freezer-subsystem.rst). */
export const isFrozenHard = (m: Machine, process: Process): boolean =>
  [...process.cgroups].some(([hierarchy, path]) =>
    m.hierarchies.need(hierarchy).version === 1 && frozen(m, hierarchy, path)
  )
