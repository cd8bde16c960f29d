/**
 * Memory that this process and its servers have in common, at the same address in each: mailboxes, and the arguments of calls.
 *
 * A server and those that it clones are a group. Each group has a memory file of its own. This process maps it, and the
 * first server maps it as its first act; a server has no other memory of this process or of another group. So a container
 * that takes over a joining server gets nothing that it does not have already. When a group has ended, the content of its
 * memory is freed. The next group in its place has new memory, so what a stranger has kept of the old one is of no use.
 *
 * The addresses are random, so that they can't be guessed.
 */
import { F, F_SEAL, MADV, MAP, MFD, PROT } from "../../constants.ts"
import { Refused } from "../../Refused.ts"
import type { Library } from "../koffi.ts"
import { attempted, type Syscalls } from "../Syscalls.ts"
import { sizes } from "./layout.ts"
import type { Own } from "./ownCalls.ts"

const page = 4096

/** What a group has: see {@link Spawner} for its head; then so many pieces, of a size, for a server each. */
interface Layout {
  readonly segment: number
  readonly segments: number
}

/**
 * The first for which there is room: a limit may be in the way. A piece must have room for the largest message of a
 * channel.
 */
const layouts: ReadonlyArray<Layout> = [
  { segment: 0x80_0000, segments: 63 },
  { segment: 0x80_0000, segments: 3 },
  { segment: 0x10_0000, segments: 3 },
  { segment: 0x4_0000, segments: 2 }
]
const sizeOf = ({ segment, segments }: Layout): number => sizes.head + segment * segments

/** The least that a group takes, in bytes. */
export const leastSize = sizeOf(layouts.at(-1)!)
/** The most. */
export const mostSize = sizeOf(layouts[0]!)

/**
 * Where it may be. No kernel puts anything there by itself: it is far from where programs, stacks and files are. Some arm64
 * kernels have addresses of 39 bits only.
 */
const ranges = [[0x1000_0000_0000, 0x5000_0000_0000], [0x10_0000_0000, 0x70_0000_0000]] as const

/** How often a place is looked for in a range: few places are taken. */
const attempts = 4

/** A piece of memory for a server. */
export interface Segment {
  readonly mailbox: { readonly memory: Buffer; readonly address: number }
  readonly scratch: { readonly memory: Buffer; readonly address: number }
}

/** Where the memory of a group is. */
export interface GroupMemory {
  readonly address: number
  /** How many bytes are kept for it. */
  readonly size: number
  readonly head: DataView
  /** How its memory is divided now. */
  layout: Layout
}

/** The memory of all groups. */
export class SharedMemory {
  readonly #library: Library
  readonly #own: Own
  readonly #machine: Syscalls

  constructor(library: Library, machine: Syscalls, own: Own) {
    this.#library = library
    this.#own = own
    this.#machine = machine
  }

  /** Keeps addresses for a group; its memory is made by {@link renew}. Throws {@link Refused} if there are none. */
  memory(): GroupMemory {
    const { call, numbers } = this.#machine
    const flags = MAP.PRIVATE | MAP.ANONYMOUS | MAP.NORESERVE | MAP.FIXED_NOREPLACE
    let last: unknown
    for (const layout of layouts) {
      const size = sizeOf(layout)
      for (const range of ranges) {
        for (let left = attempts; left > 0; left--) {
          try {
            const address = call(numbers.mmap, this.#somewhere(range, size), size, 0, flags, -1, 0)
            return { address, size, layout, head: new DataView(this.#library.memoryAt(address, sizes.head)) }
          } catch (cause) {
            // EEXIST: something is there; ENOMEM: there are no such addresses, or a limit
            last = cause
          }
        }
      }
    }
    if (!(last instanceof Refused)) throw last
    throw new Refused(last.code, `mmap(2) of ${leastSize} bytes to share with a process: ${last.detail ?? last.code}`, {
      advice: "raise the limit of the address space (RLIMIT_AS, ulimit -v)"
    })
  }

  #somewhere([from, to]: readonly [number, number], size: number): number {
    const random = Buffer.from(this.#own({ _tag: "getrandom", count: 8 })).readBigUInt64LE()
    const pages = BigInt(Math.floor((to - from - size) / page))
    return from + Number(random % pages) * page
  }

  /** The piece of a group's memory for one of its servers, from 0 on. Throws {@link Refused} if there are no more. */
  segment({ address, layout: { segment, segments } }: GroupMemory, index: number): Segment {
    if (index >= segments) {
      const limit = segments < layouts[0]!.segments ? " by RLIMIT_FSIZE or RLIMIT_AS" : ""
      throw new Refused("EAGAIN", `a process and what it has cloned can't be more than ${segments}${limit}`)
    }
    return this.#piece(address + sizes.head + index * segment, segment)
  }

  #piece(address: number, size: number): Segment {
    const memory = this.#library.memoryAt(address, size)
    const piece = (at: number, length: number) => ({ memory: Buffer.from(memory, at, length), address: address + at })
    return { mailbox: piece(0, page), scratch: piece(page, size - page) }
  }

  /**
   * Gives back what is in the memory of a group that has ended. It is all zero then.
   *
   * @param servers how many pieces of it have had one
   */
  release({ address, layout: { segment } }: GroupMemory, servers: number): void {
    const { call, numbers } = this.#machine
    call(numbers.madvise, address, sizes.head + servers * segment, MADV.REMOVE)
  }

  /**
   * Puts new memory into the place of a group's; a descriptor of it.
   *
   * @param room the largest file that may be made
   */
  renew(memory: GroupMemory, room: number): number {
    const { call, numbers } = this.#machine
    const most = Math.min(room, memory.size)
    const layout = layouts.find((layout) => sizeOf(layout) <= most) ?? layouts.at(-1)!
    const size = sizeOf(layout)
    const fd = this.#own({ _tag: "memfd_create", name: "runfx-shared", flags: MFD.CLOEXEC | MFD.ALLOW_SEALING })
    try {
      this.#own({ _tag: "ftruncate", fd, length: BigInt(size) })
      // a stranger who gets hold of it must not be able to shrink it while this process has it mapped
      this.#own({ _tag: "fcntl", fd, command: F.ADD_SEALS, argument: F_SEAL.SEAL | F_SEAL.SHRINK | F_SEAL.GROW })
      call(numbers.mmap, memory.address, size, PROT.READ | PROT.WRITE, MAP.SHARED | MAP.FIXED, fd, 0)
      memory.layout = layout
      return fd
    } catch (cause) {
      attempted(() => this.#own({ _tag: "close", fd }))
      throw cause
    }
  }

  /** How many bytes of a memory are in use. */
  static sizeOf({ layout }: GroupMemory): number {
    return sizeOf(layout)
  }
}
