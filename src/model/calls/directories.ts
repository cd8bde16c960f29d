/** The calls about the working directory and the root. @see chdir(2), chroot(2), getcwd(3) */
import { AT } from "../../native/constants.ts"
import type { Arguments } from "../../native/Kernel.ts"
import { CAP, capableHere } from "../Credentials.ts"
import * as Descriptors from "../Descriptors.ts"
import { type Machine, refuse } from "../Machine.ts"
import { permitted, type View, X } from "../Nodes.ts"
import { at, existing, linked, pathOf } from "../Resolve.ts"
import type { Location } from "../State.ts"

// -- directories of the process ---------------------------------------------------------------------------------------
const enterable = (m: Machine, location: Location): Location => {
  const node = at(m, location)
  if (node.type !== "d") refuse("ENOTDIR")
  if (!permitted(m, node, X)) refuse("EACCES")
  return location
}

export const chdir = (m: Machine, { path }: Arguments<"chdir">): void =>
  m.change({ cwd: enterable(m, existing(m, AT.FDCWD, path, { follow: true })) })

export const fchdir = (m: Machine, { fd }: Arguments<"fchdir">): void => {
  const file = Descriptors.fileOf(m, fd)
  m.change({ cwd: enterable(m, file.kind._tag === "Node" ? file.kind.location : refuse("ENOTDIR")) })
}

/** Whether a node is a memory file. */
export const isMemfd = ({ fs, stored }: View): boolean => fs === 0 && stored?.content._tag === "File"

export const getcwd = (m: Machine): string => {
  const { cwd, root } = m.self
  // ENOENT: the directory was removed (getcwd(2))
  if (!linked(m, cwd.node)) refuse("ENOENT")
  const { path, reachable } = pathOf(m, cwd, root)
  return reachable ? path : `(unreachable)${path}`
}

export const chroot = (m: Machine, { path }: Arguments<"chroot">): void => {
  const location = enterable(m, existing(m, AT.FDCWD, path, { follow: true }))
  // EPERM: CAP_SYS_CHROOT in the user namespace (chroot(2))
  if (!capableHere(m, CAP.SYS_CHROOT)) refuse("EPERM")
  m.change({ root: location })
}
