/**
 * Reads `/proc/<pid>/mountinfo`.
 *
 * @see proc_pid_mountinfo(5)
 * @category procfs
 * @since 0.1.0
 */

/** One mount, as a line of mountinfo reports it. */
export interface MountInfo {
  readonly id: string
  /** The id of the mount that it is mounted on. */
  readonly parent: string
  /** The directory of the file system that is the mount's root: not `/` for a part of it. */
  readonly root: string
  readonly mountpoint: string
  readonly type: string
  /** Options of the superblock. */
  readonly options: ReadonlyArray<string>
}

const unescape = (text: string): string =>
  // the kernel escapes byte by byte, and only ASCII: space, tab, newline, backslash
  text.includes("\\")
    ? text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
    : text

/**
 * Id, parent, (device,) root, mount point, (options, optional fields until the dash,) type, (source,) options. Only a space
 * separates them: other blanks of Unicode, and control characters, may be part of a name.
 */
const form = /^(\d+) (\d+) [^ ]+ ([^ ]+) ([^ ]+) .*? - ([^ ]+) [^ ]* (.*)$/s

/** The mounts of a mountinfo file, in its order. Lines that are not of its form are left out. */
export const parseMountInfo = (text: string): ReadonlyArray<MountInfo> =>
  text.split("\n").flatMap((line) => {
    const fields = form.exec(line)
    if (fields === null) return []
    const [, id, parent, root, mountpoint, type, options] = fields
    return {
      id: id!,
      parent: parent!,
      root: unescape(root!),
      mountpoint: unescape(mountpoint!),
      type: type!,
      options: options!.split(",")
    }
  })
