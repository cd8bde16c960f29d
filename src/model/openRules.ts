/** Rules of open(2) that other calls share. */
import { S } from "../native/constants.ts"
import { CAP, capable } from "./Credentials.ts"
import type { Machine } from "./Machine.ts"
import * as Nodes from "./Nodes.ts"
import type { View } from "./Nodes.ts"
import type { Location, Node } from "./State.ts"

/** `MS_*` of the mount that a place is on. */
export const mountFlags = (m: Machine, location: Location): number => m.mounts.get(location.mount)?.flags ?? 0

/** Whether a file supports O_DIRECT (`FMODE_CAN_ODIRECT`). */
export const canBypass = (m: Machine, node: View): boolean => {
  if (node.type === "b") return true
  if (node.type !== "f" || node.stored === undefined) return false
  const type = Nodes.fileSystemOf(m, node)?.type
  if (type === "overlay") return m.unmodelled("whether what is below an overlay can do without the cache")
  // a memory file is in a tmpfs
  return type === undefined || ["tmpfs", "devtmpfs", "ext4"].includes(type)
}

// -- what a change takes away -----------------------------------------------------------------------------------------

/**
 * A file whose content changes loses its capabilities and, unless the writer has CAP_FSETID, set-user-ID and set-group-ID
 * (`file_remove_privs`).
 */
export const withoutPrivileges = (m: Machine, node: Node): Node => {
  const bits = capable(m, CAP.FSETID) ? 0 : S.ISUID | ((node.mode & 0o10) !== 0 ? S.ISGID : 0)
  return { ...withoutCapabilities(node), mode: node.mode & ~bits }
}

export const withoutCapabilities = (node: Node): Node =>
  node.xattrs?.has("security.capability") === true
    ? { ...node, xattrs: new Map([...node.xattrs].filter(([name]) => name !== "security.capability")) }
    : node
