/**
 * Files in memory and their seals. @see memfd_create(2), fcntl(2), "File Sealing"
 */
import { F_SEAL, O } from "../native/constants.ts"
import { type Machine, refuse } from "./Machine.ts"
import type { Node, OpenFile } from "./State.ts"

/** Seals that came after the first four. */
const SEAL_FUTURE_WRITE = 0x10

export const SEAL_EXEC = 0x20

/** F_ADD_SEALS, or F_GET_SEALS if nothing is added. EINVAL for a file that is not in memory (memfd_file_seals_ptr). */
export const seal = (m: Machine, { flags, kind }: OpenFile, added: number | undefined): number => {
  // EPERM: not open for writing; EINVAL: unknown seals (memfd_add_seals)
  if (added !== undefined && (flags & 3) !== O.WRONLY && (flags & 3) !== O.RDWR) refuse("EPERM")
  if (added !== undefined && (added & ~0x3f) !== 0) refuse("EINVAL")
  const node = kind._tag === "Node" && typeof kind.location.node === "number"
    ? m.nodes.need(kind.location.node)
    : refuse("EINVAL")
  if (node.content._tag !== "File") return refuse("EINVAL")
  const { type } = m.fileSystems.get(node.fs) ?? {}
  // a new file of a tmpfs has F_SEAL_SEAL (shmem_get_inode)
  const seals = node.content.seals ?? (type === "tmpfs" || type === "devtmpfs" ? F_SEAL.SEAL : refuse("EINVAL"))
  if (added === undefined) return seals
  // EPERM: sealed against sealing
  if ((seals & F_SEAL.SEAL) !== 0) refuse("EPERM")
  // sealing an executable's mode also seals its content
  const whole = (added & SEAL_EXEC) !== 0 && (node.mode & 0o111) !== 0
  const more = whole ? F_SEAL.SHRINK | F_SEAL.GROW | F_SEAL.WRITE | SEAL_FUTURE_WRITE : 0
  m.nodes.set(node.id, { ...node, content: { ...node.content, seals: seals | added | more } })
  return 0
}

const sealsOf = ({ content }: Node): number => content._tag === "File" ? content.seals ?? 0 : 0

/** EPERM: sealed against this change of content or size (`shmem_write_begin`, `shmem_setattr`). */
export const mayBecome = (node: Node, from: number, to: number, writes: boolean): void => {
  const seals = sealsOf(node)
  if (writes && (seals & (F_SEAL.WRITE | SEAL_FUTURE_WRITE)) !== 0) refuse("EPERM")
  if (to < from && (seals & F_SEAL.SHRINK) !== 0) refuse("EPERM")
  if (to > from && (seals & F_SEAL.GROW) !== 0) refuse("EPERM")
}

/** EPERM: whether it may be executed is sealed (`shmem_setattr`). */
export const mayHaveMode = (node: Node, mode: number): void => {
  if ((sealsOf(node) & SEAL_EXEC) !== 0 && ((node.mode ^ mode) & 0o111) !== 0) refuse("EPERM")
}
