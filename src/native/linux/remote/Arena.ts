/**
 * Memory that this process and its servers have in common, at the same address in each: seats, and the arguments of calls.
 *
 * A server and those that it clones are a family. The memory of a family is a memory file of its own, which this process
 * maps, and the first server as its first act; nothing else of this process, nor of another family, is in the memory of a
 * server. So a container that gets hold of one on its way in has what it has anyway: its own. When a family has ended, what is
 * in its memory is given back; another one in its place has memory of its own, so what somebody still has of this leads nowhere.
 */
import * as process from "node:process"
import { F, F_SEAL, MADV, MAP, MFD, PROT, RLIMIT } from "../../constants.ts"
import type { Library } from "../../koffi.ts"
import { attempted, type Handlers, type Machine } from "../Machine.ts"
import { Refused } from "../Refused.ts"
import type { MachineCode } from "./machineCode.ts"
import { program } from "./machineCode.ts"

/** What each server has: a page for its seat, and the rest for the arguments of its calls. The first one is the head. */
const share = 0x80_0000
const page = 4096
/** The most that a family has of them. */
const shares = 64
/** As in `server.*.S`. */
const familySize = shares * share

/** So many families there can be at once; fewer where a limit of the address space leaves no room for so many. */
const counts = [128, 8, 1] as const

/**
 * Where they may be. No kernel puts anything there by itself: it is far from where programs, stacks and files are. Each
 * thread of Node's that has loaded this module has an arena of its own. Some arm64 kernels have addresses of 39 bits only.
 */
const addresses = [[0x1000_0000_0000, 64], [0x10_0000_0000, 7]].flatMap(([base, slots]) =>
  Array.from({ length: slots! }, (_, slot) => base! + slot * 0x10_0000_0000)
)

/** What the head says of the first server: see `server.*.S`. */
const born = {
  seat: 0,
  error: 16,
  limit: 20,
  image: 24,
  argv: 32,
  empty: 40,
  all: 48,
  envp: 56,
  name: 64
} as const
/** What ps(1) calls a server. */
const processName = "runfx-init"

/** Where in the head the arguments of the program are, and its variables; before them is room for 131,000 descriptors. */
const argvAt = 0x80000
const envpAt = 0x70_0000
const mostDescriptors = 131_000

/** `MFD_EXEC` of `linux/memfd.h`; since Linux 6.3, which refuses an executable memfd without it where `vm.memfd_noexec` is 1. */
const MFD_EXEC = 0x10

/** A piece of memory for a server, or for a thread that acts as one. */
export interface Share {
  readonly seat: { readonly memory: Buffer; readonly address: number }
  readonly scratch: { readonly memory: Buffer; readonly address: number }
  /** The end of a stack for a thread. */
  readonly stack: number
}

/** Where the memory of a family is. */
export interface Region {
  readonly index: number
  readonly address: number
  readonly head: DataView
  /** How many shares its memory has now; the head is one of them. */
  shares: number
}

/** One for the whole process. */
export class Arena {
  readonly #library: Library
  readonly #own: Handlers
  readonly #machine: Machine
  readonly #address: number
  readonly #regions: number
  readonly #image: number
  /** Can be read once this process has ended. */
  readonly lifeline: number
  #given = 0

  /** Throws {@link Refused} where the memory can't be had. */
  constructor(library: Library, machine: Machine, own: Handlers) {
    this.#library = library
    this.#own = own
    this.#machine = machine
    const { call, memory, numbers } = machine
    memory.reset()
    const reserved = this.#reserve()
    this.#address = reserved.address
    this.#regions = reserved.count
    const opened: Array<number> = []
    const keep = (fd: number): number => {
      opened.push(fd)
      return fd
    }
    try {
      this.lifeline = keep(own.pidfd_open({ pid: process.pid, flags: 0 }))
      const image = this.#image = keep(this.#makeImage())
      own.write({ fd: image, data: program(this.#address) })
      own.fchmod({ fd: image, mode: 0o555 })
      const seals = F_SEAL.SEAL | F_SEAL.SHRINK | F_SEAL.GROW | F_SEAL.WRITE
      own.fcntl({ fd: image, command: F.ADD_SEALS, argument: seals })
    } catch (cause) {
      for (const fd of opened) attempted(() => call(numbers.close, fd))
      attempted(() => call(numbers.munmap, reserved.address, reserved.count * familySize))
      throw cause
    }
  }

  /** Keeps the addresses of all families free of anything else. */
  #reserve(): { readonly address: number; readonly count: number } {
    const { call, numbers } = this.#machine
    const flags = MAP.PRIVATE | MAP.ANONYMOUS | MAP.NORESERVE | MAP.FIXED_NOREPLACE
    let last: unknown
    for (const count of counts) {
      for (const at of addresses) {
        try {
          return { address: call(numbers.mmap, at, count * familySize, 0, flags, -1, 0), count }
        } catch (cause) {
          // EEXIST: something is there; ENOMEM: there are no such addresses, or a limit
          last = cause
        }
      }
    }
    throw last
  }

  /** The place for a family; its memory is made by {@link spawn}. Throws {@link Refused} where all are given away. */
  region(): Region {
    if (this.#given === this.#regions) {
      throw new Refused("EAGAIN", `no more than ${this.#regions} processes can be started at once`)
    }
    const index = this.#given++
    const address = this.#address + index * familySize
    return { index, address, head: new DataView(this.#library.memoryAt(address, share)), shares: 0 }
  }

  /** The piece of a family's memory for one of its servers, from 0 on. Throws {@link Refused} where there are no more. */
  share(region: Region, index: number): Share {
    if (index >= region.shares - 1) {
      const limit = region.shares < shares ? " by RLIMIT_FSIZE" : ""
      throw new Refused("EAGAIN", `a process and what it has cloned can't be more than ${region.shares - 1}${limit}`)
    }
    return this.#piece(region.address + (index + 1) * share)
  }

  /** A piece for a thread of this process, which no server has. */
  threadShare(): Share {
    const { call, numbers } = this.#machine
    const flags = MAP.PRIVATE | MAP.ANONYMOUS | MAP.NORESERVE
    return this.#piece(call(numbers.mmap, 0, share, PROT.READ | PROT.WRITE, flags, -1, 0))
  }

  #piece(address: number): Share {
    const memory = this.#library.memoryAt(address, share)
    const piece = (at: number, length: number) => ({ memory: Buffer.from(memory, at, length), address: address + at })
    return { seat: piece(0, page), scratch: piece(page, share - page), stack: address + page }
  }

  /**
   * Makes a process that serves a seat of a family; its number, or an errno's negative. It has copies of all descriptors.
   * All of the family's memory is new.
   *
   * @param flags of clone(2)
   * @param seatOf prepares a seat in that memory, and tells where it is
   */
  spawn({ spawn }: MachineCode, flags: number, region: Region, seatOf: () => number): number {
    const fd = this.#renew(region)
    try {
      const limit = this.#descriptors()
      if (limit > mostDescriptors) throw new Refused("EMFILE", `there are more than ${mostDescriptors} descriptors`)
      const { address, head } = region
      head.setBigUint64(born.seat, BigInt(seatOf()), true)
      head.setUint32(born.limit, limit, true)
      head.setInt32(born.image, this.#image, true)
      head.setBigInt64(born.all, -1n, true)
      Buffer.from(head.buffer, born.name, 16).write(processName)
      const empty = BigInt(address + born.empty)
      const list = (field: number, at: number, length: number) => {
        head.setBigUint64(field, BigInt(address + at), true)
        for (let entry = 0; entry < length; entry++) head.setBigUint64(at + entry * 8, empty, true)
      }
      // the program takes the number of its arguments for the descriptor, and that of its variables for the index
      list(born.argv, argvAt, fd)
      list(born.envp, envpAt, region.index)
      return Number(spawn(flags, address))
    } finally {
      this.#machine.memory.reset()
      this.#own.close({ fd })
    }
  }

  /**
   * Gives back what is in the memory of a family that has ended. It is all zero then.
   *
   * @param servers how many pieces of it have had one
   */
  release({ address }: Region, servers: number): void {
    const { call, numbers } = this.#machine
    call(numbers.madvise, address, (servers + 1) * share, MADV.REMOVE)
  }

  /** Why a process could not execute its program, as an errno's negative; 0 where it could, or has not yet tried. */
  failureIn({ head }: Region): number {
    return head.getInt32(born.error, true)
  }

  /** Puts new memory into the place of a family's; a descriptor of it. */
  #renew(region: Region): number {
    const { call, memory, numbers } = this.#machine
    memory.reset()
    // a memory file is a file: RLIMIT_FSIZE bounds it, while more of it than there is can be mapped
    const { soft } = this.#own.prlimit64({ pid: 0, resource: RLIMIT.FSIZE, limit: null })
    const count = Math.floor(Math.min(familySize, Number(soft)) / share)
    if (count < 2) throw new Refused("EFBIG", `RLIMIT_FSIZE is ${soft}; to start a process takes ${2 * share}`)
    const fd = this.#own.memfd_create({ name: "runfx-arena", flags: MFD.CLOEXEC | MFD.ALLOW_SEALING })
    try {
      call(numbers.ftruncate, fd, count * share)
      // who else gets hold of it must not be able to take it away from below this process
      this.#own.fcntl({ fd, command: F.ADD_SEALS, argument: F_SEAL.SEAL | F_SEAL.SHRINK | F_SEAL.GROW })
      call(numbers.mmap, region.address, familySize, PROT.READ | PROT.WRITE, MAP.SHARED | MAP.FIXED, fd, 0)
      region.shares = count
      return fd
    } catch (cause) {
      attempted(() => call(numbers.close, fd))
      throw cause
    }
  }

  /** A number that is above those of all descriptors. */
  #descriptors(): number {
    const { memory } = this.#machine
    memory.reset()
    const fd = this.#own.openat({ dirfd: -1, path: "/proc/self/status", flags: 0, mode: 0 })
    try {
      const status = Buffer.from(this.#own.read({ fd, count: page })).toString("latin1")
      return Number(/^FDSize:\s*(\d+)$/m.exec(status)?.[1])
    } finally {
      this.#own.close({ fd })
    }
  }

  #makeImage(): number {
    const make = (flags: number) => this.#own.memfd_create({ name: "runfx-init", flags })
    const flags = MFD.CLOEXEC | MFD.ALLOW_SEALING
    try {
      return make(flags | MFD_EXEC)
    } catch (cause) {
      if (!(cause instanceof Refused)) throw cause
      if (cause.code === "EINVAL") return make(flags)
      if (cause.code !== "EACCES") throw cause
      throw new Refused(
        "EACCES",
        "processes are executed from a memory file: vm.memfd_noexec must be 0 or 1 (sysctl(8))"
      )
    }
  }
}
