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
import { AT, F, F_SEAL, MFD, O, RLIMIT, SO, SOCK } from "../../constants.ts"
import { MFD_EXEC } from "../../elf.ts"
import type { Passed } from "../../Fork.ts"
import type { Call } from "../../Kernel.ts"
import { Refused, refused } from "../../Refused.ts"
import { attempted, type Syscalls } from "../Syscalls.ts"
import { head as at, sizes } from "./layout.ts"
import { type MachineCode, program } from "./machineCode.ts"
import { inOrder, lowest } from "./moves.ts"
import { failureOf, type Own } from "./ownCalls.ts"
import { type GroupMemory, leastSize, mostSize, SharedMemory } from "./SharedMemory.ts"

/** What ps(1) calls a server. */
const processName = "runfx-init"

/** The highest number that close_range(2) takes. */
const highest = 0xffff_ffff

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
      const { file, image } = this.#withRoom((room) => {
        const file = keep(this.#memory.renew(memory, room))
        return { file, image: keep(this.#makeImage(memory, there(1, file))) }
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
        this.#tell(memory, mailboxOf(end), imageThere, passed)
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
   * Whether this process's table of descriptors has room for more than the smallest one. If it has, select(2) refuses to wait
   * for a descriptor behind that which is not open (EBADF); otherwise it does not look so far.
   */
  get isLarge(): boolean {
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
  failureIn({ head }: GroupMemory): Refused | undefined {
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

  #tell({ address, head }: GroupMemory, mailbox: number, image: number, passed: ReadonlyArray<Passed>): void {
    const moves = inOrder(passed.map(([number, fd]) => [fd, number]))
    const kept = [...new Set(passed.map(([number]) => number))].toSorted((a, b) => a - b)
    const gaps = [-1, ...kept].map((fd, index) => [fd + 1, (kept[index] ?? highest + 1) - 1] as const)
    const ranges = gaps.filter(([first, last]) => first <= last)
    if (at.list + (moves.length + ranges.length) * 8 + kept.length * 4 > sizes.head - sizes.spawnStack) {
      throw new Refused("EMFILE", `${kept.length} descriptors are too many for a child`)
    }
    head.setBigUint64(at.mailbox, BigInt(mailbox), true)
    head.setInt32(at.image, image, true)
    head.setBigInt64(at.allSignals, -1n, true)
    Buffer.from(head.buffer, at.name, 16).write(processName)
    // one empty argument, and an empty environment
    head.setBigUint64(at.argv, BigInt(address + at.envp), true)
    head.setUint32(at.moves, moves.length, true)
    head.setUint32(at.ranges, ranges.length, true)
    head.setUint32(at.kept, kept.length, true)
    const list = [...moves.flat(), ...ranges.flat(), ...kept]
    for (let index = 0; index < list.length; index++) head.setUint32(at.list + index * 4, list[index]!, true)
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

  /** Raises RLIMIT_FSIZE as far as this process may, while `use` makes memory files: the limit applies to these too. */
  #withRoom<A>(use: (room: number) => A): A {
    const call = { _tag: "prlimit64", pid: 0, resource: RLIMIT.FSIZE } as const
    const before = this.#own({ ...call, limit: null })
    const wanted = BigInt(mostSize)
    if (before.soft >= wanted) return use(mostSize)
    const raise = (soft: bigint, hard: bigint) =>
      attempted(() => this.#own({ ...call, limit: { soft, hard } })) === undefined ? undefined : soft
    const soft = raise(wanted, before.hard > wanted ? before.hard : wanted) ?? raise(before.hard, before.hard) ??
      before.soft
    try {
      if (Number(soft) >= leastSize) return use(Number(soft))
      throw new Refused("EFBIG", `RLIMIT_FSIZE is ${before.soft}; to start a process takes ${leastSize}`, {
        call: { _tag: "ftruncate", fd: -1, length: BigInt(leastSize) },
        advice: "raise the limit of a file's size (ulimit -f)"
      })
    } finally {
      this.#own({ ...call, limit: before })
    }
  }

  /** Makes the program of one server, as a file that nobody can change. */
  #makeImage(memory: GroupMemory, file: number): number {
    const data = program(memory.address, SharedMemory.sizeOf(memory), file)
    let fd: number
    try {
      fd = this.#memoryFile()
    } catch (cause) {
      if (!(cause instanceof Refused) || cause.code !== "EACCES" || cause.known.call?._tag !== "memfd_create") {
        throw cause
      }
      return this.#unnamedFile(data, cause)
    }
    try {
      this.#write(fd, data)
      const seals = F_SEAL.SEAL | F_SEAL.SHRINK | F_SEAL.GROW | F_SEAL.WRITE
      this.#own({ _tag: "fcntl", fd, command: F.ADD_SEALS, argument: seals })
      return fd
    } catch (cause) {
      attempted(() => this.#own({ _tag: "close", fd }))
      throw cause
    }
  }

  #write(fd: number, data: Uint8Array): void {
    this.#own({ _tag: "write", fd, data })
    this.#own({ _tag: "fchmod", fd, mode: 0o555 })
  }

  #memoryFile(): number {
    const make = (flags: number) => this.#own({ _tag: "memfd_create", name: "runfx-init", flags })
    const flags = MFD.CLOEXEC | MFD.ALLOW_SEALING
    try {
      return make(flags | MFD_EXEC)
    } catch (cause) {
      if (!(cause instanceof Refused) || cause.code !== "EINVAL") throw cause
      return make(flags)
    }
  }

  /**
   * If the sysctl vm.memfd_noexec forbids executing memory files: a file without a name. It is open for reading only, and a
   * file that is being executed can't be opened for writing, so it can't be changed.
   */
  #unnamedFile(data: Uint8Array, refusal: Refused): number {
    const close = (fd: number) => void attempted(() => this.#own({ _tag: "close", fd }))
    for (const path of ["/run", "/dev/shm", "/tmp", "/var/tmp"]) {
      const made = attempted(() =>
        this.#own({
          _tag: "openat",
          dirfd: AT.FDCWD,
          path,
          flags: O.TMPFILE | O.RDWR | O.EXCL | O.CLOEXEC,
          mode: 0o700
        })
      )
      if (made === undefined) continue
      const image = attempted(() => {
        this.#write(made, data)
        const own = `/proc/self/fd/${made}`
        return this.#own({ _tag: "openat", dirfd: AT.FDCWD, path: own, flags: O.RDONLY | O.CLOEXEC, mode: 0 })
      })
      close(made)
      if (image === undefined) continue
      const can = attempted(() => {
        this.#own({ _tag: "faccessat2", dirfd: image, path: "", mode: 1, flags: AT.EMPTY_PATH })
        return true
      })
      // a noexec mount refuses it
      if (can === true) return image
      close(image)
    }
    const { call = { _tag: "memfd_create", name: "runfx-init", flags: 0 } as const } = refusal.known
    throw new Refused("EACCES", "processes are executed from a memory file, which the sysctl vm.memfd_noexec forbids", {
      call,
      advice: "set vm.memfd_noexec to 0 or 1 (sysctl(8)), or mount one of /run, /dev/shm, /tmp without noexec"
    })
  }
}
