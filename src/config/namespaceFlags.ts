/** The types of namespaces, and their flags. */
import { CLONE } from "../native/constants.ts"
import type { NamespaceType } from "./Container.ts"

/** The `CLONE_NEW*` flag of each type. @see namespaces(7) */
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
