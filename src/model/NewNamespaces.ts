/** Making namespaces. @see namespaces(7), kernel/nsproxy.c */
import { flagOf } from "../config/namespaceFlags.ts"
import { CLONE } from "../native/constants.ts"
import { enforcedLimit, mayMakeNamespace } from "./Counts.ts"
import { CAP, capableIn, fullCredentials, has, isWithin, toUser } from "./Credentials.ts"
import { type Machine, refuse } from "./Machine.ts"
import * as Mounts from "./Mounts.ts"
import { onTop } from "./Resolve.ts"
import type { Credentials, Location, NamespaceSet } from "./State.ts"
import { rules, valueOf } from "./Sysctl.ts"

export const all = Object.values(flagOf).reduce((flags, flag) => flags | flag, 0)

interface Made {
  readonly creds: Credentials
  readonly ns: NamespaceSet
  readonly root: Location
  readonly cwd: Location
}

const makeUser = (m: Machine): { readonly creds: Credentials; readonly user: number } => {
  const { creds, ns, root } = m.self
  const parent = m.namespace("user", ns.user)
  // ENOSPC: more than 33 levels; EPERM: in a chroot, or if the creator's ids have no mapping (create_user_ns)
  if (parent.level > 32) refuse("ENOSPC")
  mayMakeNamespace(m, "user", ns.user)
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
    creatorHadSetfcap: has(creds.effective, CAP.SETFCAP),
    processLimit: enforcedLimit(m)
  })
  return { creds: fullCredentials(m, creds), user: id }
}

/** Makes the namespaces that flags request, as the caller. The user namespace is first, because it owns the others. */
export const make = (
  m: Machine,
  flags: number,
  before: (creds: Credentials, userNs: number) => void = () => {}
): Made => {
  const { creds: old, cwd, ns, root } = m.self
  const madeBy = old.euid
  const { creds, user } = (flags & CLONE.NEWUSER) !== 0 ? makeUser(m) : { creds: old, user: ns.user }
  before(creds, user)
  const others = flags & ~CLONE.NEWUSER & all
  // EPERM: CAP_SYS_ADMIN in the user namespace that will own them (copy_namespaces)
  if (others !== 0 && !capableIn(m, creds, user, user, CAP.SYS_ADMIN)) refuse("EPERM")
  const next: Record<keyof NamespaceSet, number> = { ...ns, user }
  let places = { root, cwd }
  if ((flags & CLONE.NEWNS) !== 0) {
    mayMakeNamespace(m, "mnt", user)
    const copied = Mounts.copyTree(m, ns.mnt, user, places)
    m.namespaces.update(copied.ns, (made) => ({ ...made, madeBy }))
    next.mnt = copied.ns
    places = copied
  }
  if ((flags & CLONE.NEWUTS) !== 0) {
    const { domainname, nodename } = m.namespace("uts", ns.uts)
    mayMakeNamespace(m, "uts", user)
    next.uts = m.fresh()
    m.namespaces.set(next.uts, { id: next.uts, owner: user, madeBy, type: "uts", nodename, domainname })
  }
  if ((flags & CLONE.NEWIPC) !== 0) {
    mayMakeNamespace(m, "ipc", user)
    next.ipc = m.fresh()
    // its mqueue is made now, with the ids of the maker. A user namespace from the same call does not change these
    // (mq_init_ns, mqueue_get_inode)
    const maker = { uid: m.self.creds.euid, gid: m.self.creds.egid }
    m.namespaces.set(next.ipc, { id: next.ipc, owner: user, madeBy, type: "ipc", maker })
  }
  if ((flags & CLONE.NEWPID) !== 0) {
    // EINVAL: the children already have another pid namespace (copy_pid_ns)
    if (ns.pidForChildren !== ns.pid) refuse("EINVAL")
    const parent = m.namespace("pid", ns.pid)
    // EINVAL: the new owner must be the owner of the parent, or below it (create_pid_namespace)
    if (!isWithin(m, user, parent.owner)) refuse("EINVAL")
    // ENOSPC: more than 32 levels (pid_namespaces(7))
    if (parent.level >= 32) refuse("ENOSPC")
    mayMakeNamespace(m, "pid", user)
    next.pidForChildren = m.fresh()
    m.namespaces.set(next.pidForChildren, {
      id: next.pidForChildren,
      owner: user,
      madeBy,
      type: "pid",
      parent: parent.id,
      level: parent.level + 1,
      nextPid: 1
    })
  }
  if ((flags & CLONE.NEWCGROUP) !== 0) {
    mayMakeNamespace(m, "cgroup", user)
    next.cgroup = m.fresh()
    // the current groups become the roots (cgroup_namespaces(7))
    m.namespaces.set(next.cgroup, { id: next.cgroup, owner: user, madeBy, type: "cgroup", roots: m.self.cgroups })
  }
  if ((flags & CLONE.NEWNET) !== 0) {
    mayMakeNamespace(m, "net", user)
    next.net = makeNamespace(m, user)
    m.namespaces.update(next.net, (made) => ({ ...made, madeBy }))
  }
  if ((flags & CLONE.NEWTIME) !== 0) {
    const { offsets } = m.namespace("time", ns.timeForChildren)
    mayMakeNamespace(m, "time", user)
    next.timeForChildren = m.fresh()
    m.namespaces.set(next.timeForChildren, { id: next.timeForChildren, owner: user, madeBy, type: "time", offsets })
  }
  return { creds, ns: next, root: places.root, cwd: places.cwd }
}

/**
 * The credentials and namespaces of the caller's child. `before` is called when its user is known, before other namespaces
 * are made.
 */
export const forChild = (
  m: Machine,
  flags: number,
  before: (creds: Credentials, userNs: number) => void
): Made => {
  // in clone(2), CLONE_NEWTIME's bit is part of the exit signal: only unshare and clone3 make a time namespace
  if ((flags & CLONE.NEWTIME) !== 0) refuse("EINVAL")
  const made = make(m, flags, before)
  return {
    ...made,
    ns: { ...made.ns, pid: made.ns.pidForChildren, time: made.ns.timeForChildren }
  }
}

/** Whether the caller shares root and working directory with another process (`fs->users`). */
export const sharesDirectories = (m: Machine): boolean => {
  const { directories } = m.self
  return directories !== undefined &&
    m.processes.values().some((other) => other.pid !== m.pid && other.directories === directories)
}

// -- namespaces -------------------------------------------------------------------------------------------------------

/** A new network namespace: `lo`, down (network_namespaces(7)). */
const makeNamespace = (m: Machine, owner: number): number => {
  const id = m.fresh()
  m.namespaces.set(id, { id, owner, type: "net", nextIndex: 2 })
  const lo = m.fresh()
  m.links.set(lo, {
    id: lo,
    ns: id,
    index: 1,
    name: "lo",
    kind: "",
    up: false,
    mtu: 65536,
    mac: "00:00:00:00:00:00",
    txQueueLength: 1000,
    addresses: []
  })
  inherit(m, id)
  return id
}

/** A new network namespace inherits IPv4 forwarding from the first one (devinet_init_net). All else is as on a new machine. */
const inherit = (m: Machine, ns: number): void => {
  const path = "net/ipv4/conf/all/forwarding"
  const first = m.namespaces.values().find(({ type }) => type === "net")!.id
  const value = valueOf(m, path, first, rules[path]!)
  if (value !== rules[path]!.initial) m.sysctls.set(`${ns}:${path}`, value)
}
