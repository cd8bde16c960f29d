/**
 * The rules of capabilities, ids and user namespaces: `security/commoncap.c`, `kernel/sys.c`, `kernel/cred.c` and
 * `kernel/user_namespace.c` of the kernel.
 *
 * @see capabilities(7), credentials(7), user_namespaces(7)
 */
import { PR, SIG } from "../native/constants.ts"
import { type Machine, refuse } from "./Machine.ts"
import type { View } from "./Nodes.ts"
import type { Credentials, IdRange, Namespace, OpenFile, Process } from "./State.ts"
import { numberOf } from "./Sysctl.ts"

/** Capability numbers. @see capabilities(7), linux/capability.h */
export const CAP = {
  CHOWN: 0,
  DAC_OVERRIDE: 1,
  DAC_READ_SEARCH: 2,
  FOWNER: 3,
  FSETID: 4,
  KILL: 5,
  SETGID: 6,
  SETUID: 7,
  SETPCAP: 8,
  NET_BIND_SERVICE: 10,
  NET_ADMIN: 12,
  SYS_CHROOT: 18,
  SYS_PTRACE: 19,
  SYS_ADMIN: 21,
  SYS_NICE: 23,
  SYS_RESOURCE: 24,
  SYS_TIME: 25,
  MKNOD: 27,
  AUDIT_CONTROL: 30,
  SETFCAP: 31,
  BPF: 39
} as const

/** `SECBIT_*`. @see capabilities(7) */
export const SECBIT = { NOROOT: 1, NO_SETUID_FIXUP: 4, KEEP_CAPS: 16, KEEP_CAPS_LOCKED: 32, NO_CAP_AMBIENT_RAISE: 64 }

/** All capabilities that this kernel knows. */
export const allCapabilities = (m: Machine): bigint => (1n << BigInt(m.facts.lastCapability + 1)) - 1n

export const has = (set: bigint, capability: number): boolean => (set >> BigInt(capability) & 1n) === 1n

export const subset = (a: bigint, b: bigint): boolean => (a & ~b) === 0n

// -- may it? ----------------------------------------------------------------------------------------------------------

/**
 * Whether credentials have a capability in a user namespace (`cap_capable`). In their own namespace, the effective set
 * decides. In a descendant, they have it if they own it, or if they have it in one of its ancestors.
 */
export const capableIn = (m: Machine, creds: Credentials, userNs: number, target: number, capability: number) => {
  const own = m.namespace("user", userNs)
  for (let ns = m.namespace("user", target);;) {
    if (ns.id === userNs) return has(creds.effective, capability)
    // other namespaces on the same or a higher level give nothing
    if (ns.level <= own.level || ns.parent === undefined) return false
    if (ns.parent === userNs && ns.ownerUid === creds.euid) return true
    ns = m.namespace("user", ns.parent)
  }
}

/** Whether the caller has a capability in a user namespace. */
export const nsCapable = (m: Machine, target: number, capability: number): boolean =>
  capableIn(m, m.self.creds, m.self.ns.user, target, capability)

/** Whether the caller has a capability in its own user namespace. */
export const capableHere = (m: Machine, capability: number): boolean => nsCapable(m, m.self.ns.user, capability)

/** The initial user namespace. */
export const initialUserNs = (m: Machine): number =>
  m.namespaces.find((ns) => ns.type === "user" && ns.parent === undefined)!.id

/** Whether the caller has a capability in the initial user namespace (the kernel's plain `capable`). */
export const capable = (m: Machine, capability: number): boolean => nsCapable(m, initialUserNs(m), capability)

/**
 * Whether a capability of the caller applies to a file: only if the file's owner and group have ids in the caller's user
 * namespace (`capable_wrt_inode_uidgid`).
 */
export const capableOver = (m: Machine, owner: Owner, capability: number): boolean =>
  hasNames(m, m.self.ns.user, owner) && capableHere(m, capability)

interface Owner {
  readonly uid: number
  readonly gid: number
}

/** Whether a user namespace has ids for the owner and the group of a file (`privileged_wrt_inode_uidgid`). */
export const hasNames = (m: Machine, userNs: number, { gid, uid }: Owner): boolean =>
  toUser(m, userNs, "uid", uid) !== undefined && toUser(m, userNs, "gid", gid) !== undefined

/** Whether a user namespace is `ancestor`, or is below it (`in_userns`). */
export const isWithin = (m: Machine, userNs: number, ancestor: number): boolean => {
  for (let id: number | undefined = userNs; id !== undefined; id = m.namespace("user", id).parent) {
    if (id === ancestor) return true
  }
  return false
}

// -- ids through user namespaces --------------------------------------------------------------------------------------
const ranges = (m: Machine, userNs: number, kind: "uid" | "gid"): ReadonlyArray<IdRange> => {
  const ns = m.namespace("user", userNs)
  return (kind === "uid" ? ns.uidMap : ns.gidMap) ?? []
}

/** The kernel's id for an id of a user namespace (`make_kuid`). */
export const toKernel = (m: Machine, userNs: number, kind: "uid" | "gid", id: number): number | undefined => {
  const range = ranges(m, userNs, kind).find(({ count, inside }) => inside <= id && id < inside + count)
  return range === undefined ? undefined : range.outside + (id - range.inside)
}

/** The id in a user namespace for a kernel id (`from_kuid`). */
export const toUser = (m: Machine, userNs: number, kind: "uid" | "gid", id: number): number | undefined => {
  const range = ranges(m, userNs, kind).find(({ count, outside }) => outside <= id && id < outside + count)
  return range === undefined ? undefined : range.inside + (id - range.outside)
}

/** As {@link toUser}, with the overflow id if there is none (`from_kuid_munged`). */
export const shown = (m: Machine, kind: "uid" | "gid", id: number, userNs = m.self.ns.user): number =>
  toUser(m, userNs, kind, id) ?? numberOf(m, `kernel/overflow${kind}`) ?? 65534

/** An id in the caller's user namespace as a kernel id. EINVAL if it has no mapping (setresuid(2), setgroups(2), chown(2)). */
export const kernelId = (m: Machine, kind: "uid" | "gid", id: number): number =>
  // ids are unsigned
  toKernel(m, m.self.ns.user, kind, id >>> 0) ?? refuse("EINVAL")

// -- changing credentials ---------------------------------------------------------------------------------------------

/** The dumpable state of a process whose credentials changed, or whose program has gained privileges (`suid_dumpable`). */
export const untraceable = (m: Machine): number => numberOf(m, "fs/suid_dumpable") ?? 0

/**
 * Sets new credentials (`commit_creds`). If the effective ids change, or capabilities are gained, the process becomes
 * undumpable and its parent-death signal is cleared (prctl(2) PR_SET_DUMPABLE, PR_SET_PDEATHSIG).
 */
export const commit = (m: Machine, next: Credentials, userNs = m.self.ns.user): void => {
  const { creds: old, ns } = m.self
  const gained = userNs === ns.user ? !subset(next.permitted, old.permitted) : !owns(m, old, ns.user, userNs)
  const marked = old.euid !== next.euid || old.egid !== next.egid || gained
  m.change({
    creds: next,
    ns: { ...ns, user: userNs },
    ...marked ? { dumpable: untraceable(m), parentDeathSignal: 0 } : {}
  })
}

/** Whether a user in `from` owns a user namespace, or one that it is in (`cred_cap_issubset`). */
const owns = (m: Machine, { euid }: Credentials, from: number, userNs: number): boolean => {
  for (let ns = m.namespace("user", userNs); ns.parent !== undefined; ns = m.namespace("user", ns.parent)) {
    if (ns.parent === from && ns.ownerUid === euid) return true
  }
  return false
}

/** Full capabilities, as the first process of a user namespace has them (`set_cred_user_ns`). */
export const fullCredentials = (m: Machine, creds: Credentials): Credentials => ({
  ...creds,
  permitted: allCapabilities(m),
  effective: allCapabilities(m),
  bounding: allCapabilities(m),
  inheritable: 0n,
  ambient: 0n,
  securebits: 0
})

export const valid = (m: Machine, capability: number): boolean =>
  capability >= 0 && capability <= m.facts.lastCapability

export const ambient = (m: Machine, operation: number, capability: number, rest: number): number => {
  const { creds } = m.self
  if (operation === PR.CAP_AMBIENT_CLEAR_ALL) {
    if (capability !== 0 || rest !== 0) refuse("EINVAL")
    m.changeCreds({ ambient: 0n })
    return 0
  }
  if (!valid(m, capability) || rest !== 0) refuse("EINVAL")
  const bit = 1n << BigInt(capability)
  switch (operation) {
    case PR.CAP_AMBIENT_IS_SET:
      return has(creds.ambient, capability) ? 1 : 0
    case PR.CAP_AMBIENT_LOWER:
      m.changeCreds({ ambient: creds.ambient & ~bit })
      return 0
    case PR.CAP_AMBIENT_RAISE:
      // EPERM: it must be permitted and inheritable (PR_CAP_AMBIENT_RAISE)
      if (!has(creds.permitted & creds.inheritable, capability)) refuse("EPERM")
      if ((creds.securebits & SECBIT.NO_CAP_AMBIENT_RAISE) !== 0) refuse("EPERM")
      m.changeCreds({ ambient: creds.ambient | bit })
      return 0
    default:
      return refuse("EINVAL")
  }
}

// -- uid_map, gid_map, setgroups --------------------------------------------------------------------------------------

/** Numbers of a map have 32 bits, whatever was written (`simple_strtoul`). */
const number = (text: string): number => Number(BigInt(text) & 0xffffffffn)

/** The invalid id (`INVALID_UID`). */
export const noId = 0xffffffff

const overlaps = (a: IdRange, b: IdRange): boolean =>
  (a.inside < b.inside + b.count && b.inside < a.inside + a.count) ||
  (a.outside < b.outside + b.count && b.outside < a.outside + a.count)

/** The lines of a map (`map_write`). EINVAL. */
const parseMap = (text: string): ReadonlyArray<IdRange> => {
  const lines = text.split("\0")[0]!.replace(/\n$/, "").split("\n")
  const out: Array<IdRange> = []
  for (const line of lines) {
    const [, inside, outside, count] = /^\s*(\d+)\s+(\d+)\s+(\d+)\s*$/.exec(line) ?? refuse("EINVAL")
    const range = { inside: number(inside!), outside: number(outside!), count: number(count!) }
    // EINVAL: an empty range, or one that includes the last number
    if (range.count === 0 || range.inside + range.count > noId || range.outside + range.count > noId) refuse("EINVAL")
    if (out.some((other) => overlaps(range, other))) refuse("EINVAL")
    out.push(range)
  }
  // at most 340 lines (user_namespaces(7))
  return out.length > 340 ? refuse("EINVAL") : out
}

/**
 * Converts a range from the parent's ids to kernel ids. It must be within one line of the parent's map
 * (`map_id_range_down`).
 */
const rangeDown = (m: Machine, userNs: number, kind: "uid" | "gid", { count, inside, outside }: IdRange): IdRange => {
  const line = ranges(m, userNs, kind).find((other) =>
    other.inside <= outside && outside + count <= other.inside + other.count
  )
  return line === undefined ? refuse("EPERM") : { inside, outside: line.outside + (outside - line.inside), count }
}

/** Whether the process that writes a map may map to these ids (`new_idmap_permitted`). */
const mayMap = (
  m: Machine,
  ns: Extract<Namespace, { readonly type: "user" }>,
  parent: number,
  kind: "uid" | "gid",
  lines: ReadonlyArray<IdRange>,
  opener: OpenFile["opener"]
): boolean => {
  const over = (capability: number): boolean => capableIn(m, opener.creds, opener.userNs, parent, capability)
  // mapping the parent's uid 0 needs CAP_SETFCAP, of the namespace's creator or else of the writer (verify_root_map)
  if (kind === "uid" && lines.some(({ outside }) => outside === 0)) {
    if (opener.userNs === ns.id ? !ns.creatorHadSetfcap : !over(CAP.SETFCAP)) return false
  }
  // without privileges, a process may map its own effective id alone; its group only after setgroups is denied
  const [line] = lines
  if (lines.length === 1 && line!.count === 1 && ns.ownerUid === opener.creds.euid) {
    const own = kind === "uid" ? opener.creds.euid : opener.creds.egid
    if (toKernel(m, parent, kind, line!.outside) === own && (kind === "uid" || ns.setgroups === "deny")) return true
  }
  // other maps need CAP_SETUID or CAP_SETGID over the parent, of the writer and of the opener
  const capability = kind === "uid" ? CAP.SETUID : CAP.SETGID
  return nsCapable(m, parent, capability) && over(capability)
}

/** The longest text that can be written to a map: less than a page. */
const mapSize = 4095

/** A write to `/proc/<pid>/uid_map` or `gid_map` (`map_write`; user_namespaces(7), "Defining user and group ID mappings"). */
export const writeMap = (
  m: Machine,
  userNs: number,
  kind: "uid" | "gid",
  text: string,
  opener: OpenFile["opener"],
  offset: number
): void => {
  const ns = m.namespace("user", userNs)
  const { parent } = ns
  // EPERM: the first namespace's map is fixed; the file must be opened in the namespace or in its parent
  if (parent === undefined || (opener.userNs !== userNs && opener.userNs !== parent)) return refuse("EPERM")
  if (offset !== 0 || text.length > mapSize) refuse("EINVAL")
  // EPERM: a map is written once
  if ((kind === "uid" ? ns.uidMap : ns.gidMap) !== undefined) refuse("EPERM")
  if (!capableIn(m, opener.creds, opener.userNs, userNs, CAP.SYS_ADMIN)) refuse("EPERM")
  const lines = parseMap(text)
  if (!mayMap(m, ns, parent, kind, lines, opener)) refuse("EPERM")
  const map = lines.map((line) => rangeDown(m, parent, kind, line))
  // more than five lines are kept, and shown, sorted (sort_idmaps)
  const kept = map.length > 5 ? map.toSorted((a, b) => a.inside - b.inside) : map
  m.namespaces.set(userNs, kind === "uid" ? { ...ns, uidMap: kept } : { ...ns, gidMap: kept })
}

/**
 * The text of a map as the reader sees it. Outside ids are those of the reader's namespace; for its own map, those of the
 * parent.
 */
export const readMap = (m: Machine, userNs: number, kind: "uid" | "gid"): string => {
  const ns = m.namespace("user", userNs)
  const reader = m.self.ns.user === userNs && ns.parent !== undefined ? ns.parent : m.self.ns.user
  const pad = (value: number): string => String(value).padStart(10)
  return ((kind === "uid" ? ns.uidMap : ns.gidMap) ?? []).map(({ count, inside, outside }) =>
    `${pad(inside)} ${pad(toUser(m, reader, kind, outside) ?? 4294967295)} ${pad(count)}\n`
  ).join("")
}

/** A write to `/proc/<pid>/setgroups` (`proc_setgroups_write`). */
export const writeSetgroups = (m: Machine, userNs: number, text: string, offset: number): void => {
  const ns = m.namespace("user", userNs)
  // EINVAL: the buffer has room for seven bytes
  if (offset !== 0 || text.length > 7 || !/^(?:allow|deny)\s*(?:\0|$)/.test(text)) refuse("EINVAL")
  const word = text.startsWith("allow") ? "allow" : "deny"
  // EPERM: after deny there is no allow; deny must come before the gid_map (user_namespaces(7))
  if (word === "allow" ? ns.setgroups === "deny" : ns.gidMap !== undefined) refuse("EPERM")
  m.namespaces.set(userNs, { ...ns, setgroups: word })
}

// -- other processes --------------------------------------------------------------------------------------------------

/** The process that a number of the caller's pid namespace names. */
export const processByNumber = (m: Machine, number: number, pidNs = m.self.ns.pid): Process | undefined =>
  m.processes.find((process) => process.numbers.get(pidNs) === number)

/** Whether the caller may signal a process (`kill_ok_by_cred`; kill(2)). */
export const maySignal = (m: Machine, target: Process, signal: number): boolean => {
  const { euid, uid } = m.self.creds
  const { suid, uid: targetUid } = target.creds
  if (signal === SIG.CONT && target.session === m.self.session) return true
  return [suid, targetUid].includes(euid) || [suid, targetUid].includes(uid) || nsCapable(m, target.ns.user, CAP.KILL)
}

/** The user namespace that the memory of a process belongs to (`mm->user_ns`). */
export const memoryUserNs = (m: Machine, process: Process): number => process.memoryUserNs ?? initialUserNs(m)

/**
 * Whether the caller may inspect a process (`__ptrace_may_access`, `cap_ptrace_access_check`; ptrace(2), "Ptrace access
 * mode checking"): by its effective ids and capabilities for files of /proc (`PTRACE_MODE_FSCREDS`), by its real ids and
 * permitted capabilities for pidfds (`PTRACE_MODE_REALCREDS`).
 */
export const mayTrace = (m: Machine, target: Process, mode: "effective" | "real"): boolean => {
  if (target.pid === m.pid) return true
  const { creds, ns } = m.self
  const [uid, gid, own] = mode === "effective"
    ? [creds.euid, creds.egid, creds.effective]
    : [creds.uid, creds.gid, creds.permitted]
  const theirs = target.creds
  const same = [theirs.uid, theirs.euid, theirs.suid].every((id) => id === uid) &&
    [theirs.gid, theirs.egid, theirs.sgid].every((id) => id === gid)
  const privileged = nsCapable(m, target.ns.user, CAP.SYS_PTRACE)
  if (!same && !privileged) return false
  // a zombie has no memory to protect
  const hidden = target.status === "running" && target.dumpable !== 1
  if (hidden && !nsCapable(m, memoryUserNs(m, target), CAP.SYS_PTRACE)) return false
  return privileged || (target.ns.user === ns.user && subset(theirs.permitted, own))
}

/** `inode_owner_or_capable`. */
export const isOwner = (m: Machine, node: View): boolean =>
  node.uid === m.self.creds.euid || capableOver(m, node, CAP.FOWNER)
