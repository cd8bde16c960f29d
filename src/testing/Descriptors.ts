/**
 * Descriptor tables and open file descriptions. @see open(2), dup(2), fcntl(2), close_range(2), flock(2)
 */
import { CLOSE_RANGE, F, F_SEAL, FD, LOCK, O, RLIMIT } from "../native/constants.ts"
import type { Arguments } from "../native/Kernel.ts"
import { block, type Machine, refuse, RefusedAfter } from "./Machine.ts"
import * as Sockets from "./Sockets.ts"
import type { Descriptor, FileKind, NodeId, OpenFile, Process } from "./State.ts"
import * as Terminals from "./Terminals.ts"

/** `RLIM_INFINITY`. */
export const infinity = 2n ** 64n - 1n

const limitOf = (process: Process): number => {
  const soft = process.limits.get(RLIMIT.NOFILE)?.soft ?? 1024n
  return soft > 0x7fffffffn ? 0x7fffffff : Number(soft)
}

/** What the kernel adds to the flags of every file that is opened by path (`force_o_largefile`). */
export const largeFile = 0o100000

/** Makes an open file description, which nothing holds yet. */
export const describe = (m: Machine, kind: FileKind, flags: number, path: string): number => {
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

/** Enters a description at the lowest free number from `from` on. */
export const enter = (m: Machine, file: number, cloexec: boolean, from = 0): number => {
  const fd = free(m, from)
  put(m, fd, { file, cloexec })
  return fd
}

const put = (m: Machine, fd: number, entry: Descriptor): void => {
  m.files.update(entry.file, (file) => ({ ...file, refs: file.refs + 1 }))
  m.change({ descriptors: new Map(m.self.descriptors).set(fd, entry) })
}

/** Makes a description and a descriptor for it. */
export const open = (m: Machine, kind: FileKind, flags: number, path: string): number =>
  enter(m, describe(m, kind, flags & ~O.CLOEXEC, path), (flags & O.CLOEXEC) !== 0)

/** The description behind a descriptor. EBADF for none. */
export const fileOf = (m: Machine, fd: number): OpenFile =>
  m.files.need((m.self.descriptors.get(fd) ?? refuse("EBADF")).file)

/** As {@link fileOf}, for calls that an O_PATH descriptor does not serve (open(2): EBADF). */
export const usable = (m: Machine, fd: number): OpenFile => {
  const file = fileOf(m, fd)
  return (file.flags & O.PATH) !== 0 ? refuse("EBADF") : file
}

/** Drops one reference; the last one ends the description and, for a socket, the socket. */
export const release = (m: Machine, id: number): void => {
  const file = m.files.need(id)
  if (file.refs > 1) {
    m.files.set(id, { ...file, refs: file.refs - 1 })
    return
  }
  m.files.delete(id)
  if (file.kind._tag === "Socket") Sockets.end(m, file.kind.socket)
  if (file.kind._tag === "Pty") Terminals.closed(m, file.kind)
  if (file.kind._tag === "Node") emptyFifo(m, file.kind.location.node)
  // a file system that was made and never mounted; that of cgroups or sysfs is mounted elsewhere too
  const made = file.kind._tag === "FsContext" ? file.kind.fs : undefined
  if (made !== undefined && !m.mounts.values().some(({ fs }) => fs === made)) m.fileSystems.delete(made)
}

/** What is in a fifo is gone with its last user (fifo(7)). */
const emptyFifo = (m: Machine, id: NodeId): void => {
  const node = typeof id === "number" ? m.nodes.get(id) : undefined
  if (node?.content._tag !== "Fifo" || node.content.data.length === 0) return
  const isUsed = m.files.values().some(({ flags, kind }) =>
    kind._tag === "Node" && kind.location.node === id && (flags & O.PATH) === 0
  )
  const isAwaited = (node.content.met ?? []).some((pid) => m.processes.get(pid)?.status === "running")
  if (!isUsed && !isAwaited) m.nodes.set(node.id, { ...node, content: { _tag: "Fifo", data: new Uint8Array() } })
}

/** Closes descriptors of a process. */
export const closeAll = (m: Machine, pid: number, which: (fd: number, entry: Descriptor) => boolean): void => {
  const process = m.processes.need(pid)
  const closed = [...process.descriptors].filter(([fd, entry]) => which(fd, entry))
  const kept = new Map(process.descriptors)
  for (const [fd] of closed) kept.delete(fd)
  m.processes.set(pid, { ...process, descriptors: kept })
  for (const [, { file }] of closed) release(m, file)
}

/** Holds every description of a table once more: what fork does. */
export const share = (m: Machine, descriptors: ReadonlyMap<number, Descriptor>): void => {
  for (const { file } of descriptors.values()) m.files.update(file, (held) => ({ ...held, refs: held.refs + 1 }))
}

export const close = (m: Machine, { fd }: Arguments<"close">): void => {
  const { id } = fileOf(m, fd)
  const descriptors = new Map(m.self.descriptors)
  descriptors.delete(fd)
  m.change({ descriptors })
  release(m, id)
}

export const closeRange = (m: Machine, { first, flags, last }: Arguments<"close_range">): void => {
  // EINVAL: first > last, unknown flags (close_range(2)); both are unsigned
  if (first >>> 0 > last >>> 0 || (flags & ~(CLOSE_RANGE.UNSHARE | CLOSE_RANGE.CLOEXEC)) !== 0) refuse("EINVAL")
  const within = (fd: number): boolean => fd >= first >>> 0 && fd <= last >>> 0
  if ((flags & CLOSE_RANGE.CLOEXEC) === 0) return closeAll(m, m.pid, within)
  m.change({
    descriptors: new Map([...m.self.descriptors].map(([fd, entry]) => [
      fd,
      within(fd) ? { ...entry, cloexec: true } : entry
    ]))
  })
}

export const dup = (m: Machine, { fd }: Arguments<"dup">): number => enter(m, fileOf(m, fd).id, false)

export const dup3 = (m: Machine, { flags, newfd, oldfd }: Arguments<"dup3">): number => {
  // EINVAL: equal numbers, other flags than O_CLOEXEC; EBADF: beyond the limit (dup(2))
  if ((flags & ~O.CLOEXEC) !== 0 || oldfd === newfd) refuse("EINVAL")
  if (newfd < 0 || newfd >= limitOf(m.self)) refuse("EBADF")
  const file = fileOf(m, oldfd)
  m.files.update(file.id, (held) => ({ ...held, refs: held.refs + 1 }))
  closeAll(m, m.pid, (fd) => fd === newfd)
  m.files.update(file.id, (held) => ({ ...held, refs: held.refs - 1 }))
  put(m, newfd, { file: file.id, cloexec: (flags & O.CLOEXEC) !== 0 })
  return newfd
}

export const fcntl = (m: Machine, { argument, command, fd }: Arguments<"fcntl">): number => {
  const file = fileOf(m, fd)
  const entry = m.self.descriptors.get(fd)!
  const isPath = (file.flags & O.PATH) !== 0
  switch (command) {
    case F.DUPFD:
    case F.DUPFD_CLOEXEC:
      if (argument < 0 || argument >= limitOf(m.self)) refuse("EINVAL")
      return enter(m, file.id, command === F.DUPFD_CLOEXEC, argument)
    case F.GETFD:
      return entry.cloexec ? FD.CLOEXEC : 0
    case F.SETFD:
      m.change({
        descriptors: new Map(m.self.descriptors).set(fd, { ...entry, cloexec: (argument & FD.CLOEXEC) !== 0 })
      })
      return 0
    case F.GETFL:
      return file.flags
    case F.SETFL: {
      if (isPath) refuse("EBADF")
      const settable = O.APPEND | O.NONBLOCK
      m.files.set(file.id, { ...file, flags: (file.flags & ~settable) | (argument & settable) })
      return 0
    }
    case F.ADD_SEALS:
    case F.GET_SEALS:
      return isPath ? refuse("EBADF") : seal(m, file, command === F.GET_SEALS ? undefined : argument)
    default:
      return isCommand(command) ? m.unmodelled(`fcntl command ${command}`) : refuse("EINVAL")
  }
}

/** Commands of fcntl(2), of which the model knows some. */
const isCommand = (command: number): boolean =>
  (command >= 0 && command <= 17) || (command >= 36 && command <= 38) || (command >= 1024 && command <= 1039)

/** F_ADD_SEALS, or F_GET_SEALS where nothing is added. EINVAL for what is no file in memory (memfd_file_seals_ptr). */
const seal = (m: Machine, { flags, kind }: OpenFile, added: number | undefined): number => {
  // EPERM: not open for writing, whatever it is; EINVAL: unknown seals (memfd_add_seals)
  if (added !== undefined && (flags & 3) === O.RDONLY) refuse("EPERM")
  if (added !== undefined && (added & ~0x3f) !== 0) refuse("EINVAL")
  const node = kind._tag === "Node" && typeof kind.location.node === "number"
    ? m.nodes.need(kind.location.node)
    : refuse("EINVAL")
  if (node.content._tag !== "File") return refuse("EINVAL")
  const { type } = m.fileSystems.get(node.fs) ?? {}
  // a file of a tmpfs is sealed against sealing from its beginning (shmem_get_inode)
  const seals = node.content.seals ?? (type === "tmpfs" || type === "devtmpfs" ? F_SEAL.SEAL : refuse("EINVAL"))
  if (added === undefined) return seals
  // EPERM: sealed against sealing
  if ((seals & F_SEAL.SEAL) !== 0) refuse("EPERM")
  if ((added & 0x30) !== 0) m.unmodelled("the seals of later writes and of execution")
  m.nodes.set(node.id, { ...node, content: { ...node.content, seals: seals | added } })
  return 0
}

/** What a lock is on. */
const lockedObject = (m: Machine, { kind }: OpenFile): number | string => {
  if (kind._tag === "Node") return kind.location.node
  return kind._tag === "Socket" ? `socket:${kind.socket}` : m.unmodelled(`a lock on a ${kind._tag}`)
}

export const flock = (m: Machine, { fd, operation }: Arguments<"flock">): void => {
  const file = usable(m, fd)
  const { lock: _, ...unlocked } = file
  const wanted = operation & ~LOCK.NB
  if (wanted === LOCK.UN) return m.files.set(file.id, unlocked)
  if (wanted !== LOCK.SH && wanted !== LOCK.EX) return refuse("EINVAL")
  const object = lockedObject(m, file)
  // locks belong to the description: another description of the same file conflicts, also in the same process
  const conflict = m.files.values().some((other) =>
    other.id !== file.id && other.lock !== undefined && lockedObject(m, other) === object &&
    (wanted === LOCK.EX || other.lock === "exclusive")
  )
  if (conflict) {
    if ((operation & LOCK.NB) === 0) {
      if (file.lock !== undefined) m.unmodelled("a change of a lock that has to wait")
      block("a lock that another holds")
    }
    // the old lock is gone before the new one is refused (flock_lock_inode)
    m.files.set(file.id, unlocked)
    throw new RefusedAfter("EAGAIN")
  }
  m.files.set(file.id, { ...unlocked, lock: wanted === LOCK.EX ? "exclusive" : "shared" })
}
