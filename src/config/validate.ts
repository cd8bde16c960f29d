/**
 * The rules that hold for every container, wherever its configuration came from.
 *
 * {@link validate} needs no kernel and tells all problems at once; {@link validateHost} asks the host.
 */
import { type Problem } from "./ConfigError.ts"
import { type Container } from "./Container.ts"
import { cgroup, cgroupPath, memoryPolicy, parentDeathSignal, personality, sysctl } from "./rules/kernel.ts"
import { mappings, names, namespaces, newUserJoinsNothing, timeOffsets } from "./rules/namespaces.ts"
import { networks, routes } from "./rules/network.ts"
import {
  args,
  capabilitySets,
  consoleSize,
  cwd,
  env,
  labels,
  limits,
  scheduler,
  scores,
  user
} from "./rules/process.ts"
import {
  devices,
  maskedAndReadonly,
  mountMappings,
  mountOwners,
  mounts,
  needsMountNamespace,
  rootfs,
  rootPropagation
} from "./rules/rootfs.ts"
import { inNames, modelNames, nameOf, type Names, type Rule, type Section } from "./rules/Rule.ts"
import { seccomp } from "./rules/seccomp.ts"

export { validateHost } from "./rules/host.ts"
export { modelNames, type Names, type Section } from "./rules/Rule.ts"
export { seccompActions, seccompArchitectures, seccompFlags, seccompOperators } from "./rules/seccomp.ts"

const rules: ReadonlyArray<Rule> = [
  args,
  env,
  cwd,
  user,
  capabilitySets,
  limits,
  scores,
  scheduler,
  consoleSize,
  labels,
  rootfs,
  namespaces,
  newUserJoinsNothing,
  mappings,
  timeOffsets,
  names,
  needsMountNamespace,
  rootPropagation,
  mounts,
  mountMappings,
  mountOwners,
  maskedAndReadonly,
  devices,
  networks,
  routes,
  sysctl,
  cgroupPath,
  cgroup,
  seccomp,
  personality,
  memoryPolicy,
  parentDeathSignal
]

/**
 * All problems of a container that can be told without a kernel, in the order of the rules.
 *
 * `names` says how the format calls things. Rules that read a section of `broken` (by the format's name) are left out:
 * what could not be read can't be judged.
 *
 * **Example** (A container made in code)
 *
 * ```ts
 * const problems = validate(defaultSpec({ rootfs: "/srv/alpine", args: ["sh"] }))
 * ```
 */
export const validate = (
  container: Container,
  names: Names = modelNames,
  broken: ReadonlyArray<string> = []
): ReadonlyArray<Problem> => {
  const isBroken = (section: Section): boolean => {
    const name = nameOf(section, names)
    return broken.some((path) => name === path || name.startsWith(`${path}.`) || path.startsWith(`${name}.`))
  }
  return rules.filter(({ reads }) => !reads.some(isBroken)).flatMap(({ check }) => check(container)).map(inNames(names))
}
