/**
 * How a server tells this process that it has answered: the two ends of a pair of sockets, one of which libuv watches.
 *
 * A server that is asked to ring writes a byte. When the last server of a group has ended, or has become a program, its end is
 * closed, which this process sees as the end of the stream. And when this process has ended, however that comes, its servers
 * see their end hang up, and end too.
 *
 * What comes may come from a stranger. Bytes say nothing but "look", and one that rings more often than it was asked to
 * is not heard for a while.
 *
 * @see socketpair(2), unix(7)
 */
import type { Socket } from "node:net"
import { socketOn } from "./socketOn.ts"

/** How long a link that rings too often is not listened to, in milliseconds: longer each time. */
const deaf = { first: 1, most: 100 } as const

const scrap = Buffer.alloc(64)

/** This process's end of a link. */
export class Link {
  readonly #socket: Socket
  #deaf: number = deaf.first
  #timer: NodeJS.Timeout | undefined
  #isNeeded = false

  /** How many bytes have been asked for, and not come. */
  #expected = 0
  #isClosed = false
  readonly #closed: () => void

  /**
   * @param fd this process's end, which belongs to the link from now on
   * @param heard somebody has rung
   * @param ended the servers' end has been closed
   * @param closed this process's end is closed, for whatever reason
   */
  constructor(fd: number, heard: () => void, ended: () => void, closed: () => void) {
    this.#closed = closed
    const socket = this.#socket = socketOn(fd, scrap, (count) => {
      heard()
      return this.#listens(count)
    })
    const end = () => {
      if (this.#isClosed) return
      this.close()
      ended()
    }
    // a reset is an end like any other
    socket.on("error", end)
    socket.on("end", end)
    socket.on("close", end)
  }

  /** A server has been asked to ring. */
  expect(): void {
    this.#expected++
  }

  #listens(count: number): boolean {
    this.#expected -= count
    if (this.#expected >= 0) {
      this.#deaf = deaf.first
      return true
    }
    this.#expected = 0
    this.#timer = setTimeout(() => {
      this.#socket.resume()
      if (!this.#isNeeded) this.#socket.unref()
    }, this.#deaf).unref()
    this.#deaf = Math.min(this.#deaf * 2, deaf.most)
    return false
  }

  /** Whether somebody waits for it, which keeps this process from its end. */
  set isNeeded(is: boolean) {
    if (is === this.#isNeeded) return
    this.#isNeeded = is
    if (is) this.#socket.ref()
    else this.#socket.unref()
  }

  /** Closes this process's end. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#socket.destroy()
    this.#closed()
  }
}
