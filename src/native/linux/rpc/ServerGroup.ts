/**
 * A server group: a server that this process has spawned, and those that it has cloned. They share one memory, and one link.
 */
import type { Scratch } from "../Scratch.ts"
import type { Handlers } from "../Syscalls.ts"
import type { Client } from "./Client.ts"
import type { Link } from "./Link.ts"
import type { Mailbox } from "./Mailbox.ts"
import type { OpenFiles } from "./OpenFiles.ts"
import type { GroupMemory } from "./SharedMemory.ts"

/** A process that makes calls for this one. */
export interface Server {
  /** Another one after the process has cloned itself again. */
  slot: Slot
  /** As the process that cloned it sees it. */
  pid: number
  /** What is known of its descriptors. */
  files: OpenFiles
  /** The one that clones it, until it is there. */
  by?: Server
}

/** The descriptor by which a server rings, and sees whether this process lives; none if it had to give that number up. */
export interface LinkEnd {
  fd: number | undefined
}

/** A mailbox, with all that makes calls through it. It is used again, by one server after the other. */
export interface Slot {
  readonly group: ServerGroup
  readonly mailbox: Mailbox
  readonly client: Client
  /** Of the arguments. */
  readonly memory: Scratch
  readonly handlers: Handlers
  readonly link: LinkEnd
  readonly server: { current: Server | undefined }
  /** Whether its server is not asked any more, whether it has ended or not. */
  isLost: boolean
  /** What continues once the server has answered, or has gone. */
  waiter: (() => void) | undefined
}

/** Whether a slot is free: no server of this process serves it, and no fiber waits for its server. */
export const isVacant = ({ mailbox, server, waiter }: Slot): boolean =>
  waiter === undefined && (server.current === undefined || mailbox.isFree)

/** Makes a new slot, in new memory, which a process that is still in the old memory can't reach. */
export const renew = (slot: Slot): void => {
  slot.mailbox.initialise()
  slot.isLost = false
}

/** Whether another server has the slot of this one by now. */
export const isTaken = (server: Server): boolean => {
  const { current } = server.slot.server
  return current !== undefined && current !== server
}

/**
 * How often to look at a server that can't ring, in milliseconds; the intervals grow. It may have loaded a filter that
 * refuses the ring. Or it may have been killed, while others of its group keep the link open.
 */
const rounds = { first: 1, most: 16 } as const

/** A server with those that it has cloned, and they. */
export class ServerGroup {
  readonly memory: GroupMemory
  /** The first one is that of the first server. */
  readonly slots: Array<Slot> = []
  /** Whether all of its servers have ended. Its memory can't say so: a stranger may still have it. */
  isEnded = true
  /** This process's end of the link; none before there is a server, and after all have closed theirs. */
  link: Link | undefined

  constructor(memory: GroupMemory) {
    this.memory = memory
  }

  /** Somebody has rung. */
  heard(): void {
    for (const slot of this.slots) if (!slot.mailbox.isAsked) slot.waiter?.()
  }

  /**
   * No server is left that could ring. The kernel has marked those that have ended; the others get no further request.
   */
  hungUp(): void {
    this.link = undefined
    for (const slot of this.slots) {
      if (slot.mailbox.isAsked) this.#lose(slot)
      slot.waiter?.()
    }
  }

  /** Asks a server for nothing more, unless it has had to give its link away. */
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
   * Calls back, once, when a server has answered or has gone, or after so many milliseconds.
   *
   * @returns what cancels it; that may come late, when the slot has another server, and somebody waits for that
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
    // its memory may say anything: without a link it has ended
    if (this.link === undefined) this.#lose(slot)
    const rings = this.link !== undefined && slot.link.fd !== undefined && slot.mailbox.ring()
    if (rings) this.link?.expect()
    // it may have answered before it was asked to ring
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
    // never at once: the caller has not yet got the function that cancels it
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
