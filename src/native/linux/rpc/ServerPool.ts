/**
 * How this process makes others without copying itself, and has them make system calls: remote procedure calls through shared
 * memory.
 *
 *       this process: one thread of JavaScript                       a child: no thread but the server
 *     ┌────────────────────────────────────────┐                   ┌───────────────────────────────────┐
 *     │ handler ── Client ── Mailbox ──────────┼── shared memory ──┼── mailbox ── serve() ── syscall   │
 *     │    fiber ◄─ BlockingCalls ◄─ Link ◄────┼──── one byte ─────┼── rings, if it is asked to        │
 *     │                               │        │                   │                                   │
 *     │                               └────────┼─── end of file ───┼── has ended, or is a program      │
 *     └────────────────────────────────────────┘                   └───────────────────────────────────┘
 *
 * A child executes a program of some kilobytes, a server, which makes the calls that it is asked for (`server.c`). So its init
 * continues as JavaScript here, in a process with any number of threads, while every call is made there: namespaces,
 * credentials, descriptors and the working directory that change are the child's. Nothing of this process is in the child but
 * the memory of its group (SharedMemory.ts). Nothing has to be copied at its start or torn down at its exec, and when it is
 * killed nothing here is lost.
 *
 * The child is what fork(2) would make, but for what execve(2) changes: its credentials are computed again (a process that
 * has capabilities without being root keeps the ambient ones), handlers of signals are gone, and it can be dumped.
 *
 * The word of state of a mailbox, a futex of which the kernel knows by a robust list:
 *
 *     | word                  | means                           | becomes                   | by                             |
 *     |-----------------------|---------------------------------|---------------------------|--------------------------------|
 *     | `died`                | there is no server              | `asked`                   | the client, before it makes one |
 *     | `asked`               | a server is to come             | thread                    | the server, once it is there   |
 *     | thread                | the server is idle              | thread and `asked`        | the client, with a request     |
 *     | thread and `asked`    | the server makes a call         | thread                    | the server, with the answer    |
 *     | any of the last three | the server ends, or executes    | word and `died`           | the kernel                     |
 *
 * Neither side polls for long. The client looks for an answer for 50 µs at most, which is longer than most calls take, and
 * then asks the server to ring; meanwhile the event loop continues. A server looks for the next request for as long, or for
 * less if the last look was in vain, and then sleeps on its word.
 *
 * @see clone(2), execveat(2), set_robust_list(2), futex(2)
 */
import { availableParallelism } from "node:os"
import { performance } from "node:perf_hooks"
import { CLONE, P, SIG, W } from "../../constants.ts"
import { invalid, Refused, refused } from "../../Refused.ts"
import type { Library } from "../koffi.ts"
import { Scratch } from "../Scratch.ts"
import * as Syscalls from "../Syscalls.ts"
import { Client, gone, pending } from "./Client.ts"
import { Link } from "./Link.ts"
import { load, type MachineCode } from "./machineCode.ts"
import { Mailbox } from "./Mailbox.ts"
import { OpenFiles } from "./OpenFiles.ts"
import { own } from "./ownCalls.ts"
import { isTaken, isVacant, type LinkEnd, renew, type Server, ServerGroup, type Slot } from "./ServerGroup.ts"
import { type Segment, SharedMemory } from "./SharedMemory.ts"
import { sparing } from "./sparing.ts"
import { Spawner } from "./Spawner.ts"
import { Watcher } from "./Watcher.ts"

/** Flags with which the child would not be what this makes: a process, with a signal at its end. */
const refusedFlags = CLONE.VM | CLONE.VFORK | CLONE.THREAD | CLONE.SIGHAND
/** The part of clone(2)'s flags that is no flag but the signal at the child's end (`CSIGNAL`). */
const exitSignalMask = 0xff

/** How long it may take until a process that has been made is there, in milliseconds. */
const spawnLimit = 30_000
/** How often it is asked for meanwhile whether it has ended, in milliseconds: more and more seldom. */
const doubts = { first: 2, most: 50 } as const
/** How long a process that was killed may take to end, in milliseconds. */
const deathLimit = 10_000

/** What is waited for: the answer of a server, or some milliseconds, or whichever is first. */
export interface Awaited {
  readonly slot?: Slot
  readonly milliseconds?: number
}

/** Work in several steps: each step yields what to wait for before the next one. */
export type Progress<A> = Generator<Awaited, A>

/** `PID_MAX_LIMIT` */
const mostPid = 1 << 22

/** What is made when the first process is. */
interface Parts {
  readonly code: MachineCode
  readonly shared: SharedMemory
  readonly spawner: Spawner
  readonly watcher: Watcher
}

/** The processes of one live kernel. */
export class ServerPool {
  readonly #library: Library
  readonly #machine: Syscalls.Syscalls
  readonly #own: Syscalls.Handlers
  readonly #handlersOf: (machine: Syscalls.Syscalls) => Syscalls.Handlers
  readonly #cores: number
  #loaded: Parts | undefined
  readonly #groups: Array<ServerGroup> = []

  /**
   * @param machine of the calls of this process itself
   * @param handlersOf what makes the calls of a machine
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
    this.#cores = availableParallelism()
  }

  /** Clones a process for this one, or, where `parent` is given, for that child of it. */
  *clone(flags: number, parent: Server | undefined, descriptors: ReadonlyArray<number> | undefined): Progress<Server> {
    if (parent !== undefined) return yield* this.#cloneBy(parent, flags)
    if ((flags & CLONE.NEWUSER) === 0) return yield* this.#spawn(flags, descriptors)
    // a program that is executed in a user namespace without maps has no capabilities
    const server = yield* this.#spawn(0, descriptors)
    try {
      const made = yield* this.#cloneBy(server, flags | CLONE.PARENT)
      // it is the other one that says which process that is
      if (this.#hasEnded(made.pid) !== "stranger") return made
      throw new Refused("ECHILD", "the process that clones has named one that is no child of this process")
    } catch (cause) {
      throw cause === gone ? new Refused("ESRCH", "the process that clones was killed") : cause
    } finally {
      yield* this.#reap(server.pid)
      if (server.slot.server.current === server) server.slot.server.current = undefined
    }
  }

  /** Clones a process beside a child, which continues in it. The old one ends. */
  *reclone(server: Server, flags: number): Progress<void> {
    const next = yield* this.#cloneBy(server, flags | CLONE.PARENT)
    this.end(server, 0)
    server.slot.server.current = undefined
    server.slot = next.slot
    server.slot.server.current = server
    server.pid = next.pid
  }

  /** Ends a process that does not wait for anything, if it has not ended yet. */
  end(server: Server, status: number): void {
    const { client } = server.slot
    if (server.slot.server.current === server) client.post(this.#machine.numbers.exit_group, status)
  }

  /**
   * Frees what was shared with a server that has gone; if its whole group has gone, also what was shared with that. This is
   * done when a program has just started, since nothing waits then. When the next process is made, something does.
   */
  release(server: Server): void {
    const { slot } = server
    const { group } = slot
    if (slot.server.current === server) slot.server.current = undefined
    if (group.isEnded || !group.slots.every(isVacant)) return
    group.isEnded = true
    group.cut()
    const { slots, memory } = group
    // one that has not ended yet still reads what it is asked for; its memory goes when the next group's takes its place
    if (!slots.every(({ mailbox }) => mailbox.isFree)) return
    Syscalls.attempted(() => this.#parts.shared.release(memory, slots.length))
    for (const { mailbox } of slots) mailbox.initialise()
  }

  /** Makes no further request to a server: what its memory says has no meaning from now on. */
  lose(server: Server): void {
    const { slot } = server
    if (slot.server.current !== server) return
    // and with it those that it was about to clone
    for (const one of slot.group.slots) {
      if (one.server.current !== server && one.server.current?.by !== server) continue
      one.server.current = undefined
      one.isLost = true
      one.waiter?.()
    }
  }

  /** Where a server's calls are made. Throws {@link gone} if another server has that slot by now. */
  static slotOf(server: Server): Slot {
    if (server.slot.server.current !== server) throw gone
    return server.slot
  }

  /** Calls back, once, when what is awaited is there. Returns what cancels it. */
  when({ milliseconds, slot }: Awaited, go: () => void): () => void {
    if (slot !== undefined) return slot.group.whenAnswered(slot, go, milliseconds)
    const timer = setTimeout(go, milliseconds)
    return () => clearTimeout(timer)
  }

  /** What watches descriptors of this process. */
  get watcher(): Watcher {
    return this.#parts.watcher
  }

  *#spawn(flags: number, descriptors: ReadonlyArray<number> | undefined): Progress<Server> {
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
    // with CLONE_VFORK this thread would stand still until then, and often be woken on the processor of the new one
    const { end, mine, pid } = spawner.spawn(code, (flags | CLONE.VM | SIG.CHLD) >>> 0, memory, descriptors, mailboxOf)
    const ended = () => group.link === link && group.hungUp()
    const link = group.link = new Link(mine, () => group.heard(), ended, () => spawner.forget(mine))
    link.expect()
    group.isEnded = false
    const server = this.#occupied(slots[0]!, pid, new OpenFiles([0, 1, 2, ...descriptors ?? [], end]))
    try {
      yield* this.#arrived(server, pid, () => spawner.failureIn(memory))
      return server
    } catch (cause) {
      // a server that may still come would serve the mailbox: without its end, nobody else can have it
      if (pid > 0) yield* this.#reap(pid)
      this.release(server)
      throw cause
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
      // unsigned, for bit 31 (CLONE_IO)
      const pid = yield* this.#called(by, this.#machine.numbers.clone, (flags | SIG.CHLD) >>> 0)
      hasCome = pid >= 0
      server.pid = pid
      yield* this.#arrived(server, pid)
      ServerPool.slotOf(by)
      delete server.by
      return server
    } catch (cause) {
      // if both were lost, the slot may be another server's by now
      if (isTaken(server)) throw cause
      slot.server.current = undefined
      // one that may still come would sit down there
      if (hasCome === false || this.#hasEnded(server.pid) === true) slot.mailbox.markFree()
      else slot.isLost = true
      throw cause
    }
  }

  /** Makes a call outside of a handler. */
  *#called(server: Server, number: number, argument: number): Progress<number> {
    const { slot } = server
    const { client } = slot
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

  /** Waits until a server is there that was made: its number, or an errno's negative. */
  *#arrived(server: Server, pid: number, failure: () => Refused | undefined = () => undefined): Progress<void> {
    const { slot } = server
    const { mailbox } = slot
    if (pid < 0) {
      mailbox.markFree()
      throw refused(-pid)
    }
    const start = performance.now()
    for (let doubt: number = doubts.first; mailbox.isAsked; doubt = Math.min(doubt * 2, doubts.most)) {
      yield { slot, milliseconds: doubt }
      if (isTaken(server)) throw gone
      if (!mailbox.isAsked) break
      const refusal = failure()
      if (refusal !== undefined) throw refusal
      if (this.#hasEnded(pid) === true) {
        throw new Refused("ESRCH", "the process was killed before it was there to tell")
      }
      if (performance.now() - start > spawnLimit) {
        throw new Refused("ETIMEDOUT", `the process was not there within ${spawnLimit} ms: it is stopped`)
      }
    }
    const listed = mailbox.isFree ? 0 : mailbox.result
    if (listed >= 0) return
    // without it this process would not see the end of that one
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
      if (cause instanceof Refused) return "stranger"
      throw cause
    }
  }

  /** Kills and reaps a child of this process itself. */
  *#reap(pid: number): Progress<void> {
    const end = performance.now() + deathLimit
    const kill = () => this.#own.kill({ pid, signal: SIG.KILL })
    const ask = () => this.#own.waitid({ idtype: P.PID, id: pid, options: W.EXITED | W.NOHANG })
    this.#machine.memory.reset()
    // what can't be killed can be waited for no more
    if (this.#hasEnded(pid) === "stranger" || Syscalls.attempted(() => (kill(), true)) === undefined) return
    for (let milliseconds = 0; performance.now() < end; milliseconds = Math.min(milliseconds + 1, 20)) {
      this.#machine.memory.reset()
      // undefined: somebody else has reaped it
      if (Syscalls.attempted(ask) !== null) return
      yield { milliseconds }
    }
  }

  #occupied(slot: Slot, pid: number, files: OpenFiles): Server {
    const server: Server = { slot, pid, files }
    slot.server.current = server
    return server
  }

  /** Throws for flags that make something else than a process of its own. */
  static check(flags: number): void {
    if ((flags & refusedFlags) !== 0) {
      throw invalid("the child must be a process, and its memory is not for it to share")
    }
    if ((flags & exitSignalMask) !== 0) {
      throw invalid("clone(2) has no flags of its own in the lowest byte; unshare(2) makes a time namespace")
    }
  }

  /** The slot of a group that has ended, or a new one. */
  #group(): ServerGroup {
    const free = this.#groups.find(({ isEnded, slots }) => isEnded || slots.every(isVacant))
    if (free !== undefined) {
      // until there is a server again: what comes in between may fail
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

  #newSlot({ mailbox: { address, memory: bytes }, scratch }: Segment, group: ServerGroup): Slot {
    const link: LinkEnd = { fd: undefined }
    const mailbox = new Mailbox(bytes, address, this.#cores)
    const memory = new Scratch(this.#library, scratch)
    const client = new Client(this.#library, mailbox, memory)
    const machine = Syscalls.make(this.#library, { raw: client.make, memory })
    const handlers = sparing(this.#handlersOf(machine), link, mailbox)
    const server = { current: undefined }
    return { group, mailbox, client, memory, handlers, link, server, isLost: false, waiter: undefined }
  }

  get #parts(): Parts {
    if (this.#loaded !== undefined) return this.#loaded
    const make = own(this.#machine, this.#own)
    const code = load(this.#library)
    const shared = new SharedMemory(this.#library, this.#machine, make)
    const spawner = new Spawner(this.#machine, make, shared)
    const watcher = new Watcher(this.#library, this.#machine, make, code, spawner)
    return this.#loaded = { code, shared, spawner, watcher }
  }
}
