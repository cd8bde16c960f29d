/** The cgroups of the machine that this runs on. @see cgroups(7) */
import { keyOf } from "../cgroupTree.ts"
import type { Builder } from "./Builder.ts"
import { hostText } from "./hostUser.ts"
import { hierarchy } from "./objects.ts"

/** The cgroups in which this process is. */
interface HostCgroups {
  /** The path of its group, by hierarchy. */
  readonly memberships: ReadonlyMap<number, string>
  /** The hierarchies by the controllers that they are mounted with; version 2 by the empty text. */
  readonly hierarchies: ReadonlyMap<string, number>
}

/** Makes the hierarchies of `/proc/self/cgroup`, with the groups on the path to this process's group. */
export const hostCgroups = (make: Builder, cpus: number): HostCgroups => {
  const memberships = new Map<number, string>()
  const hierarchies = new Map<string, number>()
  for (const line of (hostText("/proc/self/cgroup") ?? "").trim().split("\n")) {
    const [number, names, ...rest] = line.split(":")
    if (number === undefined || names === undefined) continue
    const path = rest.join(":")
    const version = number === "0" ? 2 : 1
    const name = names.startsWith("name=") ? names.slice(5) : undefined
    const controllers = version === 2 || name !== undefined ? [] : names.split(",")
    const id = hierarchy(make, version, controllers, cpus, [path], name, Number(number))
    memberships.set(id, path)
    hierarchies.set(version === 2 ? "" : names, id)
  }
  return { memberships, hierarchies }
}

/** Reads the controllers of a version 2 hierarchy from its files. */
export const hostControllers = (make: Builder, id: number, point: string): void => {
  const controllers = (hostText(`${point}/cgroup.controllers`) ?? "").trim().split(/\s+/).filter((name) => name !== "")
  const on = (hostText(`${point}/cgroup.subtree_control`) ?? "").trim().split(/\s+/).filter((name) => name !== "")
  make.hierarchies.set(id, { ...make.hierarchies.get(id)!, controllers })
  const key = keyOf(id, "/")
  make.cgroups.set(key, { ...make.cgroups.get(key)!, controllersOn: on })
}
