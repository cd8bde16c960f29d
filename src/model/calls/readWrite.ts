/** The calls that read and write. @see read(2), write(2), getdents(2), truncate(2) */
import { O, RLIMIT, SIG } from "../../native/constants.ts"
import type { Arguments } from "../../native/Kernel.ts"
import type { DirectoryEntry } from "../../native/results.ts"
import * as Descriptors from "../Descriptors.ts"
import { kill } from "../ending.ts"
import { concat, decode, Gone, LateRefusal, type Machine, refuse } from "../Machine.ts"
import { mayBecome } from "../MemoryFiles.ts"
import * as Nodes from "../Nodes.ts"
import { type View, view } from "../Nodes.ts"
import { withoutPrivileges } from "../openRules.ts"
import * as Pipes from "../Pipes.ts"
import { at, linked } from "../Resolve.ts"
import { roomForWrite } from "../Room.ts"
import * as Sockets from "../Sockets.ts"
import type { Location, OpenFile } from "../State.ts"
import * as Terminals from "../Terminals.ts"
import { inodeNumber } from "./stat.ts"

// -- reading and writing ----------------------------------------------------------------------------------------------
const nodeFile = (m: Machine, file: OpenFile): { readonly node: View; readonly location: Location } => {
  const { kind } = file
  return kind._tag === "Node"
    ? { node: at(m, kind.location), location: kind.location }
    : refuse("EINVAL")
}

const advance = (m: Machine, file: OpenFile, by: number): void =>
  m.files.update(file.id, (held) => ({ ...held, offset: held.offset + by }))

export const read = (m: Machine, { count, fd }: Arguments<"read">): Uint8Array => {
  const file = Descriptors.usable(m, fd)
  // EBADF: not open for reading (open(2), also access mode 3)
  if ((file.flags & 1) !== 0) refuse("EBADF")
  if (file.outside !== undefined) return new Uint8Array()
  if (file.kind._tag === "Socket") return Sockets.read(m, file, file.kind.socket, count)
  if (file.kind._tag === "Pty") return Terminals.readTerminal(m, file, file.kind, count)
  const { node } = nodeFile(m, file)
  switch (node.type) {
    case "d":
      return refuse("EISDIR")
    case "p":
      return Pipes.readPipe(m, file, node, count)
    case "c":
    case "b":
      return readDevice(m, node, count)
    default: {
      if (node.whole === true && file.offset > 0) return new Uint8Array()
      const data = node.read?.() ?? refuse("EINVAL")
      const part = data.slice(file.offset, file.offset + count)
      advance(m, file, part.length)
      return part
    }
  }
}

const opensForWriting = ({ flags }: OpenFile): boolean => (flags & 3) === O.WRONLY || (flags & 3) === O.RDWR

/** The memory devices. @see null(4), random(4) */
const readDevice = (m: Machine, { device }: View, count: number): Uint8Array => {
  switch (`${device?.major}:${device?.minor}`) {
    case "1:3":
      return new Uint8Array()
    case "1:5":
    case "1:7":
      return new Uint8Array(count)
    case "1:8":
    case "1:9":
      return randomBytes(m, count)
    default:
      return refuse("ENXIO")
  }
}

/** Pseudorandom bytes, the same in every run. */
const randomBytes = (m: Machine, count: number): Uint8Array => {
  let x = (m.fresh() * 2654435761) >>> 0 || 1
  return Uint8Array.from({ length: count }, () => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    return x & 0xff
  })
}

export const write = (m: Machine, { data, fd }: Arguments<"write">): number => {
  const file = Descriptors.usable(m, fd)
  if (!opensForWriting(file)) refuse("EBADF")
  if (file.outside !== undefined) return data.length
  if (file.kind._tag === "Socket") return Sockets.send(m, file, file.kind.socket, data, [], 0)
  if (file.kind._tag === "Pty") return Terminals.writeTerminal(m, file.kind, data)
  const { node } = nodeFile(m, file)
  if (node.type === "p") return Pipes.writePipe(m, file, node, data)
  if (node.type === "c" || node.type === "b") {
    const id = `${node.device?.major}:${node.device?.minor}`
    return id === "1:7" ? refuse("ENOSPC") : ["1:3", "1:5", "1:8", "1:9"].includes(id) ? data.length : refuse("ENXIO")
  }
  if (node.write !== undefined) {
    const taken = node.write(decode(data), file.opener, file.offset) ?? data.length
    if (node.rewritable !== true) advance(m, file, taken)
    return taken
  }
  const stored = node.stored
  // a computed file without a write handler: EINVAL for the files of a process, EIO for others
  if (/^proc:\d+:\d/.test(String(node.id))) return refuse("EINVAL")
  if (stored === undefined || stored.content._tag !== "File") return refuse("EIO")
  const old = node.read!()
  const offset = (file.flags & O.APPEND) !== 0 ? old.length : file.offset
  const most = roomInFile(m, offset, data.length)
  if (most > 0) mayBecome(stored, old.length, Math.max(old.length, offset + most), true)
  const taken = data.subarray(0, roomForWrite(m, stored, offset, most))
  const size = Math.max(old.length, offset + taken.length)
  const next = new Uint8Array(size)
  next.set(old)
  next.set(taken, offset)
  const { host: _, ...rest } = stored.content
  m.nodes.set(stored.id, withoutPrivileges(m, { ...stored, content: { ...rest, data: next } }))
  m.files.set(file.id, { ...file, offset: offset + taken.length })
  return taken.length
}

export const ftruncate = (m: Machine, { fd, length }: Arguments<"ftruncate">): void => {
  // EINVAL: checked before the descriptor (do_sys_ftruncate)
  if (length < 0n) refuse("EINVAL")
  const file = Descriptors.usable(m, fd)
  if (file.kind._tag === "Pid") m.unmodelled("the size of a pidfd")
  // EINVAL: not a regular file open for writing (truncate(2))
  if (!opensForWriting(file)) refuse("EINVAL")
  const { node } = nodeFile(m, file)
  const stored = node.stored
  // a computed file accepts any size, and keeps its own
  if (stored === undefined && node.type === "f") return
  if (stored?.content._tag !== "File") return refuse("EINVAL")
  const old = node.read!()
  const size = Number(length)
  mayGrowTo(m, old.length, length)
  mayBecome(stored, old.length, size, false)
  const { host: _, ...rest } = stored.content
  const data = size <= old.length ? old.slice(0, size) : concat(old, new Uint8Array(size - old.length))
  m.nodes.set(stored.id, withoutPrivileges(m, { ...stored, content: { ...rest, data } }))
}

export const fsync = (m: Machine, { fd }: Arguments<"fsync">): void => {
  const file = Descriptors.usable(m, fd)
  // EINVAL: pipes, sockets, devices and computed files (fsync(2))
  const node = file.kind._tag === "Node" ? at(m, file.kind.location) : refuse("EINVAL")
  if (!["f", "d"].includes(node.type) || (node.real ?? node).stored === undefined) refuse("EINVAL")
}

export const getdents64 = (m: Machine, { fd }: Arguments<"getdents64">): ReadonlyArray<DirectoryEntry> => {
  const file = Descriptors.usable(m, fd)
  // ENOENT: the process of the directory is gone (proc_pident_readdir)
  if (file.kind._tag === "Node" && Nodes.isGone(m, file.kind.location.node)) refuse("ENOENT")
  const { node } = file.kind._tag === "Node" ? nodeFile(m, file) : refuse("ENOTDIR")
  if (node.list === undefined) return refuse("ENOTDIR")
  // ENOENT: the directory was removed (iterate_dir)
  if (node.stored !== undefined && !linked(m, node.id)) refuse("ENOENT")
  const names = node.list()
  const rest = names.slice(file.offset, file.offset + 256)
  advance(m, file, rest.length)
  return rest.flatMap((name) => {
    const id = node.lookup!(name)
    if (id === undefined) return []
    const child = view(m, id)
    return [{ name, ino: inodeNumber(child), type: child.type }]
  })
}

/** EFBIG, and SIGXFSZ, which by default ends the process (setrlimit(2), RLIMIT_FSIZE). */
const tooLarge = (m: Machine): never => {
  kill(m, m.pid, SIG.XFSZ, false)
  if (m.processes.get(m.pid)?.status !== "running") throw new Gone()
  throw new LateRefusal("EFBIG")
}

const mostBytes = (m: Machine): bigint => m.self.limits.get(RLIMIT.FSIZE)?.soft ?? Descriptors.infinity

/** How much of a write at an offset RLIMIT_FSIZE allows (`generic_write_check_limits`). */
const roomInFile = (m: Machine, offset: number, length: number): number => {
  const most = mostBytes(m)
  if (length === 0 || most === Descriptors.infinity) return length
  return BigInt(offset) >= most ? tooLarge(m) : Math.min(length, Number(most) - offset)
}

/** Whether RLIMIT_FSIZE allows a file to grow to a size (`inode_newsize_ok`). */
const mayGrowTo = (m: Machine, from: number, to: bigint): void => {
  if (to > BigInt(from) && mostBytes(m) !== Descriptors.infinity && to > mostBytes(m)) tooLarge(m)
}

export const getrandom = (m: Machine, { count }: Arguments<"getrandom">): Uint8Array => randomBytes(m, count)
