/**
 * The room that is left in a tmpfs with limits. @see tmpfs(5), size, nr_blocks and nr_inodes
 *
 * A file takes the pages that were written. The model does not record holes. If a result depends on whether a page of zeros
 * is a hole, it is not modelled.
 */
import { type Machine, refuse } from "./Machine.ts"
import type { Room } from "./mountData.ts"
import { linked } from "./Resolve.ts"
import type { Content, Node } from "./State.ts"

const page = 4096

/** From here on, the text of a symlink takes a page (`SHORT_SYMLINK_LEN`). */
const longLink = 128

/** The nodes of a file system: those with a name, and those that are open. */
const nodesIn = (m: Machine, fs: number): ReadonlyArray<Node> => {
  const open = new Set(m.files.values().flatMap(({ kind }) => "location" in kind ? [kind.location.node] : []))
  return m.nodes.values().filter((node) => node.fs === fs && (open.has(node.id) || linked(m, node.id)))
}

/** The pages of a content: the least and the most that it may take. */
const pagesOf = (content: Content): readonly [least: number, most: number] => {
  if (content._tag === "Symlink") return content.target.length + 1 > longLink ? [1, 1] : [0, 0]
  if (content._tag !== "File") return [0, 0]
  const count = Math.ceil(content.data.length / page)
  const written = Array.from({ length: count }, (_, index) => content.data.subarray(index * page, (index + 1) * page))
  return [written.filter((one) => one.some((byte) => byte !== 0)).length, count]
}

const used = (m: Machine, fs: number): readonly [least: number, most: number] =>
  nodesIn(m, fs).map(({ content }) => pagesOf(content)).reduce(([a, b], [c, d]) => [a + c, b + d], [0, 0])

const unknown = (m: Machine): never => m.unmodelled("which pages of a file are holes")

/** Whether there is room for some more pages. */
const fits = (m: Machine, fs: number, pages: bigint, more: number): boolean => {
  const [least, most] = used(m, fs)
  return BigInt(most + more) <= pages || (BigInt(least + more) > pages ? false : unknown(m))
}

/** Whether the present content would fit. */
export const fitsIn = (m: Machine, fs: number, { inodes, pages }: Room): boolean => {
  if (inodes !== undefined && inodes > 0n && BigInt(nodesIn(m, fs).length) > inodes) return false
  return pages === undefined || pages === 0n || fits(m, fs, pages, 0)
}

/** ENOSPC: there is no room for a further inode, or for its content (`shmem_reserve_inode`). */
export const mayAdd = (m: Machine, fs: number, content: Content): void => {
  const { inodes, pages } = m.fileSystems.get(fs)?.room ?? {}
  if (inodes !== undefined && inodes > 0n && BigInt(nodesIn(m, fs).length) >= inodes) refuse("ENOSPC")
  const wanted = pages === undefined || pages === 0n ? 0 : pagesOf(content)[1]
  if (wanted > 0 && !fits(m, fs, pages!, wanted)) refuse("ENOSPC")
}

/** How many bytes of a write fit; ENOSPC if none does. A file is written a page at a time (`generic_perform_write`). */
export const roomForWrite = (m: Machine, node: Node, offset: number, length: number): number => {
  const { pages } = m.fileSystems.get(node.fs)?.room ?? {}
  if (pages === undefined || pages === 0n || node.content._tag !== "File" || length === 0) return length
  const { data } = node.content
  let [least, most] = used(m, node.fs)
  let taken = 0
  while (taken < length) {
    const at = Math.floor((offset + taken) / page)
    const there = data.subarray(at * page, (at + 1) * page)
    if (there.length === 0) {
      if (BigInt(least) >= pages) break
      if (BigInt(most) >= pages) unknown(m)
      least++
      most++
    } else if (there.every((byte) => byte === 0)) {
      // writing to a hole takes a page; a page that was written before is counted
      if (BigInt(most) > pages) unknown(m)
      least++
    }
    taken = Math.min(length, (at + 1) * page - offset)
  }
  return taken === 0 ? refuse("ENOSPC") : taken
}
