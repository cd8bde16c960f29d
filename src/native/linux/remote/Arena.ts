/**
 * Memory that this process and its servers have in common, at the same address in each: seats, and the arguments of calls.
 *
 * It is a memory file; this process maps it, and each server does as its first act. Nothing else of this process is in
 * the memory of a server.
 */
import * as process from "node:process"
import { F, F_SEAL, MAP, MFD, PROT, RLIMIT } from "../../constants.ts"
import type { Library } from "../../koffi.ts"
import { attempted, type Handlers, type Machine } from "../Machine.ts"
import { Refused } from "../Refused.ts"
import type { MachineCode } from "./machineCode.ts"
import { program } from "./machineCode.ts"
import type { Seat } from "./Seat.ts"

/**
 * Where it may be. No kernel puts anything there by itself: it is far from where programs, stacks and files are. Each
 * thread of Node's that has loaded this module has an arena of its own.
 */
const addresses = [0x1000_0000_0000, 0x10_0000_0000].flatMap((base) =>
  Array.from({ length: 64 }, (_, index) => base + index * 0x1_0000_0000)
)
/** As in `server.*.S`. */
const size = 0x4000_0000

/** What the head of the arena says of the server that is made next: see `server.*.S`. */
const born = { seat: 0, error: 16, limit: 20, image: 24, argv: 32, empty: 40, all: 48, name: 64 } as const
/** What ps(1) calls a server. */
const processName = "runfx-init"

/** Where in the head the arguments of the program are; what is before them has room for 131,000 descriptors. */
const argvAt = 0x80000

/** What each server has: a page for its seat, and the rest for the arguments of its calls. */
const share = 0x80_0000
const page = 4096

/** `MFD_EXEC` of `linux/memfd.h`; since Linux 6.3, which refuses an executable memfd without it where `vm.memfd_noexec` is 1. */
const MFD_EXEC = 0x10

/** A piece of the arena. */
export interface Share {
  readonly seat: { readonly memory: Buffer; readonly address: number }
  readonly scratch: { readonly memory: Buffer; readonly address: number }
  /** The end of a stack for a thread. */
  readonly stack: number
}

/** One for the whole process. */
export class Arena {
  readonly #own: Handlers
  readonly #machine: Machine
  readonly #memory: ArrayBuffer
  readonly #head: DataView
  readonly #address: number
  /** Can be read once this process has ended. */
  readonly lifeline: number
  /** The first one is the head's. */
  readonly #shares: number
  #given = 1

  /** Throws {@link Refused} where the memory can't be had. */
  constructor(library: Library, machine: Machine, own: Handlers) {
    this.#own = own
    this.#machine = machine
    const { call, memory, numbers } = machine
    memory.reset()
    const opened: Array<number> = []
    const keep = (fd: number): number => {
      opened.push(fd)
      return fd
    }
    try {
      const fd = keep(own.memfd_create({ name: "runfx-arena", flags: MFD.CLOEXEC }))
      // a memory file is a file: RLIMIT_FSIZE bounds it, while more of it than there is can be mapped
      const { soft } = own.prlimit64({ pid: 0, resource: RLIMIT.FSIZE, limit: null })
      this.#shares = Math.floor(Math.min(size, Number(soft)) / share)
      if (this.#shares < 2) throw new Refused("EFBIG", `RLIMIT_FSIZE is ${soft}; to start a process takes ${2 * share}`)
      call(numbers.ftruncate, fd, this.#shares * share)
      this.#address = this.#map(fd)
      this.#memory = library.memoryAt(this.#address, size)
      this.#head = new DataView(this.#memory, 0, share)
      this.lifeline = keep(own.pidfd_open({ pid: process.pid, flags: 0 }))
      const image = keep(this.#makeImage())
      own.write({ fd: image, data: program(this.#address) })
      own.fchmod({ fd: image, mode: 0o555 })
      const seals = F_SEAL.SEAL | F_SEAL.SHRINK | F_SEAL.GROW | F_SEAL.WRITE
      own.fcntl({ fd: image, command: F.ADD_SEALS, argument: seals })
      this.#head.setInt32(born.image, image, true)
      this.#head.setBigUint64(born.argv, BigInt(this.#address + argvAt), true)
      this.#head.setBigInt64(born.all, -1n, true)
      Buffer.from(this.#memory, born.name, 16).write(processName)
      // the program takes the number of its arguments for the arena's descriptor
      for (let index = 0; index < fd; index++) {
        this.#head.setBigUint64(argvAt + index * 8, BigInt(this.#address + born.empty), true)
      }
    } catch (cause) {
      for (const fd of opened) attempted(() => call(numbers.close, fd))
      throw cause
    }
  }

  #map(fd: number): number {
    const { call, numbers } = this.#machine
    let last: unknown
    for (const at of addresses) {
      try {
        return call(numbers.mmap, at, size, PROT.READ | PROT.WRITE, MAP.SHARED | MAP.FIXED_NOREPLACE, fd, 0)
      } catch (cause) {
        // EEXIST: something is there; ENOMEM: some arm64 kernels have addresses of 39 bits only
        last = cause
      }
    }
    throw last
  }

  /** Throws {@link Refused} where all have been given away. */
  share(): Share {
    if (this.#given >= this.#shares) {
      throw new Refused(
        "EAGAIN",
        `no more than ${this.#shares - 1} processes can be started at once, by RLIMIT_FSIZE or at all`
      )
    }
    const start = share * this.#given++
    const piece = (at: number, length: number) => ({
      memory: Buffer.from(this.#memory, start + at, length),
      address: this.#address + start + at
    })
    return { seat: piece(0, page), scratch: piece(page, share - page), stack: this.#address + start + page }
  }

  /**
   * Makes a process that serves a seat; its number, or an errno's negative. It has copies of all descriptors. One at a
   * time: what the head says of it must stand until it is there.
   *
   * @param flags of clone(2)
   */
  spawn({ spawn }: MachineCode, flags: number, seat: Seat): number {
    this.#head.setBigUint64(born.seat, BigInt(seat.address), true)
    this.#head.setUint32(born.limit, this.#descriptors(), true)
    return Number(spawn(flags, this.#address))
  }

  /** Why the last process could not execute its program, as an errno's negative; 0 where it could, or has not yet tried. */
  get failure(): number {
    return this.#head.getInt32(born.error, true)
  }

  /** A number that is above those of all descriptors. */
  #descriptors(): number {
    const { memory } = this.#machine
    memory.reset()
    const fd = this.#own.openat({ dirfd: -1, path: "/proc/self/status", flags: 0, mode: 0 })
    const status = Buffer.from(this.#own.read({ fd, count: page })).toString("latin1")
    this.#own.close({ fd })
    return Number(/^FDSize:\s*(\d+)$/m.exec(status)?.[1])
  }

  #makeImage(): number {
    const make = (flags: number) => this.#own.memfd_create({ name: "runfx-init", flags })
    const flags = MFD.CLOEXEC | MFD.ALLOW_SEALING
    try {
      return make(flags | MFD_EXEC)
    } catch (cause) {
      if (!(cause instanceof Refused) || cause.code !== "EINVAL") throw cause
      return make(flags)
    }
  }
}
