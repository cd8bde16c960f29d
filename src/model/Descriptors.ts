/**
 * Descriptor tables and open file descriptions. @see open(2), dup(2), fcntl(2), close_range(2), flock(2)
 */
import { O, RLIMIT } from "../native/constants.ts"
import { type Machine, refuse } from "./Machine.ts"
import type { Descriptor, FileKind, OpenFile, Process } from "./State.ts"

/** `RLIM_INFINITY`. */
export const infinity = 2n ** 64n - 1n

export const limitOf = (process: Process): number => {
  const soft = process.limits.get(RLIMIT.NOFILE)?.soft ?? 1024n
  return soft > 0x7fffffffn ? 0x7fffffff : Number(soft)
}

/** The flag that the kernel adds to every file opened by path (`force_o_largefile`). */
export const largeFile = 0o100000

/** Makes an open file description without references. */
const describe = (m: Machine, kind: FileKind, flags: number, path: string): number => {
  const id = m.fresh()
  const { creds, ns, pid } = m.self
  m.files.set(id, { id, refs: 0, kind, flags, offset: 0, path, opener: { pid, creds, userNs: ns.user } })
  return id
}

/** The lowest free number from `from` on. EMFILE at the soft RLIMIT_NOFILE. */
export const free = (m: Machine, from = 0): number => {
  const { descriptors } = m.self
  let fd = from
  while (descriptors.has(fd)) fd++
  return fd >= limitOf(m.self) ? refuse("EMFILE") : fd
}

/** Puts a description at the lowest free number from `from` on. */
export const enter = (m: Machine, file: number, cloexec: boolean, from = 0): number => {
  const fd = free(m, from)
  put(m, fd, { file, cloexec })
  return fd
}

export const put = (m: Machine, fd: number, entry: Descriptor): void => {
  m.files.update(entry.file, (file) => ({ ...file, refs: file.refs + 1 }))
  m.change({ descriptors: new Map(m.self.descriptors).set(fd, entry) })
}

/** Makes a description and a descriptor for it. */
export const open = (m: Machine, kind: FileKind, flags: number, path: string): number =>
  enter(m, describe(m, kind, flags & ~O.CLOEXEC, path), (flags & O.CLOEXEC) !== 0)

/** The description of a descriptor. EBADF if there is none. */
export const fileOf = (m: Machine, fd: number): OpenFile =>
  m.files.need((m.self.descriptors.get(fd) ?? refuse("EBADF")).file)

/** As {@link fileOf}, for calls that do not accept an O_PATH descriptor (open(2): EBADF). */
export const usable = (m: Machine, fd: number): OpenFile => {
  const file = fileOf(m, fd)
  return (file.flags & O.PATH) !== 0 ? refuse("EBADF") : file
}

/** Adds a reference to every description of a table, as fork does. */
export const share = (m: Machine, descriptors: ReadonlyMap<number, Descriptor>): void => {
  for (const { file } of descriptors.values()) m.files.update(file, (held) => ({ ...held, refs: held.refs + 1 }))
}
