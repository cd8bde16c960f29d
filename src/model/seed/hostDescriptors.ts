/**
 * The descriptors that a program inherits from this process: standard input, output and error, and those that are
 * preserved. What a container's start does with them depends on their types.
 */
import { fstatSync, readFileSync, readlinkSync } from "node:fs"
import { O, S } from "../../native/constants.ts"
import type { TerminalModes } from "../../native/results.ts"
import { deviceOf } from "../Nodes.ts"
import type { Content } from "../State.ts"

/** A descriptor that is open from the start. */
export interface Inherited {
  readonly fd: number
  readonly content: Content
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Access mode and status flags, as fcntl(2) reports them. */
  readonly flags: number
  readonly cloexec: boolean
  readonly path: string
  /** Its other end is outside of the model; for a terminal, its modes. */
  readonly outside?: true | TerminalModes | undefined
  /** Descriptors with the same text are of the same file, so a change of the owner applies to both. */
  readonly inode?: string
  /** Descriptors with the same text share one open file description, as after `2>&1`, and so its flags. */
  readonly shared?: string
}

const contentOf = (mode: number, rdev: number): Content => {
  switch (mode & S.IFMT) {
    case S.IFCHR:
    case S.IFBLK:
      return { _tag: "Device", type: (mode & S.IFMT) === S.IFCHR ? "c" : "b", ...deviceOf(rdev) }
    case S.IFIFO:
      return { _tag: "Fifo", data: new Uint8Array() }
    case S.IFSOCK:
      return { _tag: "Socket", listening: false }
    case S.IFDIR:
      return { _tag: "Directory", entries: new Map() }
    default:
      return { _tag: "File", data: new Uint8Array() }
  }
}

/** Whether it is a memory device, such as /dev/null, which is modelled. */
const isMemory = (content: Content): boolean => content._tag === "Device" && content.type === "c" && content.major === 1

const inherited = (fd: number, terminal: TerminalModes | undefined): ReadonlyArray<Inherited> => {
  try {
    const { dev, gid, ino, mode, rdev, uid } = fstatSync(fd)
    const content = contentOf(mode, rdev)
    const info = readFileSync(`/proc/self/fdinfo/${fd}`, "utf8")
    const all = Number.parseInt(/^flags:\s+(\d+)/m.exec(info)?.[1] ?? "0", 8)
    const inode = `${dev}:${ino}`
    return [{
      fd,
      content,
      mode: mode & 0o7777,
      uid,
      gid,
      flags: all & ~O.CLOEXEC,
      cloexec: (all & O.CLOEXEC) !== 0,
      path: readlinkSync(`/proc/self/fd/${fd}`),
      inode,
      // only kcmp(2) knows for certain; two descriptions rarely agree in all of this
      shared: `${inode} ${info.replace(/^flags:.*$/m, "")} ${all & ~O.CLOEXEC}`,
      outside: isMemory(content) ? undefined : terminal ?? true
    }]
  } catch {
    // not open
    return []
  }
}

/** The descriptors below a number. @param terminals the modes of those that are terminals */
export const hostDescriptors = (
  end: number,
  terminals: ReadonlyMap<number, TerminalModes> = new Map()
): ReadonlyArray<Inherited> =>
  Array.from({ length: end }, (_, fd) => fd).flatMap((fd) => inherited(fd, terminals.get(fd)))
