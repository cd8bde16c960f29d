/**
 * Memory that this process and its servers have in common, at the same address in each: seats, and the arguments of calls.
 *
 * It is a memory file; this process maps it, and each server does as its first act. Nothing else of this process is in
 * the memory of a server.
 */
import * as process from "node:process"
import { F, F_SEAL, MAP, MFD, P, PROT, W } from "../../constants.ts"
import type { Library } from "../../koffi.ts"
import type { Handlers, Machine } from "../Machine.ts"
import { Refused } from "../Refused.ts"
import type { MachineCode } from "./machineCode.ts"
import { program } from "./machineCode.ts"
import type { Seat } from "./Seat.ts"

/** As in `server.*.S`. No kernel puts anything there by itself: it is far from where programs, stacks and files are. */
const address = 0x1000_0000_0000
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
/** The first one is the head's. */
const shares = size / share - 1

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
  /** Can be read once this process has ended. */
  readonly lifeline: number
  #given = 0

  /** Throws {@link Refused} where the memory can't be had. */
  constructor(library: Library, machine: Machine, own: Handlers) {
    this.#own = own
    this.#machine = machine
    const { call, memory, numbers } = machine
    memory.reset()
    const fd = own.memfd_create({ name: "runfx-arena", flags: MFD.CLOEXEC })
    call(numbers.ftruncate, fd, size)
    const { READ, WRITE } = PROT
    const mapped = call(numbers.mmap, address, size, READ | WRITE, MAP.SHARED | MAP.FIXED_NOREPLACE, fd, 0)
    // a kernel before 4.17 takes the flag for none
    if (mapped !== address) throw new Refused("EEXIST", "there is something at the address of the arena")
    this.#memory = library.memoryAt(address, size)
    this.#head = new DataView(this.#memory, 0, share)
    this.lifeline = own.pidfd_open({ pid: process.pid, flags: 0 })
    this.#head.setInt32(born.image, this.#program(), true)
    this.#head.setBigUint64(born.argv, BigInt(address + argvAt), true)
    this.#head.setBigInt64(born.all, -1n, true)
    Buffer.from(this.#memory, born.name, 16).write(processName)
    // the program takes the number of its arguments for the arena's descriptor
    for (let index = 0; index < fd; index++) {
      this.#head.setBigUint64(argvAt + index * 8, BigInt(address + born.empty), true)
    }
  }

  /** Throws {@link Refused} where all have been given away. */
  share(): Share {
    if (this.#given === shares) throw new Refused("EAGAIN", `no more than ${shares} processes can be started at once`)
    const start = share * ++this.#given
    const piece = (at: number, length: number) => ({
      memory: Buffer.from(this.#memory, start + at, length),
      address: address + start + at
    })
    return { seat: piece(0, page), scratch: piece(page, share - page), stack: address + start + page }
  }

  /**
   * Makes a process that serves a seat; its number. It has copies of all descriptors.
   *
   * @param flags of clone(2)
   */
  spawn({ spawn }: MachineCode, flags: number, seat: Seat): number {
    this.#head.setBigUint64(born.seat, BigInt(seat.address), true)
    this.#head.setUint32(born.limit, this.#descriptors(), true)
    const pid = Number(spawn(flags, address))
    const error = this.#head.getInt32(born.error, true)
    if (pid < 0 || error === 0) return pid
    this.#machine.memory.reset()
    this.#own.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
    return error
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

  #program(): number {
    const flags = MFD.CLOEXEC | MFD.ALLOW_SEALING
    let fd
    try {
      fd = this.#own.memfd_create({ name: "runfx-init", flags: flags | MFD_EXEC })
    } catch (cause) {
      if (!(cause instanceof Refused) || cause.code !== "EINVAL") throw cause
      fd = this.#own.memfd_create({ name: "runfx-init", flags })
    }
    this.#own.write({ fd, data: program() })
    this.#own.fchmod({ fd, mode: 0o555 })
    const seals = F_SEAL.SEAL | F_SEAL.SHRINK | F_SEAL.GROW | F_SEAL.WRITE
    this.#own.fcntl({ fd, command: F.ADD_SEALS, argument: seals })
    return fd
  }
}
