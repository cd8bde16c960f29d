/**
 * Counts of processes and namespaces, for each user in each user namespace. Each process or namespace counts in the user
 * namespace that it belongs to, and in each one above, for the owner of the one below (`kernel/ucount.c`).
 *
 * @see namespaces(7), "The /proc/sys/user directory", and getrlimit(2), RLIMIT_NPROC
 */
import { RLIMIT } from "../native/constants.ts"
import { infinity } from "./Descriptors.ts"
import { type Machine, refuse } from "./Machine.ts"
import type { Namespace, NamespaceType, Process } from "./State.ts"
import { namespaceLimit } from "./Sysctl.ts"

/** A user in a user namespace. */
interface Level {
  readonly userNs: number
  readonly uid: number
}

/** The levels at which something of a user counts, from its own user namespace up to the first one. */
const levelsOf = (m: Machine, userNs: number, uid: number): ReadonlyArray<Level> => {
  const out: Array<Level> = [{ userNs, uid }]
  for (let ns = m.namespace("user", userNs); ns.parent !== undefined; ns = m.namespace("user", ns.parent)) {
    out.push({ userNs: ns.parent, uid: ns.ownerUid })
  }
  return out
}

const includes = (levels: ReadonlyArray<Level>, { uid, userNs }: Level): boolean =>
  levels.some((level) => level.uid === uid && level.userNs === userNs)

// -- processes --------------------------------------------------------------------------------------------------------
const softLimit = ({ limits }: Process): bigint => limits.get(RLIMIT.NPROC)?.soft ?? infinity

/**
 * The limit that a new user namespace keeps for all processes in it (`enforced_nproc_rlimit`); none for root of the
 * machine.
 */
export const enforcedLimit = (m: Machine): bigint => {
  const { creds, ns } = m.self
  const isFirst = m.namespace("user", ns.user).parent === undefined
  return creds.uid === 0 && isFirst ? infinity : softLimit(m.self)
}

/**
 * Whether a user has more processes than the caller's RLIMIT_NPROC, or a user namespace more than its maker's
 * (`is_rlimit_overlimit`). Dead processes count until they are waited for; `more` are about to be made.
 */
export const hasTooManyProcesses = (m: Machine, userNs: number, uid: number, more: number): boolean => {
  const levels = levelsOf(m, userNs, uid)
  const limitOf = (level: Level): bigint => m.namespace("user", level.userNs).processLimit ?? infinity
  const limits = levels.map((_, index) => index === 0 ? softLimit(m.self) : limitOf(levels[index - 1]!))
  if (limits.every((limit) => limit === infinity)) return false
  const all = m.processes.values().map(({ creds, ns }) => levelsOf(m, ns.user, creds.uid))
  return levels.some((level, index) =>
    BigInt(all.filter((others) => includes(others, level)).length + more) > limits[index]!
  )
}

// -- namespaces -------------------------------------------------------------------------------------------------------

/** The maker of a namespace, and the levels at which it counts. */
const makerOf = (m: Machine, ns: Namespace): ReadonlyArray<Level> =>
  ns.type === "user"
    ? ns.parent === undefined ? [] : levelsOf(m, ns.parent, ns.ownerUid)
    : levelsOf(m, ns.owner, ns.madeBy ?? 0)

/** ENOSPC: a user already has as many namespaces of a type as a user namespace allows (`inc_ucount`). */
export const mayMakeNamespace = (m: Machine, type: NamespaceType, userNs: number): void => {
  const levels = levelsOf(m, userNs, m.self.creds.euid)
  for (const level of levels) {
    const most = namespaceLimit(m, level.userNs, type)
    // namespaces that the machine began with have no maker
    const made = m.namespaces.values().filter((ns) =>
      ns.type === type && ("madeBy" in ns || ns.type === "user") && includes(makerOf(m, ns), level)
    )
    if (made.length >= most) refuse("ENOSPC")
  }
}
