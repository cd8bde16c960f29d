/**
 * How this process makes others without copying itself, and has them make system calls.
 *
 * A child executes a program of less than a kilobyte, a server, which makes the calls that it is asked for: see
 * server.x64.S. So its init goes on as JavaScript here, in a process with any number of threads, while every call is made
 * there: namespaces, credentials, descriptors and the working directory that change are the child's. What the two have
 * in common is the memory of the child's family, with seats and the arguments of calls; nothing else of this process is in
 * the child. Nothing has to be copied at its start or torn down at its exec, and when it is killed nothing here is lost.
 *
 * The child is what fork(2) would make, but for what execve(2) changes: its credentials are computed anew (who has
 * capabilities without being root, keeps the ambient ones), handlers of signals are gone, and it can be dumped.
 *
 * @see clone(2), execveat(2), set_robust_list(2), futex(2)
 */
import { availableParallelism } from "node:os"
import { CLONE, P, SIG, SIG_HOW, W } from "../../constants.ts"
import type { Library } from "../../koffi.ts"
import * as Machine from "../Machine.ts"
import { invalid, Refused, refused } from "../Refused.ts"
import { Scratch } from "../Scratch.ts"
import { Apart } from "./Apart.ts"
import { Arena, type Region, type Share } from "./Arena.ts"
import { Calls, gone } from "./Calls.ts"
import { load, type MachineCode } from "./machineCode.ts"
import { ownSize, Seat } from "./Seat.ts"

/** A process, or a thread, that makes calls for this one. */
export interface Server {
  /** Another one after the process has cloned itself anew. */
  place: Place
  /** As the process that cloned it sees it. */
  pid: number
}

/** The descriptor by which a server looks after this process; none where something else has its number by now. */
interface Lifeline {
  fd: number | undefined
}

/** A server with those that it has cloned, and they. */
interface Family {
  readonly region: Region
  /** The first one is that of the first server. */
  readonly places: Array<Place>
  /** Whether nobody is left of it, whatever its memory says, which somebody may still have. */
  isEnded: boolean
}

/** A seat, with all that makes calls by way of it. It is used again, by one server after the other. */
interface Place {
  readonly seat: Seat
  readonly calls: Calls
  readonly server: { current: Server | undefined }
  readonly handlers: Machine.Handlers
  readonly lifeline: Lifeline
  /** None for a thread of this process. */
  readonly family: Family | undefined
  /** The end of a stack for a thread. */
  readonly stack: number
}

/** Flags with which the child would not be what this makes: a process, with a signal at its end. */
const refusedFlags = CLONE.VM | CLONE.VFORK | CLONE.THREAD | CLONE.SIGHAND
/** The part of clone(2)'s flags that is no flag but the signal at the child's end (`CSIGNAL`). */
const exitSignalMask = 0xff

const threadFlags = CLONE.VM | CLONE.FS | CLONE.FILES | CLONE.SIGHAND | CLONE.THREAD | CLONE.SYSVSEM

/** How long one wait for the answer of a call lasts, in microseconds. */
const wait = 20_000
/** So many of them may pass until a process that has been made is there. */
const birth = 250

/** An effect knows nothing of the lifeline: it does not cut it off by closing all that it does not know. */
const sparing = (handlers: Machine.Handlers, lifeline: Lifeline): Machine.Handlers => ({
  ...handlers,
  close: (call) => call.fd === lifeline.fd ? undefined : handlers.close(call),
  close_range: ({ first, flags, last }) => {
    const { fd } = lifeline
    if (fd === undefined || fd < first || fd > last) return handlers.close_range({ first, last, flags })
    if (first < fd) handlers.close_range({ first, last: fd - 1, flags })
    if (fd < last) handlers.close_range({ first: fd + 1, last, flags })
  },
  dup3: (call) => {
    const made = handlers.dup3(call)
    if (call.newfd === lifeline.fd) lifeline.fd = undefined
    return made
  }
})

const allSignals = Array.from({ length: 64 }, (_, index) => index + 1)

/** The processes of one live kernel. */
export class Nursery {
  readonly #library: Library
  readonly #machine: Machine.Machine
  readonly #own: Machine.Handlers
  readonly #handlersOf: (machine: Machine.Machine) => Machine.Handlers
  readonly #cores: number
  #loaded: { readonly code: MachineCode; readonly arena: Arena } | undefined
  readonly #families: Array<Family> = []
  /** One for the next thread. */
  #threadPlace: Place | undefined

  /**
   * @param machine of the calls of this process itself
   * @param handlersOf what makes the calls of a machine
   */
  constructor(
    library: Library,
    machine: Machine.Machine,
    handlersOf: (machine: Machine.Machine) => Machine.Handlers
  ) {
    this.#library = library
    this.#machine = machine
    this.#own = handlersOf(machine)
    this.#handlersOf = handlersOf
    this.#cores = availableParallelism()
  }

  /** Clones a process for this one, or, where `parent` is given, for that child of it. */
  clone(flags: number, parent?: Server): Server {
    if (parent !== undefined) return this.#cloneBy(parent, flags)
    if ((flags & CLONE.NEWUSER) === 0) return this.#spawn(flags)
    // a program that is executed in a user namespace without maps has no capabilities
    const server = this.#spawn(0)
    try {
      return this.#cloneBy(server, flags | CLONE.PARENT)
    } catch (cause) {
      throw cause === gone ? new Refused("ESRCH", "the process that clones was killed") : cause
    } finally {
      this.#reap(server.pid)
    }
  }

  /** Clones a process beside a child, which goes on in it. The old one ends. */
  reclone(server: Server, flags: number): void {
    const next = this.#cloneBy(server, flags | CLONE.PARENT)
    this.#end(server)
    server.place.server.current = undefined
    server.place = next.place
    server.place.server.current = server
    server.pid = next.pid
  }

  /** Ends a process that does not wait for anything, if it has not ended yet. */
  end(server: Server, status: number): void {
    if (server.place.server.current === server) this.#end(server, status)
  }

  /**
   * Gives back what was in common with a server that has gone, and with its family, where nobody of that is left: now,
   * while a program has just started, nobody waits for it, and when the next process is made somebody does.
   */
  release({ place: { family } }: Server): void {
    if (family === undefined || !family.places.every(({ seat }) => seat.isFree)) return
    family.isEnded = true
    const { places, region } = family
    // where it can't be had, it stays as it is until the next family's takes its place
    Machine.attempted(() => this.#parts.arena.release(region, places.length))
    for (const { seat } of places) seat.settle()
  }

  /** Where a server's calls are made. Throws {@link gone} where another one sits there by now. */
  static placeOf(server: Server): Place {
    if (server.place.server.current !== server) throw gone
    return server.place
  }

  /** Sleeps until a server has answered, but no longer than some microseconds. */
  sleep({ place: { seat } }: Server, microseconds = wait): void {
    seat.patience = microseconds
    this.#parts.code.answer(seat.address, seat.ownAddress)
  }

  /** Makes a thread of this process, to wait in its place. */
  thread(): Server {
    const place = this.#threadPlace ??= this.#newPlace(this.#parts.arena.threadShare())
    // no handler of Node's may run there, on a stack that is none
    const before = this.#mask(allSignals)
    try {
      const start = () => Number(this.#parts.code.thread(threadFlags, place.seat.address, place.stack))
      const server = this.#start(place, start)
      this.#threadPlace = undefined
      return server
    } finally {
      this.#mask(before)
    }
  }

  #spawn(flags: number): Server {
    const { arena, code } = this.#parts
    const family = this.#family()
    const { places, region } = family
    const seatOf = () => {
      // what the new memory has no room for, since a limit was lowered, is not there any more
      places.splice(region.shares - 1)
      if (places[0] === undefined) places.push(this.#newPlace(arena.share(region, 0), family))
      else for (const { seat } of places) seat.settle()
      this.#prepare(places[0]!)
      places[0]!.lifeline.fd = arena.lifeline
      return places[0]!.seat.address
    }
    // with CLONE_VFORK this thread would stand still until then, and often be woken on the processor of the new one
    const pid = arena.spawn(code, (flags | CLONE.VM | SIG.CHLD) >>> 0, region, seatOf)
    family.isEnded = false
    return this.#arrived(places[0]!, pid, (pid) => this.#reap(pid), () => arena.failureIn(region))
  }

  #cloneBy(by: Server, flags: number): Server {
    const { family, lifeline, seat } = by.place
    if (family === undefined) throw new Error("a thread clones nothing")
    const place = family.places.find(({ seat }) => seat.isFree) ?? this.#further(family)
    place.lifeline.fd = lifeline.fd
    return this.#start(place, () => {
      seat.next = place.seat
      // unsigned, for bit 31 (CLONE_IO)
      return by.place.calls.once(this.#machine.numbers.clone, (flags | SIG.CHLD) >>> 0)
    })
  }

  #prepare({ calls, seat }: Place): void {
    seat.prepare()
    calls.forget()
  }

  /** Starts a server for a place. */
  #start(place: Place, make: () => number): Server {
    this.#prepare(place)
    try {
      return this.#arrived(place, make())
    } catch (cause) {
      if (cause === gone) place.seat.leave()
      throw cause
    }
  }

  /** Waits until a server is there that was made: its number, or an errno's negative. */
  #arrived(
    place: Place,
    pid: number,
    kill: (pid: number) => boolean = () => false,
    failure: () => number = () => 0
  ): Server {
    const { seat } = place
    if (pid < 0) {
      seat.leave()
      throw refused(-pid)
    }
    seat.patience = wait
    for (let waits = 1; seat.isAsked; waits++) {
      // one that is not there by now is stopped, or waits for a processor: there are others who want it, too
      if (waits > 1) seat.lookAsUsual()
      if (waits === birth) {
        // a server that may still come would sit down there: without its end, the seat is nobody's any more
        if (kill(pid)) seat.leave()
        throw new Refused("ESRCH", "the process was killed before it was there to tell, or is stopped")
      }
      this.#parts.code.answer(seat.address, seat.ownAddress)
      if (failure() !== 0) {
        kill(pid)
        seat.leave()
        throw refused(-failure())
      }
    }
    seat.lookAsUsual()
    return this.#seated(place, pid)
  }

  /** Kills and reaps a child of this process itself. */
  #reap(pid: number): boolean {
    this.#machine.memory.reset()
    return Machine.attempted(() => {
      this.#own.kill({ pid, signal: SIG.KILL })
      this.#own.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
      return true
    }) ?? false
  }

  #seated(place: Place, pid: number): Server {
    const server = { place, pid }
    place.server.current = server
    return server
  }

  #end({ place: { calls } }: Server, status = 0): void {
    try {
      calls.once(this.#machine.numbers.exit_group, status)
    } catch (cause) {
      if (cause !== gone) throw cause
    }
  }

  #mask(signals: ReadonlyArray<number>): ReadonlyArray<number> {
    this.#machine.memory.reset()
    return this.#own.rt_sigprocmask({ how: SIG_HOW.SETMASK, signals })
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

  /** The processor that this thread runs on. */
  #processor(): number {
    const { call, memory, numbers } = this.#machine
    memory.reset()
    const answer = memory.zeroed(8)
    call(numbers.getcpu, answer.address, 0, 0)
    return answer.u32(0)
  }

  /** The place of a family that has ended, or a new one. */
  #family(): Family {
    const free = this.#families.find(({ isEnded, places }) => isEnded || places.every(({ seat }) => seat.isFree))
    if (free !== undefined) {
      // until there is a server again: what comes in between may fail
      free.isEnded = true
      return free
    }
    const family: Family = { region: this.#parts.arena.region(), places: [], isEnded: true }
    this.#families.push(family)
    return family
  }

  #further(family: Family): Place {
    const place = this.#newPlace(this.#parts.arena.share(family.region, family.places.length), family)
    family.places.push(place)
    return place
  }

  #newPlace({ scratch, seat: { address, memory: bytes }, stack }: Share, family?: Family): Place {
    const current: Place["server"] = { current: undefined }
    const lifeline: Lifeline = { fd: family === undefined ? undefined : this.#parts.arena.lifeline }
    const mine = Buffer.from(new ArrayBuffer(ownSize))
    const own = { memory: mine, address: this.#library.addressOf(mine) }
    const seat = new Seat(bytes, address, own, this.#cores, lifeline.fd)
    const memory = new Scratch(this.#library, scratch)
    const apart = new Apart(this.#machine.numbers, () => this.#processor())
    const calls = new Calls(this.#parts.code, seat, memory, apart, this.#cores)
    const handlers = sparing(this.#handlersOf(Machine.make(this.#library, calls.make, memory)), lifeline)
    return { seat, calls, server: current, handlers, lifeline, family, stack }
  }

  get #parts(): { readonly code: MachineCode; readonly arena: Arena } {
    return this.#loaded ??= { code: load(this.#library), arena: new Arena(this.#library, this.#machine, this.#own) }
  }
}
