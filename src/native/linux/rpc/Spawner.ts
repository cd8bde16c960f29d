/**
 * Starts servers: writes what a server reads in the head of its group's memory, and decides what it inherits.
 *
 * A server has only the descriptors that it is passed: it puts these on their numbers and closes all others first, before it
 * executes its program. Each server's program is a separate memory file, so that what one container does to it (mode, owner,
 * a lease) has no effect on another.
 *
 * A server sees at its end of the link whether this process still lives. Only this process has the other end, so the link
 * hangs up when this process dies, for whatever reason.
 *
 * @see clone(2), close_range(2), execveat(2), pipe(7), memfd_create(2)
 */
import { AT, F, O, SO, SOCK } from "../../constants.ts"
import type { Passed } from "../../Fork.ts"
import type { Call } from "../../Kernel.ts"
import { type Refused, refused } from "../../Refused.ts"
import { attempted, type Syscalls } from "../Syscalls.ts"
import { highest, writeHead } from "./heads.ts"
import { makeImage, withRoom } from "./images.ts"
import { head as at } from "./layout.ts"
import { type MachineCode, program } from "./machineCode.ts"
import { lowest } from "./moves.ts"
import { failureOf, type Own } from "./ownCalls.ts"
import { type GroupMemory, SharedMemory } from "./SharedMemory.ts"

/** What ps(1) calls a server. */
const processName = "runfx-init"

const stdio = [0, 1, 2]

/** How many descriptors the smallest table has room for (`NR_OPEN_DEFAULT` of the kernel). */
const smallest = 64

/** A spawned server, and the two ends of its link. */
export interface Spawned {
  /** The result of clone(2). */
  readonly pid: number
  /** The server's end of the link, by its number there. */
  readonly end: number
  /** This process's end of it. */
  readonly mine: number
}

/** Makes servers. */
export class Spawner {
  readonly #machine: Syscalls
  readonly #own: Own
  readonly #memory: SharedMemory
  /** Descriptors of this process that no server may inherit. */
  readonly #private = new Set<number>()
  #isLarge = false

  constructor(machine: Syscalls, own: Own, memory: SharedMemory) {
    this.#machine = machine
    this.#own = own
    this.#memory = memory
  }

  /**
   * Starts a process that serves a mailbox of a group. All of the group's memory is new.
   *
   * @param flags of clone(2)
   * @param descriptors that the process has besides its standard streams; all of this process's if `undefined`
   * @param mailboxOf prepares a mailbox in that memory, with the server's end of a link, and returns its address
   */
  spawn(
    { spawn }: MachineCode,
    flags: number,
    memory: GroupMemory,
    descriptors: ReadonlyArray<Passed> | undefined,
    mailboxOf: (link: number) => number
  ): Spawned {
    const given = [
      ...stdio.map((fd) => [fd, fd] as const),
      ...descriptors ?? this.#all().map((fd) => [fd, fd] as const)
    ]
    const free = descriptors && lowest(3, given.map(([number]) => number))
    const there = (index: number, fd: number): number => free?.[index] ?? fd
    const opened: Array<number> = []
    const keep = (fd: number): number => {
      opened.push(fd)
      return fd
    }
    try {
      const { file, image } = withRoom(this.#own, (room) => {
        const file = keep(this.#memory.renew(memory, room))
        const data = program(memory.address, SharedMemory.sizeOf(memory), there(1, file))
        return { file, image: keep(makeImage(this.#own, processName, data)) }
      })
      const type = SOCK.STREAM | SOCK.CLOEXEC | SOCK.NONBLOCK
      const [link, mine] = this.#own({ _tag: "socketpair", type })
      keep(link)
      this.reserve(mine)
      // a descriptor that comes along is closed by who reads, which can take as long as its sender likes. Since Linux 6.16
      attempted(() => this.#own({ _tag: "setsockopt", fd: mine, option: SO.PASSRIGHTS, value: 0 }))
      try {
        const [end, imageThere] = [there(0, link), there(2, image)]
        const passed: ReadonlyArray<Passed> = [...given, [end, link], [there(1, file), file], [imageThere, image]]
        writeHead(memory, { mailbox: mailboxOf(end), name: processName, image: imageThere, passed })
        return { pid: Number(spawn(flags, memory.address)), end, mine }
      } catch (cause) {
        this.forget(mine)
        attempted(() => this.#own({ _tag: "close", fd: mine }))
        throw cause
      }
    } finally {
      for (const fd of opened) attempted(() => this.#own({ _tag: "close", fd }))
    }
  }

  /**
   * Whether this process's table of descriptors has room for more than the smallest one; it never shrinks. If it has, select(2)
   * refuses to wait for a descriptor behind that which is not open (EBADF); otherwise it does not look so far.
   */
  get isLarge(): boolean {
    return this.#isLarge ||= this.#hasGrown()
  }

  #hasGrown(): boolean {
    const { call, memory, numbers } = this.#machine
    memory.reset()
    if (attempted(() => call(numbers.fcntl, smallest, F.GETFD)) !== undefined) return true
    const behind = memory.zeroed(smallest / 8 + 8)
    behind.setBit(smallest)
    const now = memory.zeroed(16)
    return attempted(() => call(numbers.pselect6, smallest + 1, behind.address, 0, 0, now.address, 0)) !== 0
  }

  /** Keeps a descriptor from all servers. */
  reserve(fd: number): void {
    this.#private.add(fd)
  }

  /** Forgets a descriptor that has been closed. */
  forget(fd: number): void {
    this.#private.delete(fd)
  }

  /** Why a process could not execute its program; `undefined` if it could, or has not tried yet. */
  failureIn({ head }: Pick<GroupMemory, "head">): Refused | undefined {
    const error = head.getInt32(at.error, true)
    if (error >= 0) return undefined
    const call: Call = head.getUint32(at.call, true) === this.#machine.numbers.close_range
      ? { _tag: "close_range", first: 3, last: highest, flags: 0 }
      : {
        _tag: "execveat",
        dirfd: head.getInt32(at.image, true),
        path: "",
        argv: [""],
        envp: [],
        flags: AT.EMPTY_PATH
      }
    return failureOf(call, refused(-error))
  }

  /** All descriptors of this process that a server may inherit. */
  #all(): ReadonlyArray<number> {
    const fd = this.#own({
      _tag: "openat",
      dirfd: AT.FDCWD,
      path: "/proc/self/fd",
      flags: O.RDONLY | O.DIRECTORY | O.CLOEXEC,
      mode: 0
    })
    try {
      const numbers: Array<number> = []
      for (;;) {
        const entries = this.#own({ _tag: "getdents64", fd })
        if (entries.length === 0) return numbers.filter((other) => other !== fd && !this.#private.has(other))
        numbers.push(...entries.map(({ name }) => Number(name)))
      }
    } finally {
      this.#own({ _tag: "close", fd })
    }
  }
}
