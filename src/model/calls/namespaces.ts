/** The calls about namespaces, and the names of the machine. @see unshare(2), setns(2), sethostname(2) */
import { flagOf } from "../../config/namespaceFlags.ts"
import { CLONE } from "../../native/constants.ts"
import type { Arguments } from "../../native/Kernel.ts"
import { CAP, capableIn, commit, fullCredentials, mayTrace, nsCapable } from "../Credentials.ts"
import * as Descriptors from "../Descriptors.ts"
import { namespaceOf } from "../ids.ts"
import { type Machine, refuse } from "../Machine.ts"
import { all, make, sharesDirectories } from "../NewNamespaces.ts"
import { onTop } from "../Resolve.ts"
import type { NamespaceType, Process } from "../State.ts"
import { enterTime } from "../Times.ts"

/** `CLONE_SYSVSEM` of linux/sched.h. */
const SYSVSEM = 0x40000

export const unshare = (m: Machine, { flags }: Arguments<"unshare">): void => {
  const others = CLONE.FS | CLONE.FILES | CLONE.THREAD | CLONE.SIGHAND | CLONE.VM | SYSVSEM
  // EINVAL: unknown flags (unshare(2)). FS and FILES have no effect on a process that shares nothing
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

// -- joining ----------------------------------------------------------------------------------------------------------

/** The order in which several namespaces of a pidfd are joined. The user namespace gives the rights for the others. */
const order: ReadonlyArray<NamespaceType> = ["user", "mnt", "uts", "ipc", "pid", "cgroup", "net", "time"]

/**
 * Joins a namespace. `before` is the caller as it was when the call began: the credentials from a joined user namespace
 * take effect at the end of the call, so the old ones decide (`ns_capable` in the `*_install` functions).
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
      // EINVAL: the caller's own, which would give back dropped capabilities (user_namespaces(7))
      if (target.id === ns.user) refuse("EINVAL")
      // EINVAL: the caller shares its directories with another process (setns(2))
      if (sharesDirectories(m)) refuse("EINVAL")
      if (!may(target.id, CAP.SYS_ADMIN)) refuse("EPERM")
      return commit(m, fullCredentials(m, m.self.creds), target.id)
    case "mnt": {
      // EPERM: also CAP_SYS_CHROOT (setns(2))
      if (!may(ns.user, CAP.SYS_CHROOT)) refuse("EPERM")
      // EINVAL: the caller shares its directories with another process (setns(2)); with other namespaces at once, the kernel
      // looks at a copy of them, which is not shared (prepare_nsset)
      if (alone && sharesDirectories(m)) refuse("EINVAL")
      const root = onTop(m, { mount: target.root, node: m.mounts.need(target.root).root })
      return m.change({ ns: { ...ns, mnt: target.id }, root, cwd: root })
    }
    case "pid":
      // EINVAL: not the caller's pid namespace or one below it; it applies to children (pid_namespaces(7))
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
    // EINVAL: no types, or unknown ones; ESRCH: the process is gone; EPERM: the caller may not inspect it (setns(2))
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

// -- names and ends ---------------------------------------------------------------------------------------------------
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
