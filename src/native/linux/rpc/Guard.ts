/**
 * Has programs end with this process, whatever ends it.
 *
 *       this process                          the guard: no container's, in a session of its own
 *     ┌───────────────┐  pidfd of a program  ┌──────────────────────────────────────────────┐
 *     │ Guard.hold() ─┼──────────────────────┼─▶ keeps it until that program has ended       │
 *     │               │     end of file      │                                              │
 *     │               ├──────────────────────┼─▶ SIGKILL to all that it still has, and exits │
 *     └───────────────┘                      └──────────────────────────────────────────────┘
 *
 * The kernel tells a program of the death of its parent (`PR_SET_PDEATHSIG`), but a program can take that off: by prctl(2), by
 * a change of its ids, or by an execve(2) of another thread. It can't reach the guard, which executes a program of its own
 * (`guard.c`) from a sealed memory file, and has no descriptor but its end of a pair of sockets, and the pidfds.
 *
 * There is one guard for each thread of JavaScript, made when its first program must be guarded. It also ends these programs
 * when the thread ends. This thread never waits for it: it sends one message for each program, and gets no answer. A guard
 * that has died is replaced when the next program must be guarded; the new one gets what the old one had.
 *
 * @see pidfd_open(2), pidfd_send_signal(2), unix(7), prctl(2)
 */
import process from "node:process"
import { CLONE, MAP, MSG, P, POLL, PROT, SIG, SOCK, W } from "../../constants.ts"
import { Refused, refused } from "../../Refused.ts"
import type { Library } from "../koffi.ts"
import { attempted, type Syscalls } from "../Syscalls.ts"
import { type HeadMemory, writeHead } from "./heads.ts"
import { makeImage, withRoom } from "./images.ts"
import { sizes } from "./layout.ts"
import { guardProgram, type MachineCode } from "./machineCode.ts"
import { failureOf, type Own } from "./ownCalls.ts"
import type { Spawner } from "./Spawner.ts"
import type { Watcher } from "./Watcher.ts"

/** What ps(1) calls it. */
const name = "runfx-guard"

/** The numbers of its descriptors: see `guard.c`. */
const there = { socket: 0, image: 1 } as const

/** The most descriptors of one message (`SCM_MAX_FD`). */
const most = 253

/** How long this process waits at its end for the guard's, in milliseconds. It takes a fraction of one, if it is not stopped. */
const farewell = 100

/** What a guard works with. */
interface Uses {
  readonly library: Library
  readonly machine: Syscalls
  readonly own: Own
  readonly code: MachineCode
  readonly spawner: Pick<Spawner, "failureIn" | "forget" | "reserve">
  readonly watcher: Pick<Watcher, "when">
}

/** A guard that runs, as far as is known. */
interface Running {
  readonly pid: number
  /** This process's end of the pair of sockets. */
  readonly socket: number
  /** Watched for its end. */
  readonly pidfd: number
}

/** The guard of one thread of JavaScript. */
export class Guard {
  readonly #uses: Uses
  /** The pidfds of this process which the guard has copies of. */
  readonly #held = new Set<number>()
  #memory: HeadMemory | undefined
  #running: Running | undefined

  constructor(uses: Uses) {
    this.#uses = uses
  }

  /**
   * Has a program end with this thread. Throws {@link Refused} if that can't be.
   *
   * @param pidfd of the program; it stays open until nobody waits for the program any more
   */
  hold(pidfd: number): void {
    if (!this.#sent([pidfd])) this.#replace(pidfd)
    this.#held.add(pidfd)
  }

  /** A descriptor has been closed. */
  closed(fd: number): void {
    this.#held.delete(fd)
  }

  /** Sends pidfds; false if there is no guard. */
  #sent(fds: ReadonlyArray<number>): boolean {
    if (this.#running === undefined) return false
    const { pid, socket } = this.#running
    const flags = MSG.DONTWAIT | MSG.NOSIGNAL
    const call = { _tag: "sendmsg", fd: socket, data: Uint8Array.of(fds.length), fds, flags } as const
    try {
      this.#uses.own(call)
      return true
    } catch (cause) {
      if (!(cause instanceof Refused)) throw cause
      if (cause.code === "EPIPE" || cause.code === "ECONNRESET") return false
      if (cause.code !== "EAGAIN") throw cause
      throw new Refused("EAGAIN", `${name}, process ${pid}, takes no more programs`, {
        call,
        advice: "let it continue if it is stopped (SIGCONT), or raise its limit of descriptors (prlimit --nofile)"
      })
    }
  }

  /** Makes another guard, which gets what the one before had. */
  #replace(pidfd: number): void {
    this.#letGo()
    const memory = this.#memory ??= this.#newMemory()
    this.#running = this.#make(memory)
    const all = [...this.#held, pidfd]
    for (let from = 0; from < all.length; from += most) {
      if (this.#sent(all.slice(from, from + most))) continue
      throw this.#uses.spawner.failureIn(memory) ?? new Refused("EPIPE", `${name} has ended as soon as it was made`, {
        advice:
          `find out what kills the processes named ${name}: a seccomp filter around the runtime, or another program`
      })
    }
  }

  #newMemory(): HeadMemory {
    const { library, machine: { call, numbers } } = this.#uses
    const flags = MAP.PRIVATE | MAP.ANONYMOUS
    const address = call(numbers.mmap, 0, sizes.head, PROT.READ | PROT.WRITE, flags, -1, 0)
    process.once("exit", () => this.#end())
    return { address, head: new DataView(library.memoryAt(address, sizes.head)) }
  }

  #make(memory: HeadMemory): Running {
    const { own, spawner, watcher } = this.#uses
    const [pid, socket] = this.#spawn(memory)
    try {
      const pidfd = own({ _tag: "pidfd_open", pid, flags: 0 })
      const running: Running = { pid, pidfd, socket }
      for (const fd of [socket, pidfd]) spawner.reserve(fd)
      watcher.when([{ fd: pidfd, events: POLL.IN }], () => this.#reap(running), false)
      return running
    } catch (cause) {
      // it ends by that
      attempted(() => own({ _tag: "close", fd: socket }))
      throw cause
    }
  }

  /** Returns the pid, and this process's end of the pair of sockets. */
  #spawn(memory: HeadMemory): readonly [number, number] {
    const { code, own } = this.#uses
    const passed: Array<number> = []
    let socket: number | undefined
    try {
      const image = withRoom(own, () => makeImage(own, name, guardProgram()))
      passed.push(image)
      const [end, mine] = own({ _tag: "socketpair", type: SOCK.SEQPACKET | SOCK.CLOEXEC })
      passed.push(end)
      socket = mine
      writeHead(memory, { mailbox: 0, name, image: there.image, passed: [[there.socket, end], [there.image, image]] })
      const pid = Number(code.spawn((CLONE.VM | SIG.CHLD) >>> 0, memory.address))
      if (pid < 0) throw failureOf({ _tag: "clone", flags: CLONE.VM }, refused(-pid, `${name} can't be started`))
      return [pid, mine]
    } catch (cause) {
      if (socket !== undefined) passed.push(socket)
      throw cause
    } finally {
      for (const fd of passed) attempted(() => own({ _tag: "close", fd }))
    }
  }

  /** A guard has ended. */
  #reap({ pid, pidfd }: Running): void {
    const { own, spawner } = this.#uses
    attempted(() => own({ _tag: "waitid", idtype: P.PIDFD, id: pidfd, options: W.EXITED | W.NOHANG }))
    spawner.forget(pidfd)
    attempted(() => own({ _tag: "close", fd: pidfd }))
    if (this.#running?.pid === pid) this.#letGo()
  }

  /** Closes this process's end; if the guard still runs, it kills what it has, and ends. */
  #letGo(): void {
    if (this.#running === undefined) return
    const { socket } = this.#running
    this.#running = undefined
    this.#uses.spawner.forget(socket)
    attempted(() => this.#uses.own({ _tag: "close", fd: socket }))
  }

  /** This thread ends in order: its guard does not stay behind it, not even for a moment, and nobody else has to reap it. */
  #end(): void {
    if (this.#running === undefined) return
    const { pidfd } = this.#running
    const { own } = this.#uses
    this.#letGo()
    attempted(() => own({ _tag: "poll", fds: [pidfd], events: POLL.IN, timeout: farewell }))
    attempted(() => own({ _tag: "waitid", idtype: P.PIDFD, id: pidfd, options: W.EXITED | W.NOHANG }))
    attempted(() => own({ _tag: "close", fd: pidfd }))
  }
}
