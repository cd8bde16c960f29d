/**
 * The rules that hold for every container, wherever its configuration came from.
 *
 * {@link validate} needs no kernel and reports all problems at once; {@link validateHost} asks the host.
 *
 * @category validation
 * @since 0.1.0
 */
import { type Problem } from "./ConfigError.ts"
import type { Container, Process } from "./Container.ts"
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
import {
  type Found,
  found,
  inNames,
  modelNames,
  nameOf,
  type Names,
  placeOf,
  type Rule,
  type Section
} from "./rules/Rule.ts"
import { seccomp } from "./rules/seccomp.ts"
import { container as containerShape } from "./shape/container.ts"
import { process as processShape } from "./shape/process.ts"
import type { KeyPath, Shape } from "./shape/Shape.ts"

export { validateHost } from "./rules/host.ts"
export { modelNames, type Names } from "./rules/Rule.ts"
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

/** What is wrong with what a value is made of. */
const shapeProblems = (shape: Shape, value: unknown, top: KeyPath): ReadonlyArray<Found> => {
  const all: Array<Found> = []
  shape(value, top, (at, value, rule) => {
    const { rest, section } = placeOf(at)
    all.push(found(section, rest, value, rule))
  })
  return all
}

/** Whether one section is the other one, or within it. */
const overlap = (one: string, other: string): boolean =>
  one === other || one === "" || other === "" || one.startsWith(`${other}.`) || other.startsWith(`${one}.`)

/**
 * All problems of a container that can be found without a kernel: first those of its types, then in the order of the rules.
 *
 * The container may come from plain JavaScript: its types are checked first, down to misspelt keys, and a rule is left out
 * if what it reads is not what the type says. `names` says how the format calls things. Rules that read a
 * section of `broken` (by the format's name) are left out, too: what could not be read can't be judged.
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
  const misshapen = shapeProblems(containerShape, container, [])
  return judge(rules, container, misshapen, names, broken)
}

/** Whether a section is one of a process, which has a value of its own there. */
const differs = (section: Section, process: Process, first: Process): boolean => {
  if (!section.startsWith("process.")) return false
  const key = section.slice("process.".length) as keyof Process
  return process[key] !== first[key]
}

/**
 * The problems of a process that is to run in a container which exists already, by the rules for its first process. What it has
 * in common with that one, and the rest of the container, was checked when the container was made.
 *
 * @since 0.2.0
 */
export const validateProcess = (
  process: Process,
  container: Container,
  names: Names = modelNames,
  broken: ReadonlyArray<string> = []
): ReadonlyArray<Problem> => {
  const misshapen = shapeProblems(processShape, process, ["process"])
  const own = rules.filter(({ reads }) => reads.some((section) => differs(section, process, container.process)))
  return judge(own, { ...container, process }, misshapen, names, broken)
}

const judge = (
  rules: ReadonlyArray<Rule>,
  container: Container,
  misshapen: ReadonlyArray<Found>,
  names: Names,
  broken: ReadonlyArray<string>
): ReadonlyArray<Problem> => {
  const isBroken = (section: Section): boolean =>
    misshapen.some((one) => overlap(one.section, section)) ||
    broken.some((path) => overlap(nameOf(section, names), path))
  return [
    ...misshapen,
    ...rules.filter(({ reads }) => !reads.some(isBroken)).flatMap(({ check }) => check(container))
  ].map(inNames(names))
}
