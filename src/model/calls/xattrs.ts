/**
 * Extended attributes. @see setxattr(2), xattr(7), acl(5)
 */
import { AT, S } from "../../native/constants.ts"
import type { Arguments } from "../../native/Kernel.ts"
import { CAP, capable, capableOver, initialUserNs, isOwner, nsCapable, toKernel } from "../Credentials.ts"
import { givenCapabilities } from "../execCredentials.ts"
import { encode, type Machine, refuse } from "../Machine.ts"
import { fileSystemOf, isImmutable, permitted, readonlyAt, type View, W } from "../Nodes.ts"
import { copyUp } from "../overlayChanges.ts"
import { at, existing } from "../Resolve.ts"
import type { FileSystem } from "../State.ts"

/** `XATTR_NAME_MAX`, `XATTR_SIZE_MAX` of linux/limits.h. */
const [longestName, mostBytes] = [255, 65536] as const

/** File systems that keep attributes, by the prefixes that they serve (`s_xattr`). */
const kept: Readonly<Record<string, ReadonlyArray<string>>> = {
  // as in the upper layer
  overlay: ["user.", "trusted.", "security."],
  ext4: ["user.", "trusted.", "security."],
  tmpfs: ["user.", "trusted.", "security."],
  devtmpfs: ["user.", "trusted.", "security."],
  // user. only if the file system allows it (KERNFS_ROOT_SUPPORT_USER_XATTR)
  sysfs: ["trusted.", "security."],
  cgroup: ["user.", "trusted.", "security."],
  cgroup2: ["user.", "trusted.", "security."]
}

/** The type of a node's file system; a memory file is in a tmpfs. */
const typeOf = (m: Machine, node: View): string | undefined =>
  fileSystemOf(m, node)?.type ?? (node.stored?.content._tag === "File" ? "tmpfs" : undefined)

/** EACCES or EPERM: the caller may not set an attribute with this prefix (`xattr_permission`). */
const mayWrite = (m: Machine, node: View, name: string): void => {
  if (isImmutable(node)) refuse("EPERM")
  // security modules and access control lists have other rules
  if (name.startsWith("security.") || name.startsWith("system.")) return
  if (name.startsWith("trusted.")) return capable(m, CAP.SYS_ADMIN) ? undefined : refuse("EPERM")
  if (name.startsWith("user.")) {
    if (node.type !== "f" && node.type !== "d") refuse("EPERM")
    // in a sticky directory: its owner, and a caller that may act as the owner
    if (node.type === "d" && (node.mode & S.ISVTX) !== 0 && !isOwner(m, node)) refuse("EPERM")
  }
  if (!permitted(m, node, W)) refuse("EACCES")
}

/** EOPNOTSUPP: the file system has no such prefix; EINVAL: nothing follows it (`xattr_resolve_name`). */
const mustBeKept = (m: Machine, node: View, name: string): void => {
  const type = typeOf(m, node)
  if (type === undefined) return m.unmodelled("extended attributes of what is in no file system")
  if (type === "overlay" && /^(?:trusted|user)\.overlay\./.test(name)) m.unmodelled("what an overlay keeps for itself")
  const prefix = kept[type]?.find((one) => name.startsWith(one)) ?? refuse("ENOTSUP")
  if (name === prefix) refuse("EINVAL")
}

// -- access control lists ---------------------------------------------------------------------------------------------
interface Entry {
  readonly tag: number
  readonly permissions: number
}

/** `linux/posix_acl.h`. */
const [USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER] = [1, 2, 4, 8, 0x10, 0x20] as const

/** The entries of a list (`posix_acl_from_xattr`). EINVAL, EOPNOTSUPP; none for an empty one. */
const entriesOf = (m: Machine, value: Uint8Array): ReadonlyArray<Entry> => {
  if (value.length === 0) return []
  if (value.length < 4) refuse("EINVAL")
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength)
  if (view.getUint32(0, true) !== 2) refuse("ENOTSUP")
  if ((value.length - 4) % 8 !== 0) refuse("EINVAL")
  return Array.from({ length: (value.length - 4) / 8 }, (_, index) => {
    const [tag, permissions, id] = [
      view.getUint16(4 + index * 8, true),
      view.getUint16(6 + index * 8, true),
      view.getUint32(8 + index * 8, true)
    ]
    if (![USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER].some((known) => known === tag)) refuse("EINVAL")
    if (tag === USER || tag === GROUP) {
      if (toKernel(m, m.self.ns.user, tag === USER ? "uid" : "gid", id) === undefined) refuse("EINVAL")
    }
    return { tag, permissions }
  })
}

/** Whether a list is valid: each kind in order, and named entries only with a mask (`posix_acl_valid`). */
const isValid = (entries: ReadonlyArray<Entry>): boolean => {
  const names = new Map([[USER_OBJ, "o"], [USER, "u"], [GROUP_OBJ, "g"], [GROUP, "n"], [MASK, "m"], [OTHER, "x"]])
  const order = entries.map(({ tag }) => names.get(tag as typeof USER)).join("")
  return entries.every(({ permissions }) => (permissions & ~7) === 0) && /^o(?:gx|u*gn*mx)$/.test(order)
}

/** Sets a list. A list that says no more than a mode becomes the mode (`posix_acl_update_mode`). */
const setAcl = (m: Machine, node: View, name: string, value: Uint8Array): void => {
  const entries = entriesOf(m, value)
  if (isImmutable(node)) refuse("EPERM")
  const type = typeOf(m, node)
  if (type === "overlay") m.unmodelled("access control lists of an overlay")
  // EOPNOTSUPP: the file system has no lists (SB_POSIXACL)
  if (type !== "tmpfs" && type !== "devtmpfs" && type !== "ext4") refuse("ENOTSUP")
  if (name.endsWith("default") && node.type !== "d") return entries.length > 0 ? refuse("EACCES") : undefined
  if (!isOwner(m, node)) refuse("EPERM")
  if (entries.length === 0) return
  if (!isValid(entries)) refuse("EINVAL")
  if (entries.length > 3 || name.endsWith("default")) m.unmodelled("access control lists beyond the mode")
  const stored = node.stored ?? m.unmodelled("an access control list here")
  const bits = entries.reduce((mode, { permissions }) => mode << 3 | permissions, 0)
  const { egid, groups } = m.self.creds
  const inGroup = egid === node.gid || groups.includes(node.gid) || capableOver(m, node, CAP.FSETID)
  m.nodes.set(stored.id, { ...stored, mode: (stored.mode & (inGroup ? 0o7000 : 0o5000)) | bits })
}

// -- the call ---------------------------------------------------------------------------------------------------------
const ownerOf = (m: Machine, fs: FileSystem | undefined): number => fs?.owner ?? initialUserNs(m)

export const setxattr = (m: Machine, { name, path, value }: Arguments<"setxattr">): void => {
  // ERANGE: no name, or one that is too long; E2BIG: the value is too long; both are checked before the path
  // (setxattr_copy)
  const { length } = encode(name)
  if (length === 0 || length > longestName) refuse("ERANGE")
  if (value.length > mostBytes) refuse("E2BIG")
  const location = existing(m, AT.FDCWD, path, { follow: true })
  const node = at(m, location)
  if (readonlyAt(m, location)) refuse("EROFS")
  if (/^system\.posix_acl_(?:access|default)$/.test(name)) return setAcl(m, node, name, value)
  const owner = ownerOf(m, fileSystemOf(m, node))
  const isCapability = name === "security.capability"
  const given = isCapability && value.length > 0
    ? givenCapabilities(m, node, owner, value)
    : value
  mayWrite(m, node, name)
  // EPERM: attributes of security modules need CAP_SYS_ADMIN in the file system's user namespace (cap_inode_setxattr)
  if (name.startsWith("security.") && !isCapability && !nsCapable(m, owner, CAP.SYS_ADMIN)) refuse("EPERM")
  mustBeKept(m, node, name)
  copyUp(m, node.id)
  const { stored } = at(m, location)
  // nothing reads those of a computed file
  if (stored === undefined) return
  m.nodes.set(stored.id, { ...stored, xattrs: new Map(stored.xattrs).set(name, given) })
}
