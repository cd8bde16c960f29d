/**
 * A server group: a server that this process has spawned, and the servers cloned from it. They share memory and a link.
 */
import type { Scratch } from "../Scratch.ts"
import type { Handlers } from "../Syscalls.ts"
import type { Batch } from "./Batch.ts"
import type { Client } from "./Client.ts"
import type { Link } from "./Link.ts"
import type { Mailbox } from "./Mailbox.ts"
import type { OpenFiles } from "./OpenFiles.ts"
import type { GroupMemory } from "./SharedMemory.ts"

/** A process that makes calls for this process. */
export interface Server {
  /** Its mailbox; changed by `reclone`. */
  slot: Slot
  /** Its pid, as the process that cloned it sees it. */
  pid: number
  /** Its descriptors, as far as they are known. */
  files: OpenFiles
  /** The server that clones it, until it has started. */
  by?: Server
}

/** The descriptor by which a server rings, and sees whether this process lives; none if the server had to give it up. */
export interface LinkEnd {
  fd: number | undefined
}

/** A mailbox, and everything that makes calls through it. Servers use it one after the other. */
export interface Slot {
  readonly group: ServerGroup
  readonly mailbox: Mailbox
  readonly client: Client
  /** The memory for arguments. */
  readonly memory: Scratch
  /** Its list of calls. */
  readonly batch: Batch
  readonly handlers: Handlers
  readonly link: LinkEnd
  readonly server: { current: Server | undefined }
  /** Whether its server is not asked any more, ended or not. */
  isLost: boolean
  /** Called when the server has answered, or has gone. */
  waiter: (() => void) | undefined
}

/** Whether a slot is free: no server of this process serves it, and no fiber waits for its server. */
export const isVacant = ({ mailbox, server, waiter }: Slot): boolean =>
  waiter === undefined && (server.current === undefined || mailbox.isFree)

/** Initialises a slot in new memory, which a process that still has the old memory can't reach. */
export const renew = (slot: Slot): void => {
  slot.mailbox.initialise()
  slot.isLost = false
}

/** Whether another server has taken this server's slot. */
export const isTaken = (server: Server): boolean => {
  const { current } = server.slot.server
  return current !== undefined && current !== server
}

/**
 * How often to look at a server that can't ring, in milliseconds; the intervals grow. Its filter may refuse the write(2),
 * or it may have been killed while others of its group keep the link open.
 */
const rounds = { first: 1, most: 16 } as const

/** A spawned server with the servers cloned from it. */
export class ServerGroup {
  readonly memory: GroupMemory
  /** The first slot is that of the spawned server. */
  readonly slots: Array<Slot> = []
  /** Whether all of its servers have ended. Its memory can't tell, because a container may still have it mapped. */
  isEnded = true
  /** This process's end of the link; none before the first server, and after all servers have closed theirs. */
  link: Link | undefined

  constructor(memory: GroupMemory) {
    this.memory = memory
  }

  /** A server has rung. */
  heard(): void {
    for (const slot of this.slots) if (!slot.mailbox.isAsked) slot.waiter?.()
  }

  /** No server can ring any more. The kernel has marked those that have ended; the others get no further request. */
  hungUp(): void {
    this.link = undefined
    for (const slot of this.slots) {
      if (slot.mailbox.isAsked) this.#lose(slot)
      slot.waiter?.()
    }
  }

  /** Stops asking a server, unless it had to give its link away. */
  #lose(slot: Slot): void {
    if (slot.link.fd === undefined) return
    slot.isLost = true
    slot.server.current = undefined
  }

  /** Closes this process's end of the link. */
  cut(): void {
    this.link?.close()
    this.link = undefined
  }

  /**
   * Calls `go` once, when a server has answered or has gone, or after some milliseconds.
   *
   * @returns a function that cancels it. It may be called late, when the slot has another server and another waiter
   */
  whenAnswered(slot: Slot, go: () => void, milliseconds?: number): () => void {
    let timer: NodeJS.Timeout | undefined
    const stop = () => {
      clearTimeout(timer)
      if (slot.waiter === done) slot.waiter = undefined
      this.#need()
    }
    const done = () => {
      stop()
      go()
    }
    slot.waiter = done
    this.#need()
    // the memory is not trusted: without a link, the server has ended
    if (this.link === undefined) this.#lose(slot)
    const rings = this.link !== undefined && slot.link.fd !== undefined && slot.mailbox.ring()
    if (rings) this.link?.expect()
    // the server may have answered before it was asked to ring
    if (!slot.mailbox.isAsked || slot.isLost) {
      timer = setTimeout(done, 0)
      return stop
    }
    if (milliseconds !== undefined) {
      timer = setTimeout(done, milliseconds)
      return stop
    }
    let round: number = rounds.first
    const look = () => {
      if (!slot.mailbox.isAsked || slot.isLost) done()
      else lookLater()
    }
    const lookLater = () => {
      if (rings && !this.#hasOthers(slot)) return
      timer = setTimeout(look, round)
      round = Math.min(round * 2, rounds.most)
    }
    // never synchronously: the caller has not got the cancelling function yet
    lookLater()
    return stop
  }

  #hasOthers(slot: Slot): boolean {
    return this.slots.some((other) => other !== slot && !other.mailbox.isFree)
  }

  #need(): void {
    if (this.link !== undefined) this.link.isNeeded = this.slots.some(({ waiter }) => waiter !== undefined)
  }
}
