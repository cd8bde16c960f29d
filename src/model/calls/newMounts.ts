/**
 * The mount interface with descriptors. @see open_tree(2), move_mount(2), fsopen(2), fsconfig(2), fsmount(2),
 * mount_setattr(2)
 */
import { AT, FSCONFIG, MOUNT_ATTR, MOVE_MOUNT, MS, O, OPEN_TREE } from "../../native/constants.ts"
import type { Arguments } from "../../native/Kernel.ts"
import { CAP, initialUserNs, nsCapable } from "../Credentials.ts"
import * as Descriptors from "../Descriptors.ts"
import { namespaceOf } from "../ids.ts"
import { makeFileSystem, mayBegin, mayMakeInstance, placeOf, tooRevealing } from "../Instances.ts"
import { encode, LateRefusal, type Machine, Refusal, refuse } from "../Machine.ts"
import * as MountData from "../mountData.ts"
import { isRoot, mountAt, propagationFlags } from "../Mounts.ts"
import { childrenOf, setPropagation, treeOf } from "../Propagation.ts"
import { existing, isWithin } from "../Resolve.ts"
import type { Location, Mount, OpenFile } from "../State.ts"
import { checkLocked, copyForBind, mayMount, mayPropagate, move, newMount, noWriters } from "./mount.ts"

export const openTree = (m: Machine, { dirfd, flags, path }: Arguments<"open_tree">): number => {
  const known = OPEN_TREE.CLONE | OPEN_TREE.CLOEXEC | AT.RECURSIVE | AT.EMPTY_PATH | AT.SYMLINK_NOFOLLOW |
    AT.NO_AUTOMOUNT
  // EINVAL: unknown flags; AT_RECURSIVE only with OPEN_TREE_CLONE (open_tree(2))
  if ((flags & ~known) !== 0) refuse("EINVAL")
  const clones = (flags & OPEN_TREE.CLONE) !== 0
  if ((flags & AT.RECURSIVE) !== 0 && !clones) refuse("EINVAL")
  if (clones) mayMount(m)
  const from = existing(m, dirfd, path, {
    follow: (flags & AT.SYMLINK_NOFOLLOW) === 0,
    emptyPath: (flags & AT.EMPTY_PATH) !== 0
  })
  const cloexec = (flags & OPEN_TREE.CLOEXEC) !== 0 ? O.CLOEXEC : 0
  const location = clones ? { mount: copyForBind(m, from, (flags & AT.RECURSIVE) !== 0), node: from.node } : from
  const kind = clones ? { _tag: "Node", location, tree: true } as const : { _tag: "Node", location } as const
  return Descriptors.open(m, kind, O.PATH | cloexec, path)
}

export const moveMount = (m: Machine, args: Arguments<"move_mount">): void => {
  const { flags, fromDirfd, fromPath, toDirfd, toPath } = args
  mayMount(m)
  if ((flags & ~0x377) !== 0 || (flags & 0x300) === 0x300) refuse("EINVAL")
  // the target is looked up first (move_mount)
  const to = existing(m, toDirfd, toPath, {
    follow: (flags & MOVE_MOUNT.T_SYMLINKS) !== 0,
    emptyPath: (flags & MOVE_MOUNT.T_EMPTY_PATH) !== 0
  })
  const from = existing(m, fromDirfd, fromPath, {
    follow: (flags & MOVE_MOUNT.F_SYMLINKS) !== 0,
    emptyPath: (flags & MOVE_MOUNT.F_EMPTY_PATH) !== 0
  })
  if ((flags & 0x200) !== 0) m.unmodelled("MOVE_MOUNT_BENEATH")
  if ((flags & MOVE_MOUNT.SET_GROUP) !== 0) return setGroup(m, from, to)
  move(m, from, to)
}

/** MOVE_MOUNT_SET_GROUP: a private mount joins the groups of another of the same file system (`do_set_group`). */
const setGroup = (m: Machine, fromPlace: Location, toPlace: Location): void => {
  const [from, to] = [mountAt(m, fromPlace), mountAt(m, toPlace)]
  if (!isRoot(m, fromPlace) || !isRoot(m, toPlace)) refuse("EINVAL")
  mayPropagate(m, from)
  mayPropagate(m, to)
  if (from.fs !== to.fs || !isWithin(m, to.root, from.root)) refuse("EINVAL")
  // EINVAL: a locked mount is in the way
  if (childrenOf(m, from.id).some((child) => child.locked && isWithin(m, child.mountpoint!, to.root))) refuse("EINVAL")
  if (to.shared !== undefined || to.master !== undefined) refuse("EINVAL")
  if (from.shared === undefined && from.master === undefined) refuse("EINVAL")
  m.mounts.set(to.id, {
    ...to,
    unbindable: from.shared === undefined && to.unbindable,
    ...from.shared === undefined ? {} : { shared: from.shared },
    ...from.master === undefined ? {} : { master: from.master }
  })
}

export const fsopen = (m: Machine, { flags, type }: Arguments<"fsopen">): number => {
  mayMount(m)
  if ((flags & ~1) !== 0) refuse("EINVAL")
  mayBegin(m, type)
  return Descriptors.open(
    m,
    { _tag: "FsContext", type, place: placeOf(m, type), settings: MountData.none, phase: "parameters" },
    O.RDWR | (flags === 1 ? O.CLOEXEC : 0),
    "anon_inode:[fscontext]"
  )
}

type Context = Extract<OpenFile["kind"], { readonly _tag: "FsContext" }>

const contextOf = (m: Machine, fd: number): { readonly file: OpenFile; readonly context: Context } => {
  const file = Descriptors.usable(m, fd)
  return file.kind._tag === "FsContext" ? { file, context: file.kind } : refuse("EINVAL")
}

/** EINVAL: arguments that the command does not accept; EOPNOTSUPP: no such command (fsconfig(2)). */
const checkArguments = ({ aux, command, key, value }: Arguments<"fsconfig">): void => {
  const [hasKey, hasValue] = [key !== null, value !== null]
  const goes = (): boolean => {
    switch (command) {
      case FSCONFIG.SET_FLAG:
        return hasKey && !hasValue && aux === 0
      case FSCONFIG.SET_STRING:
        return hasKey && hasValue && aux === 0
      case FSCONFIG.SET_BINARY:
        return hasKey && hasValue && aux > 0 && aux <= 1024 * 1024
      case FSCONFIG.SET_PATH:
      case FSCONFIG.SET_PATH_EMPTY:
        return hasKey && hasValue && (aux >= 0 || aux === AT.FDCWD)
      case FSCONFIG.SET_FD:
        return hasKey && !hasValue && aux >= 0
      case FSCONFIG.CMD_CREATE:
      case FSCONFIG.CMD_RECONFIGURE:
      case CMD_CREATE_EXCL:
        return !hasKey && !hasValue && aux === 0
      default:
        return refuse("ENOTSUP")
    }
  }
  if (!goes()) refuse("EINVAL")
}

const CMD_CREATE_EXCL = 8

/** The longest key and value, in bytes, with the end (`strndup_user`). */
const longestText = 256

export const fsconfig = (m: Machine, args: Arguments<"fsconfig">): void => {
  const { command, fd, key, value } = args
  // EINVAL: a negative number; checked first (fsconfig)
  if (fd < 0) refuse("EINVAL")
  checkArguments(args)
  const { context, file } = contextOf(m, fd)
  for (const text of [key, value]) if (text !== null && encode(text).length >= longestText) refuse("EINVAL")
  const set = (next: Context): void => m.files.set(file.id, { ...file, kind: next })
  if (context.phase === "mounted" && command !== FSCONFIG.CMD_CREATE) {
    m.unmodelled("a change of a file system that is mounted by its own descriptor")
  }
  switch (command) {
    case FSCONFIG.SET_FLAG:
    case FSCONFIG.SET_STRING: {
      // EBUSY: the instance is made already, or failed
      if (context.phase !== "parameters") refuse("EBUSY")
      return set({ ...context, settings: MountData.take(m, context.type, context.settings, key!, value ?? undefined) })
    }
    case FSCONFIG.CMD_CREATE: {
      if (context.phase !== "parameters") refuse("EBUSY")
      // a caller without the right is refused before that, and can try again (vfs_cmd_create)
      mayMakeInstance(m, context.type, context.place.owner)
      if (placeOf(m, context.type).namespace !== context.place.namespace) {
        m.unmodelled("a file system that is made in other namespaces than its context")
      }
      try {
        const { id } = makeFileSystem(m, context.type, context.settings)
        return set({ ...context, fs: id, phase: "made" })
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        set({ ...context, phase: "failed" })
        throw new LateRefusal(error.code)
      }
    }
    default:
      return m.unmodelled(`fsconfig command ${command}`)
  }
}

const attributesToFlags = (attributes: number): number => {
  const atime = attributes & MOUNT_ATTR._ATIME
  return ((attributes & MOUNT_ATTR.RDONLY) !== 0 ? MS.RDONLY : 0) |
    ((attributes & MOUNT_ATTR.NOSUID) !== 0 ? MS.NOSUID : 0) |
    ((attributes & MOUNT_ATTR.NODEV) !== 0 ? MS.NODEV : 0) |
    ((attributes & MOUNT_ATTR.NOEXEC) !== 0 ? MS.NOEXEC : 0) |
    ((attributes & MOUNT_ATTR.NODIRATIME) !== 0 ? MS.NODIRATIME : 0) |
    ((attributes & MOUNT_ATTR.NOSYMFOLLOW) !== 0 ? MS.NOSYMFOLLOW : 0) |
    (atime === MOUNT_ATTR.NOATIME ? MS.NOATIME : atime === MOUNT_ATTR.STRICTATIME ? 0 : MS.RELATIME)
}

const knownAttributes = MOUNT_ATTR.RDONLY | MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV | MOUNT_ATTR.NOEXEC |
  MOUNT_ATTR._ATIME | MOUNT_ATTR.NODIRATIME | MOUNT_ATTR.NOSYMFOLLOW

export const fsmount = (m: Machine, { attributes, fd, flags }: Arguments<"fsmount">): number => {
  mayMount(m)
  if ((flags & ~1) !== 0 || (attributes & ~knownAttributes) !== 0) refuse("EINVAL")
  if (![0, MOUNT_ATTR.NOATIME, MOUNT_ATTR.STRICTATIME].includes(attributes & MOUNT_ATTR._ATIME)) refuse("EINVAL")
  const { context, file } = contextOf(m, fd)
  // EINVAL: not created yet; EBUSY: mounted once already (fsmount(2))
  if (context.fs === undefined) return refuse("EINVAL")
  const fs = m.fileSystems.need(context.fs)
  const lockedFlags = tooRevealing(m, fs, attributesToFlags(attributes))
  if (context.phase === "mounted") refuse("EBUSY")
  m.files.set(file.id, { ...file, kind: { ...context, phase: "mounted" } })
  const location = { mount: newMount(m, fs.id, fs.root, attributesToFlags(attributes), lockedFlags), node: fs.root }
  return Descriptors.open(m, { _tag: "Node", location, tree: true }, O.PATH | (flags === 1 ? O.CLOEXEC : 0), "/")
}

export const mountSetattr = (m: Machine, args: Arguments<"mount_setattr">): void => {
  const { clear, dirfd, flags, path, propagation, set, usernsFd } = args
  const idmaps = (set & MOUNT_ATTR.IDMAP) !== 0
  if ((flags & ~(AT.EMPTY_PATH | AT.RECURSIVE | AT.SYMLINK_NOFOLLOW | AT.NO_AUTOMOUNT)) !== 0) refuse("EINVAL")
  mayMount(m)
  if (set === 0 && clear === 0 && propagation === 0) return
  if (((set | clear) & ~(knownAttributes | MOUNT_ATTR.IDMAP)) !== 0) refuse("EINVAL")
  // EINVAL: access times change only with the whole field cleared (mount_setattr(2))
  const clearsTime = (clear & MOUNT_ATTR._ATIME) !== 0
  if (clearsTime ? (clear & MOUNT_ATTR._ATIME) !== MOUNT_ATTR._ATIME : (set & MOUNT_ATTR._ATIME) !== 0) refuse("EINVAL")
  if ((clear & MOUNT_ATTR.IDMAP) !== 0) refuse("EINVAL")
  if ((propagation & ~propagationFlags) !== 0 || (propagation & (propagation - 1)) !== 0) refuse("EINVAL")
  // EINVAL: no such mode of access times (build_mount_kattr)
  if (clearsTime && ![0, MOUNT_ATTR.NOATIME, MOUNT_ATTR.STRICTATIME].includes(set & MOUNT_ATTR._ATIME)) refuse("EINVAL")
  const userNs = idmaps ? idmapOf(m, usernsFd) : undefined
  const where = existing(m, dirfd, path, {
    follow: (flags & AT.SYMLINK_NOFOLLOW) === 0,
    emptyPath: (flags & AT.EMPTY_PATH) !== 0
  })
  const top = mountAt(m, where)
  if (!isRoot(m, where)) refuse("EINVAL")
  // EINVAL: a user namespace without maps (alloc_mnt_idmap)
  if (userNs !== undefined) {
    const { gidMap, uidMap } = m.namespace("user", userNs)
    if (uidMap === undefined || gidMap === undefined) refuse("EINVAL")
  }
  // EINVAL: neither in the caller's namespace nor the top of a detached tree
  if (top.ns !== m.self.ns.mnt && (top.ns !== 0 || top.parent !== undefined)) refuse("EINVAL")
  const all = (flags & AT.RECURSIVE) !== 0 ? treeOf(m, top.id) : [top]
  const added = attributesToFlags(set) & ~MS.RELATIME
  const removed = attributesToFlags(clear & ~MOUNT_ATTR._ATIME) & ~MS.RELATIME
  for (const { id } of all) {
    const old = m.mounts.need(id)
    const time = clearsTime
      ? attributesToFlags(set) & (MS.NOATIME | MS.RELATIME)
      : old.flags & (MS.NOATIME | MS.RELATIME)
    const next = ((old.flags & ~removed & ~(MS.NOATIME | MS.RELATIME)) | (added & ~MS.NOATIME)) | time
    checkLocked(old, next)
    if (userNs !== undefined) mayMapIds(m, old, userNs)
    if ((next & ~old.flags & MS.RDONLY) !== 0) noWriters(m, (mount) => mount.id === id)
    m.mounts.set(id, { ...old, flags: next, ...userNs === undefined ? {} : { idmap: userNs } })
    if (propagation !== 0) setPropagation(m, id, propagation)
  }
}

/**
 * The user namespace whose map a mount gets; checked before the path (`build_mount_idmapped`). EINVAL: a negative number,
 * or not a user namespace; EPERM: the initial one, which means no map, or one without CAP_SYS_ADMIN.
 */
const idmapOf = (m: Machine, fd: number): number => {
  if (fd < 0) refuse("EINVAL")
  const { kind } = Descriptors.usable(m, fd)
  const ns = kind._tag === "Node" ? namespaceOf(kind.location.node) : undefined
  if (ns === undefined || m.namespaces.need(ns).type !== "user") return refuse("EINVAL")
  return ns === initialUserNs(m) || !nsCapable(m, ns, CAP.SYS_ADMIN) ? refuse("EPERM") : ns
}

/** File systems that allow ID-mapped mounts (`FS_ALLOW_IDMAP`). */
const idmappable = new Set(["tmpfs", "ext4"])

/** The rules of `can_idmap_mount`, in its order. */
const mayMapIds = (m: Machine, mount: Mount, userNs: number): void => {
  const fs = m.fileSystems.need(mount.fs)
  if (fs.owner === userNs) refuse("EINVAL")
  // EPERM: it has a map already
  if (mount.idmap !== undefined) refuse("EPERM")
  if (!idmappable.has(fs.type)) refuse("EINVAL")
  if (!nsCapable(m, fs.owner, CAP.SYS_ADMIN)) refuse("EPERM")
  // EINVAL: it has been attached
  if (mount.ns !== 0) refuse("EINVAL")
}
