/**
 * Starts processes without copying this one, and has them make system calls: remote procedure calls through shared memory.
 *
 *       this process: one thread of JavaScript                       a child: no thread but the server
 *     ┌────────────────────────────────────────┐                   ┌───────────────────────────────────┐
 *     │ handler ── Client ── Mailbox ──────────┼── shared memory ──┼── mailbox ── serve() ── syscall   │
 *     │    fiber ◄─ BlockingCalls ◄─ Link ◄────┼──── one byte ─────┼── rings, if it is asked to        │
 *     │                               │        │                   │                                   │
 *     │                               └────────┼─── end of file ───┼── has ended, or is a program      │
 *     └────────────────────────────────────────┘                   └───────────────────────────────────┘
 *
 * A child executes a program of some kilobytes, a server (`server.c`), which makes the calls that it is asked for. So the
 * init continues as JavaScript here, in a process with any number of threads, while the child makes every call. The
 * namespaces, credentials, descriptors and the working directory that change are the child's. Of this process, the child
 * has only the memory of its group (SharedMemory.ts). So nothing is copied at its start or torn down at its exec, and
 * nothing here is lost if it is killed.
 *
 * The child is what fork(2) would make, except for what execve(2) changes: its capabilities are computed again (without
 * root, only ambient ones stay), signal handlers are reset, and it is dumpable.
 *
 * The word of state of a mailbox is a futex in the server's robust list, so the kernel marks the server's end in it:
 *
 *     | word                  | means                           | becomes                   | by                             |
 *     |-----------------------|---------------------------------|---------------------------|--------------------------------|
 *     | `died`                | there is no server              | `asked`                   | the client, before it makes one |
 *     | `asked`               | a server is to come             | thread                    | the server, once it is there   |
 *     | thread                | the server is idle              | thread and `asked`        | the client, with a request     |
 *     | thread and `asked`    | the server makes a call         | thread                    | the server, with the answer    |
 *     | any of the last three | the server ends, or executes    | word and `died`           | the kernel                     |
 *
 * Neither side polls for long. The client polls for an answer for 50 µs at most, which is longer than most calls take. Then
 * it asks the server to ring, and the event loop continues. A server polls for the next request as long, or less if the
 * last poll failed, and then sleeps on its word.
 *
 * @see clone(2), execveat(2), set_robust_list(2), futex(2)
 */
import { CLONE, P, SIG, W } from "../../constants.ts"
import type { Passed } from "../../Fork.ts"
import { monotonic } from "../../monotonic.ts"
import { Refused, refused } from "../../Refused.ts"
import type { Library } from "../koffi.ts"
import { Scratch } from "../Scratch.ts"
import * as Syscalls from "../Syscalls.ts"
import { Batch } from "./Batch.ts"
import { Client, gone, pending } from "./Client.ts"
import type { Guard } from "./Guard.ts"
import { Link } from "./Link.ts"
import { Mailbox } from "./Mailbox.ts"
import { OpenFiles } from "./OpenFiles.ts"
import { type Parts, partsOf } from "./parts.ts"
import { isTaken, isVacant, type LinkEnd, renew, type Server, ServerGroup, type Slot } from "./ServerGroup.ts"
import type { Segment } from "./SharedMemory.ts"
import { sparing } from "./sparing.ts"
import type { Watcher } from "./Watcher.ts"

/** How long a new process may take to start, in milliseconds. */
const spawnLimit = 30_000
/** How often to check meanwhile whether it has ended, in milliseconds; the intervals grow. */
const doubts = { first: 2, most: 50 } as const
/** How long a killed process may take to end, in milliseconds. */
const deathLimit = 10_000

/** What to wait for: the answer of a server, a time in milliseconds, or whichever comes first. */
export interface Awaited {
  readonly slot?: Slot
  readonly milliseconds?: number
}

const killedEarly = () => new Refused("ESRCH", "the process was killed before it was there to tell")

/** Work in several steps: each step yields what to wait for before the next one. */
export type Progress<A> = Generator<Awaited, A>

/** `PID_MAX_LIMIT` */
const mostPid = 1 << 22

/** The processes of one live kernel. */
export class ServerPool {
  readonly #library: Library
  readonly #machine: Syscalls.Syscalls
  readonly #own: Syscalls.Handlers
  readonly #handlersOf: (machine: Syscalls.Syscalls) => Syscalls.Handlers
  #loaded: Parts | undefined
  readonly #groups: Array<ServerGroup> = []

  /**
   * @param machine makes the calls of this process
   * @param handlersOf makes the handlers of a machine
   */
  constructor(
    library: Library,
    machine: Syscalls.Syscalls,
    handlersOf: (machine: Syscalls.Syscalls) => Syscalls.Handlers
  ) {
    this.#library = library
    this.#machine = machine
    this.#own = handlersOf(machine)
    this.#handlersOf = handlersOf
  }

  /** Clones a process for this one, or for its child `parent`. */
  *clone(flags: number, parent: Server | undefined, descriptors: ReadonlyArray<Passed> | undefined): Progress<Server> {
    if (parent !== undefined) return yield* this.#cloneBy(parent, flags)
    // a program executed in a user namespace without maps has no capabilities, so the process first starts outside. And a
    // table of descriptors as large as this process's never shrinks, but a clone's is only as large as it has to be
    const isDirect = (flags & CLONE.NEWUSER) === 0 && (descriptors === undefined || !this.#parts.spawner.isLarge)
    if (isDirect) return yield* this.#spawn(flags, descriptors)
    const server = yield* this.#spawn(0, descriptors)
    try {
      const made = yield* this.#cloneBy(server, flags | CLONE.PARENT)
      // the pid comes from the child, which is not trusted
      if (this.#hasEnded(made.pid) !== "stranger") return made
      throw new Refused("ECHILD", "the process that clones has named one that is no child of this process")
    } catch (cause) {
      throw cause === gone ? new Refused("ESRCH", "the process that clones was killed") : cause
    } finally {
      yield* this.#reap(server.pid)
      if (server.slot.server.current === server) server.slot.server.current = undefined
    }
  }

  /** Clones a process beside a child. The child's Effect continues in the new process; the old one ends. */
  *reclone(server: Server, flags: number): Progress<void> {
    const next = yield* this.#cloneBy(server, flags | CLONE.PARENT)
    this.end(server, 0)
    server.slot.server.current = undefined
    server.slot = next.slot
    server.slot.server.current = server
    server.pid = next.pid
  }

  /** Ends an idle process, if it has not ended yet. */
  end(server: Server, status: number): void {
    const { client } = server.slot
    if (server.slot.server.current === server) client.post(this.#machine.numbers.exit_group, status)
  }

  /**
   * Frees what was shared with a server that has gone, and with its group if the whole group has gone. It runs when a
   * program has just started, because nothing waits then. At the start of the next process something would.
   */
  release(server: Server): void {
    const { slot } = server
    const { group } = slot
    if (slot.server.current === server) slot.server.current = undefined
    if (group.isEnded || !group.slots.every(isVacant)) return
    group.isEnded = true
    group.cut()
    const { slots, memory } = group
    // a server that has not ended yet still reads requests; its memory is freed when the next group's replaces it
    if (!slots.every(({ mailbox }) => mailbox.isFree)) return
    Syscalls.attempted(() => this.#parts.shared.release(memory, slots.length))
    for (const { mailbox } of slots) mailbox.initialise()
  }

  /** Makes no further request to a server. What its memory says has no meaning from now on. */
  lose(server: Server): void {
    const { slot } = server
    if (slot.server.current !== server) return
    // and the servers that it was about to clone
    for (const one of slot.group.slots) {
      if (one.server.current !== server && one.server.current?.by !== server) continue
      one.server.current = undefined
      one.isLost = true
      const { waiter } = one
      waiter?.()
      // a fiber whose answer has come, and whose turn has not, does not keep its place
      if (one.waiter === waiter) one.waiter = undefined
    }
  }

  /** The slot of a server. Throws {@link gone} if another server has taken it. */
  static slotOf(server: Server): Slot {
    if (server.slot.server.current !== server) throw gone
    return server.slot
  }

  /** Calls `go` once, when what is awaited has come. Returns a function that cancels it. */
  when({ milliseconds, slot }: Awaited, go: () => void): () => void {
    if (slot !== undefined) return slot.group.whenAnswered(slot, go, milliseconds)
    const timer = setTimeout(go, milliseconds)
    return () => clearTimeout(timer)
  }

  /** Watches descriptors of this process. */
  get watcher(): Watcher {
    return this.#parts.watcher
  }

  /** Ends programs with this process. */
  get guard(): Guard {
    return this.#parts.guard
  }

  /** This process has closed a descriptor. */
  closed(fd: number): void {
    this.#loaded?.guard.closed(fd)
  }

  *#spawn(flags: number, descriptors: ReadonlyArray<Passed> | undefined): Progress<Server> {
    const { code, shared, spawner } = this.#parts
    const group = this.#group()
    const { memory, slots } = group
    let { layout } = memory
    const mailboxOf = (link: number) => {
      if (layout !== memory.layout) slots.length = 0
      layout = memory.layout
      if (slots[0] === undefined) slots.push(this.#newSlot(shared.segment(memory, 0), group))
      else slots.forEach(renew)
      this.#prepare(slots[0]!, link)
      return slots[0]!.mailbox.address
    }
    group.cut()
    // without CLONE_VFORK: with it, this thread would block until the exec, and often wake up on the new process's
    // processor
    const { end, mine, pid } = spawner.spawn(code, (flags | CLONE.VM | SIG.CHLD) >>> 0, memory, descriptors, mailboxOf)
    const ended = () => group.link === link && group.hungUp()
    const link = group.link = new Link(mine, () => group.heard(), ended, () => spawner.forget(mine))
    link.expect()
    group.isEnded = false
    const server = this.#occupied(
      slots[0]!,
      pid,
      new OpenFiles([0, 1, 2, ...descriptors?.map(([number]) => number) ?? [], end])
    )
    try {
      yield* this.#arrived(server, pid, () => spawner.failureIn(memory))
      return server
    } catch (cause) {
      // a server that starts late would serve the mailbox, so it must have ended before another gets it
      if (pid > 0) yield* this.#reap(pid)
      this.release(server)
      throw cause === gone ? killedEarly() : cause
    }
  }

  *#cloneBy(by: Server, flags: number): Progress<Server> {
    const { group, link, mailbox } = by.slot
    const slot =
      group.slots.find(({ isLost, mailbox, server }) => !isLost && mailbox.isFree && server.current === undefined) ??
        this.#further(group)
    this.#prepare(slot, link.fd)
    const server = this.#occupied(slot, 0, by.files.copy())
    server.by = by
    let hasCome: boolean | undefined
    try {
      mailbox.next = slot.mailbox
      group.link?.expect()
      // unsigned, because bit 31 is CLONE_IO
      const pid = yield* this.#called(by, this.#machine.numbers.clone, (flags | SIG.CHLD) >>> 0)
      hasCome = pid >= 0
      server.pid = pid
      yield* this.#arrived(server, pid)
      ServerPool.slotOf(by)
      delete server.by
      return server
    } catch (cause) {
      // if both were lost, another server may have the slot
      if (isTaken(server)) throw cause
      slot.server.current = undefined
      // a server that starts late would use the slot
      if (hasCome === false || this.#hasEnded(server.pid) === true) slot.mailbox.markFree()
      else slot.isLost = true
      throw cause
    }
  }

  /** Makes a call outside of a handler. */
  *#called(server: Server, number: number, argument: number): Progress<number> {
    const { slot } = server
    const { client } = slot
    // the fiber of its last call may have been interrupted
    while (client.isBusy && slot.server.current === server) yield { slot }
    ServerPool.slotOf(server)
    client.begin()
    for (;;) {
      try {
        return client.make(number, argument, 0, 0, 0, 0, 0)
      } catch (cause) {
        if (cause !== pending) throw cause
      }
      yield { slot }
      ServerPool.slotOf(server)
      client.resume()
    }
  }

  #prepare(slot: Slot, fd: number | undefined): void {
    const { client, link, mailbox } = slot
    slot.isLost = false
    mailbox.prepare()
    mailbox.link = link.fd = fd
    client.forget()
  }

  /** Waits until a new server has started. `pid` is the result of its clone: a pid, or a negative errno. */
  *#arrived(server: Server, pid: number, failure: () => Refused | undefined = () => undefined): Progress<void> {
    const { slot } = server
    const { mailbox } = slot
    if (pid < 0) {
      mailbox.markFree()
      throw refused(-pid)
    }
    const start = monotonic()
    for (let doubt: number = doubts.first; mailbox.isAsked; doubt = Math.min(doubt * 2, doubts.most)) {
      yield { slot, milliseconds: doubt }
      if (isTaken(server)) throw gone
      if (!mailbox.isAsked) break
      const refusal = failure()
      if (refusal !== undefined) throw refusal
      if (this.#hasEnded(pid) === true) {
        throw killedEarly()
      }
      if (monotonic() - start > spawnLimit) {
        throw new Refused("ETIMEDOUT", `the process was not there within ${spawnLimit} ms: it is stopped`)
      }
    }
    const listed = mailbox.isFree ? 0 : mailbox.result
    if (listed >= 0) return
    // without it this process would not see the server's end
    throw refused(-listed, "set_robust_list(2), by which the end of a process is seen, is refused", {
      advice: "a start needs this call: a seccomp filter around the runtime, or a kernel that is not Linux, refuses it"
    })
  }

  /** Whether a child of this process has ended; it is not reaped. */
  #hasEnded(pid: number): boolean | "stranger" {
    if (!(pid > 0 && pid <= mostPid)) return "stranger"
    this.#machine.memory.reset()
    try {
      return this.#own.waitid({ idtype: P.PID, id: pid, options: W.EXITED | W.NOHANG | W.NOWAIT }) !== null
    } catch (cause) {
      if (cause instanceof Refused && cause.code === "ECHILD") return "stranger"
      throw cause instanceof Refused
        ? new Refused(
          cause.code,
          "waitid(2), which tells whether a process is a child of this one, is refused",
          cause.known
        )
        : cause
    }
  }

  /** Kills and reaps a direct child of this process. */
  *#reap(pid: number): Progress<void> {
    const end = monotonic() + deathLimit
    const kill = () => this.#own.kill({ pid, signal: SIG.KILL })
    const ask = () => this.#own.waitid({ idtype: P.PID, id: pid, options: W.EXITED | W.NOHANG })
    this.#machine.memory.reset()
    // a process that can't be killed can't be waited for either
    if (this.#hasEnded(pid) === "stranger" || Syscalls.attempted(() => (kill(), true)) === undefined) return
    for (let milliseconds = 0; monotonic() < end; milliseconds = Math.min(milliseconds + 1, 20)) {
      this.#machine.memory.reset()
      // undefined: other code of this program has reaped it
      if (Syscalls.attempted(ask) !== null) return
      yield { milliseconds }
    }
  }

  #occupied(slot: Slot, pid: number, files: OpenFiles): Server {
    const server: Server = { slot, pid, files }
    slot.server.current = server
    return server
  }

  /** A group whose servers have all ended, or a new one. */
  #group(): ServerGroup {
    const free = this.#groups.find(({ isEnded, slots }) => isEnded || slots.every(isVacant))
    if (free !== undefined) {
      // it stays marked as ended until it has a server, because what comes in between may fail
      free.isEnded = true
      return free
    }
    const group = new ServerGroup(this.#parts.shared.memory())
    this.#groups.push(group)
    return group
  }

  #further(group: ServerGroup): Slot {
    const slot = this.#newSlot(this.#parts.shared.segment(group.memory, group.slots.length), group)
    group.slots.push(slot)
    return slot
  }

  #newSlot({ list, mailbox: { address, memory: bytes }, scratch }: Segment, group: ServerGroup): Slot {
    const link: LinkEnd = { fd: undefined }
    const mailbox = new Mailbox(bytes, address, this.#parts.cores)
    const memory = new Scratch(this.#library, scratch)
    const client = new Client(this.#library, mailbox, memory)
    const machine = Syscalls.make(this.#library, { raw: client.make, memory })
    const handlers = sparing(this.#handlersOf(machine), link, mailbox, client)
    const batch = new Batch(list)
    const server = { current: undefined }
    return { group, mailbox, client, memory, batch, handlers, link, server, isLost: false, waiter: undefined }
  }

  get #parts(): Parts {
    return this.#loaded ??= partsOf(this.#library, this.#machine, this.#own)
  }
}
