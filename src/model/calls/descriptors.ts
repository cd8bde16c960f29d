/** The calls about descriptors. @see close(2), dup(2), fcntl(2), flock(2) */
import { CLOSE_RANGE, F, FD, LOCK, O } from "../../native/constants.ts"
import type { Arguments } from "../../native/Kernel.ts"
import { isOwner } from "../Credentials.ts"
import { enter, fileOf, limitOf, put, usable } from "../Descriptors.ts"
import { closeAll, release } from "../ending.ts"
import { block, LateRefusal, type Machine, refuse } from "../Machine.ts"
import { seal } from "../MemoryFiles.ts"
import { view } from "../Nodes.ts"
import { canBypass } from "../openRules.ts"
import type { OpenFile } from "../State.ts"

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
      const settable = O.APPEND | O.NONBLOCK | O.DIRECT | O.NOATIME
      const turned = file.flags ^ argument
      const node = file.kind._tag === "Node" ? view(m, file.kind.location.node) : undefined
      // EPERM: O_NOATIME for a file of another owner; EINVAL: O_DIRECT for anything but pipes and files that were opened by a
      // path (setfl)
      if ((argument & turned & O.NOATIME) !== 0) {
        if (node === undefined) m.unmodelled("O_NOATIME of what is no file")
        else if (!isOwner(m, node)) refuse("EPERM")
      }
      const isMemory = file.kind._tag === "Node" && file.kind.memfd === true
      if (
        (argument & O.DIRECT) !== 0 && node?.type !== "p" && (node === undefined || isMemory || !canBypass(m, node))
      ) {
        refuse("EINVAL")
      }
      if ((turned & O.ASYNC) !== 0 && node?.type !== "f" && node?.type !== "d") m.unmodelled("signals of a file")
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

/** Whether fcntl(2) has a command; the model knows some of them. */
const isCommand = (command: number): boolean =>
  (command >= 0 && command <= 17) || (command >= 36 && command <= 38) || (command >= 1024 && command <= 1039)

/** The object that a lock is on. */
const lockedObject = (m: Machine, { kind }: OpenFile): number | string => {
  if (kind._tag === "Node") return kind.location.node
  return kind._tag === "Socket" ? `socket:${kind.socket}` : m.unmodelled(`a lock on a ${kind._tag}`)
}

/** `LOCK_MAND` of asm-generic/fcntl.h. */
const MAND = 32

export const flock = (m: Machine, { fd, operation }: Arguments<"flock">): void => {
  // mandatory locks were removed; a request for one succeeds before any check (flock)
  if ((operation & MAND) !== 0) return
  const wanted = operation & ~LOCK.NB
  // EINVAL: none of the three; checked before the descriptor (flock_translate_cmd)
  if (wanted !== LOCK.SH && wanted !== LOCK.EX && wanted !== LOCK.UN) return refuse("EINVAL")
  const file = usable(m, fd)
  const { lock: _, ...unlocked } = file
  if (wanted === LOCK.UN) return m.files.set(file.id, unlocked)
  // EBADF: open for neither reading nor writing (open(2), access mode 3)
  if ((file.flags & 3) === 3) refuse("EBADF")
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
    // the old lock is released before the new one is refused (flock_lock_inode)
    m.files.set(file.id, unlocked)
    throw new LateRefusal("EAGAIN")
  }
  m.files.set(file.id, { ...unlocked, lock: wanted === LOCK.EX ? "exclusive" : "shared" })
}
