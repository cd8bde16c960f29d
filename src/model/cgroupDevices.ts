/**
 * Which devices a process may use: the devices controller of version 1, and the programs of version 2.
 *
 * @see admin-guide/cgroup-v1/devices.rst, security/device_cgroup.c, kernel/bpf/cgroup.c
 */
import { runDeviceFilter } from "./bpfInterpreter.ts"
import { descendants, groupOf, keyOf, parentPath } from "./cgroupTree.ts"
import { CAP, capable } from "./Credentials.ts"
import { type Machine, refuse } from "./Machine.ts"
import type { Cgroup, DeviceException, DevicePolicy } from "./State.ts"

/** Everything is allowed, as in a hierarchy's root. */
const openPolicy: DevicePolicy = { allow: true, exceptions: [] }

const policyOf = ({ devices }: Cgroup): DevicePolicy => devices ?? openPolicy

/** `devices.list`. */
export const listDevices = (group: Cgroup): string => {
  const { allow, exceptions } = policyOf(group)
  const number = (value: number | undefined): string => value === undefined ? "*" : String(value)
  return allow
    ? "a *:* rwm\n"
    : exceptions.map(({ access, major, minor, type }) => `${type} ${number(major)}:${number(minor)} ${access}\n`).join(
      ""
    )
}

const letters = "rwm"

const sorted = (access: string): string => [...letters].filter((letter) => access.includes(letter)).join("")

const same = (a: DeviceException, b: DeviceException): boolean =>
  a.type === b.type && a.major === b.major && a.minor === b.minor

/** Adds an exception, or merges it with one for the same devices (`dev_exception_add`). */
const added = ({ allow, exceptions }: DevicePolicy, more: DeviceException): DevicePolicy => ({
  allow,
  exceptions: exceptions.some((one) => same(one, more))
    ? exceptions.map((one) => same(one, more) ? { ...one, access: sorted(one.access + more.access) } : one)
    : [...exceptions, more]
})

/** Removes accesses from the exception for exactly the same devices (`dev_exception_rm`). */
const removed = ({ allow, exceptions }: DevicePolicy, less: DeviceException): DevicePolicy => ({
  allow,
  exceptions: exceptions.flatMap((one) => {
    if (!same(one, less)) return [one]
    const access = [...one.access].filter((letter) => !less.access.includes(letter)).join("")
    return access === "" ? [] : [{ ...one, access }]
  })
})

/** Whether one exception covers the whole access (`match_exception`). */
const covers = ({ exceptions }: DevicePolicy, { access, major, minor, type }: DeviceException): boolean =>
  exceptions.some((one) =>
    one.type === type && (one.major === undefined || one.major === major) &&
    (one.minor === undefined || one.minor === minor) && [...access].every((letter) => one.access.includes(letter))
  )

/** Whether one exception covers a part of the access (`match_exception_partial`). */
const touches = ({ exceptions }: DevicePolicy, { access, major, minor, type }: DeviceException): boolean =>
  exceptions.some((one) =>
    one.type === type && (one.major === undefined || major === undefined || one.major === major) &&
    (one.minor === undefined || minor === undefined || one.minor === minor) &&
    [...access].some((letter) => one.access.includes(letter))
  )

/** Whether a parent's policy allows a group an exception (`verify_new_ex`). */
const parentPermits = (parent: DevicePolicy | undefined, exception: DeviceException, childAllows: boolean): boolean =>
  parent === undefined ||
  (parent.allow ? childAllows || !touches(parent, exception) : covers(parent, exception))

const number = (text: string): number | undefined => {
  if (text === "*") return undefined
  const value = Number(text)
  return text.length <= 10 && value <= 0xffffffff ? value : refuse("EINVAL")
}

/** Parses a line for `devices.allow` and `devices.deny`; at most three letters of the access count. EINVAL. */
const parseException = (text: string): DeviceException => {
  const found = /^([bc])\s(\*|\d+):(\*|\d+)\s([rwm]{3}|[rwm]{0,2}$|[rwm]{0,2}\n)/.exec(text)
  if (found === null) return refuse("EINVAL")
  return {
    type: found[1] === "b" ? "b" : "c",
    major: number(found[2]!),
    minor: number(found[3]!),
    access: sorted(found[4]!)
  }
}

const store = (m: Machine, group: Cgroup, devices: DevicePolicy): void =>
  m.cgroups.update(keyOf(group.hierarchy, group.path), (old) => ({ ...old, devices }))

/** Applies a restriction to all groups below (`propagate_exception`). */
const propagate = (m: Machine, group: Cgroup, allows: boolean, exception: DeviceException): void => {
  for (const child of descendants(m, group.hierarchy, group.path)) {
    const old = policyOf(child)
    const parent = policyOf(m.cgroups.need(keyOf(child.hierarchy, parentPath(child.path))))
    const next = allows && old.allow ? added(old, exception) : removed(old, exception)
    // exceptions that the parent does not allow any more are removed (revalidate_active_exceptions)
    const gone = next.exceptions.filter((one) => !parentPermits(parent, one, next.allow))
    store(m, child, gone.reduce(removed, next))
  }
}

/** Writes `devices.allow` or `devices.deny` (`devcgroup_update_access`). */
export const changeDevices = (m: Machine, group: Cgroup, allow: boolean, text: string): void => {
  if (!capable(m, CAP.SYS_ADMIN)) refuse("EPERM")
  const above = group.path === "/" ? undefined : m.cgroups.need(keyOf(group.hierarchy, parentPath(group.path)))
  const parent = above === undefined ? undefined : policyOf(above)
  const policy = policyOf(group)
  if (text.startsWith("a")) {
    // EINVAL: there are groups below; EPERM: the parent does not allow all
    if (descendants(m, group.hierarchy, group.path).length > 0) refuse("EINVAL")
    if (allow && parent !== undefined && !parent.allow) refuse("EPERM")
    return store(m, group, { allow, exceptions: allow ? parent?.exceptions ?? [] : [] })
  }
  const exception = parseException(text)
  if (allow && policy.allow) {
    // EPERM: an exception of the parent can't be removed (parent_allows_removal)
    if (parent !== undefined && touches(parent, exception)) refuse("EPERM")
    return store(m, group, removed(policy, exception))
  }
  if (allow) {
    if (!parentPermits(parent, exception, false)) refuse("EPERM")
    return store(m, group, added(policy, exception))
  }
  store(m, group, policy.allow ? added(policy, exception) : removed(policy, exception))
  propagate(m, group, policy.allow, exception)
}

// -- programs ---------------------------------------------------------------------------------------------------------

/** `BPF_F_*` of `linux/bpf.h`. */
const [ALLOW_OVERRIDE, ALLOW_MULTI, REPLACE] = [1, 2, 4] as const

/** `BPF_CGROUP_MAX_PROGS`. */
const mostPrograms = 64

const parentOf = (m: Machine, group: Cgroup): Cgroup | undefined =>
  group.path === "/" ? undefined : m.cgroups.need(keyOf(group.hierarchy, parentPath(group.path)))

/** Whether the nearest group above with programs allows programs below it (`hierarchy_allows_attach`). */
const hierarchyAllows = (m: Machine, group: Cgroup): boolean => {
  for (let above = parentOf(m, group); above !== undefined; above = parentOf(m, above)) {
    const flags = above.programFlags ?? 0
    if ((flags & ALLOW_MULTI) !== 0) return true
    if (above.programs.length > 0) return (flags & ALLOW_OVERRIDE) !== 0
  }
  return true
}

/** Attaches a device program to a group (`__cgroup_bpf_attach`). */
export const attachProgram = (
  m: Machine,
  hierarchy: number,
  path: string,
  instructions: Uint8Array,
  flags: number
): void => {
  const group = m.cgroups.need(keyOf(hierarchy, path))
  if ((flags & ~(ALLOW_OVERRIDE | ALLOW_MULTI)) !== 0) {
    if ((flags & ~(ALLOW_OVERRIDE | ALLOW_MULTI | REPLACE)) === 0) m.unmodelled("replacing a program")
    refuse("EINVAL")
  }
  // EINVAL: both flags; EPERM: a program above does not allow it, or those of this group have other flags
  if (flags === (ALLOW_OVERRIDE | ALLOW_MULTI)) refuse("EINVAL")
  if (!hierarchyAllows(m, group)) refuse("EPERM")
  if (group.programs.length > 0 && (group.programFlags ?? 0) !== flags) refuse("EPERM")
  // E2BIG: too many; EINVAL: the same program twice
  if (group.programs.length >= mostPrograms) refuse("E2BIG")
  const several = (flags & ALLOW_MULTI) !== 0
  if (several && group.programs.includes(instructions)) refuse("EINVAL")
  m.cgroups.set(keyOf(hierarchy, path), {
    ...group,
    programs: several ? [...group.programs, instructions] : [instructions],
    programFlags: flags
  })
}

/** The programs that run for a group: the nearest ones, and those above with BPF_F_ALLOW_MULTI (`compute_effective_progs`). */
const effectivePrograms = (m: Machine, group: Cgroup | undefined): ReadonlyArray<Uint8Array> => {
  const programs: Array<Uint8Array> = []
  for (let here = group; here !== undefined; here = parentOf(m, here)) {
    if (programs.length === 0 || ((here.programFlags ?? 0) & ALLOW_MULTI) !== 0) programs.push(...here.programs)
  }
  return programs
}

/** Whether the caller's groups allow it an access to a device; `access` is some of `r`, `w` and `m`. */
export const deviceAllowed = (
  m: Machine,
  type: "c" | "b",
  device: { readonly major: number; readonly minor: number },
  access: string
): boolean => {
  for (const [hierarchy] of m.self.cgroups) {
    const { controllers, version } = m.hierarchies.need(hierarchy)
    const group = groupOf(m, m.self, hierarchy)
    if (version === 2) {
      const request = { type, access, ...device }
      if (!effectivePrograms(m, group).every((program) => runDeviceFilter(program, request))) return false
    } else if (controllers.includes("devices") && group !== undefined) {
      const policy = policyOf(group)
      const asked = { type, access, ...device }
      if (policy.allow ? touches(policy, asked) : !covers(policy, asked)) return false
    }
  }
  return true
}
