/** The calls about ids and capabilities. @see credentials(7), capabilities(7) */
import { PR } from "../../native/constants.ts"
import type { Arguments } from "../../native/Kernel.ts"
import type { CapabilitySets, Ids } from "../../native/results.ts"
import { hasTooManyProcesses } from "../Counts.ts"
import {
  allCapabilities,
  ambient,
  CAP,
  capableHere,
  commit,
  has,
  kernelId,
  processByNumber,
  SECBIT,
  shown,
  subset,
  toKernel,
  valid
} from "../Credentials.ts"
import { type Machine, refuse } from "../Machine.ts"
import type { Credentials } from "../State.ts"

export const setgroups = (m: Machine, { groups }: Arguments<"setgroups">): void => {
  const ns = m.namespace("user", m.self.ns.user)
  // EPERM: also before the gid_map is written, and for ever if /proc/pid/setgroups is deny (user_namespaces(7))
  if (!capableHere(m, CAP.SETGID) || ns.gidMap === undefined || ns.setgroups === "deny") refuse("EPERM")
  if (groups.length > 65536) refuse("EINVAL")
  // the kernel keeps them sorted (groups_sort)
  m.changeCreds({ groups: groups.map((id) => kernelId(m, "gid", id)).toSorted((a, b) => a - b) })
}

/** The bits of securebits. Every second bit locks the one below it; the last four are new in Linux 6.14. */
const [allSecurebits, securebitLocks, unprivilegedSecurebits] = [0xfff, 0xaaa, 0xf00] as const

/** How a change of uids changes capabilities (`cap_emulate_setxuid`; capabilities(7), "Effect of user ID changes"). */
const fixup = (old: Credentials, next: Credentials, root: number | undefined): Credentials => {
  if ((old.securebits & SECBIT.NO_SETUID_FIXUP) !== 0) return next
  const anyRoot = ({ euid, suid, uid }: Credentials): boolean => [uid, euid, suid].includes(root ?? -1)
  let { ambient, effective, permitted } = next
  if (anyRoot(old) && !anyRoot(next)) {
    if ((old.securebits & SECBIT.KEEP_CAPS) === 0) permitted = effective = 0n
    ambient = 0n
  }
  if (old.euid === root && next.euid !== root) effective = 0n
  if (old.euid !== root && next.euid === root) effective = permitted
  return { ...next, ambient, effective, permitted }
}

const setIds = (
  m: Machine,
  kind: "uid" | "gid",
  wanted: readonly [number, number, number],
  old: readonly [number, number, number]
): readonly [number, number, number] => {
  const ids = wanted.map((id) => id === -1 || id === 0xffffffff ? -1 : kernelId(m, kind, id))
  // EPERM: without CAP_SETUID (CAP_SETGID) each id must be one of the three that the process has (setresuid(2))
  if (!capableHere(m, kind === "uid" ? CAP.SETUID : CAP.SETGID) && ids.some((id) => id !== -1 && !old.includes(id))) {
    return refuse("EPERM")
  }
  const pick = (index: 0 | 1 | 2): number => ids[index] === -1 ? old[index] : ids[index]!
  return [pick(0), pick(1), pick(2)]
}

export const setresuid = (m: Machine, { euid, ruid, suid }: Arguments<"setresuid">): void => {
  const old = m.self.creds
  const [uid, e, s] = setIds(m, "uid", [ruid, euid, suid], [old.uid, old.euid, old.suid])
  const next = { ...old, uid, euid: e, suid: s }
  afterChangeOfUser(m, uid)
  commit(m, fixup(old, next, toKernel(m, m.self.ns.user, "uid", 0)))
}

export const setresgid = (m: Machine, { egid, rgid, sgid }: Arguments<"setresgid">): void => {
  const old = m.self.creds
  const [gid, e, s] = setIds(m, "gid", [rgid, egid, sgid], [old.gid, old.egid, old.sgid])
  commit(m, { ...old, gid, egid: e, sgid: s })
}

export const getresuid = (m: Machine): Ids => {
  const { euid, suid, uid } = m.self.creds
  return { real: shown(m, "uid", uid), effective: shown(m, "uid", euid), saved: shown(m, "uid", suid) }
}

export const getresgid = (m: Machine): Ids => {
  const { egid, gid, sgid } = m.self.creds
  return { real: shown(m, "gid", gid), effective: shown(m, "gid", egid), saved: shown(m, "gid", sgid) }
}

export const getgroups = (m: Machine): ReadonlyArray<number> => m.self.creds.groups.map((id) => shown(m, "gid", id))

// -- capability sets --------------------------------------------------------------------------------------------------
export const capget = (m: Machine, { pid }: Arguments<"capget">): CapabilitySets => {
  if (pid < 0) refuse("EINVAL")
  const process = pid === 0 ? m.self : processByNumber(m, pid) ?? refuse("ESRCH")
  const { effective, inheritable, permitted } = process.creds
  return { effective, inheritable, permitted }
}

export const capset = (m: Machine, wanted: Arguments<"capset">): void => {
  const old = m.self.creds
  const all = allCapabilities(m)
  const [effective, permitted, inheritable] = [wanted.effective, wanted.permitted, wanted.inheritable].map((set) =>
    set & all
  ) as [bigint, bigint, bigint]
  // capabilities(7), "Programmatically adjusting capability sets"; the order is cap_capset's
  if (!capableHere(m, CAP.SETPCAP) && !subset(inheritable, old.inheritable | old.permitted)) refuse("EPERM")
  if (!subset(inheritable, old.inheritable | old.bounding)) refuse("EPERM")
  if (!subset(permitted, old.permitted)) refuse("EPERM")
  // EPERM: effective must be within permitted; unknown bits were cleared above
  if (!subset(effective, permitted)) refuse("EPERM")
  commit(m, { ...old, effective, permitted, inheritable, ambient: old.ambient & permitted & inheritable })
}

/** @see prctl(2) */
export const prctl = (m: Machine, { arg2, arg3, arg4, arg5, option }: Arguments<"prctl">): number => {
  const { self } = m
  const { creds } = self
  switch (option) {
    case PR.SET_PDEATHSIG:
      if (arg2 < 0 || arg2 > 64) refuse("EINVAL")
      m.change({ parentDeathSignal: arg2 })
      return 0
    case PR.GET_PDEATHSIG:
      return self.parentDeathSignal
    case PR.SET_DUMPABLE:
      // 2 can't be set since Linux 2.6.17
      if (arg2 !== 0 && arg2 !== 1) refuse("EINVAL")
      m.change({ dumpable: arg2 })
      return 0
    case PR.GET_DUMPABLE:
      return self.dumpable
    case PR.SET_KEEPCAPS:
      if (arg2 !== 0 && arg2 !== 1) refuse("EINVAL")
      if ((creds.securebits & SECBIT.KEEP_CAPS_LOCKED) !== 0) refuse("EPERM")
      m.changeCreds({
        securebits: arg2 === 1 ? creds.securebits | SECBIT.KEEP_CAPS : creds.securebits & ~SECBIT.KEEP_CAPS
      })
      return 0
    case PR.GET_KEEPCAPS:
      return (creds.securebits & SECBIT.KEEP_CAPS) === 0 ? 0 : 1
    case PR.CAPBSET_READ:
      return valid(m, arg2) ? has(creds.bounding, arg2) ? 1 : 0 : refuse("EINVAL")
    case PR.CAPBSET_DROP:
      if (!capableHere(m, CAP.SETPCAP)) refuse("EPERM")
      if (!valid(m, arg2)) refuse("EINVAL")
      m.changeCreds({ bounding: creds.bounding & ~(1n << BigInt(arg2)) })
      return 0
    case PR.GET_SECUREBITS:
      return creds.securebits
    case PR.SET_SECUREBITS: {
      const locks = creds.securebits & securebitLocks
      const changed = creds.securebits ^ arg2
      // EPERM: a locked bit or its lock would change (cap_task_prctl)
      if (((locks >> 1) & changed) !== 0 || (locks & ~arg2) !== 0 || (arg2 & ~allSecurebits) !== 0) refuse("EPERM")
      // EPERM: without CAP_SETPCAP only the bits that programs interpret may change, and a call that changes nothing fails
      if (!capableHere(m, CAP.SETPCAP) && (changed === 0 || (changed & ~unprivilegedSecurebits) !== 0)) refuse("EPERM")
      m.changeCreds({ securebits: arg2 })
      return 0
    }
    case PR.SET_NO_NEW_PRIVS:
      if (arg2 !== 1 || arg3 !== 0 || arg4 !== 0 || arg5 !== 0) refuse("EINVAL")
      m.changeCreds({ noNewPrivs: true })
      return 0
    case PR.GET_NO_NEW_PRIVS:
      if (arg2 !== 0 || arg3 !== 0 || arg4 !== 0 || arg5 !== 0) refuse("EINVAL")
      return creds.noNewPrivs ? 1 : 0
    case PR.SET_CHILD_SUBREAPER:
      m.change({ subreaper: arg2 !== 0 })
      return 0
    case PR.GET_CHILD_SUBREAPER:
      return self.subreaper ? 1 : 0
    case PR.CAP_AMBIENT:
      return ambient(m, arg2, arg3, arg4 | arg5)
    default:
      return m.unmodelled(`prctl option ${option}`)
  }
}

/**
 * After a change of the user: if the new user has too many processes, the next exec fails, unless there are fewer by then
 * (`flag_nproc_exceeded`; setresuid(2), execve(2)).
 */
const afterChangeOfUser = (m: Machine, uid: number): void => {
  const { nprocExceeded: _, ...rest } = m.self
  if (uid === rest.creds.uid) return
  const exceeded = uid !== 0 && hasTooManyProcesses(m, rest.ns.user, uid, 0)
  m.processes.set(m.pid, { ...rest, ...exceeded ? { nprocExceeded: true } : {} })
}
