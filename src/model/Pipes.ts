/**
 * Pipes and fifos. @see pipe(7), fifo(7), pipe(2)
 */
import { O, SIG } from "../native/constants.ts"
import { kill } from "./ending.ts"
import { block, concat, Gone, LateRefusal, type Machine, refuse } from "./Machine.ts"
import type { View } from "./Nodes.ts"
import type { Content, NodeId, OpenFile } from "./State.ts"

/** A pipe is a ring of pages (pipe(7), "Pipe capacity"); what is at most one page is written whole (PIPE_BUF). */
const page = 4096

const pages = 16

type Fifo = Extract<Content, { readonly _tag: "Fifo" }>

/** How many readers and writers a pipe has. A process that sleeps in open(2) counts already (fifo_open). */
export const pipeEnds = (m: Machine, node: NodeId): { readonly readers: number; readonly writers: number } => {
  const open = m.files.values().filter(({ flags, kind }) =>
    kind._tag === "Node" && kind.location.node === node && (flags & O.PATH) === 0
  )
  const flags = [...open.map((file) => file.flags), ...sleepersAt(m, node).map((sleeper) => sleeper.flags)]
  return {
    readers: flags.filter((how) => (how & 3) !== O.WRONLY).length,
    writers: flags.filter((how) => (how & 3) !== O.RDONLY).length
  }
}

const fifoOf = ({ stored }: View): Fifo =>
  stored?.content._tag === "Fifo" ? stored.content : { _tag: "Fifo", data: new Uint8Array() }

const setFifo = (m: Machine, node: View, fields: Partial<Fifo>): void =>
  m.nodes.update(node.stored!.id, (old) => ({ ...old, content: { ...fifoOf(node), ...fields } }))

/** The data in a pipe. */
export const buffered = (node: View): Uint8Array => fifoOf(node).data

/** Whether a page is free. */
export const hasRoom = (node: View): boolean => (fifoOf(node).pages ?? []).length < pages

export const readPipe = (m: Machine, file: OpenFile, node: View, count: number): Uint8Array => {
  const { data, pages: filled = [] } = fifoOf(node)
  if (count === 0) return new Uint8Array()
  if (data.length === 0) {
    // end of file: there are no writers any more (pipe(7))
    if (pipeEnds(m, node.id).writers === 0) return data
    if ((file.flags & O.NONBLOCK) !== 0) refuse("EAGAIN")
    return block("data in a pipe, or its last writer to close")
  }
  let left = count
  const rest = filled.flatMap(({ at, length }) => {
    const taken = Math.min(left, length)
    left -= taken
    // a page is free once it has been read to its end
    return taken === length ? [] : [{ at: at + taken, length: length - taken }]
  })
  setFifo(m, node, { data: data.slice(count), pages: rest })
  return data.slice(0, count)
}

export const writePipe = (m: Machine, file: OpenFile, node: View, data: Uint8Array): number => {
  if (data.length === 0) return 0
  if (pipeEnds(m, node.id).readers === 0) return broken(m)
  const { data: old, pages: filled = [] } = fifoOf(node)
  const next = [...filled]
  let written = 0
  // the odd part beyond whole pages is appended to the last page, if it fits (pipe_write)
  const odd = data.length % page
  const last = next.at(-1)
  if (last !== undefined && odd > 0 && last.at + last.length + odd <= page) {
    next[next.length - 1] = { at: last.at, length: last.length + odd }
    written = odd
  }
  while (written < data.length && next.length < pages) {
    const length = Math.min(page, data.length - written)
    next.push({ at: 0, length })
    written += length
  }
  if (written < data.length && (file.flags & O.NONBLOCK) === 0) {
    // a blocking writer continues until all data is written. In the model it waits until all fits; if it can never fit, it
    // writes a part
    if (data.length <= page * pages || written === 0) return block("room in a pipe")
  }
  if (written === 0) refuse("EAGAIN")
  setFifo(m, node, { data: concat(old, data.slice(0, written)), pages: next })
  return written
}

/** Fails with EPIPE, and sends SIGPIPE to the caller (pipe(7), unix_stream_sendmsg). */
export const broken = (m: Machine, quiet = false): never => {
  if (!quiet) kill(m, m.pid, SIG.PIPE, false)
  if (m.self.status !== "running") throw new Gone()
  throw new LateRefusal("EPIPE")
}

/** A fifo opens when both ends are opened (fifo(7)). Non-blocking: ENXIO for a writer without a reader. */
export const waitForOtherEnd = (m: Machine, node: View, flags: number): void => {
  const { met = [] } = fifoOf(node)
  // a process that has slept continues, even if the other end is gone again (wait_for_partner)
  if (met.includes(m.pid)) return setFifo(m, node, { met: met.filter((pid) => pid !== m.pid) })
  const isWriter = (flags & 3) === O.WRONLY
  const sleepers = sleepersAt(m, node.id).filter((other) => (other.flags & 3) === (isWriter ? O.RDONLY : O.WRONLY))
  if (sleepers.length > 0) setFifo(m, node, { met: [...met, ...sleepers.map(({ pid }) => pid)] })
  if (pipeEnds(m, node.id)[isWriter ? "readers" : "writers"] > 0) return
  if ((flags & O.NONBLOCK) !== 0) return isWriter ? refuse("ENXIO") : undefined
  block(waitsFor(node.id))
}

const waitsFor = (id: NodeId): string => `the other end of fifo ${id}`

/** The processes that sleep in open(2) at a fifo, and their flags. */
const sleepersAt = (m: Machine, id: NodeId): ReadonlyArray<{ readonly pid: number; readonly flags: number }> =>
  m.waiting.flatMap(({ call, pid, why }) =>
    why === waitsFor(id) && (call._tag === "openat" || call._tag === "openat2") ? [{ pid, flags: call.flags }] : []
  )
