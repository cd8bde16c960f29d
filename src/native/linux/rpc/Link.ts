/**
 * How a server reports to this process that it has answered: by a pair of sockets, of which libuv watches one end.
 *
 * A server that is asked to ring writes a byte. When the last server of a group has ended or has become a program, the
 * servers' end is closed, and this process sees the end of the stream. When this process ends, for whatever reason, its
 * servers see their end hang up, and end too.
 *
 * The other end is not trusted. A byte means nothing but "look", and a link that rings more often than it was asked to is
 * ignored for a while.
 *
 * @see socketpair(2), unix(7)
 */
import type { Socket } from "node:net"
import { destroy, socketOn } from "./socketOn.ts"

/** How long a link that rings too often is ignored, in milliseconds; longer each time. */
const deaf = { first: 1, most: 100 } as const

const scrap = Buffer.alloc(64)

/** This process's end of a link. */
export class Link {
  readonly #socket: Socket
  #deaf: number = deaf.first
  #timer: NodeJS.Timeout | undefined
  #isNeeded = false

  /** How many bytes have been requested and have not come. */
  #expected = 0
  #isClosed = false
  readonly #closed: () => void

  /**
   * @param fd this process's end, which the link owns from now on
   * @param heard called when a server has rung
   * @param ended called when the servers' end has been closed
   * @param closed called when this process's end is closed, for whatever reason
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
    // a reset is treated like any other end
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

  /** Whether a fiber waits for it, which keeps this process alive. */
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
    destroy(this.#socket)
    this.#closed()
  }
}
