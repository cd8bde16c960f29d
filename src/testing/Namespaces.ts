/**
 * Namespaces: making them, joining them. @see namespaces(7), clone(2), unshare(2), setns(2)
 */
import { CLONE } from "../native/constants.ts"
import type { Arguments } from "../native/Kernel.ts"
import { CAP, capableIn, commit, fullCredentials, has, isWithin, mayTrace, nsCapable, toUser } from "./Credentials.ts"
import * as Descriptors from "./Descriptors.ts"
import { type Machine, refuse } from "./Machine.ts"
import * as Mounts from "./Mounts.ts"
import * as Network from "./Network.ts"
import { namespaceOf } from "./Nodes.ts"
import { onTop } from "./Resolve.ts"
import type { Credentials, Location, NamespaceSet, NamespaceType, NodeId, Process } from "./State.ts"
import { enterTime } from "./Times.ts"

/** The flag of each type. */
export const flagOf: Readonly<Record<NamespaceType, number>> = {
  user: CLONE.NEWUSER,
  mnt: CLONE.NEWNS,
  pid: CLONE.NEWPID,
  net: CLONE.NEWNET,
  ipc: CLONE.NEWIPC,
  uts: CLONE.NEWUTS,
  cgroup: CLONE.NEWCGROUP,
  time: CLONE.NEWTIME
}

const all = Object.values(flagOf).reduce((flags, flag) => flags | flag, 0)

interface Made {
  readonly creds: Credentials
  readonly ns: NamespaceSet
  readonly root: Location
  readonly cwd: Location
}

const makeUser = (m: Machine): { readonly creds: Credentials; readonly user: number } => {
  const { creds, ns, root } = m.self
  const parent = m.namespace("user", ns.user)
  // ENOSPC beyond 33 levels; EPERM in a chroot, and where the creator's ids have no mapping (create_user_ns)
  if (parent.level > 32) refuse("ENOSPC")
  const bottom = m.namespace("mnt", ns.mnt).root
  const top = onTop(m, { mount: bottom, node: m.mounts.need(bottom).root })
  if (root.mount !== top.mount || root.node !== top.node) refuse("EPERM")
  if (toUser(m, ns.user, "uid", creds.euid) === undefined || toUser(m, ns.user, "gid", creds.egid) === undefined) {
    refuse("EPERM")
  }
  const id = m.fresh()
  m.namespaces.set(id, {
    id,
    owner: ns.user,
    type: "user",
    parent: ns.user,
    level: parent.level + 1,
    ownerUid: creds.euid,
    ownerGid: creds.egid,
    uidMap: undefined,
    gidMap: undefined,
    setgroups: parent.setgroups,
    creatorHadSetfcap: has(creds.effective, CAP.SETFCAP)
  })
  return { creds: fullCredentials(m, creds), user: id }
}

/** Makes the namespaces that flags ask for, as the caller; the user namespace first, since it owns the others. */
const make = (m: Machine, flags: number): Made => {
  const { creds: old, cwd, ns, root } = m.self
  const { creds, user } = (flags & CLONE.NEWUSER) !== 0 ? makeUser(m) : { creds: old, user: ns.user }
  const others = flags & ~CLONE.NEWUSER & all
  // EPERM: CAP_SYS_ADMIN in the user namespace that will own them (copy_namespaces)
  if (others !== 0 && !capableIn(m, creds, user, user, CAP.SYS_ADMIN)) refuse("EPERM")
  const next: Record<keyof NamespaceSet, number> = { ...ns, user }
  let places = { root, cwd }
  if ((flags & CLONE.NEWNS) !== 0) {
    const copied = Mounts.copyTree(m, ns.mnt, user, places)
    next.mnt = copied.ns
    places = copied
  }
  if ((flags & CLONE.NEWUTS) !== 0) {
    const { domainname, nodename } = m.namespace("uts", ns.uts)
    next.uts = m.fresh()
    m.namespaces.set(next.uts, { id: next.uts, owner: user, type: "uts", nodename, domainname })
  }
  if ((flags & CLONE.NEWIPC) !== 0) {
    next.ipc = m.fresh()
    // its mqueue is made here and now: with the ids of the maker, which a user namespace made by the same call does not
    // change (mq_init_ns, mqueue_get_inode)
    const maker = { uid: m.self.creds.euid, gid: m.self.creds.egid }
    m.namespaces.set(next.ipc, { id: next.ipc, owner: user, type: "ipc", maker })
  }
  if ((flags & CLONE.NEWPID) !== 0) {
    // EINVAL: once children go elsewhere, no further one is made (copy_pid_ns)
    if (ns.pidForChildren !== ns.pid) refuse("EINVAL")
    const parent = m.namespace("pid", ns.pid)
    // EINVAL: the owner of the pid namespace must be above or be the new one's (create_pid_namespace)
    if (!isWithin(m, user, parent.owner)) refuse("EINVAL")
    // ENOSPC beyond 32 levels (pid_namespaces(7))
    if (parent.level >= 32) refuse("ENOSPC")
    next.pidForChildren = m.fresh()
    m.namespaces.set(next.pidForChildren, {
      id: next.pidForChildren,
      owner: user,
      type: "pid",
      parent: parent.id,
      level: parent.level + 1,
      nextPid: 1
    })
  }
  if ((flags & CLONE.NEWCGROUP) !== 0) {
    next.cgroup = m.fresh()
    // the groups of the moment become the roots (cgroup_namespaces(7))
    m.namespaces.set(next.cgroup, { id: next.cgroup, owner: user, type: "cgroup", roots: m.self.cgroups })
  }
  if ((flags & CLONE.NEWNET) !== 0) next.net = Network.makeNamespace(m, user)
  if ((flags & CLONE.NEWTIME) !== 0) {
    const { offsets } = m.namespace("time", ns.timeForChildren)
    next.timeForChildren = m.fresh()
    m.namespaces.set(next.timeForChildren, { id: next.timeForChildren, owner: user, type: "time", offsets })
  }
  return { creds, ns: next, root: places.root, cwd: places.cwd }
}

/** What a child of the caller gets. */
export const forChild = (m: Machine, flags: number): Made => {
  // clone(2) keeps the exit signal where CLONE_NEWTIME's bit is: only unshare and clone3 make a time namespace
  if ((flags & CLONE.NEWTIME) !== 0) refuse("EINVAL")
  const made = make(m, flags)
  return {
    ...made,
    ns: { ...made.ns, pid: made.ns.pidForChildren, time: made.ns.timeForChildren }
  }
}

/** `CLONE_SYSVSEM` of linux/sched.h. */
const SYSVSEM = 0x40000

/** Whether the caller shares root and working directory with another process (`fs->users`). */
export const sharesDirectories = (m: Machine): boolean => {
  const { directories } = m.self
  return directories !== undefined &&
    m.processes.values().some((other) => other.pid !== m.pid && other.directories === directories)
}

export const unshare = (m: Machine, { flags }: Arguments<"unshare">): void => {
  const others = CLONE.FS | CLONE.FILES | CLONE.THREAD | CLONE.SIGHAND | CLONE.VM | SYSVSEM
  // EINVAL: unknown flags (unshare(2)); sharing nothing, a process of one thread unshares FS and FILES at no cost
  if ((flags & ~(all | others)) !== 0) refuse("EINVAL")
  const made = make(m, flags & all)
  // a new user or mount namespace ends the sharing of directories too (ksys_unshare)
  if ((flags & (CLONE.FS | CLONE.NEWUSER | CLONE.NEWNS)) !== 0) {
    const { directories: _, ...alone } = m.self
    m.processes.set(m.pid, alone)
  }
  m.change({ root: made.root, cwd: made.cwd, ns: { ...made.ns, user: m.self.ns.user } })
  if ((flags & CLONE.NEWUSER) !== 0) commit(m, made.creds, made.ns.user)
}

// ── joining ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Order in which several namespaces of a pidfd are joined: the user namespace gives the rights for the others. */
const order: ReadonlyArray<NamespaceType> = ["user", "mnt", "uts", "ipc", "pid", "cgroup", "net", "time"]

/**
 * Joins a namespace. `before` is the caller as it was when the call began: the credentials that a joined user namespace
 * gives come into force with the end of the call, so that the old ones decide (`ns_capable` in the `*_install` functions).
 */
const join = (m: Machine, id: number, before: Process, alone = true): void => {
  const target = m.namespaces.need(id)
  const { ns } = m.self
  const may = (userNs: number, capability: number): boolean =>
    capableIn(m, before.creds, before.ns.user, userNs, capability)
  // EPERM: CAP_SYS_ADMIN in the owner of the namespace, and in the user namespace that the caller will be in (setns(2))
  if (target.type !== "user" && !(may(target.owner, CAP.SYS_ADMIN) && may(ns.user, CAP.SYS_ADMIN))) refuse("EPERM")
  switch (target.type) {
    case "user":
      // EINVAL: the own one, which would give back dropped capabilities (user_namespaces(7))
      if (target.id === ns.user) refuse("EINVAL")
      // EINVAL: directories that are shared with another process (setns(2))
      if (sharesDirectories(m)) refuse("EINVAL")
      if (!may(target.id, CAP.SYS_ADMIN)) refuse("EPERM")
      return commit(m, fullCredentials(m, m.self.creds), target.id)
    case "mnt": {
      // EPERM: also CAP_SYS_CHROOT (setns(2))
      if (!may(ns.user, CAP.SYS_CHROOT)) refuse("EPERM")
      // EINVAL: directories that are shared with another process (setns(2)); with other namespaces at once, the kernel
      // looks at a copy of them, which is not shared (prepare_nsset)
      if (alone && sharesDirectories(m)) refuse("EINVAL")
      const root = onTop(m, { mount: target.root, node: m.mounts.need(target.root).root })
      return m.change({ ns: { ...ns, mnt: target.id }, root, cwd: root })
    }
    case "pid":
      // EINVAL: only the own pid namespace or one below it; it is for children (pid_namespaces(7))
      if (!isPidWithin(m, target.id, ns.pid)) refuse("EINVAL")
      return m.change({ ns: { ...ns, pidForChildren: target.id } })
    case "time":
      enterTime(m, target.id)
      return m.change({ ns: { ...ns, time: target.id, timeForChildren: target.id } })
    default:
      return m.change({ ns: { ...ns, [target.type]: target.id } })
  }
}

const isPidWithin = (m: Machine, pidNs: number, ancestor: number): boolean => {
  for (let id: number | undefined = pidNs; id !== undefined; id = m.namespace("pid", id).parent) {
    if (id === ancestor) return true
  }
  return false
}

export const setns = (m: Machine, { fd, nstype }: Arguments<"setns">): void => {
  const { kind } = Descriptors.usable(m, fd)
  if (kind._tag === "Pid") {
    // EINVAL: no or unknown types; ESRCH: gone; EPERM: may not look into it (setns(2))
    if (nstype === 0 || (nstype & ~all) !== 0) refuse("EINVAL")
    const target = m.processes.get(kind.pid) ?? refuse("ESRCH")
    if (!mayTrace(m, target, "real")) refuse("EPERM")
    if (target.status === "zombie") refuse("ESRCH")
    const before = m.self
    for (const type of order) {
      if ((nstype & flagOf[type]) !== 0) join(m, target.ns[type], before, nstype === flagOf[type])
    }
    return
  }
  const id = kind._tag === "Node" ? namespaceOf(kind.location.node) : undefined
  if (id === undefined) return refuse("EINVAL")
  const type = m.namespaces.need(id).type
  if (nstype !== 0 && nstype !== flagOf[type]) refuse("EINVAL")
  join(m, id, m.self)
}

// ── names and ends ───────────────────────────────────────────────────────────────────────────────────────────────────

const named = (m: Machine, name: string): void => {
  // EPERM: CAP_SYS_ADMIN in the owner of the uts namespace; EINVAL: longer than 64 (sethostname(2))
  if (!nsCapable(m, m.namespaces.need(m.self.ns.uts).owner, CAP.SYS_ADMIN)) refuse("EPERM")
  if (new TextEncoder().encode(name).length > 64) refuse("EINVAL")
}

export const sethostname = (m: Machine, { name }: Arguments<"sethostname">): void => {
  named(m, name)
  m.namespaces.set(m.self.ns.uts, { ...m.namespace("uts", m.self.ns.uts), nodename: name })
}

export const setdomainname = (m: Machine, { name }: Arguments<"setdomainname">): void => {
  named(m, name)
  m.namespaces.set(m.self.ns.uts, { ...m.namespace("uts", m.self.ns.uts), domainname: name })
}

/** The namespaces that something keeps: a process, a descriptor, a bind mount, another namespace. */
const kept = (m: Machine): ReadonlySet<number> => {
  const ids = new Set<number>()
  const keep = (node: NodeId): void => {
    const id = namespaceOf(node)
    if (id !== undefined) ids.add(id)
  }
  for (const { ns, numbers, status } of m.processes.values()) {
    for (const id of numbers.keys()) ids.add(id)
    // a zombie still has its credentials, with their user namespace
    ids.add(ns.user)
    if (status === "running") { for (const id of Object.values(ns)) ids.add(id) }
  }
  for (const { kind } of m.files.values()) if (kind._tag === "Node") keep(kind.location.node)
  for (const { root } of m.mounts.values()) keep(root)
  for (const ns of m.namespaces.values()) {
    if (ns.owner !== ns.id) ids.add(ns.owner)
    if ((ns.type === "user" || ns.type === "pid") && ns.parent !== undefined) ids.add(ns.parent)
  }
  return ids
}

/** Ends namespaces that nothing keeps; their mounts and links go with them (namespaces(7), "Namespace lifetime"). */
export const collect = (m: Machine): void => {
  for (let again = true; again;) {
    again = false
    const ids = kept(m)
    for (const { id, type } of m.namespaces.values()) {
      if (ids.has(id)) continue
      m.namespaces.delete(id)
      if (type === "net") Network.endNamespace(m, id)
      if (type === "mnt") Mounts.endNamespace(m, id)
      again = true
    }
  }
}
