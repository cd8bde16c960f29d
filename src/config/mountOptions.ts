/**
 * From mount options by name, as mount(8) and the OCI configuration spell them, to what the kernel takes.
 *
 * @see mount(8), mount_setattr(2), OCI config.md "Linux mount options"
 */
import { MOUNT_ATTR, MS } from "../native/constants.ts"

/**
 * What a bind mount does with links, by the names that crun gave these options:
 *
 * - `copy-symlink`: if the source is a link, the same link is made at the destination, and nothing is mounted
 * - `src-nofollow`: if the source is a link, the link is bound, and not what it leads to
 * - `dest-nofollow`: if the destination is a link, the mount is put on the link, and not on what it leads to
 */
export type LinkOption = "copy-symlink" | "src-nofollow" | "dest-nofollow"

const linkOptions: ReadonlyArray<string> = ["copy-symlink", "src-nofollow", "dest-nofollow"] satisfies LinkOption[]

const isLinkOption = (option: string): option is LinkOption => linkOptions.includes(option)

/** What a list of options means. */
export interface Options {
  readonly flags: number
  readonly clearedFlags: number
  readonly propagation: ReadonlyArray<number>
  readonly recursiveAttributes: { readonly set: number; readonly clear: number }
  readonly data: ReadonlyArray<string>
  readonly copyUp: boolean
  readonly links: ReadonlyArray<LinkOption>
  /** `idmap` or `ridmap` was among them. */
  readonly idMap: "none" | "mount" | "tree"
}

const setFlags: Readonly<Record<string, number>> = {
  bind: MS.BIND,
  defaults: 0,
  dirsync: MS.DIRSYNC,
  iversion: MS.I_VERSION,
  lazytime: MS.LAZYTIME,
  mand: MS.MANDLOCK,
  noatime: MS.NOATIME,
  nodev: MS.NODEV,
  nodiratime: MS.NODIRATIME,
  noexec: MS.NOEXEC,
  nosuid: MS.NOSUID,
  nosymfollow: MS.NOSYMFOLLOW,
  rbind: MS.BIND | MS.REC,
  relatime: MS.RELATIME,
  remount: MS.REMOUNT,
  ro: MS.RDONLY,
  silent: MS.SILENT,
  strictatime: MS.STRICTATIME,
  sync: MS.SYNCHRONOUS
}

const clearFlags: Readonly<Record<string, number>> = {
  async: MS.SYNCHRONOUS,
  atime: MS.NOATIME,
  dev: MS.NODEV,
  diratime: MS.NODIRATIME,
  exec: MS.NOEXEC,
  loud: MS.SILENT,
  noiversion: MS.I_VERSION,
  nolazytime: MS.LAZYTIME,
  nomand: MS.MANDLOCK,
  norelatime: MS.RELATIME,
  nostrictatime: MS.STRICTATIME,
  rw: MS.RDONLY,
  suid: MS.NOSUID,
  symfollow: MS.NOSYMFOLLOW
}

/** Propagation by name: `private`, `rslave`, … */
export const propagations: Readonly<Record<string, number>> = {
  private: MS.PRIVATE,
  rprivate: MS.PRIVATE | MS.REC,
  rshared: MS.SHARED | MS.REC,
  rslave: MS.SLAVE | MS.REC,
  runbindable: MS.UNBINDABLE | MS.REC,
  shared: MS.SHARED,
  slave: MS.SLAVE,
  unbindable: MS.UNBINDABLE
}

const setAttributes: Readonly<Record<string, number>> = {
  rnoatime: MOUNT_ATTR.NOATIME,
  rnodev: MOUNT_ATTR.NODEV,
  rnodiratime: MOUNT_ATTR.NODIRATIME,
  rnoexec: MOUNT_ATTR.NOEXEC,
  rnosuid: MOUNT_ATTR.NOSUID,
  rnosymfollow: MOUNT_ATTR.NOSYMFOLLOW,
  rrelatime: MOUNT_ATTR.RELATIME,
  rro: MOUNT_ATTR.RDONLY,
  rstrictatime: MOUNT_ATTR.STRICTATIME
}

const clearAttributes: Readonly<Record<string, number>> = {
  ratime: MOUNT_ATTR.NOATIME,
  rdev: MOUNT_ATTR.NODEV,
  rdiratime: MOUNT_ATTR.NODIRATIME,
  rexec: MOUNT_ATTR.NOEXEC,
  rnorelatime: MOUNT_ATTR.RELATIME,
  rnostrictatime: MOUNT_ATTR.STRICTATIME,
  rrw: MOUNT_ATTR.RDONLY,
  rsuid: MOUNT_ATTR.NOSUID,
  rsymfollow: MOUNT_ATTR.NOSYMFOLLOW
}

/** The access time modes are one field of the kernel's, not bits of their own: to change one is to clear the field first. */
const inAccessTimeField = (attribute: number): boolean => (attribute & ~MOUNT_ATTR._ATIME) === 0

/** Every option that is not passed on to the file system. */
export const names: ReadonlyArray<string> = [
  setFlags,
  clearFlags,
  propagations,
  setAttributes,
  clearAttributes,
  { tmpcopyup: 0, idmap: 0, ridmap: 0 }
].flatMap((table) => Object.keys(table)).concat(linkOptions).toSorted()

/** What mount(8) keeps for other programs, and never passes on: `x-systemd.automount`. */
const isComment = (option: string): boolean => /^[xX]-/.test(option)

/** Sorts options into flags, propagation, recursive attributes and the file system's own; the last of two opposites wins. */
export const parse = (options: ReadonlyArray<string>): Options => {
  let flags = 0
  let clearedFlags = 0
  let set = 0
  let clear = 0
  let copyUp = false
  let idMap: Options["idMap"] = "none"
  const propagation: Array<number> = []
  const data: Array<string> = []
  const links: Array<LinkOption> = []
  for (const option of options) {
    if (Object.hasOwn(setFlags, option)) {
      flags |= setFlags[option]!
      clearedFlags &= ~setFlags[option]!
    } else if (Object.hasOwn(clearFlags, option)) {
      flags &= ~clearFlags[option]!
      clearedFlags |= clearFlags[option]!
    } else if (Object.hasOwn(propagations, option)) propagation.push(propagations[option]!)
    else if (Object.hasOwn(setAttributes, option)) {
      const attribute = setAttributes[option]!
      if (inAccessTimeField(attribute)) {
        set &= ~MOUNT_ATTR._ATIME
        clear |= MOUNT_ATTR._ATIME
      } else clear &= ~attribute
      set |= attribute
    } else if (Object.hasOwn(clearAttributes, option)) {
      const attribute = clearAttributes[option]!
      if (inAccessTimeField(attribute)) {
        set &= ~MOUNT_ATTR._ATIME
        clear |= MOUNT_ATTR._ATIME
      } else {
        set &= ~attribute
        clear |= attribute
      }
    } else if (option === "tmpcopyup") copyUp = true
    else if (option === "idmap") idMap = "mount"
    else if (option === "ridmap") idMap = "tree"
    else if (isLinkOption(option)) links.push(option)
    else if (option !== "" && !isComment(option)) data.push(option)
  }
  return { flags, clearedFlags, propagation, recursiveAttributes: { set, clear }, data, copyUp, links, idMap }
}
