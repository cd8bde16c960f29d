/**
 * Waits until descriptors of this process are ready. One native thread waits for the events of an epoll(7) instance, and
 * writes them to a pipe that libuv watches. So any number of descriptors needs one thread, and the thread of JavaScript
 * never blocks. There is one watcher for each thread of JavaScript, made when it is first needed.
 *
 * @see epoll(7), pipe(7)
 */
import type { Socket } from "node:net"
import process from "node:process"
import { CLONE, F, MAP, O, POLL, PROT, SIG_HOW } from "../../constants.ts"
import { Refused, refused } from "../../Refused.ts"
import type { Library } from "../koffi.ts"
import type { Syscalls } from "../Syscalls.ts"
import { watch as at } from "./layout.ts"
import type { MachineCode } from "./machineCode.ts"
import type { Own } from "./ownCalls.ts"
import { socketOn } from "./socketOn.ts"

const threadFlags = CLONE.VM | CLONE.FS | CLONE.FILES | CLONE.SIGHAND | CLONE.THREAD | CLONE.SYSVSEM
const allSignals = Array.from({ length: 64 }, (_, index) => index + 1)

/** The size of the thread's memory in bytes. Its parameters are at the start; its stack grows down from the end. */
const threadMemory = 0x8000

const EPOLL_CTL = { ADD: 1, DEL: 2 } as const
const EPOLLONESHOT = 1 << 30
/** The layout of `struct epoll_event`, which is packed on x86-64. */
const event = process.arch === "x64" ? { size: 12, data: 4 } : { size: 16, data: 8 }

/** A descriptor to watch, and the events of poll(2) to watch for. */
export interface Watched {
  readonly fd: number
  readonly events: number
}

interface Waiter {
  readonly go: () => void
  /** Whether the wait keeps this process alive. */
  readonly keepsAlive: boolean
  readonly fds: ReadonlyArray<number>
  /** Duplicates, for descriptors that another wait watches already. */
  readonly copies: ReadonlyArray<number>
}

/** Watches the descriptors of one thread of JavaScript. */
export class Watcher {
  readonly #library: Library
  readonly #machine: Syscalls
  readonly #own: Own
  readonly #code: MachineCode
  readonly #reserved: { readonly reserve: (fd: number) => void }
  readonly #waiters = new Map<number, Waiter>()
  #last = 0
  #made: { readonly epoll: number; readonly socket: Socket } | undefined

  /** @param reserved records descriptors that no child may inherit */
  constructor(
    library: Library,
    machine: Syscalls,
    own: Own,
    code: MachineCode,
    reserved: { readonly reserve: (fd: number) => void }
  ) {
    this.#library = library
    this.#machine = machine
    this.#own = own
    this.#code = code
    this.#reserved = reserved
  }

  /**
   * Calls `go` once, when one of some descriptors is ready. Throws {@link Refused} if one can't be watched: EPERM for a
   * file, which is always ready.
   *
   * @param keepsAlive whether the wait keeps this process alive
   * @returns a function that cancels it
   */
  when(watched: ReadonlyArray<Watched>, go: () => void, keepsAlive = true): () => void {
    const { epoll, socket } = this.#made ??= this.#make()
    const id = ++this.#last
    const [fds, copies]: [Array<number>, Array<number>] = [[], []]
    const waiter: Waiter = { go, keepsAlive, fds, copies }
    this.#waiters.set(id, waiter)
    try {
      for (const { events, fd } of watched) fds.push(this.#add(epoll, fd, events, id, copies))
    } catch (cause) {
      this.#end(id, waiter)
      throw cause
    }
    if (keepsAlive) socket.ref()
    return () => this.#end(id, waiter)
  }

  #add(epoll: number, fd: number, events: number, id: number, copies: Array<number>): number {
    try {
      this.#control(epoll, EPOLL_CTL.ADD, fd, events | EPOLLONESHOT, id)
      return fd
    } catch (cause) {
      if (!(cause instanceof Refused) || cause.code !== "EEXIST") throw cause
      const copy = this.#own({ _tag: "fcntl", fd, command: F.DUPFD_CLOEXEC, argument: 3 })
      copies.push(copy)
      this.#control(epoll, EPOLL_CTL.ADD, copy, events | EPOLLONESHOT, id)
      return copy
    }
  }

  #control(epoll: number, operation: number, fd: number, events: number, id: number): void {
    const { call, memory, numbers } = this.#machine
    memory.reset()
    const block = memory.zeroed(16)
    block.setU32(0, events)
    block.setU32(event.data, id)
    call(numbers.epoll_ctl, epoll, operation, fd, block.address)
  }

  #end(id: number, waiter: Waiter): void {
    if (!this.#waiters.delete(id)) return
    const { epoll, socket } = this.#made!
    for (const fd of waiter.fds) {
      try {
        this.#control(epoll, EPOLL_CTL.DEL, fd, 0, 0)
      } catch (cause) {
        // it was closed meanwhile, which also ends its watch
        if (!(cause instanceof Refused)) throw cause
      }
    }
    for (const fd of waiter.copies) this.#own({ _tag: "close", fd })
    if (!this.#isNeeded()) socket.unref()
  }

  #isNeeded(): boolean {
    for (const { keepsAlive } of this.#waiters.values()) if (keepsAlive) return true
    return false
  }

  #heard(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    for (let from = 0; from + event.size <= bytes.length; from += event.size) {
      const id = view.getUint32(from + event.data, true)
      const waiter = this.#waiters.get(id)
      if (waiter === undefined) continue
      this.#end(id, waiter)
      waiter.go()
    }
  }

  #make(): { readonly epoll: number; readonly socket: Socket } {
    const { call, numbers } = this.#machine
    const epoll = call(numbers.epoll_create1, O.CLOEXEC)
    const opened = [epoll]
    try {
      const [input, output] = this.#own({ _tag: "pipe2", flags: O.CLOEXEC })
      opened.push(input, output)
      this.#start(epoll, output)
      for (const fd of opened) this.#reserved.reserve(fd)
      // the thread of JavaScript may end before this process
      process.once("exit", () => this.#control(epoll, EPOLL_CTL.ADD, output, POLL.OUT, 0))
      // a multiple of both sizes of an event, so that none is split
      const buffer = Buffer.alloc(48 * 64)
      const socket = socketOn(input, buffer, (count) => {
        this.#heard(new Uint8Array(buffer.subarray(0, count)))
        return true
      })
      socket.on("error", () => {})
      return { epoll, socket }
    } catch (cause) {
      for (const fd of opened) this.#own({ _tag: "close", fd })
      throw cause
    }
  }

  #start(epoll: number, output: number): void {
    const { call, numbers } = this.#machine
    const flags = MAP.PRIVATE | MAP.ANONYMOUS
    const address = call(numbers.mmap, 0, threadMemory, PROT.READ | PROT.WRITE, flags, -1, 0)
    const told = new DataView(this.#library.memoryAt(address, threadMemory))
    told.setInt32(at.epoll, epoll, true)
    told.setInt32(at.output, output, true)
    // none of Node's signal handlers may run on that thread
    const before = this.#own({ _tag: "rt_sigprocmask", how: SIG_HOW.SETMASK, signals: allSignals })
    const made = Number(this.#code.watch(threadFlags, address, address + threadMemory))
    this.#own({ _tag: "rt_sigprocmask", how: SIG_HOW.SETMASK, signals: before })
    if (made > 0) return
    call(numbers.munmap, address, threadMemory)
    throw refused(-made, "a thread that waits for descriptors can't be had")
  }
}
