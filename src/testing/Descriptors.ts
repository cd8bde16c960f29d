/**
 * Descriptor tables and open file descriptions. @see open(2), dup(2), fcntl(2), close_range(2), flock(2)
 */
import { CLOSE_RANGE, F, F_SEAL, FD, LOCK, O, RLIMIT } from "../native/constants.ts"
import type { Arguments } from "../native/Kernel.ts"
import { block, type Machine, refuse } from "./Machine.ts"
import type { Descriptor, FileKind, OpenFile, Process } from "./State.ts"

/** `RLIM_INFINITY`. */
export const infinity = 2n ** 64n - 1n

const limitOf = (process: Process): number => {
  const soft = process.limits.get(RLIMIT.NOFILE)?.soft ?? 1024n
  return soft > 0x7fffffffn ? 0x7fffffff : Number(soft)
}

/** Makes an open file description, which nothing holds yet. */
export const describe = (m: Machine, kind: FileKind, flags: number, path: string): number => {
  const id = m.fresh()
  const { creds, ns, pid } = m.self
  m.files.set(id, { id, refs: 0, kind, flags, offset: 0, path, opener: { pid, creds, userNs: ns.user } })
  return id
}

/** Enters a description at the lowest free number from `from` on. EMFILE at the soft RLIMIT_NOFILE. */
export const enter = (m: Machine, file: number, cloexec: boolean, from = 0): number => {
  const { descriptors } = m.self
  let fd = from
  while (descriptors.has(fd)) fd++
  if (fd >= limitOf(m.self)) refuse("EMFILE")
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
  if (file.kind._tag === "Socket") {
    const socket = m.sockets.need(file.kind.socket)
    m.sockets.delete(socket.id)
    // a peer that closes with unread messages resets the connection (unix(7), ECONNRESET)
    const peer = socket.peer === undefined ? undefined : m.sockets.get(socket.peer)
    if (peer !== undefined && socket.queue.length > 0) m.sockets.set(peer.id, { ...peer, error: "ECONNRESET" })
    for (const message of socket.queue) for (const held of message.files) release(m, held)
  }
  // a file system that was made and never mounted; that of cgroups or sysfs is mounted elsewhere too
  const made = file.kind._tag === "FsContext" ? file.kind.fs : undefined
  if (made !== undefined && !m.mounts.values().some(({ fs }) => fs === made)) m.fileSystems.delete(made)
}

/** Closes descriptors of a process. */
export const closeAll = (m: Machine, pid: number, which: (fd: number, entry: Descriptor) => boolean): void => {
  const process = m.processes.need(pid)
  const kept = new Map(process.descriptors)
  for (const [fd, entry] of process.descriptors) {
    if (!which(fd, entry)) continue
    kept.delete(fd)
    release(m, entry.file)
  }
  m.processes.set(pid, { ...m.processes.need(pid), descriptors: kept })
}

/** Holds every description of a table once more: what fork does. */
export const share = (m: Machine, descriptors: ReadonlyMap<number, Descriptor>): void => {
  for (const { file } of descriptors.values()) m.files.update(file, (held) => ({ ...held, refs: held.refs + 1 }))
}

export const close = (m: Machine, { fd }: Arguments<"close">): void => {
  fileOf(m, fd)
  closeAll(m, m.pid, (other) => other === fd)
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
    case F.GET_SEALS: {
      if (isPath) refuse("EBADF")
      const node = file.kind._tag === "Node" && typeof file.kind.location.node === "number"
        ? m.nodes.need(file.kind.location.node)
        : refuse("EINVAL")
      if (node.content._tag !== "File" || node.content.seals === undefined) return refuse("EINVAL")
      if (command === F.GET_SEALS) return node.content.seals
      // EPERM: not open for writing, or sealed against sealing (fcntl(2), F_ADD_SEALS)
      if ((file.flags & 3) === O.RDONLY || (node.content.seals & F_SEAL.SEAL) !== 0) refuse("EPERM")
      m.nodes.set(node.id, { ...node, content: { ...node.content, seals: node.content.seals | argument } })
      return 0
    }
    default:
      return m.unmodelled(`fcntl command ${command}`)
  }
}

export const flock = (m: Machine, { fd, operation }: Arguments<"flock">): void => {
  const file = usable(m, fd)
  const { lock: _, ...unlocked } = file
  const wanted = operation & ~LOCK.NB
  if (wanted === LOCK.UN) return m.files.set(file.id, unlocked)
  if (wanted !== LOCK.SH && wanted !== LOCK.EX) return refuse("EINVAL")
  const node = file.kind._tag === "Node" ? file.kind.location.node : refuse("EBADF")
  // locks belong to the description: another description of the same file conflicts, also in the same process
  const conflict = m.files.values().some((other) =>
    other.id !== file.id && other.lock !== undefined && other.kind._tag === "Node" &&
    other.kind.location.node === node && (wanted === LOCK.EX || other.lock === "exclusive")
  )
  if (conflict) {
    if ((operation & LOCK.NB) !== 0) refuse("EAGAIN")
    block("a lock that another holds")
  }
  m.files.set(file.id, { ...unlocked, lock: wanted === LOCK.EX ? "exclusive" : "shared" })
}
